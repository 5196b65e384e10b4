"""The nouns of Faceblur: boxes, detections, decisions and regions, and how they look in JSON.

Coordinates are float pixels of the upright frame, x to the right and y down; right and bottom are exclusive.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Self

Json = dict[str, Any]
Points = tuple[tuple[float, float], ...]  # (x, y) of the corners of a polygon, in order around it


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels: left, top, right, bottom; right and bottom exclusive."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top

    def touches(self, other: "Box") -> bool:
        """Whether the two have any part in common."""
        return min(self.right, other.right) > max(self.left, other.left) and min(self.bottom, other.bottom) > max(
            self.top, other.top
        )

    @property
    def area(self) -> float:
        """Square pixels; 0 for a box that is turned inside out."""
        return max(0.0, self.width) * max(0.0, self.height)

    def clip(self, width: int, height: int) -> Self:
        """The part inside a picture of `width` by `height` pixels; its area is 0 when nothing of it is inside."""
        return type(self)(
            min(max(self.left, 0.0), float(width)),
            min(max(self.top, 0.0), float(height)),
            min(max(self.right, 0.0), float(width)),
            min(max(self.bottom, 0.0), float(height)),
        )

    def grow(self, fraction: float) -> Self:
        """The box with a margin of `fraction` of its own width left and right, and of its height above and below."""
        dx, dy = self.width * fraction, self.height * fraction
        return type(self)(self.left - dx, self.top - dy, self.right + dx, self.bottom + dy)

    def iou(self, other: "Box") -> float:
        """Intersection over union, 0 to 1."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        overlap = max(0.0, width) * max(0.0, height)
        union = self.area + other.area - overlap
        return overlap / union if union > 0 else 0.0

    def rounded(self) -> Self:
        """To 0.01 px: what is stored is what counts, so that a resumed job equals an undisturbed one."""
        return type(self)(*(round(v, 2) for v in self.to_json()))

    def between(self, other: "Box", share: float) -> Self:
        """The box that lies `share` (0 to 1) of the way from this one to `other`."""
        pairs = zip(self.to_json(), other.to_json(), strict=True)
        return type(self)(*(a + (b - a) * share for a, b in pairs))

    def to_json(self) -> list[float]:
        return [self.left, self.top, self.right, self.bottom]

    @classmethod
    def from_json(cls, value: list[float]) -> Self:
        left, top, right, bottom = (float(v) for v in value)
        if not all(map(math.isfinite, (left, top, right, bottom))):
            raise ValueError(f"a box of {value}")
        return cls(left, top, right, bottom)


@dataclass(frozen=True, slots=True)
class Detection:
    """What a model said: where, how sure it is (0 to 1, as the model gives it), what kind of thing, which detector.

    `corners` are the four of a thing that is flat, such as a plate, where the model tells them.
    """

    box: Box
    score: float
    kind: str
    detector: str
    corners: Points = ()

    def to_json(self) -> Json:
        value = {"box": self.box.to_json(), "score": self.score, "kind": self.kind, "detector": self.detector}
        return value | ({"corners": _listed(self.corners)} if self.corners else {})

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        box, corners = Box.from_json(value["box"]), _points(value.get("corners", ()))
        return cls(box, float(value["score"]), str(value["kind"]), str(value["detector"]), corners)


@dataclass(frozen=True, slots=True)
class Motion:
    """How the camera moved from the frame before to this one: a similarity, in pixels of the upright frame.

    What was at (x, y) is now at (a·x − b·y + dx, b·x + a·y + dy). `support` is the share of the picture's corners that
    moved like this, 0 to 1: next to none after a cut, and then the rest means nothing.
    """

    a: float = 1.0
    b: float = 0.0
    dx: float = 0.0
    dy: float = 0.0
    support: float = 1.0

    def to_json(self) -> list[float]:
        return [self.a, self.b, self.dx, self.dy, self.support]

    @classmethod
    def from_json(cls, value: list[float]) -> Self:
        a, b, dx, dy, support = (float(v) for v in value)
        if not all(map(math.isfinite, (a, b, dx, dy, support))) or a == b == 0:
            raise ValueError(f"a motion of {value}")
        return cls(a, b, dx, dy, support)


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person said: `hide` or `keep` what lies in these boxes, from the first frame named to the last.

    `boxes` holds (frame number, box) in rising order; between two of them the box moves in a straight line.
    """

    id: str
    action: str
    kind: str
    boxes: tuple[tuple[int, Box], ...]

    def box_at(self, number: int) -> Box | None:
        """The box in frame `number`, or None before the first and after the last frame named."""
        for (a, start), (b, end) in zip(self.boxes, self.boxes[1:], strict=False):
            if a <= number <= b:
                return start.between(end, (number - a) / (b - a))
        first, box = self.boxes[0]
        return box if number == first else None


@dataclass(frozen=True, slots=True)
class Region:
    """What will be hidden in one frame, and why.

    `reason` is "detection", "bridged" (between two detections), "extended" (before the first or after the last one) or
    names a decision; `track` tells the things in a video apart, "" for decisions; `score` is how sure it is, 0 to 1.
    `outline` is the convex polygon that is hidden, with `box` around it; where there is none, the shape in the box that
    was asked for.
    """

    box: Box
    kind: str
    reason: str
    score: float
    track: str = ""
    outline: Points = ()

    def scaled(self, across: float, down: float) -> Self:
        """The region in a picture that is so many times as wide and as high."""
        box = self.box
        sides = Box(box.left * across, box.top * down, box.right * across, box.bottom * down)
        return replace(self, box=sides, outline=tuple((x * across, y * down) for x, y in self.outline))

    def to_json(self) -> Json:
        value = {"box": self.box.to_json(), "kind": self.kind, "reason": self.reason, "score": self.score}
        return value | {"track": self.track} | ({"outline": _listed(self.outline)} if self.outline else {})

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        box, outline = Box.from_json(value["box"]), _points(value.get("outline", ()))
        return cls(box, str(value["kind"]), str(value["reason"]), float(value["score"]), str(value["track"]), outline)


@dataclass(frozen=True, slots=True)
class Doubt:
    """A moment a person should look at: frame number, box, why it may be wrong, and how likely that is, 0 to 1.

    A decision that cannot be followed weighs 1.
    """

    number: int
    box: Box
    reason: str
    weight: float = 1.0

    def to_json(self) -> Json:
        return {"frame": self.number, "box": self.box.to_json(), "reason": self.reason, "weight": self.weight}


def _listed(points: Points) -> list[list[float]]:
    return [[x, y] for x, y in points]


def _points(value: Iterable[Sequence[float]]) -> Points:
    points = tuple((float(x), float(y)) for x, y in value)
    if not all(map(math.isfinite, chain.from_iterable(points))):
        raise ValueError(f"points of {value}")
    return points


def canonical(value: object) -> str:
    """JSON text of `value` that is the same for equal values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def digest(*values: object) -> str:
    """A stamp: 128 bits of SHA-256, in hex, of everything a file is made from."""
    return hashlib.sha256(canonical(values).encode()).hexdigest()[:32]
