"""Which frames are looked at."""

import json
from collections.abc import Callable, Container, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from conftest import GREEN, picture, write_clip
from faceblur import images, media, options
from faceblur.context import Context
from faceblur.crew import blur
from faceblur.job import DirectJob, Job
from faceblur.pipeline import run

Make = Callable[..., Context]


@pytest.fixture
def sparse(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, context: Make) -> Callable[..., Job]:
    """A maker of finished jobs whose frames `null` sees at the pace of `fast`; shots of odd number are black.

    There is a face in the frames whose numbers are `faced`.
    """
    monkeypatch.setitem(options.PRESETS, "fast", {"faces": "null"})

    def make(
        shots: Sequence[int],
        pts: Sequence[int],
        tick: Fraction,
        *,
        bare: bool = False,
        faced: Container[int] = (),
        **asked: object,
    ) -> Job:
        shown = [picture(64, 48) * np.uint8(shot % 2 == 0) for shot in shots]
        for number, image in enumerate(shown, start=1):
            if number in faced:
                image[10:30, 20:40] = GREEN
        source = write_clip(tmp_path / "input" / "clip.mkv", shown, pts=pts, time_base=tick)
        run(source, context(detector="fast", no_frames=bare, **asked))
        return (DirectJob if bare else Job)("clip", tmp_path / "input", tmp_path / "output")

    return make


def looked(job: Job) -> list[int]:
    """The numbers of the frames that `null` looked at."""
    return [number for number in job.frames.numbers() if job.evidence.has("null", number)]


@pytest.mark.parametrize("bare", [True, False])
def test_frames_that_come_more_seldom_than_a_source_tells_are_all_looked_at(
    sparse: Callable[..., Job], bare: bool
) -> None:
    job = sparse([0] * 12, [6 * n for n in range(12)], Fraction(1, 25), bare=bare)
    assert media.probe(job.input_folder / "clip.mkv").rate == 25
    assert looked(job) == list(range(1, 13))


@pytest.mark.parametrize("bare", [True, False])
def test_where_a_source_tells_far_too_many_frames_a_second_their_times_count(
    sparse: Callable[..., Job], bare: bool
) -> None:
    """Browsers record WebM with 1000 a second; at ten looks a second of those a face would go unseen for seconds."""
    job = sparse([0] * 40, [33 * n + n % 3 for n in range(40)], Fraction(1, 1000), bare=bare)
    assert media.probe(job.input_folder / "clip.mkv").rate == 1000
    assert looked(job) == list(range(1, 41, 3))


@pytest.mark.parametrize("bare", [True, False])
def test_where_a_video_slows_down_every_frame_is_looked_at(sparse: Callable[..., Job], bare: bool) -> None:
    dense, pauses = list(range(60)), [60 + 30 * n for n in range(6)]
    job = sparse([0] * 66, dense + pauses, Fraction(1, 60), bare=bare)
    assert looked(job) == [*range(1, 61, 6), *range(61, 67)]


@pytest.mark.parametrize("bare", [True, False])
def test_a_face_that_is_there_for_one_frame_of_a_still_scene_is_hidden(sparse: Callable[..., Job], bare: bool) -> None:
    """Sixty frames a second for a while and two after that are on average ten."""
    dense, pauses = list(range(300)), [300 + 30 * n for n in range(10)]
    job = sparse([0] * 310, dense + pauses, Fraction(1, 60), bare=bare, faced=[305, 309])
    assert all(job.solution.regions(number) for number in (305, 309))


@pytest.mark.parametrize("bare", [True, False])
@pytest.mark.parametrize("number", [4, 14])
def test_a_face_that_enters_in_the_last_frame_of_a_shot_is_hidden(
    sparse: Callable[..., Job], bare: bool, number: int
) -> None:
    job = sparse([0] * 4 + [1] * 6 + [2] * 4, range(14), Fraction(1, 25), bare=bare, faced=[number])
    assert job.solution.regions(number)


@pytest.mark.parametrize("bare", [True, False])
@pytest.mark.parametrize(("asked", "steps"), [({}, [1, 3, 5, 7, 9, 11, 13]), ({"every": 5}, [1, 6, 11])])
def test_the_first_and_the_last_frame_of_every_shot_are_looked_at(
    sparse: Callable[..., Job], bare: bool, asked: dict[str, object], steps: list[int]
) -> None:
    job = sparse([0] * 4 + [1] * 6 + [2] * 4, range(14), Fraction(1, 25), bare=bare, **asked)
    assert looked(job) == sorted({*steps, 1, 4, 5, 10, 11, 14})


@pytest.mark.parametrize("bare", [True, False])
def test_the_last_frame_of_a_part_is_looked_at(sparse: Callable[..., Job], bare: bool) -> None:
    part = {"start": Fraction(2, 25), "end": Fraction(8, 25)}
    assert looked(sparse([0] * 12, range(12), Fraction(1, 25), bare=bare, **part)) == [1, 3, 5, 6]


@pytest.mark.parametrize(("asked", "seen"), [({"apart": 0.1}, [1, 2, 3, 4, 5, 6]), ({"every": 4}, [1, 5, 6])])
def test_frames_that_hold_no_times_are_all_looked_at_unless_they_are_to_be_counted(
    tmp_path: Path, context: Make, asked: dict[str, float], seen: list[int]
) -> None:
    """They may be of two a second, which only `assemble` is told."""
    job = Job("mine", tmp_path / "input", tmp_path / "output", tmp_path / "mine")
    for number in range(1, 7):
        images.write(job.frames.path(number), picture())
    blur(job, context(**asked))
    assert looked(job) == seen


def test_other_times_are_another_choice_of_frames(sparse: Callable[..., Job]) -> None:
    """Kept in mind is what was chosen by the times that there were."""
    job = sparse([0] * 12, range(12), Fraction(1, 25))
    plan, origin = job.plan(), job.frames.origin()
    assert plan is not None
    assert origin is not None
    assert job.watch.sees(plan, "null") == [1, 3, 5, 7, 9, 11, 12]
    job.frames.write_origin(replace(origin, clock=media.Clock(Fraction(1, 2), tuple(range(12)), 12)))
    assert job.watch.sees(plan, "null") == list(range(1, 13))


@pytest.mark.parametrize("bare", [True, False])
def test_a_job_whose_plan_tells_a_stride_goes_on_and_looks_at_the_ends_too(
    sparse: Callable[..., Job], context: Make, bare: bool
) -> None:
    job = sparse([0] * 4 + [1] * 4, range(8), Fraction(1, 25), bare=bare)
    plan = json.loads(job.plan_path.read_text())
    del plan["paces"]
    job.plan_path.write_text(json.dumps(plan | {"every": {"null": 6}}))
    for number in (3, 4, 8):
        job.evidence.path("null", number).unlink()
    again = job if not bare else DirectJob(job.name, job.input_folder, job.folder.parent)
    run(job.input_folder / "clip.mkv", context(detector="fast", no_frames=bare))
    assert looked(again) == [1, 3, 4, 5, 7, 8]
