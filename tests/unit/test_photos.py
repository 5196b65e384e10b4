"""Photos through the whole way: hidden where a face is, otherwise as they were, and nothing that tells of a place."""

import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from conftest import picture, write_clip
from faceblur import images, stills
from faceblur.catalog import all_jobs
from faceblur.context import Context
from faceblur.detectors.null import Null
from faceblur.errors import FaceblurError, SourceError, UsageError
from faceblur.job import DirectJob
from faceblur.options import METADATA, Options
from faceblur.pipeline import Source, run, run_each, sources
from faceblur.verify import verify

Make = Callable[..., Context]
FACE = (20, 16, 52, 48)


def photo(path: Path, *, face: bool = True, exif: bool = False) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = cv2.GaussianBlur(picture(96, 64), (0, 0), 3)
    if face:
        image[FACE[1] : FACE[3], FACE[0] : FACE[2]] = (0, 255, 0)
    tags = Pillow.Exif()
    if exif:
        tags[0x010E] = "MARKER"
        tags[0x0112] = 6
    Pillow.fromarray(image[:, :, ::-1]).save(path, exif=tags, **({"quality": 95} if path.suffix == ".jpg" else {}))
    return path


def is_green(image: images.Pixels) -> bool:
    blue, green, red = image[32, 36, :3].tolist()
    return bool(green > 200 and blue < 60 and red < 60)


@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp", ".tif", ".bmp"])
def test_a_face_in_a_photo_is_hidden(tmp_path: Path, context: Make, ending: str) -> None:
    result = run(photo(tmp_path / f"face{ending}"), context(style="solid"))
    assert result == context().options.output / "face" / f"face-blurred{ending}"
    assert is_green(stills.read(tmp_path / f"face{ending}").image)
    assert stills.read(result).image[32, 36].max() < 30


def test_a_photo_without_a_face_keeps_its_picture_and_loses_its_tags(tmp_path: Path, context: Make) -> None:
    source = tmp_path / "none.jpg"
    Pillow.fromarray(cv2.GaussianBlur(picture(96, 64), (0, 0), 3)).save(source, comment=b"MARKER")
    result = run(source, context())
    assert b"MARKER" in source.read_bytes()
    assert b"MARKER" not in result.read_bytes()
    assert np.array_equal(stills.read(result).image, stills.read(source).image)


def test_a_turned_photo_comes_out_upright(tmp_path: Path, context: Make) -> None:
    result = run(photo(tmp_path / "turned.jpg", exif=True), context(style="solid"))
    with Pillow.open(result) as found:
        assert found.size == (64, 96)
        assert not found.getexif()
    assert b"MARKER" not in result.read_bytes()


@pytest.mark.parametrize("mode", ["L", "RGBA", "I;16", "P"])
def test_photos_of_every_depth_and_number_of_channels_are_redacted(tmp_path: Path, context: Make, mode: str) -> None:
    # What the detector of the tests looks for is a colour, so a person says what is to be hidden.
    source = tmp_path / "some.png"
    if mode == "I;16":
        cv2.imwrite(str(source), (picture(96, 64).astype(np.uint16) * 257))
    else:
        Pillow.fromarray(picture(96, 64)).convert(mode).save(source)
    job = DirectJob("some", context().options.input, context().options.output)
    job.folder.mkdir(parents=True)
    box = '{"id": "1", "action": "hide", "kind": "face", "boxes": [[1, [20, 16, 52, 48]]]}\n'
    job.decisions.path.write_text(box)
    result = run(source, context(style="solid"))
    before, after = stills.read(source).image, stills.read(result).image
    assert (after.shape, after.dtype) == (before.shape, before.dtype)
    assert not after[20:44, 24:48, : 3 if after.shape[2] > 1 else 1].any()
    assert np.array_equal(after[:, 70:], before[:, 70:])


def test_a_debug_picture_shows_what_is_hidden(tmp_path: Path, context: Make) -> None:
    run(photo(tmp_path / "face.jpg"), context(debug=True))
    assert is_green(images.read(context().options.output / "face" / "face-debug.png"))


def test_a_second_run_detects_nothing_and_leaves_the_file(
    tmp_path: Path, context: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = run(photo(tmp_path / "face.jpg"), context())
    before = result.stat().st_mtime_ns
    monkeypatch.setattr(Null, "rows", None)
    assert run(tmp_path / "face.jpg", context()) == result
    assert result.stat().st_mtime_ns == before


def test_options_of_videos_are_refused_for_a_photo(tmp_path: Path, context: Make) -> None:
    with pytest.raises(UsageError, match="is a photo"):
        run(photo(tmp_path / "face.jpg"), context(scale=32))


def test_a_cut_photo_is_damaged(tmp_path: Path, context: Make) -> None:
    source = photo(tmp_path / "face.jpg")
    source.write_bytes(source.read_bytes()[:-200])
    with pytest.raises(SourceError, match="--damaged accept"):
        run(source, context())
    assert run(source, context(damaged="accept")).exists()


def folder(tmp_path: Path) -> Path:
    """A folder of photos and a video, some in folders, some of equal names."""
    base = tmp_path / "trip"
    photo(base / "a.jpg")
    photo(base / "a.png")
    photo(base / "sub" / "a.jpg", face=False)
    photo(base / "sub" / "b.bmp")
    write_clip(base / "sub" / "film.avi", [picture(seed=i) for i in range(3)], codec="mpeg4")
    (base / "notes.txt").write_text("x")
    (base / ".hidden.jpg").write_bytes((base / "a.jpg").read_bytes())
    return base


def test_a_folder_comes_out_as_a_folder_of_the_same_names(tmp_path: Path, context: Make) -> None:
    base = folder(tmp_path)
    before = {p: p.read_bytes() for p in base.rglob("*") if p.is_file()}
    found = sources(base, context())
    for source in found:
        run_each(source, context())
    out = context().options.output / "trip-blurred"
    names = sorted(str(p.relative_to(out)) for p in out.rglob("*") if p.is_file())
    assert names == ["a.jpg", "a.png", "sub/a.jpg", "sub/b.bmp", "sub/film.avi.mp4"]
    assert {p: p.read_bytes() for p in base.rglob("*") if p.is_file()} == before


def test_what_is_called_a_photo_and_is_none_is_told(tmp_path: Path, context: Make) -> None:
    (tmp_path / "trip").mkdir()
    (tmp_path / "trip" / "a.jpg").write_text("not a photo")
    [source] = sources(tmp_path / "trip", context())
    with pytest.raises(SourceError, match=r"a\.jpg"):
        run_each(source, context())


def test_a_folder_goes_where_it_is_told(tmp_path: Path, context: Make) -> None:
    photo(tmp_path / "trip" / "sub" / "a.jpg")
    options = context(out=tmp_path / "there")
    [source] = sources(tmp_path / "trip", options)
    assert run_each(source, options) == tmp_path / "there" / "sub" / "a.jpg"


def test_what_came_out_in_the_same_folder_is_no_source(tmp_path: Path, context: Make) -> None:
    photo(tmp_path / "trip" / "a.jpg")
    options = context(out=tmp_path / "trip" / "blurred")
    for _ in range(2):
        [source] = sources(tmp_path / "trip", options)
        assert run_each(source, options) == tmp_path / "trip" / "blurred" / "a.jpg"


def test_linked_folders_are_left_out_and_told_of(
    tmp_path: Path, context: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    photo(tmp_path / "elsewhere" / "b.jpg")
    photo(tmp_path / "trip" / "a.jpg")
    (tmp_path / "trip" / "linked").symlink_to(tmp_path / "elsewhere")
    told = context()
    told.progress.warn = (said := []).append  # type: ignore[method-assign]
    assert [source.path.name for source in sources(tmp_path / "trip", told)] == ["a.jpg"]
    assert ["1 of the folders in it are links" in text for text in said] == [True]


def test_a_folder_that_cannot_be_read_is_never_left_out(
    tmp_path: Path, context: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo(tmp_path / "trip" / "a.jpg")
    photo(tmp_path / "trip" / "sub" / "b.jpg")
    scandir = os.scandir

    def refused(path: str) -> object:
        if str(path).endswith("sub"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(SourceError, match=r"cannot read the folder .*sub: Permission denied"):
        sources(tmp_path / "trip", context())


def test_equal_photos_in_two_places_come_out_in_both(tmp_path: Path, context: Make) -> None:
    for name in ("one", "two"):
        photo(tmp_path / "trip" / name / "a.jpg")
    for _ in range(2):
        results = [run_each(source, context()) for source in sources(tmp_path / "trip", context())]
    assert [r.parent.name for r in results] == ["one", "two"]
    assert all(r.exists() for r in results)


@pytest.mark.parametrize("alone", [True, False], ids=["the video alone", "the folder"])
@pytest.mark.parametrize("first", [True, False], ids=["with frames", "without"])
def test_a_video_in_a_folder_is_one_job_whichever_way(tmp_path: Path, context: Make, alone: bool, first: bool) -> None:
    made = write_clip(tmp_path / "trip" / "film.mp4", [picture(seed=i) for i in range(3)])
    [source] = sources(made if alone else made.parent, context())
    run_each(source, context(no_frames=not first))
    [inside] = sources(made.parent, context())
    assert run_each(inside, context(no_frames=first)).exists()
    name = "film" if alone else "trip-film"
    assert [job.name for job in all_jobs(context().options.input, context().options.output)] == [name]


def test_a_folder_that_was_run_keeps_its_jobs_when_one_of_its_videos_is_run_alone(
    tmp_path: Path, context: Make
) -> None:
    made = write_clip(tmp_path / "trip" / "film.mp4", [picture(seed=i) for i in range(3)])
    [inside] = sources(made.parent, context())
    for source in (inside, Source(made), inside):
        assert run_each(source, context(style="solid" if source is inside else "blur")).exists()
    assert [job.name for job in all_jobs(context().options.input, context().options.output)] == ["film", "trip-film"]


def test_jobs_inside_a_folder_are_no_sources(tmp_path: Path, context: Make) -> None:
    photo(tmp_path / "a.jpg")
    run_each(Source(tmp_path / "a.jpg"), context(debug=True))
    assert [s.path.name for s in sources(tmp_path, context())] == ["a.jpg"]


def test_pipes_in_a_folder_are_left_alone(tmp_path: Path, context: Make) -> None:
    made = photo(tmp_path / "album" / "face.jpg")
    os.mkfifo(tmp_path / "album" / "pipe.jpg")
    assert [source.path for source in sources(tmp_path / "album", context())] == [made]


@pytest.mark.parametrize("no_frames", [False, True])
def test_a_pipe_is_refused_before_anything_is_read_from_it(tmp_path: Path, context: Make, no_frames: bool) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(SourceError, match="is no file but a pipe"):
        run(tmp_path / "pipe.mp4", context(no_frames=no_frames))


def test_a_folder_without_anything_is_refused(tmp_path: Path, context: Make) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no photos and no videos"):
        sources(tmp_path / "empty", context())


def test_a_photo_that_somebody_else_put_there_is_not_written_over(tmp_path: Path, context: Make) -> None:
    target = photo(tmp_path / "out.jpg", face=False)
    before = target.read_bytes()
    with pytest.raises(FaceblurError, match="did not make it"):
        run(photo(tmp_path / "face.jpg"), context(out=target))
    assert target.read_bytes() == before


def test_a_debug_picture_is_what_was_made_too(tmp_path: Path, context: Make) -> None:
    run(photo(tmp_path / "face.jpg"), context(debug=True))
    assert verify(context().options.output / "face" / "face-debug.png", context())["checks"]["kind"] == "png"


def test_a_group_of_metadata_that_is_none_is_told_before_anything_is_done() -> None:
    with pytest.raises(UsageError, match="--keep-metadata 'place': must be one of date, camera"):
        Options(keep_metadata=("place",))


def test_the_groups_of_metadata_are_those_that_photos_know() -> None:
    assert stills.GROUPS == METADATA


def test_captions_are_not_for_photos(tmp_path: Path, context: Make) -> None:
    with pytest.raises(UsageError, match="photos and --no-frames have none"):
        run(photo(tmp_path / "face.jpg"), context(overlay=("time",)))
