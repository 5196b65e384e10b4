"""The solution: whether it is current, and the doubts in it."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from faceblur import calibration
from faceblur.assemble import assemble
from faceblur.context import Context
from faceblur.crew import blur
from faceblur.domain import Box, Doubt
from faceblur.errors import IncompleteError
from faceblur.job import Job
from faceblur.split import split
from faceblur.temporal import Solved

Make = Callable[..., Context]


def test_a_solve_that_was_killed_half_way_is_made_again(clip: Path, context: Make) -> None:
    job = split(clip, context())
    blur(job, context())
    plan = job.plan()
    assert plan is not None
    with pytest.raises(RuntimeError):
        job.solution.write(plan, _breaking(), job.solution.inputs(plan, ""))
    assert not job.solution.is_current(plan)


def _breaking():  # type: ignore[no-untyped-def]
    raise RuntimeError("killed")
    yield


def test_regions_of_an_older_version_are_told(foreign: Job, context: Make) -> None:
    blur(foreign, context())
    value = json.loads(foreign.solution.regions_path(8).read_text())
    for region in value["regions"]:
        del region["track"]
    foreign.solution.regions_path(8).write_text(json.dumps(value))
    with pytest.raises(IncompleteError, match="run blur"):
        foreign.solution.regions(8)


# Doubts

BOX = Box(1.5, 2, 30, 40)


def solve_again(job: Job, doubts: Sequence[Doubt] = (), general: Sequence[Doubt] = ()) -> int:
    """Write the regions that are there once more, with these doubts; how many files of regions changed."""
    plan = job.plan()
    assert plan
    text = job.decisions.text(plan)
    solution = [Solved(n, job.solution.regions(n), tuple(d for d in doubts if d.number == n)) for n in plan.numbers]
    return job.solution.write(
        plan, solution, job.solution.inputs(plan, text), general, asked=job.solution.asked(plan, text)
    )


@pytest.fixture
def solved(clip: Path, context: Make) -> Job:
    """Twelve frames at 25 a second, solved and rendered."""
    job = split(clip, context())
    blur(job, context())
    return job


def test_a_doubt_is_told_with_frame_time_box_reason_and_weight(solved: Job) -> None:
    solve_again(solved, [Doubt(6, BOX, "odd", 0.25)])
    expected = {"frame": 6, "time_s": 0.2, "box": [1.5, 2.0, 30.0, 40.0], "reason": "odd", "weight": 0.25}
    assert solved.solution.summary()["doubts"] == [expected]


def test_doubts_are_ranked_by_weight_then_frame_then_place(solved: Job) -> None:
    right = Box(50, 2, 60, 40)
    doubts = [Doubt(5, right, "d", 0.5), Doubt(5, BOX, "c", 0.5), Doubt(3, BOX, "b", 0.5), Doubt(9, BOX, "a", 0.6)]
    solve_again(solved, doubts)
    assert [doubt["reason"] for doubt in solved.solution.summary()["doubts"]] == ["a", "b", "c", "d"]


def test_a_decision_that_could_not_be_followed_comes_first(solved: Job) -> None:
    solve_again(solved, [Doubt(3, BOX, "odd", 0.99)], [Doubt(9, BOX, "not followed")])
    assert [(d["reason"], d["weight"]) for d in solved.solution.summary()["doubts"]] == [
        ("not followed", 1.0),
        ("odd", 0.99),
    ]


def test_at_most_500_doubts_are_kept_and_they_are_the_weightiest(solved: Job) -> None:
    solve_again(solved, general=[Doubt(5, BOX, "odd", n / 1000) for n in range(600)])
    assert [doubt["weight"] for doubt in solved.solution.summary()["doubts"]] == [n / 1000 for n in range(599, 99, -1)]


def test_of_decisions_that_could_not_be_followed_none_is_left_out(solved: Job) -> None:
    solve_again(solved, [Doubt(3, BOX, "odd", 0.9)], [Doubt(9, BOX, "not followed")] * 600)
    assert {doubt["reason"] for doubt in solved.solution.summary()["doubts"]} == {"not followed"}
    assert len(solved.solution.summary()["doubts"]) == 600


def test_a_doubt_about_a_frame_that_is_not_there_has_the_time_of_the_nearest(solved: Job) -> None:
    solve_again(solved, general=[Doubt(0, BOX, "before"), Doubt(10**12, BOX, "after")])
    assert [doubt["time_s"] for doubt in solved.solution.summary()["doubts"]] == [0.0, 0.44]


def test_times_of_frames_that_begin_anywhere_count_from_the_first(foreign: Job, context: Make) -> None:
    blur(foreign, context())
    solve_again(foreign, [Doubt(9, BOX, "odd", 0.5)])
    assert [doubt["time_s"] for doubt in foreign.solution.summary()["doubts"]] == [0.08]


def test_the_report_lists_the_same_doubts(solved: Job, context: Make) -> None:
    solve_again(solved, [Doubt(6, BOX, "odd", 0.25), Doubt(7, BOX, "odder", 0.5)])
    assemble(solved, context())
    assert [doubt["reason"] for doubt in solved.reports.last()["doubts"]] == ["odder", "odd"]
    assert solved.reports.last()["doubts"] == solved.solution.summary()["doubts"]


def test_a_decision_that_names_no_frame_of_the_job_is_in_the_report(solved: Job, context: Make) -> None:
    decision = {"id": "7", "action": "hide", "boxes": [[99, [0, 0, 10, 10]]]}
    solved.decisions.path.write_text(json.dumps(decision) + "\n")
    blur(solved, context())
    assemble(solved, context())
    assert [(d["frame"], d["weight"]) for d in solved.reports.last()["doubts"] if "decision 7" in d["reason"]] == [
        (99, 1.0)
    ]


def test_no_region_changes_when_only_doubts_do(solved: Job) -> None:
    before = solved.solution.summary()
    assert solve_again(solved, [Doubt(6, BOX, "odd", 0.25)]) == 0
    after = solved.solution.summary()
    assert {k for k in after if after[k] != before[k]} == {"doubts", "solve"}
    assert after["regions"] == 12


def test_other_constants_of_calibration_have_all_solved_again(solved: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = solved.plan()
    assert plan
    assert solved.solution.is_current(plan)
    assert solved.solution.answers(plan, 0)
    monkeypatch.setitem(calibration._CONSTANTS, "null", (0.5, 1.0, 0.0, 0.0, 0.0))
    assert not solved.solution.is_current(plan)
    assert not solved.solution.answers(plan, 0)


def test_no_frame_is_rendered_again_when_only_doubts_change(solved: Job, context: Make) -> None:
    solve_again(solved, [Doubt(6, BOX, "odd", 0.25)])
    plan = solved.plan()
    assert plan
    assert solved.solution.is_current(plan)
    before = [solved.pictures.blurred_path(n).stat().st_mtime_ns for n in plan.numbers]
    blur(solved, context())
    assert [solved.pictures.blurred_path(n).stat().st_mtime_ns for n in plan.numbers] == before
    assert len(solved.solution.summary()["doubts"]) == 1
