"""What every detector is: pictures in, detections out, low scores included; the threshold is applied later."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from faceblur.domain import Box, Detection
from faceblur.images import Image

FLOOR = 0.05  # scores below this are noise; everything above is evidence
Rows = NDArray[np.float64]  # (N, 5): left, top, right, bottom, score


class Detector(ABC):
    """Finds one kind of thing in pictures. `name` names the model and every setting that changes what it finds."""

    kind = "face"
    step = 1  # px; the sides of a picture given to `rows` are a multiple of this
    floor = FLOOR

    def __init__(self, name: str) -> None:
        self.name = name

    def detect(self, images: Sequence[Image]) -> list[list[Detection]]:
        """For each (H, W, 3) uint8 BGR image its detections from score `floor` up, best first, inside the picture.

        Scores are rounded to 1e-4 and boxes to 0.01 px before they count, so that stored and fresh evidence agree.
        """
        return [self._tidy(self.rows(image), image) for image in images]

    @abstractmethod
    def rows(self, image: Image) -> Rows:
        """(N, 5) float64: left, top, right, bottom in pixels of the image, and score; any order, any number."""

    def _tidy(self, rows: Rows, image: Image) -> list[Detection]:
        if np.isnan(rows).any():  # must not pass for "no face"
            raise ValueError(f"{self.name} answered with numbers that are none")
        height, width = image.shape[:2]
        found = []
        for *corners, score in rows.tolist():
            box = Box(*corners).clip(width, height).rounded()
            if score >= self.floor and box.area > 0:
                found.append(Detection(box, min(round(score, 4), 1.0), self.kind, self.name))
        return sorted(found, key=lambda d: (-d.score, d.box.to_json()))


def ious(row: NDArray[np.float64], rows: Rows) -> NDArray[np.float64]:
    """(N,) intersection over union of one row, left, top, right, bottom and what follows, with each of (N, 5) rows."""
    sides = np.minimum(row[2:4], rows[:, 2:4]) - np.maximum(row[:2], rows[:, :2])
    overlap = np.prod(np.maximum(sides, 0), axis=1)
    areas = np.prod(rows[:, 2:4] - rows[:, :2], axis=1) + np.prod(row[2:4] - row[:2])
    return np.asarray(overlap / np.maximum(areas - overlap, 1e-9))


def nms(rows: Rows, iou: float) -> Rows:
    """Greedy non-maximum suppression: drop each row that overlaps a better one by more than `iou`. Corners, not sizes.

    Takes and returns (N, 5) float64: left, top, right, bottom, score; the result is ordered by score, best first.
    """
    rows = rows[np.lexsort((rows[:, 0], rows[:, 1], -rows[:, 4]))]
    alive = np.ones(len(rows), dtype=bool)
    for i in range(len(rows)):
        if alive[i]:
            alive[i + 1 :] &= ious(rows[i], rows[i + 1 :]) <= iou
    return rows[alive]
