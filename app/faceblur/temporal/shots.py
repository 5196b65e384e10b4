"""Evidence as arrays, shot by shot: when, where, how big and how sure; and how to carry places from frame to frame.

Places are complex numbers (x + iy, pixels), so that the camera's motion, a similarity, is z -> turn · z + shift.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from faceblur import calibration
from faceblur.domain import Detection, Motion

Reals = NDArray[np.float64]
Places = NDArray[np.complex128]
Indices = NDArray[np.int64]

REACH = 7  # frames to each side that a place is smoothed over
CUT = 0.1  # support below which a frame has nothing to do with the one before; see motion.between
_NEAR, _NEAR_S = 3, 0.095  # frames and seconds; breaks closer than either to one another are no cuts
_FAR_S = 0.3  # unless they are so far apart: slides may be shown for one frame, of one a second
_UNIT_S = 1 / 30  # times are counted in frames, but at higher rates in thirtieths of a second
_SAME = 0.45  # IoU from which what two detectors say is about one thing
_LONGEST = 1.0  # units from one frame to the next: where frames are far apart they are counted


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known about one frame before anything is decided.

    `number` and `pts` say which frame it is, `detections` what all detectors said, of any score; `motion` is how the
    camera moved since the frame before, None where there is none. `looked` is how many detectors looked for each kind;
    where it is None, as many as said something in the shot.
    """

    number: int
    pts: int
    detections: tuple[Detection, ...]
    motion: Motion | None = None
    looked: Mapping[str, int] | None = None


@dataclass(frozen=True)
class Shot:
    """The frames from one cut to the next. N frames, M detections in the order of their frames.

    `time` (N,) counts in units of a frame, at least 1/30 s each; `clock` (N,) is the same but for pauses, none of which
    counts for more than one. `turn` and `shift` (N,) carry places from the frame before.

    `frame` (M,) is the index of a detection's frame, `middle` (M,) its place, `size` (M, 2) the natural logarithms of
    its width and height, `odds` (M,) the log-odds that it is real, `box` (M, 4) left, top, right and bottom of what was
    seen, `corners` (M, 4, 2) x and y of its corners as shares of that box, NaN where they are not known, `kind` (M,) an
    index into `kinds`. `looks` is the number of frames that any detector has seen.
    """

    numbers: list[int]
    time: Reals
    clock: Reals
    turn: Places
    shift: Places
    frame: Indices
    middle: Places
    size: Reals
    odds: Reals
    box: Reals
    corners: Reals
    kind: Indices
    kinds: list[str]
    looks: int

    def __len__(self) -> int:
        return len(self.numbers)

    @cached_property
    def around(self) -> tuple[Places, Places]:
        """(2·REACH + 1, N) turn and shift that carry a place from frame n + k − REACH to frame n, in row k.

        Rows beyond the shot's ends hold what they hold; they are not to be used.
        """
        count = len(self)
        turn = np.ones((2 * REACH + 1, count), dtype=np.complex128)
        shift = np.zeros_like(turn)
        for k in range(1, min(REACH, count - 1) + 1):
            after, before = slice(0, count - k), slice(k, count)
            p, q = turn[REACH + k - 1, after], shift[REACH + k - 1, after]  # undo the motion into frame n + k
            turn[REACH + k, after] = p / self.turn[before]
            shift[REACH + k, after] = q - p * self.shift[before] / self.turn[before]
            p, q = turn[REACH - k + 1, before], shift[REACH - k + 1, before]  # do the motion from frame n − k
            turn[REACH - k, before] = p * self.turn[1 : count - k + 1]
            shift[REACH - k, before] = q + p * self.shift[1 : count - k + 1]
        return turn, shift


def shots(frames: Iterable[Evidence], tick_s: float, agree: int = 1) -> Iterator[Shot]:
    """Cut the evidence into shots. `tick_s` is a unit of pts in seconds, the same for all frames."""
    for part in _cut(frames, tick_s):
        shot = _shot(part, tick_s, agree)
        part.clear()  # all of it is in the arrays now, which are much smaller
        yield shot


def _cut(frames: Iterable[Evidence], tick_s: float) -> Iterator[list[Evidence]]:
    """The frames of each shot. A flash ends none: what is before it may still be there after it."""
    shot: list[Evidence] = []
    breaks: list[int] = []  # frames of the shot that have nothing to do with the one before, close to one another
    for frame in frames:
        broken = frame.motion is None or frame.motion.support < CUT
        if breaks and _are_far(len(shot) - breaks[-1], (frame.pts - shot[breaks[-1]].pts) * tick_s):
            *ended, shot = _parts(shot, breaks)
            yield from ended
            breaks = []
        if broken and shot:
            breaks.append(len(shot))
        shot.append(frame)
    if shot:
        parts = _parts(shot, breaks)
        shot.clear()
        yield from parts


def _are_far(frames: int, seconds: float) -> bool:
    """Whether two breaks so far apart may both be cuts."""
    return seconds >= _FAR_S or (frames >= _NEAR and seconds >= _NEAR_S)


def _parts(shot: list[Evidence], breaks: list[int]) -> list[list[Evidence]]:
    """A shot cut at a break that stands alone. Several are a flash, a torn picture or a whirl of the camera."""
    ends = [0, *(breaks if len(breaks) == 1 else []), len(shot)]
    return [shot[a:b] for a, b in pairwise(ends)]


def _shot(frames: Sequence[Evidence], tick_s: float, agree: int) -> Shot:
    motions = [f.motion for f in frames]
    still = [m is None or m.support < CUT for m in motions]
    still[0] = True
    moves = [
        (1.0, 0.0, 0.0, 0.0) if s or m is None else (m.a, m.b, m.dx, m.dy) for s, m in zip(still, motions, strict=True)
    ]
    a, b, dx, dy = np.array(moves, dtype=np.float64).T
    rows = [(i, d) for i, frame in enumerate(frames) for d in frame.detections]
    boxes = np.array([(d.box.left, d.box.top, d.box.right, d.box.bottom) for _, d in rows], dtype=np.float64).reshape(
        -1, 4
    )
    size = np.log(np.maximum(boxes[:, 2:] - boxes[:, :2], 0.01))
    names = sorted({d.detector for _, d in rows})
    kinds = sorted({d.kind for _, d in rows})
    name = np.array([names.index(d.detector) for _, d in rows], dtype=np.int64)
    scores = np.array([d.score for _, d in rows], dtype=np.float64)
    odds = np.zeros(len(rows))
    for index, detector in enumerate(names):
        of = name == index
        odds[of] = calibration.log_odds(detector, scores[of], np.exp(size[of].mean(axis=1)))
    steps = _steps([f.pts for f in frames], tick_s)
    shot = Shot(
        [f.number for f in frames],
        np.concatenate([[0.0], np.cumsum(steps)]),
        np.concatenate([[0.0], np.cumsum(np.minimum(steps, _LONGEST))]),
        a + 1j * b,
        dx + 1j * dy,
        np.array([i for i, _ in rows], dtype=np.int64),
        (boxes[:, 0] + boxes[:, 2]) / 2 + 1j * (boxes[:, 1] + boxes[:, 3]) / 2,
        size,
        odds,
        boxes,
        _corners([d for _, d in rows], boxes),
        np.array([kinds.index(d.kind) for _, d in rows], dtype=np.int64),
        kinds,
        max(1, sum(f.looked is None or sum(f.looked.values()) > 0 for f in frames)),
    )
    return shot if len(names) < 2 and agree < 2 else _fused(shot, name, _votes(frames, shot, name, agree))


def _corners(detections: Sequence[Detection], boxes: Reals) -> Reals:
    """(M, 4, 2) the corners of detections as shares of their (M, 4) boxes; NaN where there are none."""
    corners = np.full((len(boxes), 4, 2), np.nan)
    for row, detection in enumerate(detections):
        if len(detection.corners) == 4:
            corners[row] = detection.corners
    side = np.maximum(boxes[:, None, 2:] - boxes[:, None, :2], 0.01)
    return np.asarray((corners - boxes[:, None, :2]) / side)


def _votes(frames: Sequence[Evidence], shot: Shot, name: Indices, agree: int) -> Indices:
    """(M,) how many detectors must have seen what each detection is of: `agree`, or as many as looked for it there."""
    said = {kind: len(set(name[shot.kind == index].tolist())) for index, kind in enumerate(shot.kinds)}
    looked = [said if frame.looked is None else frame.looked for frame in frames]
    where = zip(shot.frame.tolist(), shot.kind.tolist(), strict=True)
    return np.array([min(agree, looked[frame].get(shot.kinds[kind], 1)) for frame, kind in where], dtype=np.int64)


def _steps(pts: Sequence[int], tick_s: float) -> Reals:
    """(N − 1,) the time from each frame to the next, in units."""
    steps = np.maximum(np.diff(np.array(pts, dtype=np.float64)) * tick_s, 0)
    return steps / max(float(np.median(steps)), _UNIT_S) if len(steps) else steps


def _fused(shot: Shot, name: Indices, votes: Indices) -> Shot:
    """The shot with what several detectors said about the same thing in a frame taken together.

    Place and size are means, weighted by how sure each is; the odds are those of the surest, or where several `votes`
    are needed those of the last that is; what was seen is all that the surest or anybody sure saw, and has no corners
    then. What fewer saw is left out.
    """
    kept: list[int] = []
    middle, size, box, odds = shot.middle.copy(), shot.size.copy(), shot.box.copy(), shot.odds.copy()
    corners = shot.corners.copy()
    weight = 1 / (1 + np.exp(-shot.odds))
    starts = np.searchsorted(shot.frame, np.arange(len(shot) + 1))
    for first, end in pairwise(starts.tolist()):
        free = np.ones(end - first, dtype=bool)
        for row in (first + np.argsort(-shot.odds[first:end], kind="stable")).tolist():
            if not free[row - first]:
                continue
            free[row - first] = False
            group = [row]
            alike = (
                free & (_ious(shot.box[row], shot.box[first:end]) > _SAME) & (shot.kind[first:end] == shot.kind[row])
            )
            for other in (first + np.nonzero(alike)[0]).tolist():
                if name[other] not in [name[member] for member in group]:
                    group.append(other)
                    free[other - first] = False
            if len(group) < votes[row]:
                continue
            odds[row] = np.sort(shot.odds[group])[-votes[row]]
            if len(group) > 1:
                middle[row] = np.average(shot.middle[group], weights=weight[group])
                size[row] = np.average(shot.size[group], weights=weight[group], axis=0)
                sure = [row, *(member for member in group if shot.odds[member] > 0)]
                corners[row] = np.nan
                box[row] = [*shot.box[sure, :2].min(axis=0), *shot.box[sure, 2:].max(axis=0)]
            kept.append(row)
    rows = np.array(sorted(kept), dtype=np.int64)
    return replace(
        shot,
        frame=shot.frame[rows],
        middle=middle[rows],
        size=size[rows],
        odds=odds[rows],
        box=box[rows],
        corners=corners[rows],
        kind=shot.kind[rows],
    )


def _ious(box: Reals, others: Reals) -> Reals:
    """(N,) intersection over union of one box (4,) and others (N, 4)."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    overlap = np.prod(np.maximum(sides, 0), axis=1)
    areas = np.prod(others[:, 2:] - others[:, :2], axis=1) + np.prod(box[2:] - box[:2])
    return np.asarray(overlap / np.maximum(areas - overlap, 1e-9))
