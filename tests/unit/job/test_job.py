"""The files of a job: names, what is missing, the plan, and what cleaning leaves."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import picture
from faceblur import images
from faceblur.assemble import assemble
from faceblur.catalog import find_job
from faceblur.context import Context
from faceblur.crew import blur
from faceblur.domain import Json
from faceblur.errors import IncompleteError, UsageError
from faceblur.job import Job
from faceblur.pipeline import clean
from faceblur.split import split
from faceblur.worker import Worker

Make = Callable[..., Context]


def test_names_are_those_of_the_documentation(tmp_path: Path) -> None:
    job = Job("clip", Path("input"), Path("output"))
    assert str(job.frames.path(42)) == "input/clip/frame_0000000042.png"
    assert str(job.pictures.blurred_path(42)) == "output/clip/frame_0000000042.png.blurred.png"
    assert str(job.pictures.debug_path(42)) == "output/clip/frame_0000000042.png.debug.png"
    assert str(job.evidence.path("centerface", 42)) == ("output/clip/detections/centerface/frame_0000000042.json")
    assert str(job.finished_path("blurred", ".mp4")) == "output/clip/clip-blurred.mp4"


def test_foreign_frames_may_begin_anywhere(foreign: Job, context: Make) -> None:
    blur(foreign, context())
    assert [p.name[6:16] for p in sorted(foreign.folder.glob("*.blurred.png"))] == [f"{n:010}" for n in range(7, 12)]


def test_a_gap_in_foreign_frames_is_told(foreign: Job) -> None:
    foreign.frames.path(9).unlink()
    with pytest.raises(IncompleteError, match="lacks frame 9 of its source"):
        foreign.extent()


def test_foreign_frames_lost_at_the_end_are_missed_once_work_began(foreign: Job, context: Make) -> None:
    blur(foreign, context())
    foreign.frames.path(11).unlink()
    with pytest.raises(IncompleteError, match="frame 11"):
        foreign.extent()


def test_foreign_frames_that_came_later_are_not_left_out_silently(foreign: Job, context: Make) -> None:
    blur(foreign, context())
    images.write(foreign.frames.path(12), picture())
    with pytest.raises(IncompleteError, match="got frame 12 after"):
        foreign.extent()
    clean(foreign, "work")
    assert foreign.frames.numbers() == list(range(7, 13)), "frames from elsewhere are their owner's"
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
    assert not job.frames.exist()


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


def test_a_frame_that_the_source_does_not_have_is_named(clip: Path, context: Make) -> None:
    job = split(clip, context())
    job.frames.path(3).rename(job.frames.path(99))
    with pytest.raises(IncompleteError, match="lacks frame 3 of its source, 1 in all; run split again"):
        job.extent()
    split(clip, context())
    with pytest.raises(IncompleteError, match="holds frame 99, not of its source; move it away"):
        job.extent()


def test_a_huge_gap_is_told_without_counting_it_out(foreign: Job) -> None:
    foreign.frames.path(11).rename(foreign.frames.folder / "frame_9999999999.png")
    with pytest.raises(IncompleteError, match="lacks frames 11-"):
        foreign.extent()


def test_frame_names_without_ten_digits_are_told(tmp_path: Path) -> None:
    images.write(tmp_path / "input" / "mine" / "frame_1.png", picture())
    with pytest.raises(IncompleteError, match="ten digits"):
        Job("mine", tmp_path / "input", tmp_path / "output").extent()


def test_a_plan_of_an_older_version_is_understood(foreign: Job, context: Make) -> None:
    blur(foreign, context())
    plan = json.loads(foreign.plan_path.read_text())
    foreign.plan_path.write_text(json.dumps({k: v for k, v in plan.items() if not k.startswith("look")}))
    blur(foreign, context())
    assert json.loads(foreign.plan_path.read_text()) == plan
