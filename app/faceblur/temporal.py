"""From evidence to regions, for a whole shot at once; plain data in, plain data out, no pictures.

For now each frame stands alone: a detection at or above the threshold becomes a region, grown by a margin. Input and
output are those of a solve over time: the evidence of all frames goes in, in order, the regions of all come out.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from faceblur.domain import Box, Decision, Detection, Doubt, Region

VERSION = 1  # part of every stamp: count up when the regions change
_MEETS = 0.1  # IoU from which a person's box means this region


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


def solve(frames: Iterable[Evidence], decisions: Sequence[Decision], settings: Settings) -> Iterator[Solved]:
    """The regions of every frame, in the order of `frames`. Deterministic.

    A decision to hide adds a region. A decision to keep takes a region away only where it meets exactly one, and
    never one that a person wants hidden; elsewhere everything stays hidden and the moment becomes a doubt.
    """
    for frame in frames:
        found = regions(frame.detections, settings)
        asked = [(d, box) for d in decisions if (box := d.box_at(frame.number)) is not None]
        hidden = [Region(box, d.kind, f"decision {d.id}", 1.0) for d, box in asked if d.action == "hide"]
        kept: set[int] = set()
        doubts = []
        for decision, box in asked:
            if decision.action == "keep":
                met = _meeting(found, box)
                if len(met) == 1 and not _meeting(hidden, box):
                    kept.update(met)
                else:
                    doubts.append(Doubt(frame.number, box, _reason(decision, len(met))))
        rest = [region for index, region in enumerate(found) if index not in kept]
        yield Solved(frame.number, tuple(rest + hidden), tuple(doubts))


def regions(detections: Iterable[Detection], settings: Settings = Settings()) -> list[Region]:
    """One region for each detection that counts; the margins grow evenly from the detection's own box."""
    return [
        Region(d.box.grow(settings.grow).rounded(), d.kind, d.detector, d.score)
        for d in detections
        if d.score >= settings.threshold
    ]


def _meeting(regions: Sequence[Region], box: Box) -> list[int]:
    """The indices of the regions that a person means with `box`."""
    return [index for index, region in enumerate(regions) if region.box.iou(box) >= _MEETS]


def _reason(decision: Decision, met: int) -> str:
    return f"decision {decision.id} to keep meets {met} regions, or one that a person hides: all stay hidden"
