"""YuNet (Wu et al., 2023, doi:10.1007/s11633-023-1423-y), a very small face detector, through OpenCV's own wrapper."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from faceblur import weights as weights_table
from faceblur.detectors.base import FLOOR, Detector, Rows
from faceblur.images import Image

_SMALLEST = 64  # px; where the coarsest grid is one cell wide OpenCV 4.14 gives what happens to be in memory
_IOU = 0.3
_FAR = 1e6  # px; what lies beyond has no end, and could not be added up
_TOP = 100_000  # candidates before suppression: no cap on the number of faces


class YuNet(Detector):
    """YuNet at the picture's own size. BGR in; its score is the root of class times objectness."""

    def __init__(self, name: str, weights: Sequence[Path], threads: int = 0) -> None:
        super().__init__(name)
        if threads:
            cv2.setNumThreads(threads)
        model = str(weights_table.fetch("yunet", weights))
        self._network = cv2.FaceDetectorYN.create(model, "", (320, 320), FLOOR, _IOU, _TOP)

    def _rows(self, image: Image) -> Rows:
        height, width = image.shape[:2]
        pad = (0, max(0, _SMALLEST - height), 0, max(0, _SMALLEST - width))
        padded = cv2.copyMakeBorder(image, *pad, cv2.BORDER_REPLICATE)
        self._network.setInputSize((padded.shape[1], padded.shape[0]))
        _, faces = self._network.detect(padded)
        if faces is None:
            return np.empty((0, 5))
        left, top, across, down = np.clip(faces[:, :4].astype(np.float64), -_FAR, _FAR).T
        return np.stack([left, top, left + across, top + down, faces[:, 14].astype(np.float64)], axis=1)
