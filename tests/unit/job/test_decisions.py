"""Decisions count for the frames that they are about."""

from collections.abc import Callable
from pathlib import Path

import pytest

from faceblur.context import Context
from faceblur.errors import IncompleteError
from faceblur.job import Job
from faceblur.split import split
from faceblur.worker import blur

Make = Callable[..., Context]


def test_decisions_do_not_pass_to_other_frames(job: Job, context: Make, clip: Path) -> None:
    job.folder.mkdir(parents=True)
    job.decisions.path.write_text('{"id": "9", "action": "keep", "boxes": [[1, [0, 0, 10, 10]]]}\n')
    blur(job, context())
    split(clip, context(scale=48))
    with pytest.raises(IncompleteError, match="was made for other frames"):
        blur(job, context())
