"""Without frame files: what is made once is not made again, what changes meanwhile is noticed.

That evidence, regions and pictures are those of frames is in test_faithful.
"""

import gc
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest

from conftest import moving_face, picture, play, write_clip
from faceblur import detectors, doubts, images, media
from faceblur.assemble import FrameFilm
from faceblur.context import Context
from faceblur.detectors import network
from faceblur.detectors.base import Rows
from faceblur.detectors.null import Null
from faceblur.direct import DirectFilm, _Seen, direct, shown
from faceblur.errors import IncompleteError, Interrupted, SourceError, UsageError
from faceblur.job import DirectJob, Job
from faceblur.job.evidence import Evidence
from faceblur.options import PRESETS
from faceblur.pace import Pace
from faceblur.pipeline import blur, clean, run, split
from faceblur.stop import Stop
from faceblur.worker import Worker

Make = Callable[..., Context]


def said(job: Job, folder: str) -> dict[str, bytes]:
    """What is stored in a folder of a job, by name."""
    return {str(p.relative_to(job.folder)): p.read_bytes() for p in sorted((job.folder / folder).rglob("*.json"))}


def with_frames(source: Path, make: Make, **options: object) -> Job:
    context = make(output=source.parents[1] / "frames", **options)
    job = split(source, context)
    blur(job, context, every=True)
    return job


def without(source: Path, make: Make, **options: object) -> DirectJob:
    context = make(**options)
    direct(source, context)
    return DirectJob(source.stem, context.options.input, context.options.output)


def pictures_of(job: Job, film: FrameFilm | DirectFilm) -> list[media.Picture]:
    plan = job.plan()
    assert plan is not None
    return list(film.pictures(plan, "blurred", film.stamps(plan, "blurred")))


def test_pictures_of_an_rgb_source_are_those_of_frames(tmp_path: Path, context: Make) -> None:
    source = write_clip(tmp_path / "input" / "clip.mkv", moving_face(6), codec="ffv1", pixel_format="bgr0")
    frames, bare = with_frames(source, context), without(source, context)
    seen = pictures_of(frames, FrameFilm(frames, context()))
    reader = media.Reader(source, media.probe(source))
    found = [media.planes(f)[0] for f in pictures_of(bare, DirectFilm(bare, reader, context()))]
    assert all(np.array_equal(a, b) for a, b in zip(seen, found, strict=True))


def test_a_frame_without_regions_is_the_decoded_one(tmp_path: Path, context: Make) -> None:
    source = write_clip(tmp_path / "input" / "clip.mp4", [picture(seed=i) for i in range(3)])
    bare = without(source, context)
    found = pictures_of(bare, DirectFilm(bare, media.Reader(source, media.probe(source)), context()))
    for frame, before in zip(found, media.Reader(source, media.probe(source)), strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(media.planes(frame), media.planes(before.frame), strict=True))


def test_no_frame_is_ever_written(clip: Path, context: Make) -> None:
    bare = without(clip, context)
    assert not list(bare.folder.parents[1].rglob("*.png"))
    assert not bare.frames.folder.exists()


def test_a_detector_of_another_version_that_did_not_see_all_is_given_up(
    clip: Path, context: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as then:
        then.setitem(detectors.ENSEMBLES, "fast.0", detectors.Mix(("null",)))
        job = without(clip, context, detector="fast.0")
    job.evidence.path("fast.0", 7).unlink()
    without(clip, context)
    plan = job.plan()
    assert plan is not None
    assert (plan.planned("null"), job.knows("fast.0")) == (list(plan.numbers), False)


def test_what_a_detector_of_another_version_said_of_all_frames_counts_without_them(
    job: Job, context: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as then:
        then.setitem(detectors.ENSEMBLES, "fast.0", detectors.Mix(("null",)))
        blur(job, context(detector="fast.0"))
    source = context().options.input / "clip.mp4"
    bare = without(source, context)
    assert all(bare.evidence.has("fast.0", number) for number in range(1, 13))


def counting(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A list that gets longer with every picture that the detector looks at."""
    calls: list[int] = []
    rows = Null.rows

    def counted(self: Null, image: images.Image) -> object:
        calls.append(1)
        return rows(self, image)

    monkeypatch.setattr(Null, "rows", counted)
    return calls


def test_what_was_detected_with_frames_is_not_detected_again(
    clip: Path, context: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = split(clip, context())
    blur(job, context(), every=True)
    calls = counting(monkeypatch)
    direct(clip, context())
    assert not calls


def test_what_was_detected_without_frames_is_not_detected_again(
    clip: Path, context: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    direct(clip, context())
    calls = counting(monkeypatch)
    run(clip, context())
    assert not calls


def test_a_second_run_makes_nothing_again(clip: Path, context: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    result = direct(clip, context())
    before = result.stat().st_mtime_ns
    calls = counting(monkeypatch)
    assert direct(clip, context()) == result
    assert not calls
    assert result.stat().st_mtime_ns == before


def test_another_threshold_detects_nothing_again(clip: Path, context: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    direct(clip, context())
    calls = counting(monkeypatch)
    direct(clip, context(threshold=0.9))
    assert not calls


def test_a_stopped_run_goes_on_where_it_was(clip: Path, context: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = counting(monkeypatch)
    stopping = replace(context(), stop=Stop())
    write = Evidence.write

    def stop_at_five(self: Evidence, detector: str, number: int, *rest: object) -> None:
        write(self, detector, number, *rest)  # type: ignore[arg-type]
        if number == 5:
            stopping.stop.ask()

    with monkeypatch.context() as patched:
        patched.setattr(Evidence, "write", stop_at_five)
        with pytest.raises(Interrupted):
            direct(clip, stopping)
    before = len(calls)
    assert 5 <= before < 12
    direct(clip, context())
    assert len(calls) == 12
    assert len(play(context().options.output / "clip" / "clip-blurred.mp4").times) == 12


def test_a_source_that_changes_between_the_passes_gives_no_output(
    tmp_path: Path, clip: Path, context: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = write_clip(tmp_path / "other.mp4", [picture(seed=9)] * 12)
    solve = Worker.solve

    def swap(self: Worker, plan: object) -> None:
        solve(self, plan)  # type: ignore[arg-type]
        shutil.copy(other, clip)

    monkeypatch.setattr(Worker, "solve", swap)
    with pytest.raises((SourceError, IncompleteError)):
        direct(clip, context(audio="drop"))
    assert not (context().options.output / "clip" / "clip-blurred.mp4").exists()


@pytest.mark.parametrize("left", [0, 7])
def test_a_second_pass_that_ends_early_gives_no_output(
    left: int, clip: Path, context: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = media.Reader.again
    monkeypatch.setattr(media.Reader, "again", lambda reader: islice(again(reader), left))
    with pytest.raises(SourceError, match=f"frame {left + 1} is another than when faces were looked for"):
        direct(clip, context())
    assert not (context().options.output / "clip" / "clip-blurred.mp4").exists()


def test_a_part_at_another_size_and_rate_is_that_of_frames(tmp_path: Path, clip: Path, context: Make) -> None:
    options = {"scale": 64, "fps": Fraction(50), "start": Fraction(1, 10), "end": Fraction(3, 10)}
    frames, bare = with_frames(clip, context, **options), without(clip, context, **options)
    assert said(bare, "regions") == said(frames, "regions")
    assert bare.extent() == frames.extent() == (1, 10, 64, 42)


@pytest.mark.parametrize(
    "pts",
    [
        [*range(0, 60, 2)],
        [*range(20), *range(20, 170, 15)],
        [*range(10), 10, 19, 28, 37, *range(38, 54)],
    ],
    ids=["steady", "slows down", "pauses"],
)
@pytest.mark.parametrize("options", [{}, {"every": 4}, {"start": Fraction(1, 5)}, {"end": Fraction(1, 2)}])
def test_the_frames_that_are_looked_at_are_those_of_frames(
    tmp_path: Path, context: Make, monkeypatch: pytest.MonkeyPatch, pts: list[int], options: dict[str, object]
) -> None:
    monkeypatch.setitem(PRESETS, "fast", {"faces": "null"})
    bright = [picture(faces=[(n, 10, n + 20, 30)]) for n in range(30)]
    cut = [image if n % 11 < 8 else image // 255 for n, image in enumerate(bright)]
    source = write_clip(tmp_path / "input" / "clip.mp4", cut, pts=pts, time_base=Fraction(1, 60))
    frames = with_frames(source, context, detector="fast", **options)
    bare = without(source, context, detector="fast", **options)
    assert said(bare, "detections") == said(frames, "detections")
    assert said(bare, "regions") == said(frames, "regions")
    assert len(said(bare, "detections")) < len(said(bare, "regions"))


def test_what_was_to_look_before_looks_at_its_own_pace(tmp_path: Path, context: Make) -> None:
    source = write_clip(tmp_path / "input" / "clip.mp4", [picture()] * 12)
    job = split(source, context())
    with Worker(job, context(every=5)).joined() as plan:
        job.write_plan(plan.adding("haar", range(3, 9), Pace(4)))
    bare = without(source, context, every=3)
    looked = {name: [n for n in range(1, 13) if bare.evidence.has(name, n)] for name in ("null", "haar")}
    assert looked == {"null": list(range(1, 13)), "haar": [3, 5, 8]}


def test_a_second_run_that_looks_seldom_makes_nothing_again(
    tmp_path: Path, context: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_clip(tmp_path / "input" / "clip.mp4", [picture()] * 6 + [picture() // 255] * 6)
    direct(source, context(every=4))
    calls = counting(monkeypatch)
    direct(source, context(every=4))
    assert not calls


def test_the_debug_video_is_made_too(clip: Path, context: Make) -> None:
    bare = without(clip, context, debug=True)
    assert len(play(bare.finished_path("debug", ".mp4")).times) == 12


def test_captions_need_frames(clip: Path, context: Make) -> None:
    with pytest.raises(UsageError, match="leave it out"):
        direct(clip, context(overlay=("time",)))


def test_a_detector_that_fails_names_the_frame(clip: Path, context: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Null, image: object) -> object:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(Null, "rows", fail)
    with pytest.raises(IncompleteError, match=r"null failed on frame 1: RuntimeError: out of memory"):
        direct(clip, context())


def test_frames_are_let_go_once_they_were_looked_at(
    tmp_path: Path, context: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[int] = []

    def rows(self: Null, image: object) -> Rows:
        held.append(sum(isinstance(found, _Seen) for found in gc.get_objects()))
        return np.empty((0, 5))

    monkeypatch.setattr(Null, "rows", rows)
    direct(write_clip(tmp_path / "input" / "clip.mp4", moving_face(60)), context(every=2))
    assert max(held) < 10, held


@pytest.mark.parametrize("every", [1, 2])
def test_frames_looked_at_together_are_answered_as_one_by_one(
    clip: Path, context: Make, monkeypatch: pytest.MonkeyPatch, every: int
) -> None:
    job = without(clip, context, every=every)
    alone = said(job, "detections")
    clean(job, "detections", "null")
    given: list[int] = []
    batch = Null.batch

    def remembered(self: Null, seen: Sequence[images.Image]) -> list[Rows]:
        given.append(len(seen))
        return batch(self, seen)

    monkeypatch.setattr(network, "no_gpu", lambda: "")  # nor is any network loaded
    monkeypatch.setattr(Null, "at_once", lambda self, width, height: 4)
    monkeypatch.setattr(Null, "batch", remembered)
    assert said(without(clip, context, every=every), "detections") == alone
    assert given == ([4, 4, 4] if every == 1 else [4, 3])  # each second, and the last


def test_an_output_that_cannot_be_is_told_before_anything_is_detected(
    tmp_path: Path, clip: Path, context: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = counting(monkeypatch)
    with pytest.raises(Exception, match="cannot write this kind of file"):
        direct(clip, context(out=tmp_path / "clip.xyz"))
    assert not calls


def test_doubts_are_drawn_from_the_source(tmp_path: Path, clip: Path, context: Make) -> None:
    bare = without(clip, context)
    doubt = {"frame": 3, "box": [8, 8, 40, 40], "reason": "because", "weight": 0.5, "time_s": 0.08}
    doubts.sheet(bare, [doubt], tmp_path / "sheet.png")
    assert images.read(tmp_path / "sheet.png").any()


def test_a_frame_is_shown_as_it_was_looked_at(clip: Path, context: Make) -> None:
    bare = without(clip, context)
    [(number, frame)] = shown(bare, [4])
    reader = list(media.Reader(clip, media.probe(clip)))
    assert number == 4
    assert np.array_equal(frame, reader[3].image)


def test_clean_removes_what_can_be_made_again(clip: Path, context: Make) -> None:
    bare = without(clip, context)
    clean(bare, "work")
    assert not bare.frames.exist()
    assert sorted(p.name for p in bare.folder.iterdir()) == ["clip-blurred.mp4", "report.json"]


def test_a_damaged_source_is_refused_unless_accepted(tmp_path: Path, context: Make) -> None:
    source = write_clip(tmp_path / "input" / "clip.mkv", moving_face(50), options={"g": "5"})
    source.write_bytes(source.read_bytes()[: source.stat().st_size * 6 // 10])
    with pytest.raises(SourceError, match="--damaged accept"):
        direct(source, context())
    result = direct(source, context(damaged="accept"))
    with av.open(str(result)) as container:
        assert 0 < sum(1 for _ in container.decode(video=0)) < 50


def test_threads_give_the_same(clip: Path, context: Make) -> None:
    bare = without(clip, context, workers=3)
    several = said(bare, "regions")
    clean(bare, "all")
    assert said(without(clip, context), "regions") == several
