"""What a person should look at: the moments of a shot that are most likely to be wrong, each with a weight.

The weight is a rough chance, 0 to 1, that something is visible there that should not be, or hidden for nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faceblur import calibration
from faceblur.domain import Box, Doubt
from faceblur.temporal.shots import Indices, Places, Reals, Shot
from faceblur.temporal.tracks import Track

# How often each kind of doubt is about something visible, roughly, as counted on clips with known faces; a place where
# detections were not believed weighs what the surest of them is worth.
_PERHAPS_NONE, _APPEARS, _BRIDGE, _JUMPS, _COVERS = 0.03, 0.02, 0.02, 0.03, 0.1
_LEAST = 0.01  # weight below which nobody is bothered
_MOST = 300  # moments of a shot that are looked at, the likeliest first
_MOST_LIKELY = 0.99  # the highest weight: 1 is for decisions that could not be followed
_LONG = 7.5  # units of time from which a bridge is long: 8 frames, even where their times wobble
_JUMP = 0.5  # a move from one frame to the next, along the camera, as a share of the size
_UNSURE = 0.5  # probability below which a track may be no face
_LARGE = 0.15  # share of the picture
_SHOWS = 0.1  # share of a box that must lie beside what is hidden for anything to be seen there
_NEAR = 0.5  # distance, in sizes, below which two chains are about one place
_AGAIN = 0.5  # logarithm of the ratio of two sizes below which they are alike
_BESIDE = 4.0  # distance in sizes, in x and in y, up to which moments are looked at together: in one picture of them
_UNLIKE = 0.7  # logarithm of the ratio of two sizes up to which they are: both can be made out there
_WHILE = 15.0  # units of time up to which they are


@dataclass(frozen=True, slots=True)
class _Moment:
    """Something odd: index of its frame in the shot, place, size (2,; logarithms), chance of being wrong, and why."""

    index: int
    middle: complex
    size: Reals
    chance: float
    reason: str


def doubts(
    shot: Shot,
    tracks: Sequence[Track],
    dropped: Sequence[Indices],
    size: tuple[int, int],
    answered: Sequence[Sequence[Box]],
) -> Iterator[Doubt]:
    """The weightiest fault of each track, and each place where detections were not believed.

    What can be looked at together is one doubt. `answered` are for each frame the boxes that people have decided about:
    nothing is asked again whose middle lies in one.
    """
    found = [max(_of_track(track, size), key=lambda moment: moment.chance, default=None) for track in tracks]
    moments = [moment for moment in found if moment and moment.chance >= _LEAST]
    start = _from_start(shot)
    moments += _of_dropped(shot, tracks, dropped, start)
    asked = [moment for moment in moments if not any(_holds(box, moment.middle) for box in answered[moment.index])]
    yield from _together(shot, sorted(asked, key=lambda moment: -moment.chance)[:_MOST], start)


def _of_track(track: Track, size: tuple[int, int]) -> Iterator[_Moment]:
    """Everything that is odd about a track."""
    shot, sure = track.shot, calibration.probability(track.odds)
    seen = np.nonzero(track.member >= 0)[0]

    def moment(at: int, reason: str, chance: float) -> _Moment:
        return _Moment(track.first + at, complex(track.middle[at]), track.size[at], float(chance), reason)

    if sure < _UNSURE:
        yield moment(
            int(seen[np.argmax(shot.odds[track.member[seen]])]),
            "hidden, but perhaps no face",
            _PERHAPS_NONE * (1 - sure),
        )
    for at, edge, reason in ((seen[0], 0, "appears"), (seen[-1], len(shot) - 1, "disappears")):
        if track.first + at != edge and not _at_border(track.middle[at], track.size[at], size):
            yield moment(int(at), f"{reason} in the middle of the picture", _APPEARS * sure)
    gaps = shot.clock[track.first + seen[1:] - 1] - shot.clock[track.first + seen[:-1]]
    if len(gaps) and gaps.max() >= _LONG:
        before, after = seen[gaps.argmax() :][:2].tolist()
        chance = _BRIDGE * (1 + min(float(gaps.max()), 15) / 15) * sure
        yield moment((before + after) // 2, f"not seen for {after - before - 1} frames", chance)
    later = slice(track.first + 1, track.first + len(track.middle))
    foreseen = shot.turn[later] * track.middle[:-1] + shot.shift[later]
    moves = np.abs(track.middle[1:] - foreseen) / np.exp(track.size[1:].mean(axis=1))
    if len(moves) and moves.max() >= _JUMP:
        yield moment(int(moves.argmax()) + 1, "jumps", _JUMPS * sure)
    areas = _shares(track, size)
    if areas.max() >= _LARGE:
        yield moment(int(areas.argmax()), f"covers {areas.max():.0%} of the picture", _COVERS)


def _of_dropped(
    shot: Shot, tracks: Sequence[Track], dropped: Sequence[Indices], start: tuple[Places, Places]
) -> Iterator[_Moment]:
    """Chains that were not believed and that no track hides, each where it looks most like a face; one for a place."""
    shows = _shows(shot, tracks)
    rows = [int(rest[shot.odds[rest].argmax()]) for chain in dropped if len(rest := chain[shows[chain]])]
    turn, shift = start
    taken: list[tuple[complex, float]] = []
    for row in sorted(rows, key=lambda row: -shot.odds[row]):
        chance = calibration.probability(float(shot.odds[row]))
        if chance < _LEAST or len(taken) == _MOST:
            break
        index, middle, scale = int(shot.frame[row]), complex(shot.middle[row]), float(shot.size[row].mean())
        home, zoom = (middle - shift[index]) / turn[index], float(np.log(abs(turn[index])))
        near = _NEAR * np.exp(scale - zoom)
        if any(abs(home - other) < near and abs(scale - zoom - size) < _AGAIN for other, size in taken):
            continue
        taken.append((home, scale - zoom))
        reason = f"looks a little like a {shot.kinds[shot.kind[row]]}"
        yield _Moment(index, middle, shot.size[row], chance, reason)


def _shows(shot: Shot, tracks: Sequence[Track]) -> NDArray[np.bool_]:
    """(M,) which detections are of something that can be seen: no track hides nearly all of it."""
    hidden = np.zeros(len(shot.frame))
    half = np.exp(shot.size) / 2
    for track in tracks:
        begin, end = np.searchsorted(shot.frame, [track.first, track.first + len(track.middle)])
        at = shot.frame[begin:end] - track.first
        off, reach = shot.middle[begin:end] - track.middle[at], np.exp(track.size[at]) / 2
        both = np.ones(end - begin)
        for apart, own, other in (
            (off.real, half[begin:end, 0], reach[:, 0]),
            (off.imag, half[begin:end, 1], reach[:, 1]),
        ):
            both *= np.maximum(np.minimum(own, apart + other) - np.maximum(-own, apart - other), 0) / (2 * own)
        hidden[begin:end] = np.maximum(hidden[begin:end], both)
    return hidden <= 1 - _SHOWS


def _together(shot: Shot, moments: Sequence[_Moment], start: tuple[Places, Places]) -> Iterator[Doubt]:
    """Doubts, each about all `moments` that lie around one of them and are of like size and time; likeliest first.

    The group that is most likely to hold something wrong is formed first, and what is in it is in no other.
    """
    index = np.array([moment.index for moment in moments], dtype=np.int64)
    turn, shift = (part[index] for part in start)
    zoom, clock = np.log(np.abs(turn)), shot.clock[index]
    scale = np.array([float(moment.size.mean()) for moment in moments]) - zoom
    home = (np.array([moment.middle for moment in moments], dtype=np.complex128) - shift) / turn
    off, reach = home[None, :] - home[:, None], _BESIDE * np.exp(scale)[:, None]
    around = (np.abs(off.real) <= reach) & (np.abs(off.imag) <= reach)
    around &= np.abs(scale[None, :] - scale[:, None]) <= _UNLIKE
    around &= np.abs(clock[None, :] - clock[:, None]) <= _WHILE
    right = np.log1p([-min(moment.chance, _MOST_LIKELY) for moment in moments])  # logarithms of the chances that it is
    left = np.ones(len(moments), dtype=np.bool_)
    total = around @ right
    while left.any():
        seed = int(np.where(left, total, np.inf).argmin())
        group = np.nonzero(around[seed] & left)[0]
        left[group] = False
        total -= around[:, group] @ right[group]
        members = [moments[i] for i in group.tolist()]
        more = f" (and {len(members) - 1} more beside it)" if len(members) > 1 else ""
        middle = moments[seed].middle + off[seed, group] * turn[seed]
        size = np.array([member.size for member in members]) + (zoom[seed] - zoom[group])[:, None]
        weight = round(min(float(-np.expm1(right[group].sum())), _MOST_LIKELY), 3)
        yield Doubt(shot.numbers[moments[seed].index], _around(middle, size), members[0].reason + more, weight)


def _from_start(shot: Shot) -> tuple[Places, Places]:
    """(N,) turn and shift that carry a place from the shot's first frame into each frame."""
    turn, shift = np.ones(len(shot), dtype=np.complex128), np.zeros(len(shot), dtype=np.complex128)
    for n in range(1, len(shot)):
        turn[n], shift[n] = shot.turn[n] * turn[n - 1], shot.turn[n] * shift[n - 1] + shot.shift[n]
        if not 1e-6 < abs(turn[n]) < 1e6:  # after a very long zoom: begin anew, far from every place there was before
            turn[n], shift[n] = 1.0, 1e9 * n
    return turn, shift


def _shares(track: Track, extent: tuple[int, int]) -> Reals:
    """(L,) the share of the picture that a track's boxes cover; what lies beside the picture does not count."""
    share = np.ones(len(track.middle))
    half = np.exp(track.size) / 2
    for middle, reach, side in ((track.middle.real, half[:, 0], extent[0]), (track.middle.imag, half[:, 1], extent[1])):
        share *= np.maximum(np.minimum(middle + reach, side) - np.maximum(middle - reach, 0), 0) / side
    return share


def _at_border(middle: complex, size: Reals, extent: tuple[int, int]) -> bool:
    """Whether a box is within its own size of the picture's border."""
    width, height = np.exp(size)
    x, y = min(middle.real, extent[0] - middle.real), min(middle.imag, extent[1] - middle.imag)
    return bool(x < 1.5 * width or y < 1.5 * height)


def _holds(box: Box, place: complex) -> bool:
    return box.left <= place.real < box.right and box.top <= place.imag < box.bottom


def _around(middle: Places, size: Reals) -> Box:
    """Around all boxes with these middles (K,) and sizes (K, 2; logarithms)."""
    place, half = np.stack([middle.real, middle.imag], axis=1), np.exp(size) / 2
    return Box(*(place - half).min(axis=0).tolist(), *(place + half).max(axis=0).tolist()).rounded()
