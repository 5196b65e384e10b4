"""What status tells."""

from collections.abc import Callable
from pathlib import Path

from faceblur import status
from faceblur.catalog import find_job
from faceblur.context import Context
from faceblur.job import DirectJob
from faceblur.pipeline import assemble, blur, split
from faceblur.worker import Worker

Make = Callable[..., Context]


def test_a_job_that_is_only_split_has_every_frame_due(clip: Path, context: Make) -> None:
    facts = status.facts(split(clip, context()))
    assert (facts["frames"], facts["rendered"], len(facts["due"])) == (12, 0, 12)


def test_a_finished_job_has_nothing_due_and_names_its_video(clip: Path, context: Make) -> None:
    job = split(clip, context())
    blur(job, context())
    path = assemble(job, context())
    facts = status.facts(job)
    assert (facts["rendered"], facts["due"], facts["videos"]) == (12, [], [str(path)])
    assert facts["detected"] == {"null": [12, 12]}


def test_stale_frames_do_not_count_as_rendered(clip: Path, context: Make) -> None:
    job = split(clip, context())
    blur(job, context())
    with Worker(job, context(style="solid")).joined():
        assert status.facts(job)["rendered"] == 0


def test_living_workers_are_counted(clip: Path, context: Make) -> None:
    job = split(clip, context())
    with Worker(job, context()).joined():
        assert "1 at work" in status.lines([status.facts(job)])[0]


def test_a_job_that_cannot_go_on_says_why(clip: Path, context: Make) -> None:
    job = split(clip, context())
    job.frames.path(3).unlink()
    assert "frame 3" in "\n".join(status.lines([status.facts(job)]))


def test_a_job_whose_record_cannot_be_understood_says_so_and_keeps_nobody(clip: Path, context: Make) -> None:
    job = DirectJob("bare", clip.parent, clip.parent.parent / "output")
    job.frames.origin_path.parent.mkdir(parents=True)
    job.frames.origin_path.write_text('{"path": 5}')
    other = split(clip, context())
    facts = status.facts(job)
    assert (facts["frames"], "cannot be understood" in facts["problem"]) == (0, True)
    assert find_job(str(clip), job.input_folder, job.folder.parent).name == other.name


def test_status_writes_nothing(clip: Path, context: Make) -> None:
    job = split(clip, context())
    blur(job, context())
    job.decisions.path.write_text('{"id": "1", "action": "hide", "boxes": [[1, [0, 0, 10, 10]]]}\n')
    before = sorted(job.folder.rglob("*"))
    assert status.facts(job)["solved"] is False
    assert sorted(job.folder.rglob("*")) == before
