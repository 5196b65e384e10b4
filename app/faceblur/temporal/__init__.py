"""From evidence to regions, over time; plain data in, plain data out, no pictures.

Evidence of all frames goes in, in order; regions of all come out. A shot is solved as a whole: detections of any score
are linked into chains, chains that are believed become tracks, and a track hides its thing in every frame from before
its first to after its last detection.

Only frames of the same shot, and next to none beyond a few seconds, change what is hidden in one. A live stream can so
call `solve` again and again on the evidence of its last seconds, and show a frame once enough came after it.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from faceblur import calibration
from faceblur.domain import Box, Decision, Detection, Doubt, Points, Region, digest
from faceblur.temporal.doubts import doubts
from faceblur.temporal.heads import stand_ins
from faceblur.temporal.links import link
from faceblur.temporal.outlines import outlines
from faceblur.temporal.shots import CUT, Evidence, Indices, Shot, shots
from faceblur.temporal.tracks import BRIDGED, EXTENDED, SEEN, Track, belief, follow

__all__ = ["CUT", "Evidence", "Settings", "Solved", "regions", "solve", "unheard", "version"]

_OUTSIDE = "decision {} lies outside the picture"
_VERSION = 5  # count up when the regions change, other than by calibration
_MEANS = 0.4  # IoU of a person's box with the one region it means; drawn tightly around the face it is about 0.6
_AROUND = (math.sqrt(2) - 1) / 2  # grows a box until the ellipse inside it goes around the box
_LEAST_PX = 6.0  # the smallest margin: where a small face is between two looks is known to a few pixels only
_LEAST_ALONE_PX = 3.0  # the same in a picture that stands alone
_DRIFT = 0.02  # by how much of its size a box grows on each side with each unit of time that it was not seen
_REASONS = {SEEN: "detection", BRIDGED: "bridged", EXTENDED: "extended"}


@dataclass(frozen=True, slots=True)
class Settings:
    """`threshold` is how likely something of 64 px must be a face to be hidden; smaller things are believed earlier.

    `grow` is the margin on each side as a share of the box, at least 6 px, in a picture that stands alone 3. For
    `look_back` frames before its first and `look_ahead` frames after its last detection a track is carried on. `agree`
    is how many detectors must have seen a thing in a frame for it to count there, as far as so many looked for it.
    """

    threshold: float = 0.25
    grow: float = 0.15
    look_back: float = 10
    look_ahead: float = 5
    agree: int = 1


@dataclass(frozen=True, slots=True)
class Solved:
    """What will be hidden in one frame, and what a person should look at."""

    number: int
    regions: tuple[Region, ...]
    doubts: tuple[Doubt, ...] = ()


def version() -> str:
    """Part of every stamp: another one when the same evidence would give other regions."""
    return digest(_VERSION, calibration.version())


def solve(
    frames: Iterable[Evidence],
    decisions: Sequence[Decision],
    settings: Settings,
    size: tuple[int, int],
    tick: Fraction = Fraction(1, 30),
) -> Iterator[Solved]:
    """The regions of every frame, in the order of `frames`. Deterministic.

    `size` is width and height in pixels, `tick` the unit of pts in seconds.

    A decision to hide adds a region that goes all around its box. A decision to keep takes a region away only where it
    means the one region that it touches, and never one that a person wants hidden; elsewhere everything stays hidden.
    What could not be done as it was asked becomes a doubt.

    Where faces are looked for too, a head is left out in frames in which the face in it is hidden; see heads.
    """
    for shot in shots(frames, float(tick), settings.agree):
        found: list[list[Region]] = [[] for _ in shot.numbers]
        faces: list[dict[str, str]] = [{} for _ in shot.numbers]
        tracks, dropped = _tracks(shot, settings, size)
        for track, others in zip(tracks, stand_ins(tracks, dropped), strict=True):
            for (index, region), other in zip(_regions(track, settings), others.tolist(), strict=True):
                found[index].append(region)
                if other >= 0:
                    faces[index][region.track] = tracks[other].name
        decided = [
            _decided(number, regions, decisions, size) for number, regions in zip(shot.numbers, found, strict=True)
        ]
        unsure = defaultdict(list)
        for doubt in doubts(shot, tracks, dropped, size, [answered for _, answered in decided]):
            unsure[doubt.number].append(doubt)
        for (solved, _), face_of in zip(decided, faces, strict=True):
            yield _without_heads(replace(solved, doubts=(*unsure[solved.number], *solved.doubts)), face_of)


def _tracks(shot: Shot, settings: Settings, size: tuple[int, int]) -> tuple[list[Track], list[Indices]]:
    """The chains of a shot that are believed, followed through all their frames; and those that are not."""
    least = calibration.logit(settings.threshold)
    tracks, dropped = [], []
    for chain in link(shot):
        odds = belief(shot, chain)
        if odds >= least:
            tracks.append(follow(shot, chain, odds, back=settings.look_back, ahead=settings.look_ahead, extent=size))
        else:
            dropped.append(chain)
    return tracks, dropped


def _regions(track: Track, settings: Settings) -> Iterator[tuple[int, Region]]:
    """(index of the frame in the shot, region) for each frame of a track."""
    shot = track.shot
    sides = np.exp(track.size)
    least = _LEAST_PX if len(shot) > 1 else _LEAST_ALONE_PX
    reach = sides / 2 + np.maximum(settings.grow * sides, least) + _DRIFT * track.unsure[:, None] * sides
    low = np.stack([track.middle.real, track.middle.imag], axis=1) - reach
    high = low + 2 * reach
    seen = np.nonzero(track.member >= 0)[0]  # never smaller than what was seen in the frame itself, and half a margin
    box = shot.box[track.member[seen]]
    half = np.maximum(settings.grow * (box[:, 2:] - box[:, :2]), least) / 2
    low[seen], high[seen] = np.minimum(low[seen], box[:, :2] - half), np.maximum(high[seen], box[:, 2:] + half)
    boxes = np.round(np.concatenate([low, high], axis=1), 2).tolist()
    score = round(calibration.probability(track.odds), 4)
    kind = shot.kinds[track.kind]
    drawn, name = outlines(track, settings.grow + _DRIFT * track.unsure, least), track.name
    for offset, (box, how, outline) in enumerate(zip(boxes, track.how.tolist(), drawn, strict=True)):
        around = _around(outline) if outline else Box(*box)
        yield track.first + offset, Region(around, kind, _REASONS[how], score, name, outline)


def _around(outline: Points) -> Box:
    across, down = zip(*outline, strict=True)
    return Box(min(across), min(down), max(across), max(down))


def _decided(
    number: int, found: Sequence[Region], decisions: Sequence[Decision], size: tuple[int, int]
) -> tuple[Solved, list[Box]]:
    """What is left of a frame's regions once people were heard, and where they have looked."""
    asked = [(d, box) for d in decisions if (box := d.box_at(number)) is not None]
    hidden = [_wished(d, box) for d, box in asked if d.action == "hide" and box.clip(*size).area > 0]
    kept: set[int] = set()
    doubts = [Doubt(number, box, _OUTSIDE.format(d.id)) for d, box in asked if not box.clip(*size).area]
    for decision, box in asked:
        if decision.action == "keep":
            met = _touching(found, box)
            if len(met) == 1 and found[met[0]].box.iou(box) >= _MEANS and not _touching(hidden, found[met[0]].box):
                kept.update(met)
            else:
                doubts.append(Doubt(number, box, _reason(decision, len(met))))
    rest = [region for index, region in enumerate(found) if index not in kept]
    answered = [region.box for region in (*hidden, *(found[index] for index in kept))]
    return Solved(number, tuple(rest + hidden), tuple(doubts)), answered


def _without_heads(solved: Solved, face_of: Mapping[str, str]) -> Solved:
    """A frame without the heads whose face is hidden: `face_of` names, for the track of a head, that of its face.

    After people were heard, so that a head whose face they keep is not left out.
    """
    hidden = {region.track for region in solved.regions}
    rest = tuple(region for region in solved.regions if face_of.get(region.track) not in hidden)
    return replace(solved, regions=rest)


def unheard(decisions: Sequence[Decision], numbers: range) -> list[Doubt]:
    """A doubt for each decision that names no frame of `numbers`, and so does nothing."""
    outside = [d for d in decisions if d.boxes[-1][0] < numbers[0] or d.boxes[0][0] > numbers[-1]]
    return [Doubt(*d.boxes[0], f"decision {d.id} names no frame of this job") for d in outside]


def regions(detections: Iterable[Detection], settings: Settings = Settings()) -> list[Region]:
    """The regions of a picture that stands alone, such as a photo."""
    [alone] = solve([Evidence(1, 0, tuple(detections))], (), settings, (1 << 30, 1 << 30))
    return list(alone.regions)


def _wished(decision: Decision, box: Box) -> Region:
    return Region(box.grow(_AROUND).rounded(), decision.kind, f"decision {decision.id}", 1.0)


def _touching(regions: Sequence[Region], box: Box) -> list[int]:
    """The indices of the regions that have any part in common with `box`."""
    return [index for index, region in enumerate(regions) if region.box.touches(box)]


def _reason(decision: Decision, met: int) -> str:
    return f"decision {decision.id} to keep does not mean one region alone ({met} there): all stay hidden"
