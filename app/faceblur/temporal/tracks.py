"""From chains of detections to tracks: which are believed, and where each is in every frame, seen or not."""

import math
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from faceblur.temporal.shots import REACH, Indices, Places, Reals, Shot

_T = TypeVar("_T", bound=np.generic)

SEEN, BRIDGED, EXTENDED = range(3)  # how it is known where a track is in a frame

_BEST = 3  # detections that a track is believed for
_NOTHING = -3.0  # log-odds of a detection that is not there
_SURE = 0.4  # log-odds from which a detection is believed alone, whatever else there is
_LONE = 2.0  # log-odds that one detection alone must be surer
_SMALL_PX, _LARGE_PX = 8.0, 96.0  # sizes beyond which the threshold depends on size no more
_MIDDLE_PX = 64.0  # the size for which the threshold is what it says
_ALONE = 1.4  # log-odds for a picture that stands alone: in a video the best of many moments count, here there is one
_SPARSE = 0.5  # log-odds for each halving of the frames that are looked at: of fewer moments the best are less sure
_COST = 1.5  # how much surer a detection must be per natural logarithm of its size
_NOWHERE = complex(np.nan, np.nan)
_INSIDE = 0.1  # share of a box that must be inside the picture for a track to go on
_ROUND = 0.25  # units: times that are rounded, to milliseconds in some files, cost no frame
_EVEN = 0.5  # units of time by which two frames are equally far away
_TREND = REACH + 1  # frames that a track's speed at its end is taken from
_DOUBT = 4.0  # how many times its own uncertainty that speed must be to count for most of it
_CALM = 0.95  # how much of that speed is left after each unit of time


@dataclass(frozen=True, slots=True)
class Track:
    """One thing over time. L frames without a gap, from index `first` of its shot.

    `middle` (L,) and `size` (L, 2; logarithms) are smoothed; `how` (L,) is SEEN, BRIDGED or EXTENDED; `unsure` (L,) is
    the time in units since or until it was seen; `member` (L,) is the index of the frame's detection, or −1.
    """

    shot: Shot
    kind: int
    first: int
    middle: Places
    size: Reals
    how: Indices
    unsure: Reals
    member: Indices
    odds: float

    @property
    def name(self) -> str:
        """Tells it from every other track of the video: number of its first detection's frame, and which one there."""
        row = int(self.member[self.member >= 0][0])
        index = int(self.shot.frame[row])
        return f"{self.shot.numbers[index]}.{row - int(np.searchsorted(self.shot.frame, index)) + 1}"


def belief(shot: Shot, chain: Indices) -> float:
    """The log-odds that a chain is believed with: what it looks like, less what hiding it wrongly would cost.

    Small faces are believed early, as hiding them wrongly costs little; from a size on all cost the same, so that no
    large face is given up for many small ones. One sure detection is enough, whatever its size.
    """
    surest = float(shot.odds[chain].max())
    size = np.clip(np.exp(shot.size[chain].mean(axis=1)), _SMALL_PX, _LARGE_PX)
    odds = _likeness(shot.odds[chain] - _COST * np.log(size / _MIDDLE_PX), shot.looks)
    odds += _ALONE if len(shot) == 1 else _SPARSE * math.log2(len(shot) / shot.looks)
    return max(odds, surest) if surest >= _SURE else odds


def _likeness(odds: Reals, looks: int) -> float:
    """The mean of the best three log-odds; a lone one has to make up for what is missing, or be much surer.

    Not a sum: what a detector takes for a face in one frame it takes for a face in the next.
    """
    best = np.sort(odds)[::-1][:_BEST]
    wanted = min(_BEST, looks)
    together = (float(best.sum()) + (wanted - len(best)) * _NOTHING) / wanted
    return max(together, float(best[0]) - _LONE)


def follow(shot: Shot, chain: Indices, odds: float, *, back: float, ahead: float, extent: tuple[int, int]) -> Track:
    """Where the thing that a chain of detections is of is in every frame of its time, and around it."""
    frames = shot.frame[chain]
    first, last = int(frames[0]), int(frames[-1])
    member = np.full(last - first + 1, -1, dtype=np.int64)
    member[frames - first] = chain
    middle, size, unsure = _bridged(shot, first, member)
    how = np.where(member >= 0, SEEN, BRIDGED)
    middle, size = _smoothed(shot, first, middle, size)
    track = Track(
        shot=shot,
        kind=int(shot.kind[chain[0]]),
        first=first,
        middle=middle,
        size=size,
        how=how,
        unsure=unsure,
        member=member,
        odds=odds,
    )
    return _extended(_extended(track, ahead, 1, extent), back, -1, extent)


def _bridged(shot: Shot, first: int, member: Indices) -> tuple[Places, Reals, Reals]:
    """Gaps filled: carried along the camera from both ends, and blended from the one to the other."""
    seen = member >= 0
    middle, size = shot.middle[member], shot.size[member]
    unsure = np.zeros(len(member))
    clock, time = (c[first : first + len(member)] for c in (shot.clock, shot.time))
    ends = np.nonzero(seen)[0]
    for a, b in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True):
        if b == a + 1:
            continue
        gap = np.arange(a + 1, b)
        there, grown = _carried(shot, first + a, first + b, complex(middle[a]), size[a])
        here, shrunk = _carried(shot, first + b, first + a, complex(middle[b]), size[b])
        there, grown, here, shrunk = there[:-1], grown[:-1], here[-2::-1], shrunk[-2::-1]
        share = (time[gap] - time[a]) / max(time[b] - time[a], 1e-9)
        middle[gap] = there * (1 - share) + here * share
        size[gap] = grown * (1 - share[:, None]) + shrunk * share[:, None]
        unsure[gap] = np.minimum(clock[gap] - clock[a], clock[b] - clock[gap])
    return middle, size, unsure


def _carried(shot: Shot, start: int, end: int, middle: complex, size: Reals) -> tuple[Places, Reals]:
    """Along the camera from frame `start` to `end`, either way: places and sizes in the frames after `start`."""
    step = 1 if end > start else -1
    places, scales, zoom = [], [], 0.0
    for n in range(start, end, step):
        turn, shift = complex(shot.turn[max(n, n + step)]), complex(shot.shift[max(n, n + step)])
        middle = middle * turn + shift if step > 0 else (middle - shift) / turn
        zoom += step * float(np.log(abs(turn)))
        places.append(middle)
        scales.append(zoom)
    return np.array(places), size + np.array(scales)[:, None]


def _smoothed(shot: Shot, first: int, middle: Places, size: Reals) -> tuple[Places, Reals]:
    """The mean of the middle half of the values in up to REACH frames to each side, along the camera.

    Near the ends of a track the window for places shrinks evenly to both sides, and of two frames at the two sides both
    count only where they are equally far away in time, so that one that moves does not lag.
    """
    count = len(middle)
    places, sizes = _windows(shot, first, middle, size)
    offset = np.abs(np.arange(-REACH, REACH + 1))[:, None]
    room = np.minimum(np.arange(count), count - 1 - np.arange(count))[None, :]
    time = shot.time[first : first + count]
    later = time[np.minimum(np.arange(count) + offset, count - 1)] - time
    earlier = time - time[np.maximum(np.arange(count) - offset, 0)]
    even = np.abs(later - earlier) <= _EVEN
    places = np.where((offset <= room) & even, places, _NOWHERE)
    return _middle_mean(places.real) + 1j * _middle_mean(places.imag), _middle_mean(sizes)


def _middle_mean(values: Reals) -> Reals:
    """Along the first axis: the mean of all but the lowest and the highest quarter; NaN do not count."""
    count = (~np.isnan(values)).sum(axis=0)
    rank = np.arange(len(values)).reshape(-1, *[1] * count.ndim)
    used = (rank >= count // 4) & (rank < count - count // 4)
    return np.asarray(np.where(used, np.sort(values, axis=0), 0.0).sum(axis=0) / used.sum(axis=0))


def _windows(shot: Shot, first: int, middle: Places, size: Reals) -> tuple[Places, Reals]:
    """(2·REACH + 1, L) the places, and (…, 2) the sizes, of the frames around each, carried into it; NaN outside."""
    count = len(middle)
    turn, shift = (table[:, first : first + count] for table in shot.around)
    index = np.arange(count)[None, :] + np.arange(-REACH, REACH + 1)[:, None]
    outside = (index < 0) | (index >= count)
    index = np.clip(index, 0, count - 1)
    places = np.where(outside, _NOWHERE, turn * middle[index] + shift)
    zoom = np.log(np.abs(turn))
    sizes = np.where(outside[..., None], np.nan, size[index] + zoom[..., None])
    return places, sizes


def _extended(track: Track, units: float, step: int, extent: tuple[int, int]) -> Track:
    """Carried on beyond its last frame (step 1) or before its first (−1), along the camera and by its own speed."""
    shot, count = track.shot, len(track.middle)
    edge = count - 1 if step > 0 else 0
    start = track.first + edge
    end = start
    while 0 <= end + step < len(shot) and abs(shot.clock[end + step] - shot.clock[start]) <= units + _ROUND:
        end += step
    if end == start:
        return track
    places, sizes = _carried(shot, start, end, complex(track.middle[edge]), track.size[edge])
    since = np.abs(shot.clock[np.arange(start + step, end + step, step)] - shot.clock[start])
    zoom = np.exp(sizes.mean(axis=1) - track.size[edge].mean())
    moved = _speed(track, step) * zoom * (1 - _CALM**since) / (1 - _CALM)
    inside = np.maximum(_inside(places, sizes, extent), _inside(places + moved, sizes, extent))
    # It may have stood still or moved on: all of the way is hidden.
    places, way = places + moved / 2, np.abs(np.stack([moved.real, moved.imag], axis=1))
    sizes = np.log(np.exp(sizes) + way)
    there = np.nonzero(inside >= _INSIDE)[0]  # up to the last: the camera may bring it back
    keep = int(there[-1]) + 1 if len(there) else 0
    if not keep:
        return track

    def joined(inner: NDArray[_T], outer: NDArray[_T]) -> NDArray[_T]:
        return np.concatenate([inner, outer[:keep]] if step > 0 else [outer[:keep][::-1], inner])

    return replace(
        track,
        first=track.first - (keep if step < 0 else 0),
        middle=joined(track.middle, places),
        size=joined(track.size, sizes),
        how=joined(track.how, np.full(len(places), EXTENDED)),
        unsure=joined(track.unsure, since),
        member=joined(track.member, np.full(len(places), -1)),
    )


def _speed(track: Track, step: int) -> complex:
    """Pixels a unit of time by which a track moves along the camera at its last (step 1) or first (−1) frame.

    The slope of a line through its last few detections, made smaller the less sure it is.
    """
    shot, count = track.shot, len(track.middle)
    edge = count - 1 if step > 0 else 0
    inner = np.arange(max(0, count - _TREND), count) if step > 0 else np.arange(min(_TREND, count))
    inner = inner[track.member[inner] >= 0]
    if len(inner) < 3:
        return 0j
    turn, shift = (table[REACH + inner - edge, track.first + edge] for table in shot.around)
    places = turn * shot.middle[track.member[inner]] + shift
    time = shot.time[track.first + inner]
    time = time - time.mean()
    spread = float((time**2).sum())
    if spread <= 0:
        return 0j
    slope = complex((time * places).sum() / spread)
    noise = float((np.abs(places - places.mean() - slope * time) ** 2).sum()) / (len(inner) - 2) / spread
    return step * slope * max(0.0, 1 - _DOUBT * noise / max(abs(slope) ** 2, 1e-12))


def _inside(middle: Places, size: Reals, extent: tuple[int, int]) -> Reals:
    """The share of each box that lies inside the picture."""
    half = np.exp(size) / 2
    share = np.ones(len(middle))
    for centre, reach, side in ((middle.real, half[:, 0], extent[0]), (middle.imag, half[:, 1], extent[1])):
        share *= np.clip(np.minimum(centre + reach, side) - np.maximum(centre - reach, 0), 0, None) / (2 * reach)
    return share
