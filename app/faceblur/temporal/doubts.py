"""What a person should look at: the moments of a shot that are most likely to be wrong, each with a weight.

The weight is a rough chance, 0 to 1, that something is visible there that should not be, or hidden for nothing.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from faceblur import calibration
from faceblur.domain import Box, Doubt
from faceblur.temporal.shots import Indices, Places, Reals, Shot
from faceblur.temporal.tracks import Track, likeness

# How often each kind of doubt is about something visible, roughly, as counted on clips with known faces; a place where
# detections were not believed weighs what they are worth.
_PERHAPS_NONE, _APPEARS, _BRIDGE, _JUMPS, _COVERS = 0.03, 0.02, 0.02, 0.03, 0.1
_LEAST = 0.01  # weight below which nobody is bothered
_MOST = 300  # dropped chains of a shot that are looked at, the likeliest first
_MOST_LIKELY = 0.99  # the highest weight: 1 is for decisions that could not be followed
_LONG = 7.5  # units of time from which a bridge is long: 8 frames, even where their times wobble
_JUMP = 0.5  # a move from one frame to the next, along the camera, as a share of the size
_UNSURE = 0.5  # probability below which a track may be no face
_LARGE = 0.15  # share of the picture
_NEAR = 0.5  # distance, in sizes, below which two chains are about one place
_AGAIN = 0.5  # logarithm of the ratio of two sizes below which they are alike


def doubts(shot: Shot, tracks: Sequence[Track], dropped: Sequence[Indices], size: tuple[int, int]) -> Iterator[Doubt]:
    """At most one doubt, the weightiest, for each track and for each place where detections were not believed."""
    for track in tracks:
        found = max(_of_track(track, size), key=lambda doubt: doubt.weight, default=None)
        if found and found.weight >= _LEAST:
            yield found
    yield from _of_dropped(shot, tracks, dropped)


def _of_track(track: Track, size: tuple[int, int]) -> Iterator[Doubt]:
    """Everything that is odd about a track."""
    shot, sure = track.shot, calibration.probability(track.odds)
    seen = np.nonzero(track.member >= 0)[0]

    def doubt(at: int, reason: str, weight: float) -> Doubt:
        return Doubt(shot.numbers[track.first + at], _box(track.middle[at], track.size[at]), reason, _weight(weight))

    if sure < _UNSURE:
        yield doubt(
            int(seen[np.argmax(shot.odds[track.member[seen]])]),
            "hidden, but perhaps no face",
            _PERHAPS_NONE * (1 - sure),
        )
    for at, edge, reason in ((seen[0], 0, "appears"), (seen[-1], len(shot) - 1, "disappears")):
        if track.first + at != edge and not _at_border(track.middle[at], track.size[at], size):
            yield doubt(int(at), f"{reason} in the middle of the picture", _APPEARS * sure)
    gaps = shot.clock[track.first + seen[1:] - 1] - shot.clock[track.first + seen[:-1]]
    if len(gaps) and gaps.max() >= _LONG:
        before, after = seen[gaps.argmax() :][:2].tolist()
        weight = _BRIDGE * (1 + min(float(gaps.max()), 15) / 15) * sure
        yield doubt((before + after) // 2, f"not seen for {after - before - 1} frames", weight)
    later = slice(track.first + 1, track.first + len(track.middle))
    foreseen = shot.turn[later] * track.middle[:-1] + shot.shift[later]
    moves = np.abs(track.middle[1:] - foreseen) / np.exp(track.size[1:].mean(axis=1))
    if len(moves) and moves.max() >= _JUMP:
        yield doubt(int(moves.argmax()) + 1, "jumps", _JUMPS * sure)
    areas = _shares(track, size)
    if areas.max() >= _LARGE:
        yield doubt(int(areas.argmax()), f"covers {areas.max():.0%} of the picture", _COVERS)


def _of_dropped(shot: Shot, tracks: Sequence[Track], dropped: Sequence[Indices]) -> Iterator[Doubt]:
    """Chains that were not believed and that no track hides; one for each place."""
    hidden = _hidden(shot, tracks)
    visible = [rest for chain in dropped if len(rest := chain[~hidden[chain]])]
    odds_of = [min(likeness(shot, chain), float(shot.odds[chain].max())) for chain in visible]
    likely = sorted(zip(odds_of, visible, strict=True), key=lambda pair: -pair[0])[:_MOST]
    turn, shift = _from_start(shot)
    taken: list[tuple[complex, float]] = []
    for odds, chain in likely:
        weight = calibration.probability(odds)
        row = int(chain[shot.odds[chain].argmax()])
        index, middle, scale = int(shot.frame[row]), complex(shot.middle[row]), float(shot.size[row].mean())
        if weight < _LEAST:
            continue
        home, zoom = (middle - shift[index]) / turn[index], float(np.log(abs(turn[index])))
        near = _NEAR * np.exp(scale - zoom)
        if any(abs(home - other) < near and abs(scale - zoom - size) < _AGAIN for other, size in taken):
            continue
        taken.append((home, scale - zoom))
        yield Doubt(shot.numbers[index], _box(middle, shot.size[row]), "looks a little like a face", _weight(weight))


def _hidden(shot: Shot, tracks: Sequence[Track]) -> NDArray[np.bool_]:
    """(M,) which detections have their middle in what a track hides."""
    hidden = np.zeros(len(shot.frame), dtype=np.bool_)
    for track in tracks:
        begin, end = np.searchsorted(shot.frame, [track.first, track.first + len(track.middle)])
        at = shot.frame[begin:end] - track.first
        off, half = shot.middle[begin:end] - track.middle[at], np.exp(track.size[at]) / 2
        hidden[begin:end] |= (np.abs(off.real) < half[:, 0]) & (np.abs(off.imag) < half[:, 1])
    return hidden


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


def _weight(likely: float) -> float:
    return round(min(float(likely), _MOST_LIKELY), 3)


def _box(middle: complex, size: Reals) -> Box:
    width, height = np.exp(size).tolist()
    x, y = float(middle.real) - width / 2, float(middle.imag) - height / 2
    return Box(x, y, x + width, y + height).rounded()
