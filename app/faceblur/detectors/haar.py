"""Haar cascades (Viola and Jones, 2001) for faces and for plates, with the files inside the OpenCV wheel."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from faceblur.detectors.base import OneByOne, Rows, nms
from faceblur.images import Image

_IOU = 0.4
_HALF = 4.0  # the weight of the last stage that counts as a score of 0.5; rough, a cascade knows no probability


class _Classifier:
    """One cascade; `window` is the width and height in pixels of the smallest thing that it finds."""

    def __init__(self, file: str, window: tuple[int, int]) -> None:
        self._cascade = cv2.CascadeClassifier(str(Path(str(cv2.__file__)).parent / "data" / file))
        self._window = window

    def rows(self, grey: np.ndarray) -> Rows:
        """(N, 5) rows of what it finds in a (H, W) uint8 picture."""
        if grey.shape[1] < self._window[0] or grey.shape[0] < self._window[1]:
            return np.empty((0, 5))
        found, _, levels = self._cascade.detectMultiScale3(
            grey, scaleFactor=1.1, minNeighbors=2, minSize=self._window, outputRejectLevels=True
        )
        if len(found) == 0:
            return np.empty((0, 5))
        left, top, across, down = np.asarray(found, dtype=np.float64).T
        weight = np.maximum(np.asarray(levels, dtype=np.float64).reshape(-1), 0)
        return np.stack([left, top, left + across, top + down, weight / (weight + _HALF)], axis=1)


class Haar(OneByOne):
    """Faces in three passes: frontal, profile, and profile on the mirrored picture."""

    def __init__(self, name: str, weights: Sequence[Path], threads: int = 0) -> None:
        super().__init__(name)
        if threads:
            cv2.setNumThreads(threads)
        self._frontal = _Classifier("haarcascade_frontalface_default.xml", (20, 20))
        self._profile = _Classifier("haarcascade_profileface.xml", (20, 20))

    def rows(self, image: Image) -> Rows:
        grey = cv2.equalizeHist(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))
        mirrored = self._profile.rows(cv2.flip(grey, 1))
        mirrored[:, [0, 2]] = image.shape[1] - mirrored[:, [2, 0]]
        return nms(np.concatenate([self._frontal.rows(grey), self._profile.rows(grey), mirrored]), _IOU)


class HaarPlate(OneByOne):
    """Plates in one pass; weak."""

    def __init__(self, name: str, weights: Sequence[Path], threads: int = 0) -> None:
        super().__init__(name)
        if threads:
            cv2.setNumThreads(threads)
        self._plate = _Classifier("haarcascade_russian_plate_number.xml", (60, 20))

    def rows(self, image: Image) -> Rows:
        return nms(self._plate.rows(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)), _IOU)
