"""What is hidden of flat things, such as plates, whose corners a detector tells: a polygon, where a box hid too much.

In doubt there is none, and the box is hidden: where corners were seen weakly, or are out of shape.
"""

from collections.abc import Iterator

import cv2
import numpy as np

from faceblur.domain import Points
from faceblur.temporal.shots import Reals
from faceblur.temporal.tracks import Track

_SURE = 0.0  # log-odds below which the corners of a detection do not count
_LEAST = 0.2  # share of the box that corners must hold; a plate does, up to half a right angle
_BESIDE = 0.1  # how far beside the box a corner may lie, as a share of it; what the border cuts off lies farther


def outlines(track: Track, margin: Reals, least: float) -> Iterator[Points]:
    """For each frame of a track the convex polygon around its thing, in pixels; empty where the box is to be hidden.

    It holds the corners where the track is, smoothed, and where they were seen, each with a `margin` (L,), as a share
    of the thing on each side, and at least `least` px.
    """
    corners = _corners(track)
    if np.isnan(corners).all():  # as those of faces are
        yield from [()] * len(corners)
        return
    for offset, (shares, share) in enumerate(zip(corners, margin.tolist(), strict=True)):
        if not _is_fit(shares):
            yield ()
            continue
        half = np.exp(track.size[offset]) / 2
        centre = np.array([track.middle[offset].real, track.middle[offset].imag])
        places = [(centre - half) + shares * 2 * half]
        if track.member[offset] >= 0:
            box = track.shot.box[track.member[offset]]
            places.append(box[:2] + shares * (box[2:] - box[:2]))
        yield _hull(np.concatenate([_grown(place, share, least) for place in places]))


def _corners(track: Track) -> Reals:
    """(L, 4, 2) the corners in each frame, as shares of the box; between two detections they change evenly.

    NaN where they are not known: before the first detection, after the last, and next to one that has none.
    """
    shot = track.shot
    corners = np.full((len(track.member), 4, 2), np.nan)
    seen = np.nonzero(track.member >= 0)[0]
    rows = track.member[seen]
    told = np.where((shot.odds[rows] >= _SURE)[:, None, None], shot.corners[rows], np.nan)
    if np.isnan(told).all():
        return corners
    inner = np.arange(seen[0], seen[-1] + 1)
    after = np.searchsorted(seen, inner)
    before = np.maximum(after - 1, 0)
    share = ((inner - seen[before]) / np.maximum(seen[after] - seen[before], 1))[:, None, None]
    corners[inner] = told[before] * (1 - share) + told[after] * share
    corners[seen] = told
    return corners


def _is_fit(shares: Reals) -> bool:
    """Whether corners, as shares of their box, can be those of the thing in it. NaN are not."""
    inside = ((shares >= -_BESIDE) & (shares <= 1 + _BESIDE)).all()
    return bool(inside) and cv2.contourArea(shares.astype(np.float32)) >= _LEAST


def _grown(corners: Reals, share: float, least: float) -> Reals:
    """Points whose hull is that of `corners` with a margin of `share` of it on each side, and of at least `least`."""
    centre = corners.mean(axis=0)
    square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * least
    around = (corners[:, None] + square[None]).reshape(-1, 2)
    return np.concatenate([centre + (corners - centre) * (1 + 2 * share), around])


def _hull(points: Reals) -> Points:
    hull = cv2.convexHull(points.astype(np.float32))[:, 0]
    return tuple((round(x, 2), round(y, 2)) for x, y in hull.tolist())
