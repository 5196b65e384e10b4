"""YuNet (Wu et al., 2023, doi:10.1007/s11633-023-1423-y), a very small anchor-free face detector.

It wants BGR, 0 to 255, sides a multiple of 32. On grids of 8, 16 and 32 px it gives how much a cell looks like a face
and how well it lies on one, whose geometric mean is the score, and the box around the cell's corner.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from faceblur import weights as weights_table
from faceblur.detectors.base import FLOOR, Detector, Rows, nms
from faceblur.detectors.network import Network, Tensor, blob
from faceblur.images import Image

_STRIDES = (8, 16, 32)
_IOU = 0.3


class YuNet(Detector):
    """YuNet at the picture's own size."""

    step = 32

    def __init__(self, name: str, weights: Sequence[Path], threads: int = 0) -> None:
        super().__init__(name)
        self._network = Network(weights_table.fetch(name, weights), threads)  # "yunet" or "yunet.n"

    def rows(self, image: Image) -> Rows:
        found = self._network.run(blob(image))
        return nms(np.concatenate([_decode(found, stride, image.shape[1]) for stride in _STRIDES]), _IOU)


def _decode(found: dict[str, Tensor], stride: int, width: int) -> Rows:
    """(N, 5) rows of one grid, for each cell with a score that counts; cells run from left to right, then down."""
    likeness, fit, boxes = (found[f"{part}_{stride}"][0].astype(np.float64) for part in ("cls", "obj", "bbox"))
    scores = np.sqrt(np.clip(likeness[:, 0], 0, 1) * np.clip(fit[:, 0], 0, 1))
    cells = np.nonzero(scores >= FLOOR)[0]
    row, column = np.divmod(cells, width // stride)
    right, down, across, high = boxes[cells].T
    middle_x, middle_y = (column + right) * stride, (row + down) * stride
    half_width, half_height = np.exp(across) * stride / 2, np.exp(high) * stride / 2
    corners = (middle_x - half_width, middle_y - half_height, middle_x + half_width, middle_y + half_height)
    return np.stack([*corners, scores[cells]], axis=1)
