"""What a person should look at in a job: as lines, and as a sheet of pictures."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from conftest import picture, write_clip
from faceblur import doubts, images
from faceblur.context import Context
from faceblur.domain import Box, Doubt, Region
from faceblur.errors import IncompleteError, SourceError, UsageError
from faceblur.job import Job
from faceblur.pipeline import blur, clean, split
from faceblur.temporal import Solved

Make = Callable[..., Context]
CELL = (398, 320)  # height with its caption, and width
COLOURS = [(0, 0, 200), (0, 200, 200), (200, 0, 200), (200, 200, 0)]


@pytest.fixture
def job(tmp_path: Path, context: Make) -> Job:
    """Four frames, 96 by 64, of one colour each, solved."""
    frames = [np.full((64, 96, 3), colour, dtype=np.uint8) for colour in COLOURS]
    job = split(write_clip(tmp_path / "input" / "clip.mp4", frames), context())
    for number, frame in enumerate(frames, start=1):  # as painted, whatever the codec made of it
        images.write(job.frames.path(number), frame)
    blur(job, context())
    return job


def solve(job: Job, found: Sequence[Doubt]) -> None:
    """Write the same regions again, with these doubts."""
    plan = job.plan()
    assert plan
    solution = [Solved(number, job.solution.regions(number)) for number in plan.numbers]
    job.solution.write(plan, solution, job.solution.inputs(plan, ""), found)


MIDDLE = Box(40, 24, 56, 40)


def doubt(number: int, weight: float = 0.5, box: Box = MIDDLE, reason: str = "odd") -> Doubt:
    return Doubt(number, box, reason, weight)


def drawn(job: Job, path: Path, limit: int | None = None) -> list[tuple[int, ...]]:
    """The colour in the middle of each cell of the sheet, in rank order."""
    ranked = doubts.ranked(job, limit)
    doubts.sheet(job, ranked, path)
    sheet = cv2.imread(str(path))
    assert sheet is not None
    places = [divmod(place, 5) for place in range(len(ranked))]
    return [tuple(sheet[row * CELL[0] + 160, column * CELL[1] + 160].tolist()) for row, column in places]


# Lines


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0:00.0"),
        (62.34, "1:02.3"),
        (59.96, "1:00.0"),
        (3599.94, "59:59.9"),
        (3599.96, "1:00:00.0"),
        (3723.5, "1:02:03.5"),
        (360000, "100:00:00.0"),
    ],
)
def test_a_time_is_minutes_and_seconds_with_hours_from_the_first_on(seconds: float, text: str) -> None:
    assert doubts.clock(seconds) == text


def test_a_line_tells_rank_weight_frame_time_place_and_reason() -> None:
    value = doubt(7, 0.25, Box(1.4, 2, 30, 40.6)).to_json() | {"time_s": 62.34}
    assert list(doubts.lines([value])) == ["   1  0.25  frame 7, 1:02.3, 1,2 to 30,41: odd"]


def test_a_reason_stays_on_its_line() -> None:
    value = doubt(7, reason="decision a\nb").to_json() | {"time_s": 0.0}
    assert next(doubts.lines([value])).endswith(": decision a b")


# Ranks


def test_the_weightiest_comes_first(job: Job) -> None:
    solve(job, [doubt(1, 0.2), doubt(2, 0.9), doubt(3, 0.4)])
    assert [found["frame"] for found in doubts.ranked(job)] == [2, 3, 1]


def test_no_more_are_given_than_asked_for(job: Job) -> None:
    solve(job, [doubt(1, 0.2), doubt(2, 0.9), doubt(3, 0.4)])
    assert [found["frame"] for found in doubts.ranked(job, 2)] == [2, 3]


def test_before_solving_there_is_nothing_to_tell(clip: Path, context: Make) -> None:
    job = split(clip, context())
    with pytest.raises(IncompleteError, match="clip are not solved yet: run blur first"):
        doubts.ranked(job)


# The sheet


@pytest.mark.parametrize("name", ["sheet.png", "deep/er/sheet.png"])
def test_the_cells_of_a_sheet_are_in_rank_order(job: Job, tmp_path: Path, name: str) -> None:
    solve(job, [doubt(1, 0.2), doubt(4, 0.9), doubt(2, 0.4), doubt(3, 0.5), doubt(1, 0.8)])
    assert drawn(job, tmp_path / name) == [COLOURS[n - 1] for n in (4, 1, 3, 2, 1)]


def test_a_sheet_may_be_a_jpg(job: Job, tmp_path: Path) -> None:
    solve(job, [doubt(2, 0.9)])
    [colour] = drawn(job, tmp_path / "sheet.jpg")
    assert np.abs(np.array(colour) - COLOURS[1]).max() <= 12


def test_a_sheet_goes_on_in_the_next_row(job: Job, tmp_path: Path) -> None:
    solve(job, [doubt(n % 4 + 1, 0.9 - n / 100) for n in range(8)])
    assert drawn(job, tmp_path / "sheet.png") == COLOURS * 2
    assert images.size(tmp_path / "sheet.png") == (5 * CELL[1], 2 * CELL[0])


@pytest.mark.parametrize(
    "box", [Box(-9, -9, 12, 12), Box(20, 20, 21, 21), Box(-100, -100, 300, 300)], ids=["border", "tiny", "huge"]
)
def test_a_sheet_shows_a_box_of_any_kind(job: Job, tmp_path: Path, box: Box) -> None:
    solve(job, [doubt(3, 0.9, box)])
    doubts.sheet(job, doubts.ranked(job), tmp_path / "sheet.png")
    assert (images.read(tmp_path / "sheet.png")[: CELL[1]] == COLOURS[2]).all(axis=2).any()


def test_a_sheet_shows_what_is_hidden_there(job: Job, tmp_path: Path) -> None:
    plan = job.plan()
    assert plan
    hidden = Region(Box(44, 28, 52, 36), "face", "detection", 1.0)
    solution = [Solved(number, (hidden,) if number == 2 else ()) for number in plan.numbers]
    job.solution.write(plan, solution, job.solution.inputs(plan, ""), [doubt(2, 0.9), doubt(3, 0.8)])
    doubts.sheet(job, doubts.ranked(job), tmp_path / "sheet.png")
    sheet = images.read(tmp_path / "sheet.png")
    yellow = (sheet[: CELL[1], :, 0] < 60) & (sheet[: CELL[1], :, 1] > 200) & (sheet[: CELL[1], :, 2] > 200)
    assert [bool(yellow[:, k * CELL[1] : (k + 1) * CELL[1]].any()) for k in range(2)] == [True, False]


def test_around_a_tiny_place_a_tenth_of_the_frame_is_shown(tmp_path: Path, context: Make) -> None:
    frame = np.full((640, 960, 3), 40, dtype=np.uint8)
    frame[:, 480 - 40 : 480 + 40] = 200
    job = split(write_clip(tmp_path / "input" / "clip.mp4", [frame] * 2), context())
    blur(job, context())
    solve(job, [doubt(2, 0.9, Box(478, 318, 482, 322))])
    doubts.sheet(job, doubts.ranked(job), tmp_path / "sheet.png")
    row = images.read(tmp_path / "sheet.png")[20, : CELL[1], 0]
    assert (row > 120).mean() == pytest.approx(80 / 96, abs=0.03)


def test_each_frame_is_read_once(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    solve(job, [doubt(n % 4 + 1, 0.9 - n / 100) for n in range(12)])
    read, paths = images.read, []
    monkeypatch.setattr(images, "read", lambda path: paths.append(path) or read(path))
    doubts.sheet(job, doubts.ranked(job), tmp_path / "sheet.png")
    assert sorted(paths) == [job.frames.path(n) for n in (1, 2, 3, 4)]


def test_a_sheet_of_another_kind_is_refused_before_any_frame_is_read(job: Job, tmp_path: Path) -> None:
    solve(job, [doubt(2, 0.9)])
    clean(job, "frames")
    with pytest.raises(UsageError, match=r"sheet\.txt"):
        doubts.sheet(job, doubts.ranked(job), tmp_path / "sheet.txt")


def test_frames_that_were_deleted_are_named(job: Job, tmp_path: Path) -> None:
    solve(job, [doubt(2, 0.9), doubt(3)])
    clean(job, "frames")
    with pytest.raises(IncompleteError, match=r"clip lacks frames 2-3 of its source.*split again"):
        doubts.sheet(job, doubts.ranked(job), tmp_path / "sheet.png")
    assert not (tmp_path / "sheet.png").exists()


def test_a_frame_that_is_damaged_is_named(job: Job, tmp_path: Path) -> None:
    solve(job, [doubt(2, 0.9)])
    job.frames.path(2).write_bytes(job.frames.path(2).read_bytes()[:-30])
    with pytest.raises(SourceError, match=r"frame_0000000002\.png is cut or damaged"):
        doubts.sheet(job, doubts.ranked(job), tmp_path / "sheet.png")


def test_a_frame_that_is_not_needed_is_not_missed(job: Job, tmp_path: Path) -> None:
    solve(job, [doubt(2, 0.9)])
    job.frames.path(3).unlink()
    assert drawn(job, tmp_path / "sheet.png") == [COLOURS[1]]


def test_a_decision_about_a_frame_that_never_was_is_a_black_cell(job: Job, tmp_path: Path) -> None:
    solve(job, [doubt(99, 1.0), doubt(2, 0.9)])
    assert drawn(job, tmp_path / "sheet.png") == [(0, 0, 0), COLOURS[1]]


def test_a_sheet_that_no_jpg_could_hold_is_refused(job: Job, tmp_path: Path) -> None:
    solve(job, [doubt(1, 1.0)] * 1001)
    with pytest.raises(UsageError, match="at most 1000 pictures, not 1001: give a smaller --limit"):
        doubts.sheet(job, doubts.ranked(job), tmp_path / "sheet.jpg")


def test_what_is_told_is_what_was_found(tmp_path: Path, context: Make) -> None:
    blue = picture(seed=2)
    blue[24:40, 40:56] = (255, 0, 0)  # a face of score 0.1 to the detector null
    write_clip(tmp_path / "input" / "clip.mp4", [blue if i == 5 else picture(seed=2) for i in range(12)])
    job = split(tmp_path / "input" / "clip.mp4", context())
    blur(job, context())
    [found] = doubts.ranked(job)
    assert (found["frame"], found["time_s"], found["reason"]) == (6, 0.2, "looks a little like a face")
    assert found["box"] == pytest.approx([40, 24, 56, 40], abs=2)
    assert json.loads(json.dumps(found)) == found
