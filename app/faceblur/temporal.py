"""From evidence to regions, for a whole shot at once; plain data in, plain data out, no pictures.

For now each frame stands alone: a detection at or above the threshold becomes a region, grown by a margin. Input and
output are those of a solve over time: the evidence of all frames goes in, in order, the regions of all come out.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from faceblur.domain import Box, Decision, Detection, Doubt, Region

_OUTSIDE = "decision {} lies outside the picture"
VERSION = 1  # part of every stamp: count up when the regions change
_MEANS = 0.4  # IoU of a person's box with the one region it means; drawn tightly around the face it is about 0.6
_AROUND = (math.sqrt(2) - 1) / 2  # grows a box until the ellipse inside it goes around the box


@dataclass(frozen=True, slots=True)
class Settings:
    """`threshold` is the lowest score that hides, `grow` the margin on each side as a share of the box."""

    threshold: float = 0.2
    grow: float = 0.15


@dataclass(frozen=True, slots=True)
class Evidence:
    """What all detectors said about one frame: its number, its time (pts) and the detections, of any score."""

    number: int
    pts: int
    detections: tuple[Detection, ...]


@dataclass(frozen=True, slots=True)
class Solved:
    """What will be hidden in one frame, and what a person should look at."""

    number: int
    regions: tuple[Region, ...]
    doubts: tuple[Doubt, ...] = ()


def solve(
    frames: Iterable[Evidence], decisions: Sequence[Decision], settings: Settings, size: tuple[int, int]
) -> Iterator[Solved]:
    """The regions of every frame, in the order of `frames`; `size` is width and height in pixels. Deterministic.

    A decision to hide adds a region that goes all around its box. A decision to keep takes a region away only where it
    means the one region that it touches, and never one that a person wants hidden; elsewhere everything stays hidden.
    What could not be done as it was asked becomes a doubt.
    """
    for frame in frames:
        found = regions(frame.detections, settings)
        asked = [(d, box) for d in decisions if (box := d.box_at(frame.number)) is not None]
        hidden = [_wished(d, box) for d, box in asked if d.action == "hide" and box.clip(*size).area > 0]
        kept: set[int] = set()
        doubts = [Doubt(frame.number, box, _OUTSIDE.format(d.id)) for d, box in asked if not box.clip(*size).area]
        for decision, box in asked:
            if decision.action == "keep":
                met = _touching(found, box)
                if len(met) == 1 and found[met[0]].box.iou(box) >= _MEANS and not _touching(hidden, found[met[0]].box):
                    kept.update(met)
                else:
                    doubts.append(Doubt(frame.number, box, _reason(decision, len(met))))
        rest = [region for index, region in enumerate(found) if index not in kept]
        yield Solved(frame.number, tuple(rest + hidden), tuple(doubts))


def unheard(decisions: Sequence[Decision], numbers: range) -> list[Doubt]:
    """A doubt for each decision that names no frame of `numbers`, and so does nothing."""
    outside = [d for d in decisions if d.boxes[-1][0] < numbers[0] or d.boxes[0][0] > numbers[-1]]
    return [Doubt(*d.boxes[0], f"decision {d.id} names no frame of this job") for d in outside]


def regions(detections: Iterable[Detection], settings: Settings = Settings()) -> list[Region]:
    """One region for each detection that counts; the margins grow evenly from the detection's own box."""
    return [
        Region(d.box.grow(settings.grow).rounded(), d.kind, d.detector, d.score)
        for d in detections
        if d.score >= settings.threshold
    ]


def _wished(decision: Decision, box: Box) -> Region:
    return Region(box.grow(_AROUND).rounded(), decision.kind, f"decision {decision.id}", 1.0)


def _touching(regions: Sequence[Region], box: Box) -> list[int]:
    """The indices of the regions that have any part in common with `box`."""
    return [index for index, region in enumerate(regions) if region.box.touches(box)]


def _reason(decision: Decision, met: int) -> str:
    return f"decision {decision.id} to keep does not mean one region alone ({met} there): all stay hidden"
