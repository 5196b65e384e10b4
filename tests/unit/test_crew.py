"""The processes that one command starts share a job, and the processors."""

import multiprocessing
import shutil
from collections.abc import Callable

import pytest

from faceblur import crew, images
from faceblur.context import Context
from faceblur.crew import blur
from faceblur.detectors.base import Rows
from faceblur.detectors.null import Null
from faceblur.job import Job
from faceblur.options import Options

Make = Callable[..., Context]


def blurred(job: Job) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(job.folder.glob("frame_*.png.blurred.png"))}


def test_two_processes_give_the_frames_of_one(job: Job, context: Make) -> None:
    blur(job, context())
    alone = blurred(job)
    shutil.rmtree(job.folder)
    blur(job, context(workers=2))
    assert blurred(job) == alone


@pytest.mark.parametrize(("workers", "threads"), [(1, 8), (2, 4), (3, 2), (100, 1)])
def test_workers_share_out_the_processors(workers: int, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faceblur.crew.processors", lambda: 8)
    assert crew.threads(Options(workers=workers)) == threads


def test_threads_that_were_asked_for_are_for_each_worker() -> None:
    assert crew.threads(Options(workers=4, threads=3)) == 3


def test_a_worker_that_is_killed_is_told_of_and_the_others_do_its_work(
    job: Job, context: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, told = context(workers=2), list[str]()
    made.progress.warn = told.append  # type: ignore[method-assign]
    rows = Null.rows

    def and_kill(self: Null, image: images.Image) -> Rows:
        for child in multiprocessing.active_children():
            child.kill()
        return rows(self, image)

    monkeypatch.setattr(Null, "rows", and_kill)
    blur(job, made)
    assert len(blurred(job)) == 12
    [text] = told
    assert "a worker was killed (signal 9), and the others did the work" in text
