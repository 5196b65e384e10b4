"""What every detector is: pictures in, detections out, low scores included; the threshold is applied later."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from faceblur.domain import Box, Detection, Points
from faceblur.images import Image

FLOOR = 0.05  # scores below this are noise; everything above is evidence
# (N, 5): left, top, right, bottom, score; or (N, 13), with x and y of four corners, clockwise from the upper left one,
# as shares of the box from its left and top: they stay what they are when it is moved or scaled. NaN where not known.
Rows = NDArray[np.float64]
_FAR = 1e7  # px; what reaches beyond has no end, and could not be subtracted
_MATRIX = 1000  # rows that are compared with one another at a time


class Detector(ABC):
    """Finds one kind of thing in pictures. `name` names the model and every setting that changes what it finds."""

    kind = "face"
    step = 1  # px; the sides of a picture given to `batch` are a multiple of this
    floor = FLOOR

    def __init__(self, name: str) -> None:
        self.name = name

    def detect(self, images: Sequence[Image]) -> list[list[Detection]]:
        """For each (H, W, 3) uint8 BGR image its detections from score `floor` up, best first, inside the picture.

        Scores are rounded to 1e-4 and boxes to 0.01 px before they count, so that stored and fresh evidence agree.
        """
        return [self._tidy(rows, image) for rows, image in zip(self.batch(images), images, strict=True)]

    def at_once(self, width: int, height: int) -> int:
        """How many pictures of that size in pixels should be given to `detect` together."""
        return 1

    @abstractmethod
    def batch(self, images: Sequence[Image]) -> list[Rows]:
        """For each picture (N, 5) float64: left, top, right, bottom in pixels of it, and score; any order, any number.

        (N, 13) where it tells corners too; see Rows.
        """

    def _tidy(self, rows: Rows, image: Image) -> list[Detection]:
        if np.isnan(rows[:, :5]).any():  # must not pass for "no face"
            raise ValueError(f"{self.name} answered with numbers that are none")
        height, width = image.shape[:2]
        found = []
        for left, top, right, bottom, score, *shares in rows.tolist():
            box = Box(left, top, right, bottom).clip(width, height).rounded()
            if score >= self.floor and box.area > 0:
                corners = _corners(Box(left, top, right, bottom), shares)
                found.append(Detection(box, min(round(score, 4), 1.0), self.kind, self.name, corners))
        return sorted(found, key=lambda d: (-d.score, d.box.to_json()))


class OneByOne(Detector):
    """A detector that looks at one picture after the other."""

    def batch(self, images: Sequence[Image]) -> list[Rows]:
        return [self.rows(image) for image in images]

    @abstractmethod
    def rows(self, image: Image) -> Rows:
        """What `batch` says of one picture."""


def _corners(box: Box, shares: Sequence[float]) -> Points:
    """The corners in pixels; none where they are not known."""
    if not shares or not all(map(math.isfinite, shares)):
        return ()
    points = zip(shares[::2], shares[1::2], strict=True)
    return tuple((round(box.left + x * box.width, 2), round(box.top + y * box.height, 2)) for x, y in points)


def ious(rows: Rows, others: Rows) -> NDArray[np.float64]:
    """(N, M) intersection over union of each of (N, 5) rows with each of (M, 5) others."""
    rows, others = (np.clip(boxes[:, :4], -_FAR, _FAR) for boxes in (rows, others))
    overlap = np.ones((len(rows), len(others)))
    for low, high in ((0, 2), (1, 3)):
        side = np.minimum.outer(rows[:, high], others[:, high]) - np.maximum.outer(rows[:, low], others[:, low])
        overlap *= np.maximum(side, 0)
    union = np.add.outer(_areas(rows), _areas(others)) - overlap
    return np.asarray(overlap / np.maximum(union, 1e-9))


def _areas(rows: Rows) -> NDArray[np.float64]:
    return np.asarray((rows[:, 2] - rows[:, 0]) * (rows[:, 3] - rows[:, 1]))


def nms(rows: Rows, iou: float) -> Rows:
    """Greedy non-maximum suppression: drop each row that overlaps a better one by more than `iou`. Corners, not sizes.

    Takes and returns (N, 5) float64: left, top, right, bottom, score; the result is ordered by score, best first.
    """
    rows = rows[np.lexsort((rows[:, 0], rows[:, 1], -rows[:, 4]))]
    kept: list[Rows] = []
    for start in range(0, len(rows), _MATRIX):  # in parts, as the table grows with the square
        part = rows[start : start + _MATRIX]
        for better in kept:
            part = part[(ious(better, part) <= iou).all(axis=0)]
        same = ious(part, part) > iou
        alive = np.ones(len(part), dtype=bool)
        for i in np.nonzero(same.sum(axis=1) > 1)[0].tolist():  # the others overlap nothing but themselves
            if alive[i]:
                alive[i + 1 :] &= ~same[i, i + 1 :]
        kept.append(part[alive])
    return np.concatenate(kept) if kept else rows
