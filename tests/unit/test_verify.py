"""A finished file is what its report says, or verify names what differs."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from test_photos import photo

from conftest import moving_face, write_clip
from faceblur import catalog
from faceblur.context import Context
from faceblur.errors import MediaError, SourceError, UsageError
from faceblur.pipeline import clean, run
from faceblur.verify import verify

Make = Callable[..., Context]


@pytest.mark.parametrize("bare", [False, True])
def test_a_finished_video_is_what_was_made(clip: Path, context: Make, bare: bool) -> None:
    result = run(clip, context(no_frames=bare))
    assert verify(result, context())["checks"]["frames"] == 12


def test_a_finished_photo_is_what_was_made(tmp_path: Path, context: Make) -> None:
    assert verify(run(photo(tmp_path / "face.jpg"), context()), context())["checks"]["kind"] == "jpeg"


def test_a_video_that_was_replaced_is_named_with_what_differs(tmp_path: Path, clip: Path, context: Make) -> None:
    result = run(clip, context())
    write_clip(result, moving_face(11))
    with pytest.raises(MediaError, match=r"SHA-256 .* frames"):
        verify(result, context())


def test_a_photo_that_was_replaced_is_named(tmp_path: Path, context: Make) -> None:
    result = run(photo(tmp_path / "face.jpg"), context())
    photo(result)
    with pytest.raises(MediaError, match="SHA-256"):
        verify(result, context())


@pytest.mark.parametrize("bare", [False, True])
def test_every_output_of_a_job_keeps_its_report(tmp_path: Path, clip: Path, context: Make, bare: bool) -> None:
    outs = [tmp_path / f"{number}.mp4" for number in range(3)]
    for number, out in enumerate(outs):
        run(clip, context(out=out, no_frames=bare, crf=20 + number))
    assert [verify(out, context())["path"] for out in outs] == [str(out) for out in outs]
    with outs[0].open("ab") as file:
        file.write(b"more")
    with pytest.raises(MediaError, match="SHA-256"):
        verify(outs[0], context())


@pytest.mark.parametrize("bare", [False, True])
def test_outputs_of_one_name_in_two_folders_are_told_apart(
    tmp_path: Path, clip: Path, context: Make, monkeypatch: pytest.MonkeyPatch, bare: bool
) -> None:
    for crf, folder in enumerate(("a", "b"), start=20):
        (tmp_path / folder).mkdir()
        monkeypatch.chdir(tmp_path / folder)
        run(clip, context(out=Path("out.mp4"), no_frames=bare, crf=crf))
    monkeypatch.chdir(tmp_path)
    for folder in ("a", "b"):
        assert verify(Path(folder, "out.mp4"), context())["path"] == str(tmp_path / folder / "out.mp4")
    with (tmp_path / "a" / "out.mp4").open("ab") as file:
        file.write(b"more")
    with pytest.raises(MediaError, match="SHA-256"):
        verify(tmp_path / "a" / "out.mp4", context())


def test_an_output_is_found_however_it_is_named_and_made_again(
    tmp_path: Path, clip: Path, context: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for crf, out in enumerate((Path("out.mp4"), tmp_path / "out.mp4", Path("input", "..", "out.mp4")), start=20):
        assert verify(run(clip, context(out=out, crf=crf)), context())["path"] == str(tmp_path / "out.mp4")


@pytest.mark.parametrize("bare", [False, True])
def test_a_file_is_checked_when_all_else_of_its_job_was_cleaned_away(clip: Path, context: Make, bare: bool) -> None:
    result = run(clip, context(no_frames=bare))
    [job] = catalog.all_jobs(context().options.input, context().options.output)
    clean(job, "work")
    assert verify(result, context())
    with result.open("ab") as file:
        file.write(b"more")
    with pytest.raises(MediaError, match="SHA-256"):
        verify(result, context())


def test_a_file_that_moved_is_found_by_its_content(tmp_path: Path, clip: Path, context: Make) -> None:
    moved = shutil.move(run(clip, context()), tmp_path / "elsewhere.mp4")
    assert verify(Path(moved), context())["path"].endswith("clip-blurred.mp4")


def test_reports_that_were_read_for_many_files_are_not_read_again(clip: Path, tmp_path: Path, context: Make) -> None:
    """Else to verify thousands of photos would take the square of their number."""
    result = Path(shutil.copy(run(clip, context()), tmp_path / "copy.mp4"))
    reports = catalog.all_reports(context().options.output)
    shutil.rmtree(context().options.output)
    assert verify(result, context(), reports=reports) == reports[0]["blurred"]


def test_a_report_elsewhere_can_be_named(tmp_path: Path, clip: Path, context: Make) -> None:
    result = run(clip, context())
    report = shutil.copy(result.parent / "report.json", tmp_path / "report.json")
    moved = Path(shutil.move(result, tmp_path / "x.mp4"))
    shutil.rmtree(context().options.output)
    assert verify(moved, context(), Path(report))


def test_a_file_of_nobody_is_refused(clip: Path, context: Make) -> None:
    with pytest.raises(UsageError, match="--report FILE"):
        verify(clip, context())


def test_what_is_no_report_is_refused(tmp_path: Path, clip: Path, context: Make) -> None:
    for text in ("[]", "x"):
        (tmp_path / "report.json").write_text(text)
        with pytest.raises(SourceError, match="is not a report"):
            verify(clip, context(), tmp_path / "report.json")


def test_a_missing_file_is_refused(tmp_path: Path, context: Make) -> None:
    with pytest.raises(SourceError, match="is not there"):
        verify(tmp_path / "nothing.mp4", context())
