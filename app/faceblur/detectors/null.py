"""A detector for tests: it looks at no picture for faces, it reads boxes that a test has painted into it.

A saturated pure green rectangle (BGR 0, 255, 0) is a "face" of score 0.9, a pure blue one of score 0.1.
"""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from faceblur.detectors.base import OneByOne, Rows
from faceblur.images import Image


class Null(OneByOne):
    """Finds painted rectangles; for tests only, as it hides no face."""

    def __init__(self, name: str, weights: Sequence[Path], threads: int = 0) -> None:
        super().__init__(name)

    def rows(self, image: Image) -> Rows:
        rows = []
        for low, high, score in (((0, 200, 0), (60, 255, 60), 0.9), ((200, 0, 0), (255, 60, 60), 0.1)):
            count, _, stats, _ = cv2.connectedComponentsWithStats(cv2.inRange(image, np.array(low), np.array(high)))
            for left, top, across, down, area in stats[1:count].tolist():
                if area >= 16:
                    rows.append([left, top, left + across, top + down, score])
        return np.array(rows, dtype=np.float64).reshape(-1, 5)
