"""The files of a job: names, stamps, and what is missing."""

import json
import re
from collections.abc import Callable, Container, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from conftest import GREEN, picture, write_clip
from faceblur import calibration, images, media, options
from faceblur.catalog import find_job
from faceblur.context import Context
from faceblur.domain import Box, Doubt, Json, Region
from faceblur.errors import IncompleteError, UsageError
from faceblur.job import DirectJob, Job
from faceblur.pipeline import assemble, clean, run, split
from faceblur.temporal import Solved
from faceblur.worker import Worker, blur

Make = Callable[..., Context]


@pytest.fixture
def foreign(tmp_path: Path) -> Job:
    """A folder of numbered frames from elsewhere, 7 to 11."""
    folder = tmp_path / "input" / "mine"
    for number in range(7, 12):
        images.write(folder / f"frame_{number:010}.png", picture(faces=[(8, 8, 24, 24)], seed=number))
    return Job("mine", tmp_path / "input", tmp_path / "output")


def test_names_are_those_of_the_documentation(tmp_path: Path) -> None:
    job = Job("clip", Path("input"), Path("output"))
    assert str(job.frame_path(42)) == "input/clip/frame_0000000042.png"
    assert str(job.blurred_path(42)) == "output/clip/frame_0000000042.png.blurred.png"
    assert str(job.debug_path(42)) == "output/clip/frame_0000000042.png.debug.png"
    assert str(job.evidence_path("centerface", 42)) == ("output/clip/detections/centerface/frame_0000000042.json")
    assert str(job.finished_path("blurred", ".mp4")) == "output/clip/clip-blurred.mp4"


def test_foreign_frames_may_begin_anywhere(foreign: Job, context: Make) -> None:
    blur(foreign, context())
    assert [p.name[6:16] for p in sorted(foreign.folder.glob("*.blurred.png"))] == [f"{n:010}" for n in range(7, 12)]


def test_a_gap_in_foreign_frames_is_told(foreign: Job) -> None:
    foreign.frame_path(9).unlink()
    with pytest.raises(IncompleteError, match="lacks frame 9 of its source"):
        foreign.extent()


def test_foreign_frames_lost_at_the_end_are_missed_once_work_began(foreign: Job, context: Make) -> None:
    blur(foreign, context())
    foreign.frame_path(11).unlink()
    with pytest.raises(IncompleteError, match="frame 11"):
        foreign.extent()


def test_foreign_frames_that_came_later_are_not_left_out_silently(foreign: Job, context: Make) -> None:
    blur(foreign, context())
    images.write(foreign.frame_path(12), picture())
    with pytest.raises(IncompleteError, match="got frame 12 after"):
        foreign.extent()
    clean(foreign, "work")
    assert foreign.frame_numbers() == list(range(7, 13)), "frames from elsewhere are their owner's"
    assert foreign.extent()[:2] == (7, 12)


def test_folders_of_one_name_never_mix(foreign: Job, context: Make, tmp_path: Path) -> None:
    blur(foreign, context())
    other = tmp_path / "elsewhere" / "mine"
    images.write(other / "frame_0000000007.png", picture())
    with pytest.raises(IncompleteError, match="rename one of the two folders"):
        blur(Job("mine", tmp_path / "input", tmp_path / "output", other), context())


def test_a_job_that_is_being_worked_on_is_not_cleaned(clip: Path, context: Make) -> None:
    job = split(clip, context())
    with Worker(job, context()).joined(), pytest.raises(IncompleteError, match="stop the workers first"):
        clean(job, "all")
    clean(job, "all")
    assert not job.exists()


def test_a_solve_that_was_killed_half_way_is_made_again(clip: Path, context: Make) -> None:
    job = split(clip, context())
    blur(job, context())
    plan = job.plan()
    assert plan is not None
    with pytest.raises(RuntimeError):
        job.write_solution(plan, _breaking(), job.solve_inputs(plan, ""))
    assert not job.is_solved(plan)


def _breaking():  # type: ignore[no-untyped-def]
    raise RuntimeError("killed")
    yield


@pytest.mark.parametrize(
    "damage",
    [{"paces": [3]}, {"paces": {"null": {"every": 0, "apart": 0}}}, {"every": [3]}, {"detectors": [3]}],
    ids=str,
)
def test_a_damaged_plan_is_told_with_advice(clip: Path, context: Make, damage: Json) -> None:
    job = split(clip, context())
    blur(job, context())
    job.plan_path.write_text(json.dumps(json.loads(job.plan_path.read_text()) | damage))
    with pytest.raises(IncompleteError, match="delete it, and run blur"):
        job.plan()


def test_a_stamp_knows_frame_regions_style_and_number(clip: Path, context: Make) -> None:
    job = split(clip, context())
    blur(job, context())
    plan = job.plan()
    assert plan is not None
    stamps = {job.blurred_stamp(plan, number) for number in plan.numbers}
    assert len(stamps) == 12
    before = job.blurred_stamp(plan, 1)
    images.write(job.frame_path(1), picture(seed=77))
    assert job.blurred_stamp(plan, 1) != before


def test_a_stamp_knows_the_outline_of_a_region(clip: Path, context: Make) -> None:
    job = split(clip, context())
    blur(job, context())
    plan = job.plan()
    assert plan is not None
    box = Region(Box(0, 0, 9, 9), "plate", "detection", 0.9)
    corners = replace(box, outline=((0, 0), (9, 0), (9, 9)))
    other = replace(box, outline=((0, 0), (9, 9), (0, 9)))
    assert len({job.blurred_stamp(plan, 1, [region]) for region in (box, corners, other)}) == 3


def test_cleaning_all_leaves_what_somebody_else_put_there(clip: Path, context: Make, tmp_path: Path) -> None:
    job = split(clip, context())
    blur(job, context())
    for out in (tmp_path / "elsewhere.mp4", None):
        assemble(job, context(out=out))
    mine = job.folder / "notes.txt"
    mine.write_text("mine")
    clean(job, "all")
    assert [p.name for p in job.folder.rglob("*")] == ["notes.txt"]


def test_a_job_is_never_named_outside_its_folder(clip: Path, context: Make, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text("{}")
    for name in ("..", ".", "", "../output"):
        with pytest.raises(UsageError):
            find_job(name, tmp_path / "input", tmp_path / "output")


def test_a_huge_gap_is_told_without_counting_it_out(foreign: Job) -> None:
    foreign.frame_path(11).rename(foreign.frames_folder / "frame_9999999999.png")
    with pytest.raises(IncompleteError, match="lacks frames 11-"):
        foreign.extent()


def test_frame_names_without_ten_digits_are_told(tmp_path: Path) -> None:
    images.write(tmp_path / "input" / "mine" / "frame_1.png", picture())
    with pytest.raises(IncompleteError, match="ten digits"):
        Job("mine", tmp_path / "input", tmp_path / "output").extent()


# Doubts

BOX = Box(1.5, 2, 30, 40)


def solve_again(job: Job, doubts: Sequence[Doubt] = (), general: Sequence[Doubt] = ()) -> int:
    """Write the regions that are there once more, with these doubts; how many files of regions changed."""
    plan = job.plan()
    assert plan
    text = job.decisions_text(plan)
    solution = [Solved(n, job.regions(n), tuple(d for d in doubts if d.number == n)) for n in plan.numbers]
    return job.write_solution(plan, solution, job.solve_inputs(plan, text), general, asked=job.asked(plan, text))


@pytest.fixture
def solved(clip: Path, context: Make) -> Job:
    """Twelve frames at 25 a second, solved and rendered."""
    job = split(clip, context())
    blur(job, context())
    return job


def test_a_doubt_is_told_with_frame_time_box_reason_and_weight(solved: Job) -> None:
    solve_again(solved, [Doubt(6, BOX, "odd", 0.25)])
    expected = {"frame": 6, "time_s": 0.2, "box": [1.5, 2.0, 30.0, 40.0], "reason": "odd", "weight": 0.25}
    assert solved.solution()["doubts"] == [expected]


def test_doubts_are_ranked_by_weight_then_frame_then_place(solved: Job) -> None:
    right = Box(50, 2, 60, 40)
    doubts = [Doubt(5, right, "d", 0.5), Doubt(5, BOX, "c", 0.5), Doubt(3, BOX, "b", 0.5), Doubt(9, BOX, "a", 0.6)]
    solve_again(solved, doubts)
    assert [doubt["reason"] for doubt in solved.solution()["doubts"]] == ["a", "b", "c", "d"]


def test_a_decision_that_could_not_be_followed_comes_first(solved: Job) -> None:
    solve_again(solved, [Doubt(3, BOX, "odd", 0.99)], [Doubt(9, BOX, "not followed")])
    assert [(d["reason"], d["weight"]) for d in solved.solution()["doubts"]] == [("not followed", 1.0), ("odd", 0.99)]


def test_at_most_500_doubts_are_kept_and_they_are_the_weightiest(solved: Job) -> None:
    solve_again(solved, general=[Doubt(5, BOX, "odd", n / 1000) for n in range(600)])
    assert [doubt["weight"] for doubt in solved.solution()["doubts"]] == [n / 1000 for n in range(599, 99, -1)]


def test_of_decisions_that_could_not_be_followed_none_is_left_out(solved: Job) -> None:
    solve_again(solved, [Doubt(3, BOX, "odd", 0.9)], [Doubt(9, BOX, "not followed")] * 600)
    assert {doubt["reason"] for doubt in solved.solution()["doubts"]} == {"not followed"}
    assert len(solved.solution()["doubts"]) == 600


def test_a_doubt_about_a_frame_that_is_not_there_has_the_time_of_the_nearest(solved: Job) -> None:
    solve_again(solved, general=[Doubt(0, BOX, "before"), Doubt(10**12, BOX, "after")])
    assert [doubt["time_s"] for doubt in solved.solution()["doubts"]] == [0.0, 0.44]


def test_times_of_frames_that_begin_anywhere_count_from_the_first(foreign: Job, context: Make) -> None:
    blur(foreign, context())
    solve_again(foreign, [Doubt(9, BOX, "odd", 0.5)])
    assert [doubt["time_s"] for doubt in foreign.solution()["doubts"]] == [0.08]


def test_the_report_lists_the_same_doubts(solved: Job, context: Make) -> None:
    solve_again(solved, [Doubt(6, BOX, "odd", 0.25), Doubt(7, BOX, "odder", 0.5)])
    assemble(solved, context())
    assert [doubt["reason"] for doubt in solved.report()["doubts"]] == ["odder", "odd"]
    assert solved.report()["doubts"] == solved.solution()["doubts"]


def test_a_decision_that_names_no_frame_of_the_job_is_in_the_report(solved: Job, context: Make) -> None:
    decision = {"id": "7", "action": "hide", "boxes": [[99, [0, 0, 10, 10]]]}
    solved.decisions_path.write_text(json.dumps(decision) + "\n")
    blur(solved, context())
    assemble(solved, context())
    assert [(d["frame"], d["weight"]) for d in solved.report()["doubts"] if "decision 7" in d["reason"]] == [(99, 1.0)]


def test_no_region_changes_when_only_doubts_do(solved: Job) -> None:
    before = solved.solution()
    assert solve_again(solved, [Doubt(6, BOX, "odd", 0.25)]) == 0
    after = solved.solution()
    assert {k for k in after if after[k] != before[k]} == {"doubts", "solve"}
    assert after["regions"] == 12


def test_other_constants_of_calibration_have_all_solved_again(solved: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = solved.plan()
    assert plan
    assert solved.is_solved(plan)
    assert solved.answers(plan, 0)
    monkeypatch.setitem(calibration._CONSTANTS, "null", (0.5, 1.0, 0.0, 0.0, 0.0))
    assert not solved.is_solved(plan)
    assert not solved.answers(plan, 0)


def test_no_frame_is_rendered_again_when_only_doubts_change(solved: Job, context: Make) -> None:
    solve_again(solved, [Doubt(6, BOX, "odd", 0.25)])
    plan = solved.plan()
    assert plan
    assert solved.is_solved(plan)
    before = [solved.blurred_path(n).stat().st_mtime_ns for n in plan.numbers]
    blur(solved, context())
    assert [solved.blurred_path(n).stat().st_mtime_ns for n in plan.numbers] == before
    assert len(solved.solution()["doubts"]) == 1


def test_evidence_that_somebody_changed_is_made_again(foreign: Job, context: Make) -> None:
    blur(foreign, context())
    before = foreign.evidence_path("null", 8).read_bytes()
    for other in (b'"score":0.0', b'"score":NaN'):
        changed = re.sub(rb'"score":[0-9.]+', other, before)
        assert changed != before
        foreign.evidence_path("null", 8).write_bytes(changed)
        assert not foreign.has_evidence("null", 8)
    blur(foreign, context())
    assert foreign.evidence_path("null", 8).read_bytes() == before


@pytest.mark.parametrize("moved", ["[0,0,0,0,1]", "[NaN,0,0,0,1]", "[1,0]", "null", '"far"'])
def test_motion_that_somebody_changed_is_made_again(foreign: Job, context: Make, moved: str) -> None:
    blur(foreign, context())
    before = foreign.motion_path(8).read_bytes()
    value = json.loads(before)
    foreign.motion_path(8).write_text(json.dumps(value | {"motion": json.loads(moved)}))
    assert foreign.motion(8) is None
    blur(foreign, context())
    assert foreign.motion_path(8).read_bytes() == before


def test_a_plan_of_an_older_version_is_understood(foreign: Job, context: Make) -> None:
    blur(foreign, context())
    plan = json.loads(foreign.plan_path.read_text())
    foreign.plan_path.write_text(json.dumps({k: v for k, v in plan.items() if not k.startswith("look")}))
    blur(foreign, context())
    assert json.loads(foreign.plan_path.read_text()) == plan


def test_regions_of_an_older_version_are_told(foreign: Job, context: Make) -> None:
    blur(foreign, context())
    value = json.loads(foreign.regions_path(8).read_text())
    for region in value["regions"]:
        del region["track"]
    foreign.regions_path(8).write_text(json.dumps(value))
    with pytest.raises(IncompleteError, match="run blur"):
        foreign.regions(8)


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
    return [number for number in job.frame_numbers() if job.has_evidence("null", number)]


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
    assert all(job.regions(number) for number in (305, 309))


@pytest.mark.parametrize("bare", [True, False])
@pytest.mark.parametrize("number", [4, 14])
def test_a_face_that_enters_in_the_last_frame_of_a_shot_is_hidden(
    sparse: Callable[..., Job], bare: bool, number: int
) -> None:
    job = sparse([0] * 4 + [1] * 6 + [2] * 4, range(14), Fraction(1, 25), bare=bare, faced=[number])
    assert job.regions(number)


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
        images.write(job.frame_path(number), picture())
    blur(job, context(**asked))
    assert looked(job) == seen


def test_other_times_are_another_choice_of_frames(sparse: Callable[..., Job]) -> None:
    """Kept in mind is what was chosen by the times that there were."""
    job = sparse([0] * 12, range(12), Fraction(1, 25))
    plan, origin = job.plan(), job.origin()
    assert plan is not None
    assert origin is not None
    assert job.sees(plan, "null") == [1, 3, 5, 7, 9, 11, 12]
    job.write_origin(replace(origin, clock=media.Clock(Fraction(1, 2), tuple(range(12)), 12)))
    assert job.sees(plan, "null") == list(range(1, 13))


@pytest.mark.parametrize("bare", [True, False])
def test_a_job_whose_plan_tells_a_stride_goes_on_and_looks_at_the_ends_too(
    sparse: Callable[..., Job], context: Make, bare: bool
) -> None:
    job = sparse([0] * 4 + [1] * 4, range(8), Fraction(1, 25), bare=bare)
    plan = json.loads(job.plan_path.read_text())
    del plan["paces"]
    job.plan_path.write_text(json.dumps(plan | {"every": {"null": 6}}))
    for number in (3, 4, 8):
        job.evidence_path("null", number).unlink()
    again = job if not bare else DirectJob(job.name, job.input_folder, job.folder.parent)
    run(job.input_folder / "clip.mkv", context(detector="fast", no_frames=bare))
    assert looked(again) == [1, 3, 4, 5, 7, 8]
