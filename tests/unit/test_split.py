"""A source becomes a folder of frames, once, and only what is missing is done again."""

import shutil
from collections import namedtuple
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from conftest import moving_face, pictures, play, write_clip
from faceblur import detectors, images, media, weights
from faceblur.context import Context
from faceblur.detectors.base import Detector
from faceblur.errors import IncompleteError, Interrupted, MissingError, OutputError, SourceError
from faceblur.job import Job
from faceblur.job.frames import Frames
from faceblur.pipeline import clean, run
from faceblur.progress import Progress
from faceblur.split import split

Maker = Callable[..., Context]


def state(job: Job) -> dict[int, tuple[int, int]]:
    """Number, inode and time of every frame: one that was written again has another."""
    stats = {n: job.frames.path(n).stat() for n in job.frames.numbers()}
    return {n: (s.st_ino, s.st_mtime_ns) for n, s in stats.items()}


def complete(job: Job) -> bool:
    origin = job.frames.origin()
    return origin is not None and origin.state == "complete"


class StopsAt(Progress):
    """Asks to stop when the split has gone so far."""

    def __init__(self, context: Callable[[], Context], count: int) -> None:
        super().__init__()
        self.context, self.count = context, count

    def update(self, step: object) -> None:
        if step.done >= self.count:  # type: ignore[attr-defined]
            self.context().stop.ask()


def stopped_split(source: Path, context: Maker, count: int, **settings: object) -> None:
    made: list[Context] = []
    plain = context(**settings)
    made.append(Context(plain.options, StopsAt(lambda: made[0], count)))
    with pytest.raises(Interrupted):
        split(source, made[0])


def test_frames_and_their_times_are_those_of_the_source(clip: Path, context: Maker) -> None:
    job = split(clip, context())
    origin = job.frames.origin()
    assert origin
    assert job.frames.numbers() == list(range(1, 13))
    assert [pts * origin.shown.time_base for pts in origin.shown.pts] == play(clip).times
    assert origin.shown.seconds == Fraction(12, 25)
    first = images.read(job.frames.path(1))
    assert np.abs(first.astype(int) - pictures(clip)[0]).mean() < 2


def test_a_second_split_writes_nothing(clip: Path, context: Maker) -> None:
    job = split(clip, context())
    before, record = state(job), job.frames.origin_path.stat().st_mtime_ns
    split(clip, context())
    assert state(job) == before
    assert job.frames.origin_path.stat().st_mtime_ns == record


def test_a_deleted_frame_is_the_only_one_written_again(clip: Path, context: Maker) -> None:
    job = split(clip, context())
    before, data = state(job), job.frames.path(5).read_bytes()
    job.frames.path(5).unlink()
    split(clip, context())
    after = state(job)
    assert {n for n in after if after[n] != before[n]} == {5}
    assert job.frames.path(5).read_bytes() == data


@pytest.mark.parametrize("length", [0, 200])
@pytest.mark.parametrize("complete", [True, False])
def test_a_cut_frame_is_written_again(length: int, complete: bool, clip: Path, context: Maker) -> None:
    """As after a power failure."""
    job = split(clip, context())
    before, path, origin = state(job), job.frames.path(5), job.frames.origin()
    assert origin
    if not complete:
        job.frames.write_origin(replace(origin, state="splitting"))
    data = path.read_bytes()
    path.write_bytes(data[:length])
    split(clip, context())
    after = state(job)
    assert {n for n in after if after[n] != before[n]} == {5}
    assert path.read_bytes() == data


def test_a_stopped_split_goes_on_where_it_was(tmp_path: Path, context: Maker) -> None:
    clip = write_clip(tmp_path / "input/clip.mp4", moving_face(40))
    stopped_split(clip, context, 10)
    job = Job("clip", tmp_path / "input", tmp_path / "output")
    before = state(job)
    assert 0 < len(before) < 40
    assert not complete(job)
    split(clip, context())
    assert job.frames.numbers() == list(range(1, 41))
    assert {n: s for n, s in state(job).items() if n in before} == before


def test_a_stopped_split_cannot_be_blurred_or_assembled(tmp_path: Path, context: Maker) -> None:
    clip = write_clip(tmp_path / "input/clip.mp4", moving_face(40))
    stopped_split(clip, context, 10)
    job = Job("clip", tmp_path / "input", tmp_path / "output")
    with pytest.raises(IncompleteError, match="run split again"):
        job.extent()


def test_another_recipe_replaces_every_frame(clip: Path, context: Maker) -> None:
    job = split(clip, context())
    split(clip, context(scale=48, end=Fraction(1, 5)))
    assert job.frames.numbers() == [1, 2, 3, 4, 5]
    assert {images.size(job.frames.path(n)) for n in job.frames.numbers()} == {(48, 32)}


def test_frames_of_a_stopped_split_are_not_mixed_with_another_recipe(tmp_path: Path, context: Maker) -> None:
    clip = write_clip(tmp_path / "input/clip.mp4", moving_face(40))
    stopped_split(clip, context, 10)
    job = split(clip, context(scale=48))
    assert {images.size(job.frames.path(n)) for n in job.frames.numbers()} == {(48, 32)}
    assert len(job.frames.numbers()) == 40


def test_a_split_killed_while_clearing_clears_on(clip: Path, context: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    job = split(clip, context())

    def die(self: Frames) -> None:
        for number in (1, 2, 3):
            self.path(number).unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Frames, "remove", die)
        split(clip, context(scale=48))
    origin = job.frames.origin()
    assert origin
    assert origin.state == "clearing"
    split(clip, context(scale=48))
    assert {images.size(job.frames.path(n)) for n in job.frames.numbers()} == {(48, 32)}
    assert job.frames.numbers() == list(range(1, 13))


def test_a_changed_source_at_the_same_path_advises_clean(clip: Path, context: Maker) -> None:
    job = split(clip, context())
    before = state(job)
    write_clip(clip, moving_face(7))
    with pytest.raises(IncompleteError, match="faceblur clean clip"):
        split(clip, context())
    assert state(job) == before


def test_the_same_content_at_another_path_is_the_same_job(clip: Path, tmp_path: Path, context: Maker) -> None:
    job = split(clip, context())
    copy = tmp_path / "elsewhere" / "clip.mp4"
    copy.parent.mkdir()
    shutil.copy(clip, copy)
    before = state(job)
    assert split(copy, context()).name == job.name
    assert state(job) == before


def test_mistake_03_two_sources_with_one_name_are_two_jobs(tmp_path: Path, context: Maker) -> None:
    one = write_clip(tmp_path / "input/clip.mp4", moving_face(12))
    two = write_clip(tmp_path / "other/clip.mp4", moving_face(5, size=20))
    first, second = split(one, context()), split(two, context())
    assert first.name == "clip"
    assert second.name.startswith("clip-")
    assert len(first.frames.numbers()) == 12
    assert len(second.frames.numbers()) == 5
    assert first.frames.path(1).read_bytes() != second.frames.path(1).read_bytes()
    assert split(two, context()).name == second.name


def test_a_source_with_the_name_of_foreign_frames_gets_another_job(tmp_path: Path, context: Maker) -> None:
    folder = tmp_path / "input/clip"
    folder.mkdir(parents=True)
    images.write(folder / "frame_0000000001.png", moving_face(1)[0])
    job = split(write_clip(tmp_path / "clip.mp4", moving_face(3)), context())
    assert job.name.startswith("clip-")
    assert [p.name for p in folder.iterdir()] == ["frame_0000000001.png"]


# Recipes


def test_a_part_begins_at_time_zero_with_its_sound(tmp_path: Path, context: Maker) -> None:
    options = {"g": "250", "bf": "3", "b_strategy": "0"}
    clip = write_clip(tmp_path / "input/clip.mp4", moving_face(50), sound=True, options=options)
    out = play(run(clip, context(start=Fraction("0.8"), end=Fraction("1.4"), preset="ultrafast")))
    assert out.times == [Fraction(n, 25) for n in range(15)]
    source = play(clip).sounds[0]
    packet = Fraction(1024, 48000)
    assert 0 <= out.sounds[0][0][0] < packet
    assert abs(out.sounds[0][-1][0] + packet - Fraction(15, 25)) <= packet
    first = next(i for i, (_, data) in enumerate(source) if data == out.sounds[0][0][1])
    assert source[first][0] - Fraction("0.8") == pytest.approx(out.sounds[0][0][0], abs=0.0005)
    assert [d for _, d in out.sounds[0]] == [d for _, d in source[first : first + len(out.sounds[0])]]


def test_a_part_up_to_a_time_keeps_the_start_of_the_sound(tmp_path: Path, context: Maker) -> None:
    clip = write_clip(tmp_path / "input/clip.mp4", moving_face(25), sound=True)
    out, source = play(run(clip, context(end=Fraction("0.4"), preset="ultrafast"))), play(clip)
    assert out.times == source.times[:10]
    assert out.sounds[0] == source.sounds[0][: len(out.sounds[0])]
    assert abs(out.sounds[0][-1][0] - Fraction("0.4")) < Fraction(1024, 48000)


def test_a_part_of_a_clip_that_starts_late_is_counted_from_its_first_frame(tmp_path: Path, context: Maker) -> None:
    clip = write_clip(tmp_path / "input/clip.mkv", moving_face(30), pts=range(50, 80), sound=True)
    out = play(run(clip, context(start=Fraction("0.4"), end=Fraction("0.8"), preset="ultrafast")))
    assert len(out.times) == 10
    assert out.times[0] == 0
    source = {data: time for time, data in play(clip).sounds[0]}
    time, data = out.sounds[0][0]
    assert float(source[data] - time) == pytest.approx(2.4, abs=0.001)


def test_another_rate_keeps_sound_and_length(tmp_path: Path, context: Maker) -> None:
    times = [0, 100, 140, 900, 1000, 1900]
    images = moving_face(6)
    clip = write_clip(
        tmp_path / "input/clip.mp4", images, pts=times, time_base=Fraction(1, 1000), sound=True, options={"bf": "0"}
    )
    out, source = play(run(clip, context(fps=Fraction(10), preset="ultrafast"))), play(clip)
    length = 1.9 + 0.9
    assert out.times == [Fraction(n, 10) for n in range(round(length * 10))]
    assert out.sounds == source.sounds


def test_time_and_frame_number_are_drawn_when_asked_for(clip: Path, context: Maker) -> None:
    job = split(clip, context())
    plain = images.read(job.frames.path(3))
    drawn = images.read(split(clip, context(overlay=("time", "frame"))).frames.path(3))
    assert (plain != drawn)[:20].any()
    assert (plain == drawn)[30:].all()


def test_a_part_without_frames_is_a_source_error(clip: Path, context: Maker) -> None:
    with pytest.raises(SourceError, match="no frame in the part"):
        split(clip, context(start=Fraction(100)))


# Trouble


def test_a_disk_too_small_is_noticed_before_it_fills(
    clip: Path, context: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, 5000))
    with pytest.raises(OutputError, match=r"need about 118 kB and .* has 5\.0 kB free; free some space"):
        split(clip, context())
    assert not list(tmp_path.rglob("*.png"))


def test_what_the_detectors_lack_is_told_before_any_frame_is_written(
    clip: Path, tmp_path: Path, context: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(weights.TABLE, "yunet", replace(weights.TABLE["yunet"], urls=(), wheel=""))
    with pytest.raises(MissingError, match="the weights of"):
        run(clip, context(detector="yunet", weights=(tmp_path / "weights",)))
    assert not list(context().options.input.glob("clip/frame_*"))


def test_a_detector_that_cannot_run_is_told_before_any_frame_is_written(
    clip: Path, context: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise MissingError("this detector needs more packages")

    monkeypatch.setattr(detectors, "create", refuse)
    with pytest.raises(MissingError, match="more packages"):
        run(clip, context())
    assert not list(context().options.input.glob("clip/frame_*"))


def test_a_detector_is_tried_with_the_threads_that_it_will_have(
    clip: Path, context: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    create, given = detectors.create, []

    def noted(name: str, folders: Sequence[Path], threads: int = 0) -> Detector:
        given.append(threads)
        return create(name, folders, threads)

    monkeypatch.setattr(detectors, "create", noted)
    run(clip, context(threads=3))
    assert given == [3, 3]  # before splitting, and to look


def test_frames_are_written_again_without_the_detectors_that_saw_them(
    clip: Path, context: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(clip, context())
    clean(Job("clip", context().options.input, context().options.output), "frames")
    monkeypatch.setattr(detectors, "create", None)
    run(clip, context())


def test_raw_frames_are_known_to_need_more_room(clip: Path, context: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, 12 * 96 * 64 * 2))
    with pytest.raises(OutputError, match="free some space"):
        split(clip, context(png="raw"))
    assert len(split(clip, context(png="fast")).frames.numbers()) == 12


def cut_mp4(path: Path) -> Path:
    clip = write_clip(path.with_name("whole.mkv"), moving_face(50))
    clock = media.Clock(Fraction(1, 25), tuple(range(50)), 50)
    media.write(path, pictures(clip), clock, media.choose((96, 64)), None)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    return path


def test_a_damaged_source_is_refused_and_says_how_to_go_on(tmp_path: Path, context: Maker) -> None:
    (tmp_path / "input").mkdir()
    source = cut_mp4(tmp_path / "input/cut.mp4")
    with pytest.raises(SourceError, match=r"cut.mp4 is damaged: \d+ of its .* add --damaged accept") as caught:
        run(source, context())
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "output").rglob("*.mp4"))
    assert not complete(Job("cut", tmp_path / "input", tmp_path / "output"))


def test_a_damaged_source_goes_on_when_accepted(tmp_path: Path, context: Maker) -> None:
    (tmp_path / "input").mkdir()
    source = cut_mp4(tmp_path / "input/cut.mp4")
    with pytest.raises(SourceError):
        split(source, context())
    job = split(source, context(damaged="accept"))
    origin = job.frames.origin()
    assert origin
    assert origin.damaged > 0
    assert 20 < len(job.frames.numbers()) < 50
    out = run(source, context(damaged="accept", preset="ultrafast"))
    assert len(play(out).times) == len(job.frames.numbers())


@pytest.mark.parametrize("content", [b"", b"hello, I am text\n" * 20], ids=["empty", "text"])
def test_what_is_no_video_leaves_nothing_behind(tmp_path: Path, context: Maker, content: bytes) -> None:
    source = tmp_path / "input/bad.mp4"
    source.parent.mkdir()
    source.write_bytes(content)
    with pytest.raises(SourceError):
        split(source, context())
    assert [p.name for p in tmp_path.rglob("*")] == ["input", "bad.mp4"]
