"""BlazeFace (Bazarevsky et al., 2019, arXiv:1907.05047), MediaPipe's very small detectors of near faces.

They want RGB, −1 to 1, squares of 128 px (short range, faces within 2 m) or 192 px (full range, within 5 m). On grids
they give the logit of a score, and the box as the way from the cell's middle to its own, and its size, in pixels. The
grids are those that MediaPipe publishes as SsdAnchorsCalculatorOptions in mediapipe/modules/face_detection
(face_detection_short_range.pbtxt, face_detection_full_range.pbtxt): anchors of a fixed size, so only middles matter.
"""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from faceblur import weights as weights_table
from faceblur.detectors import squares
from faceblur.detectors.base import FLOOR, OneByOne, Rows
from faceblur.detectors.network import blob
from faceblur.images import Image

_HALF = 127.5  # of the range of a value
_IOU = 0.3
_FINEST = 256  # px, the least side of a square; half of it would take four times as long
_HIGHEST = 100.0  # logit; beyond this MediaPipe cuts, and exp would overflow


class BlazeFace(OneByOne):
    """A BlazeFace on the whole picture, and on squares of half its longest side, a quarter, and so on, down to 256 px.

    So small faces are found that the network alone cannot see. `grids` are (stride in pixels, anchors a cell). Logits
    are multiplied by `steep`: the short range answers 0.33 to noise, and by MediaPipe's options counts from 0.5 only.
    """

    def __init__(
        self,
        name: str,
        weights: Sequence[Path],
        threads: int = 0,
        *,
        side: int,
        grids: Sequence[tuple[int, int]],
        steep: float,
    ) -> None:
        super().__init__(name)
        if threads:
            cv2.setNumThreads(threads)
        self._side = side
        self._steep = steep
        self._middles = np.concatenate([_middles(side, stride, count) for stride, count in grids])
        self._network = cv2.dnn.readNetFromTFLite(str(weights_table.fetch(name, weights)))
        self._outputs = sorted(self._network.getUnconnectedOutLayersNames())  # "…classif…" before "…regress…"

    def rows(self, image: Image) -> Rows:
        lengths = [float(max(image.shape[:2]))]
        while lengths[-1] / 2 >= _FINEST:
            lengths.append(lengths[-1] / 2)
        return squares.look(image, lengths, self._side, self._find, _IOU)

    def _find(self, square: Image) -> Rows:
        self._network.setInput(blob(square, rgb=True, scale=1 / _HALF, mean=(_HALF, _HALF, _HALF)))
        logits, boxes = (np.asarray(value[0], np.float64) for value in self._network.forward(self._outputs))
        if not np.isfinite(logits).all() or not np.isfinite(boxes).all():
            raise ValueError(f"{self.name} answered with numbers that are none")
        scores = 1 / (1 + np.exp(-np.clip(self._steep * logits[:, 0], -_HIGHEST, _HIGHEST)))
        counts = scores >= FLOOR
        middle, half = self._middles[counts] + boxes[counts, :2], boxes[counts, 2:4] / 2
        return np.column_stack([middle - half, middle + half, scores[counts]])


def _middles(side: int, stride: int, count: int) -> np.ndarray:
    """(N, 2) the middles of the cells of a grid, from left to right, then down, each so many times."""
    along = (np.arange(side // stride) + 0.5) * stride
    down, across = np.meshgrid(along, along, indexing="ij")
    return np.repeat(np.stack([across, down], axis=-1).reshape(-1, 2), count, axis=0)
