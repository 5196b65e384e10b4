"""What people decided: read from a text of one JSON object a line.

    {"id": "1", "action": "hide", "kind": "face", "boxes": [[10, [x1, y1, x2, y2]], [40, [x1, y1, x2, y2]]]}

Boxes stand at frame numbers; between two of them they move in a straight line. Every id stands for one decision; a
later line with `"action": "withdraw"` takes it back.
"""

import json
import math

from faceblur.domain import Box, Decision
from faceblur.errors import IncompleteError

_ACTIONS = ("hide", "keep", "withdraw")


def read(text: str, name: str) -> tuple[Decision, ...]:
    """The decisions in force; IncompleteError, naming file and line, for one that cannot be understood.

    That holds for a torn last line too: a wish to hide that somebody wrote is never passed over.
    """
    decisions: dict[str, Decision] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            decision = _decision(json.loads(line))
            before = decisions.get(decision.id)
            if before and "withdraw" not in (before.action, decision.action):
                raise ValueError(f"the id {decision.id!r} is taken; give it one of its own")
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise IncompleteError(f"{name}, line {number}, is not a decision ({error}); mend or delete it") from error
        decisions[decision.id] = decision
    return tuple(d for d in decisions.values() if d.action != "withdraw")


def _decision(value: dict[str, object]) -> Decision:
    action = str(value["action"])
    if action not in _ACTIONS:
        raise ValueError(f"action {action!r}")
    if action == "withdraw":
        return Decision(str(value["id"]), action, "", ())
    stops = value["boxes"]
    if not isinstance(stops, list) or not stops:
        raise ValueError("no boxes")
    boxes = tuple(sorted(((int(number), Box.from_json(box)) for number, box in stops), key=lambda stop: stop[0]))
    if not all(0 < box.area < math.inf for _, box in boxes):
        raise ValueError("an empty box")
    if len({number for number, _ in boxes}) < len(boxes):
        raise ValueError("two boxes in one frame")
    return Decision(str(value["id"]), action, str(value.get("kind", "face")), boxes)
