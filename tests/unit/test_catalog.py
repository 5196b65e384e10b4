"""Which job a source or a word means."""

from pathlib import Path

import pytest

from conftest import picture
from faceblur import catalog, images
from faceblur.errors import UsageError
from faceblur.job import Job


def frames(folder: Path) -> Path:
    folder.mkdir(parents=True)
    images.write(folder / "frame_0000000001.png", picture())
    return folder


def test_jobs_are_folders_with_frames_in_order_of_name(tmp_path: Path) -> None:
    frames(tmp_path / "b")
    frames(tmp_path / "a")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    assert [job.name for job in catalog.all_jobs(tmp_path, tmp_path / "out")] == ["a", "b"]


def test_no_input_folder_means_no_jobs(tmp_path: Path) -> None:
    assert catalog.all_jobs(tmp_path / "nowhere", tmp_path) == []


def test_an_unknown_job_names_the_known_ones(tmp_path: Path) -> None:
    frames(tmp_path / "known")
    with pytest.raises(UsageError, match=r"no job is called 'other'.*there are: known"):
        catalog.find_job("other", tmp_path, tmp_path / "out")


def test_a_folder_of_frames_elsewhere_is_a_job(tmp_path: Path) -> None:
    folder = frames(tmp_path / "camera" / "take1")
    job = catalog.find_job(str(folder), tmp_path / "input", tmp_path / "output")
    assert (job.name, job.frames.folder, job.folder) == ("take1", folder, tmp_path / "output" / "take1")


def test_a_source_in_the_input_folder_is_named_from_there(tmp_path: Path) -> None:
    assert catalog.relative_source(tmp_path / "in/sub/a.mp4", tmp_path / "in") == "sub/a.mp4"
    assert catalog.relative_source(tmp_path / "a.mp4", tmp_path / "in") == str(tmp_path / "a.mp4")


@pytest.mark.parametrize(
    ("file", "name"),
    [("clip.mp4", "clip"), ("a.b.mp4", "a.b"), ("..hidden.mp4", "hidden"), ("ж é.mov", "ж é")],
)
def test_a_job_is_named_after_its_source(file: str, name: str) -> None:
    assert catalog.job_name(Path(file)) == name


def test_long_names_are_shortened_and_stay_different() -> None:
    one, two = (catalog.job_name(Path("é" * 120 + end + ".mp4")) for end in "ab")
    assert one != two
    assert all(len(name.encode()) <= 150 for name in (one, two))


def test_a_source_without_an_ending_gets_a_job_beside_it(tmp_path: Path) -> None:
    source = tmp_path / "input" / "clip"
    source.parent.mkdir(parents=True)
    source.write_bytes(b"a video")
    assert catalog.job_for(source, "ab" * 32, tmp_path / "input", tmp_path / "output", make=Job).name == "clip-abababab"
