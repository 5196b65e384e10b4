"""Evidence that counts, and evidence that does not."""

import json
import re
from collections.abc import Callable

import pytest

from faceblur.context import Context
from faceblur.crew import blur
from faceblur.job import Job

Make = Callable[..., Context]


def test_evidence_that_somebody_changed_is_made_again(foreign: Job, context: Make) -> None:
    blur(foreign, context())
    before = foreign.evidence.path("null", 8).read_bytes()
    for other in (b'"score":0.0', b'"score":NaN'):
        changed = re.sub(rb'"score":[0-9.]+', other, before)
        assert changed != before
        foreign.evidence.path("null", 8).write_bytes(changed)
        assert not foreign.evidence.has("null", 8)
    blur(foreign, context())
    assert foreign.evidence.path("null", 8).read_bytes() == before


@pytest.mark.parametrize("moved", ["[0,0,0,0,1]", "[NaN,0,0,0,1]", "[1,0]", "null", '"far"'])
def test_motion_that_somebody_changed_is_made_again(foreign: Job, context: Make, moved: str) -> None:
    blur(foreign, context())
    before = foreign.evidence.motion_path(8).read_bytes()
    value = json.loads(before)
    foreign.evidence.motion_path(8).write_text(json.dumps(value | {"motion": json.loads(moved)}))
    assert foreign.evidence.motion(8) is None
    blur(foreign, context())
    assert foreign.evidence.motion_path(8).read_bytes() == before
