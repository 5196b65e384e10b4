"""The finished video is whole, checked and current, or it is not there."""

import errno
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from conftest import GREEN, moving_face, picture, pictures, play, write_clip
from faceblur import catalog, images, media
from faceblur.assemble import assemble
from faceblur.context import Context
from faceblur.crew import blur
from faceblur.errors import IncompleteError, Interrupted, MediaError, OutputError, SourceError, UsageError
from faceblur.job import Job
from faceblur.pipeline import run
from faceblur.progress import Progress
from faceblur.split import split

Maker = Callable[..., Context]


@pytest.fixture
def job(job: Job, context: Maker) -> Job:
    """The clip's job, blurred."""
    blur(job, context(), every=True)
    return job


def leftovers(folder: Path) -> list[Path]:
    """Videos under `folder`, finished or half-written."""
    return [p for p in folder.rglob("*") if p.suffix in (".mp4", ".mkv", ".mov", ".webm") or ".tmp" in p.name]


def greens(image: images.Image) -> int:
    """How many pixels look like a painted face."""
    return int((np.abs(image.astype(int) - GREEN).max(axis=2) < 60).sum())


def test_the_faces_are_gone_and_the_rest_is_as_it_was(clip: Path, job: Job, context: Maker) -> None:
    blur(job, context(style="solid"), every=True)
    out = pictures(assemble(job, context(crf=1)))
    for before, after in zip(pictures(clip), out, strict=True):
        assert greens(before) > 200
        assert greens(after) == 0
        assert np.abs(before.astype(int) - after)[50:].mean() < 6


# It refuses


def test_mistake_04_a_missing_frame_is_named_and_nothing_is_written(job: Job, context: Maker) -> None:
    job.pictures.blurred_path(4).unlink()
    job.pictures.blurred_path(9).unlink()
    with pytest.raises(IncompleteError, match="frames 4, 9; run blur again"):
        assemble(job, context())
    assert leftovers(job.folder) == []


def test_a_truncated_frame_is_refused(job: Job, context: Maker) -> None:
    data = job.pictures.blurred_path(4).read_bytes()
    job.pictures.blurred_path(4).write_bytes(data[: len(data) // 2])
    with pytest.raises(IncompleteError, match="frame 4"):
        assemble(job, context())
    assert leftovers(job.folder) == []


def test_a_frame_with_scrambled_bytes_is_refused(job: Job, context: Maker) -> None:
    data = bytearray(job.pictures.blurred_path(4).read_bytes())
    data[len(data) // 2] ^= 0xFF
    job.pictures.blurred_path(4).write_bytes(data)
    with pytest.raises((IncompleteError, SourceError), match=r"frame_0000000004.png.blurred.png"):
        assemble(job, context())
    assert leftovers(job.folder) == []


def test_mistake_02_an_original_in_place_of_a_blurred_frame_is_refused(job: Job, context: Maker) -> None:
    shutil.copy(job.frames.path(4), job.pictures.blurred_path(4))
    with pytest.raises(IncompleteError, match="frame 4"):
        assemble(job, context())
    assert leftovers(job.folder) == []


def test_mistake_02_another_frame_in_its_place_is_refused(job: Job, context: Maker) -> None:
    shutil.copy(job.pictures.blurred_path(5), job.pictures.blurred_path(4))
    with pytest.raises(IncompleteError, match="frame 4"):
        assemble(job, context())


def test_frames_blurred_from_older_regions_are_refused(job: Job, context: Maker) -> None:
    plan = job.plan()
    assert plan
    job.solution.regions_path(4).write_text('{"frame":4,"regions":[]}')
    with pytest.raises(IncompleteError, match="run blur"):
        assemble(job, context())
    assert leftovers(job.folder) == []


def test_a_job_never_blurred_is_refused(clip: Path, context: Maker) -> None:
    with pytest.raises(IncompleteError, match="not blurred yet: run blur"):
        assemble(split(clip, context()), context())


@pytest.mark.parametrize("deed", ["gone", "changed"])
def test_sound_is_taken_from_the_very_source_or_not_at_all(job: Job, clip: Path, context: Maker, deed: str) -> None:
    if deed == "gone":
        clip.unlink()
        with pytest.raises(SourceError, match=r"clip.mp4, which is not there; put it back"):
            assemble(job, context())
    else:
        write_clip(clip, moving_face(12, size=20), sound=True)
        with pytest.raises(IncompleteError, match="no longer what clip was made from"):
            assemble(job, context())
    assert leftovers(job.folder) == []


def test_a_silent_job_needs_no_source(tmp_path: Path, context: Maker) -> None:
    clip = write_clip(tmp_path / "input/silent.mp4", moving_face(4))
    job = split(clip, context())
    blur(job, context(), every=True)
    clip.unlink()
    assert len(play(assemble(job, context())).times) == 4


def test_fps_would_change_the_speed_of_a_source(job: Job, context: Maker) -> None:
    with pytest.raises(UsageError, match="split it with --fps"):
        assemble(job, context(fps=Fraction(10)))


def test_debug_needs_debug_pictures(job: Job, context: Maker) -> None:
    with pytest.raises(IncompleteError, match="run blur --debug first"):
        assemble(job, context(debug=True))


# Under its name only when checked


def test_mistake_14_what_does_not_verify_gets_no_name(
    job: Job, context: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise MediaError("different")

    monkeypatch.setattr(media, "verify", refuse)
    with pytest.raises(MediaError):
        assemble(job, context())
    assert leftovers(job.folder) == []
    assert job.reports.last() == {}


def test_mistake_14_a_failure_leaves_the_older_video_alone(
    job: Job, context: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = assemble(job, context())
    data = old.read_bytes()
    monkeypatch.setattr(media, "verify", lambda *_: (_ for _ in ()).throw(MediaError("different")))
    with pytest.raises(MediaError):
        assemble(job, context(crf=40))
    assert old.read_bytes() == data
    assert leftovers(job.folder) == [old]


def test_mistake_14_a_stop_leaves_nothing_under_the_final_name(job: Job, context: Maker) -> None:
    class Stopping(Progress):
        def update(self, step: object) -> None:
            stopping.stop.ask()

    stopping = Context(context().options, Stopping())
    with pytest.raises(Interrupted):
        assemble(job, stopping)
    assert leftovers(job.folder) == []
    assert len(play(assemble(job, context())).times) == 12


@pytest.mark.parametrize(("doctor", "message"), [("sound", "audio streams"), ("size", "size"), ("clock", "frames")])
def test_the_check_compares_with_the_source(
    job: Job, context: Maker, monkeypatch: pytest.MonkeyPatch, doctor: str, message: str
) -> None:
    write = media.write

    def worse(path: Path, pics: Iterator[images.Image], clock: media.Clock, *rest: object) -> None:
        pics = list(pics)
        if doctor == "size":
            pics = [picture[:32, :48].copy() for picture in pics]
        if doctor == "clock":
            clock, pics = media.Clock(clock.time_base, clock.pts[:-1], clock.end), pics[:-1]
        write(path, iter(pics), clock, rest[0], None if doctor == "sound" else rest[1])  # type: ignore[arg-type]

    monkeypatch.setattr(media, "write", worse)
    with pytest.raises(MediaError, match=message):
        assemble(job, context())
    assert leftovers(job.folder) == []


# Once


def test_a_second_assemble_does_nothing(job: Job, context: Maker) -> None:
    made = assemble(job, context()).stat()
    again = assemble(job, context()).stat()
    assert (again.st_ino, again.st_mtime_ns) == (made.st_ino, made.st_mtime_ns)


def test_a_deleted_video_is_made_again(job: Job, context: Maker) -> None:
    out = assemble(job, context())
    before = play(out)
    out.unlink()
    assert play(assemble(job, context())) == before
    assert job.reports.last()["blurred"]["sha256"] == context().sha256(out)


@pytest.mark.parametrize("deed", ["replaced", "longer"])
def test_a_video_that_somebody_touched_is_never_taken_for_finished(job: Job, context: Maker, deed: str) -> None:
    out = assemble(job, context())
    data = out.read_bytes() + b"x" if deed == "longer" else b"other"
    out.write_bytes(data)
    with pytest.raises(UsageError, match="is there already"):
        assemble(job, context())
    assert out.read_bytes() == data


def test_other_encoding_options_make_it_again(job: Job, context: Maker) -> None:
    before = assemble(job, context(crf=10)).stat().st_size
    assert assemble(job, context(crf=45)).stat().st_size < before


# Where it goes


def test_the_output_can_be_a_file(job: Job, tmp_path: Path, context: Maker) -> None:
    target = tmp_path / "deep" / "name.mkv"
    assert assemble(job, context(out=target)) == target
    assert leftovers(job.folder) == []


def test_sound_and_picture_stay_together_in_another_container(
    job: Job, clip: Path, tmp_path: Path, context: Maker
) -> None:
    """AAC begins before zero, which Matroska cannot say: everything comes as much later."""
    before, after = play(clip), play(assemble(job, context(out=tmp_path / "name.mkv")))
    assert before.sounds[0][0][0] < 0
    assert [data for _, data in after.sounds[0]] == [data for _, data in before.sounds[0]]
    for ours, theirs in zip(after.sounds[0], before.sounds[0], strict=True):
        assert float(ours[0] - theirs[0]) == pytest.approx(float(after.times[0]), abs=0.002)
    assert [float(t - after.times[0]) for t in after.times] == pytest.approx(
        [float(t) for t in before.times], abs=0.001
    )


def test_the_output_can_be_a_folder(job: Job, tmp_path: Path, context: Maker) -> None:
    (tmp_path / "finished").mkdir()
    assert assemble(job, context(out=tmp_path / "finished")) == tmp_path / "finished" / "clip-blurred.mp4"


@pytest.mark.parametrize("by", ["path", "symlink", "hardlink"])
def test_the_source_is_never_the_output(job: Job, clip: Path, tmp_path: Path, context: Maker, by: str) -> None:
    target = clip if by == "path" else tmp_path / "other.mp4"
    if by == "symlink":
        target.symlink_to(clip)
    elif by == "hardlink":
        os.link(clip, target)
    data = clip.read_bytes()
    with pytest.raises(UsageError, match=r"is the source itself|is there already"):
        assemble(job, context(out=target))
    assert clip.read_bytes() == data


# Disk


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """A maker of file systems of so many kB; needs the right to mount."""
    mounted: list[Path] = []

    def make(kilobytes: int) -> Path:
        folder = tmp_path / "tiny"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
        if os.geteuid() != 0 or shutil.which("mount") is None or subprocess.run(command, check=False).returncode:
            pytest.skip("needs the right to mount a small file system")
        mounted.append(folder)
        return folder

    yield make
    for folder in mounted:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("kilobytes", [8, 80])
@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
def test_a_full_disk_is_told_and_leaves_nothing(
    tmp_path: Path, context: Maker, tiny: Callable[[int], Path], kilobytes: int, ending: str
) -> None:
    noise = [np.random.default_rng(n).integers(0, 255, (96, 128, 3), np.uint8) for n in range(12)]
    job = split(write_clip(tmp_path / "input/noise.mp4", noise, sound=True), context())
    blur(job, context(), every=True)
    folder = tiny(kilobytes)
    with pytest.raises(OutputError, match="the disk is full"):
        assemble(job, context(out=folder / f"out{ending}", crf=1))
    assert list(folder.iterdir()) == []


def test_an_error_while_writing_is_no_traceback(job: Job, context: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(media, "write", full)
    with pytest.raises(OutputError, match="the disk is full"):
        assemble(job, context())


# Frames from elsewhere


def foreign(folder: Path, first: int = 1, count: int = 8) -> Path:
    """A folder of numbered PNGs, made as plain ffmpeg does."""
    folder.mkdir(parents=True)
    for number, image in enumerate(moving_face(count), start=first):
        with av.open(str(folder / f"frame_{number:010}.png"), "w", format="image2", options={"update": "1"}) as file:
            stream = file.add_stream("png", rate=1)
            stream.width, stream.height, stream.pix_fmt = image.shape[1], image.shape[0], "rgb24"
            file.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24").reformat(format="rgb24")))
            file.mux(stream.encode(None))
    return folder


@pytest.mark.parametrize("first", [1, 100])
def test_frames_from_elsewhere_become_a_video_at_the_rate_asked_for(tmp_path: Path, context: Maker, first: int) -> None:
    folder = foreign(tmp_path / "input/take", first)
    out = run(folder, context(fps=Fraction(12), style="solid"))
    assert out.name == "take-blurred.mp4"
    assert play(out).times == [Fraction(n, 12) for n in range(8)]
    shown = pictures(out)
    assert [greens(image) for image in shown] == [0] * 8
    with av.open(str(out)) as container:
        made = next(container.decode(video=0))
        assert (made.color_range, made.colorspace) == (1, 1)


def test_frames_from_elsewhere_without_a_rate_are_a_usage_error(tmp_path: Path, context: Maker) -> None:
    with pytest.raises(UsageError, match="how many a second with --fps"):
        run(foreign(tmp_path / "input/take"), context())


def test_a_gap_in_frames_from_elsewhere_is_named(tmp_path: Path, context: Maker) -> None:
    folder = foreign(tmp_path / "input/take")
    (folder / "frame_0000000003.png").unlink()
    with pytest.raises(IncompleteError, match="frame 3"):
        run(folder, context(fps=Fraction(12)))


@pytest.mark.parametrize("number", [1, 4, 8])
def test_a_frame_from_elsewhere_lost_later_is_missed(tmp_path: Path, context: Maker, number: int) -> None:
    folder = foreign(tmp_path / "input/take")
    job = catalog.find_job(str(folder), tmp_path / "input", tmp_path / "output")
    blur(job, context(), every=True)
    (folder / f"frame_{number:010}.png").unlink()
    with pytest.raises(IncompleteError, match=f"frame {number}"):
        assemble(job, context(fps=Fraction(12)))


def test_frames_of_mixed_size_are_refused(tmp_path: Path, context: Maker) -> None:
    folder = foreign(tmp_path / "input/take")
    images.write(folder / "frame_0000000005.png", picture(48, 32))
    with pytest.raises(IncompleteError, match="one size"):
        run(folder, context(fps=Fraction(12)))
    assert leftovers(tmp_path) == []


# Times, as the source has them


@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
def test_mistake_06_four_seconds_of_variable_rate_stay_four_seconds(
    tmp_path: Path, context: Maker, ending: str
) -> None:
    slow, fast = [200 * n for n in range(10)], [2000 + 40 * n for n in range(50)]
    clip = write_clip(
        tmp_path / f"input/vfr{ending}", moving_face(60), pts=slow + fast, time_base=Fraction(1, 1000), sound=True
    )
    out = run(clip, context(preset="ultrafast"))
    assert play(out).times == play(clip).times
    with av.open(str(out)) as container:
        assert container.duration == pytest.approx(4_000_000, abs=25_000)
        stream = container.streams.video[0]
        if stream.duration:
            assert stream.duration * stream.time_base == 4


# Frames that are not needed any more


def test_frames_are_deleted_only_after_the_check(job: Job, context: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch, pytest.raises(MediaError):
        patch.setattr(media, "verify", lambda *_: (_ for _ in ()).throw(MediaError("different")))
        assemble(job, context(frames="delete"))
    assert len(job.frames.numbers()) == 12
    out = assemble(job, context(frames="delete"))
    assert job.frames.numbers() == []
    assert not list(job.folder.glob("*.png"))
    assert len(play(out).times) == 12


def test_frames_of_a_person_are_never_deleted(tmp_path: Path, context: Maker) -> None:
    folder = foreign(tmp_path / "input/take")
    run(folder, context(fps=Fraction(12), frames="delete"))
    assert len(list(folder.glob("*.png"))) == 8
    assert not list((tmp_path / "output/take").glob("*.png"))


def test_an_original_is_never_overwritten_by_an_output(job: Job, context: Maker, tmp_path: Path) -> None:
    other = write_clip(tmp_path / "input" / "other.mp4", moving_face(3))
    data = other.read_bytes()
    with pytest.raises(UsageError, match="did not make it"):
        assemble(job, context(out=other))
    assert other.read_bytes() == data


def test_the_finished_video_never_takes_the_name_of_the_debug_video(job: Job, context: Maker) -> None:
    with pytest.raises(UsageError, match="the name of the debug video"):
        assemble(job, context(out=job.finished_path("debug", ".mp4")))


def test_an_output_elsewhere_that_is_ours_is_made_again(job: Job, context: Maker, tmp_path: Path) -> None:
    target = tmp_path / "result.mp4"
    assemble(job, context(out=target))
    before = target.read_bytes()
    assemble(job, context(out=target, crf=30))
    assert target.read_bytes() != before


def test_a_bad_output_is_told_before_anything_is_blurred(clip: Path, context: Maker) -> None:
    with pytest.raises(MediaError):
        run(clip, context(out=Path("result.xyz")))
    assert not list(clip.parents[1].rglob("*.blurred.png"))


def test_the_report_is_that_of_the_options_of_now(job: Job, context: Maker) -> None:
    assemble(job, context())
    blur(job, context(threshold=0.5))
    assemble(job, context())
    assert job.reports.last()["plan"]["threshold"] == 0.5


def test_an_output_that_moved_is_known_and_not_made_again(job: Job, context: Maker, tmp_path: Path) -> None:
    moved = assemble(job, context(out=tmp_path / "first.mp4")).rename(tmp_path / "moved.mp4")
    assemble(job, context())
    before = moved.stat()
    assemble(job, context(out=moved))
    assert (moved.stat().st_ino, moved.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert job.reports.last()["blurred"]["path"] == str(moved)


def test_an_output_before_the_last_one_is_not_made_again(job: Job, context: Maker, tmp_path: Path) -> None:
    first = assemble(job, context(out=tmp_path / "first.mp4")).stat()
    assemble(job, context())
    again = assemble(job, context(out=tmp_path / "first.mp4")).stat()
    assert (again.st_ino, again.st_mtime_ns) == (first.st_ino, first.st_mtime_ns)


def test_an_output_before_the_last_one_may_be_replaced(job: Job, context: Maker, tmp_path: Path) -> None:
    first = assemble(job, context(out=tmp_path / "first.mp4")).read_bytes()
    assemble(job, context())
    assert len(assemble(job, context(out=tmp_path / "first.mp4", crf=40)).read_bytes()) < len(first)


def test_after_a_crash_between_report_and_rename_the_old_file_is_still_known(
    job: Job, context: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = assemble(job, context())
    before = out.read_bytes()

    def crash(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("faceblur.files._finish", crash)
    monkeypatch.setattr(job.reports, "write", lambda report: job.reports.path.write_text(json.dumps(report)))
    with pytest.raises(KeyboardInterrupt):
        assemble(job, context(crf=40))
    monkeypatch.undo()
    assert out.read_bytes() == before
    assert len(assemble(job, context(crf=40)).read_bytes()) < len(before)


def test_regions_that_were_not_solved_to_the_end_are_told(clip: Path, context: Callable[..., Context]) -> None:
    """As after a worker was killed while it wrote the regions."""
    job = split(clip, context())
    blur(job, context())
    job.solution.path.unlink()
    with pytest.raises(IncompleteError, match="regions of clip are not solved yet: run blur"):
        assemble(job, context())
