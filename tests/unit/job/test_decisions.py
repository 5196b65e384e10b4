"""Decisions count for the frames that they are about."""

from collections.abc import Callable
from pathlib import Path

import pytest

from faceblur.context import Context
from faceblur.crew import blur
from faceblur.errors import IncompleteError
from faceblur.job import Job
from faceblur.split import split

Make = Callable[..., Context]


def test_decisions_do_not_pass_to_other_frames(job: Job, context: Make, clip: Path) -> None:
    job.folder.mkdir(parents=True)
    job.decisions.path.write_text('{"id": "9", "action": "keep", "boxes": [[1, [0, 0, 10, 10]]]}\n')
    blur(job, context())
    split(clip, context(scale=48))
    with pytest.raises(IncompleteError, match="was made for other frames"):
        blur(job, context())


@pytest.mark.parametrize("noted", ["", "{}", "[]"])
def test_decisions_count_for_nothing_where_the_note_of_their_frames_is_damaged(
    job: Job, context: Make, noted: str
) -> None:
    job.folder.mkdir(parents=True)
    job.decisions.path.write_text('{"id": "9", "action": "keep", "boxes": [[1, [0, 0, 10, 10]]]}\n')
    blur(job, context())
    job.decisions.about_path.write_text(noted)
    with pytest.raises(IncompleteError, match="was made for other frames"):
        blur(job, context(threshold=0.4))
