"""How the camera moved from one frame to the next, and whether there was a cut: pictures in, a few numbers out."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from faceblur.domain import Motion
from faceblur.images import Image, resized

Points = NDArray[Any]  # (N, 1, 2) float32: x and y

VERSION = 4  # part of every stamp: count up when the numbers change

_SIDE = 480  # px of the longer side of the small picture; motion is measured there
_CORNERS = 300
_WINDOW = (11, 11)  # px around a corner that are compared
_WITHIN_PX = 1.5  # how far a corner may be from where the camera's motion takes it, in the small picture
_FEWEST = 12  # corners that a motion can be told from
_BACK_PX = 1.0  # how far from where it was a corner may end that is followed there and back
_LOW = 0.3  # support below which it may be that there was nothing to hold on to but noise
_SAME = 2.0  # mean difference in grey levels below which two pictures without corners are the same
_BLANK = 4  # grey levels from darkest to lightest below which there is nothing to see, even if it is made brighter
_ZOOM = (0.8, 1.25)  # from one frame to the next; anything else is no camera's motion


def small(image: Image) -> Image:
    """The (h, w) uint8 grey picture that `between` compares, of a (H, W, 3) uint8 BGR image."""
    grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), dtype=np.uint8)
    scale = min(1.0, _SIDE / max(grey.shape))
    size = (max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale)))
    return resized(grey, size)


def between(before: Image, after: Image, width: int) -> Motion:
    """The camera's motion from one small picture to the next, in pixels of a frame `width` wide. Deterministic.

    Corners (Shi and Tomasi, 1994) are followed there and back by the pyramidal method of Lucas and Kanade (Bouguet,
    2001); those that come back to where they were make up the support: 0.5 and more on footage of all kinds, however
    much moves in it, 0.03 and less over a cut. The motion is the similarity that most of them agree on, found by RANSAC
    (Fischler and Bolles, 1981).
    """
    if before.shape != after.shape or _is_blank(before) != _is_blank(after):  # the second is the end of a fade
        return Motion(support=0.0)
    even = _same_light(before, after)
    corners = cv2.goodFeaturesToTrack(even, _CORNERS, 0.01, 7)
    if corners is None or len(corners) < _FEWEST:
        return Motion(support=float(_same(even, after)))
    there, found = _follow(even, after, corners)
    back, found_back = _follow(after, even, there)
    kept = found & found_back & (np.abs(back - corners).max(axis=(1, 2)) < _BACK_PX)
    support = round(float(kept.mean()), 3)
    if support < _LOW and _same(even, after):
        return Motion()
    if kept.sum() < _FEWEST:
        return Motion(support=support)
    begin, end = corners[kept] + 0.5, there[kept] + 0.5  # the middle of the first pixel is at 0.5, not at 0
    matrix, _ = cv2.estimateAffinePartial2D(begin, end, method=cv2.RANSAC, ransacReprojThreshold=_WITHIN_PX)
    if matrix is None or not _ZOOM[0] <= np.hypot(*matrix[:, 0]) <= _ZOOM[1]:
        return Motion(support=support)
    (a, _, dx), (b, _, dy) = matrix.tolist()
    scale = width / before.shape[1]
    return Motion(round(a, 6), round(b, 6), round(dx * scale, 3), round(dy * scale, 3), support)


def _follow(image: Image, other: Image, points: Points) -> tuple[Points, NDArray[np.bool_]]:
    """Where the points of one picture are in the other, and which of them were found."""
    moved, found, _ = cv2.calcOpticalFlowPyrLK(image, other, points, None, winSize=_WINDOW, maxLevel=3)  # type: ignore[call-overload]
    return moved, found[:, 0] == 1


def _same(image: Image, other: Image) -> bool:
    """Whether two pictures without anything to hold on to, such as black ones, are the same but for noise."""
    return float(np.abs(image.astype(np.int16) - other).mean()) < _SAME


def _is_blank(picture: Image) -> bool:
    """Whether there is nothing in a picture: it is black, white or grey all over, but for noise."""
    least, most, _, _ = cv2.minMaxLoc(picture)
    return most - least < _BLANK


def _same_light(before: Image, after: Image) -> Image:
    """`before` with the mean and contrast of `after`, so that a change of light or a fade does not look like motion."""
    (mean, spread), (wanted, wanted_spread) = (np.ravel(cv2.meanStdDev(p)).tolist() for p in (before, after))
    gain = min(max(wanted_spread / spread, 0.5), 2.0) if spread > 1 else 1.0
    return cv2.addWeighted(before, gain, before, 0, wanted - mean * gain).astype(np.uint8, copy=False)
