"""RetinaFace (Deng et al., 2019, arXiv:1905.00641) with the small MobileNet 0.25, trained by biubug6.

It wants BGR, 0 to 255, less the mean of ImageNet, sides a multiple of 32. On grids of 8, 16 and 32 px, with two square
anchors a cell, it gives a score, and the box as centre and log of the size relative to the anchor.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from faceblur import weights as weights_table
from faceblur.detectors.base import FLOOR, Rows, nms
from faceblur.detectors.convolutional import FullyConvolutional
from faceblur.detectors.network import Network, Tensor

_ANCHORS = {8: (16, 32), 16: (64, 128), 32: (256, 512)}  # px, by stride
_VARIANCES = (0.1, 0.2)  # what training multiplied centres and sizes with
_MEAN = (104, 117, 123)
_IOU = 0.4


class RetinaFaceMobile(FullyConvolutional):
    """RetinaFace with MobileNet 0.25 at the picture's own size."""

    def __init__(self, name: str, weights: Sequence[Path], threads: int = 0) -> None:
        super().__init__(name, Network(weights_table.fetch("retinaface-mobile", weights), threads), mean=_MEAN)

    def decoded(self, found: Mapping[str, Tensor], height: int, width: int) -> Rows:
        scores = found["conf"][:, 1].astype(np.float64)
        counts = scores >= FLOOR
        anchors, boxes = _anchors(height, width)[counts], found["loc"][counts].astype(np.float64)
        middle = anchors[:, :2] + boxes[:, :2] * _VARIANCES[0] * anchors[:, 2:]
        half = anchors[:, 2:] * np.exp(boxes[:, 2:] * _VARIANCES[1]) / 2
        return nms(np.column_stack([middle - half, middle + half, scores[counts]]), _IOU)


def _anchors(height: int, width: int) -> np.ndarray:
    """(N, 3) the middle across and down and the side of each anchor in pixels; cells from left to right, then down."""
    grids = []
    for stride, sides in _ANCHORS.items():
        row, column, side = np.meshgrid(np.arange(height // stride), np.arange(width // stride), sides, indexing="ij")
        grids.append(np.stack([(column + 0.5) * stride, (row + 0.5) * stride, side], axis=-1).reshape(-1, 3))
    return np.concatenate(grids)
