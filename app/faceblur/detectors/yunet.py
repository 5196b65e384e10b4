"""YuNet (Wu et al., 2023, doi:10.1007/s11633-023-1423-y), a very small anchor-free face detector.

It wants BGR, 0 to 255, sides a multiple of 32. On grids of 8, 16 and 32 px it gives how much a cell looks like a face
and how well it lies on one, whose geometric mean is the score, and the box around the cell's corner.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from faceblur import weights as weights_table
from faceblur.detectors.base import FLOOR, Rows, nms
from faceblur.detectors.convolutional import FullyConvolutional
from faceblur.detectors.network import Network, Tensor

_STRIDES = (8, 16, 32)
_IOU = 0.3


class YuNet(FullyConvolutional):
    """YuNet at the picture's own size."""

    def __init__(self, name: str, weights: Sequence[Path], threads: int = 0) -> None:
        super().__init__(name, Network(weights_table.fetch(name, weights), threads))  # "yunet" or "yunet.n"

    def decoded(self, found: Mapping[str, Tensor], height: int, width: int) -> Rows:
        return nms(np.concatenate([_decode(found, stride, width) for stride in _STRIDES]), _IOU)


def _decode(found: Mapping[str, Tensor], stride: int, width: int) -> Rows:
    """(N, 5) rows of one grid, for each cell with a score that counts; cells run from left to right, then down."""
    likeness, fit, boxes = (found[f"{part}_{stride}"].astype(np.float64) for part in ("cls", "obj", "bbox"))
    scores = np.sqrt(np.clip(likeness[:, 0], 0, 1) * np.clip(fit[:, 0], 0, 1))
    cells = np.nonzero(scores >= FLOOR)[0]
    row, column = np.divmod(cells, width // stride)
    right, down, across, high = boxes[cells].T
    middle_x, middle_y = (column + right) * stride, (row + down) * stride
    half_width, half_height = np.exp(across) * stride / 2, np.exp(high) * stride / 2
    corners = (middle_x - half_width, middle_y - half_height, middle_x + half_width, middle_y + half_height)
    return np.stack([*corners, scores[cells]], axis=1)
