"""A Haar cascade (Viola and Jones, 2001) for plates, with the file in the OpenCV wheel; weak, needs no weights."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from faceblur.detectors.base import Detector, Rows, nms
from faceblur.images import Image

_WINDOW = (60, 20)  # px, of the cascade
_IOU = 0.4
_HALF = 4.0  # the weight of the last stage that counts as a score of 0.5; rough, a cascade knows no probability


class HaarPlate(Detector):
    """One pass over the picture in grey."""

    def __init__(self, name: str, weights: Sequence[Path], threads: int = 0) -> None:
        super().__init__(name)
        if threads:
            cv2.setNumThreads(threads)
        file = Path(str(cv2.__file__)).parent / "data" / "haarcascade_russian_plate_number.xml"
        self._cascade = cv2.CascadeClassifier(str(file))

    def rows(self, image: Image) -> Rows:
        height, width = image.shape[:2]
        if width < _WINDOW[0] or height < _WINDOW[1]:
            return np.empty((0, 5))
        grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        found, _, levels = self._cascade.detectMultiScale3(
            grey, scaleFactor=1.1, minNeighbors=2, minSize=_WINDOW, outputRejectLevels=True
        )
        if len(found) == 0:
            return np.empty((0, 5))
        left, top, across, down = np.asarray(found, dtype=np.float64).T
        weight = np.maximum(np.asarray(levels, dtype=np.float64).reshape(-1), 0)
        rows = np.stack([left, top, left + across, top + down, weight / (weight + _HALF)], axis=1)
        return nms(rows, _IOU)
