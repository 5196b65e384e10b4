"""Haar cascades (Viola and Jones, 2001), frontal and both profiles, with the files inside the OpenCV wheel."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from faceblur.detectors.base import Detector, Rows, nms
from faceblur.images import Image

_SMALLEST = 20  # px, the window of the frontal cascade
_IOU = 0.4
_HALF = 4.0  # the weight of the last stage that counts as a score of 0.5; rough, a cascade knows no probability


class Haar(Detector):
    """Three passes: frontal, profile, and profile on the mirrored picture."""

    def __init__(self, name: str, weights: Sequence[Path], threads: int = 0) -> None:
        super().__init__(name)
        if threads:
            cv2.setNumThreads(threads)
        folder = Path(str(cv2.__file__)).parent / "data"
        self._frontal = cv2.CascadeClassifier(str(folder / "haarcascade_frontalface_default.xml"))
        self._profile = cv2.CascadeClassifier(str(folder / "haarcascade_profileface.xml"))

    def rows(self, image: Image) -> Rows:
        grey = cv2.equalizeHist(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))
        mirrored = _search(self._profile, cv2.flip(grey, 1))
        mirrored[:, [0, 2]] = image.shape[1] - mirrored[:, [2, 0]]
        return nms(np.concatenate([_search(self._frontal, grey), _search(self._profile, grey), mirrored]), _IOU)


def _search(cascade: cv2.CascadeClassifier, grey: np.ndarray) -> Rows:
    if min(grey.shape) < _SMALLEST:
        return np.empty((0, 5))
    found, _, levels = cascade.detectMultiScale3(
        grey, scaleFactor=1.1, minNeighbors=2, minSize=(_SMALLEST, _SMALLEST), outputRejectLevels=True
    )
    if len(found) == 0:
        return np.empty((0, 5))
    left, top, across, down = np.asarray(found, dtype=np.float64).T
    weight = np.maximum(np.asarray(levels, dtype=np.float64).reshape(-1), 0)
    return np.stack([left, top, left + across, top + down, weight / (weight + _HALF)], axis=1)
