"""What people decided: read from a text of one JSON object a line.

    {"id": "1", "action": "hide", "kind": "face", "boxes": [[10, [x1, y1, x2, y2]], [40, [x1, y1, x2, y2]]]}

Boxes stand at frame numbers; between two of them they move in a straight line. A later line with the same id replaces
an earlier one; `"action": "withdraw"` takes it back.
"""

import json
import math

from faceblur.domain import Box, Decision
from faceblur.errors import IncompleteError

_ACTIONS = ("hide", "keep", "withdraw")


def read(text: str, name: str) -> tuple[Decision, ...]:
    """The decisions in force; IncompleteError, naming file and line, for one that cannot be understood.

    A last line without its line break that cannot be understood was torn by a crash, and is ignored.
    """
    decisions: dict[str, Decision] = {}
    lines = text.split("\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            decision = _decision(json.loads(line))
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            if number == len(lines):
                break
            raise IncompleteError(
                f"{name}, line {number}, is not a decision ({error}); mend or delete the line"
            ) from error
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
