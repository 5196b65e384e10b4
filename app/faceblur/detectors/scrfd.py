"""SCRFD 2.5G (Guo et al., 2021, arXiv:2105.04714), the face detector of InsightFace. For research only: see its Row.

It wants RGB, −1 to 1, sides a multiple of 32. On grids of 8, 16 and 32 px, with two anchors a cell, it gives a score
and how far the four sides are from the cell's corner, in cells.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from faceblur import weights as weights_table
from faceblur.detectors.base import FLOOR, Rows, nms
from faceblur.detectors.convolutional import FullyConvolutional
from faceblur.detectors.network import Network, Tensor

_STRIDES = (8, 16, 32)
_ANCHORS = 2
_MEAN = (127.5, 127.5, 127.5)
_SCALE = 1 / 128
_IOU = 0.4


class Scrfd(FullyConvolutional):
    """SCRFD at the picture's own size."""

    def __init__(self, name: str, weights: Sequence[Path], threads: int = 0) -> None:
        net = Network(weights_table.fetch("scrfd", weights), threads)
        super().__init__(name, net, rgb=True, scale=_SCALE, mean=_MEAN)

    def decoded(self, found: Mapping[str, Tensor], height: int, width: int) -> Rows:
        rows = [_decode(found[f"out{i}"], found[f"out{i + 3}"], _STRIDES[i], width) for i in range(3)]
        return nms(np.concatenate(rows), _IOU)


def _decode(scores: Tensor, sides: Tensor, stride: int, width: int) -> Rows:
    """(N, 5) rows of one grid, for each anchor with a score that counts; cells run from left to right, then down."""
    anchors = np.nonzero(scores[:, 0] >= FLOOR)[0]
    row, column = np.divmod(anchors // _ANCHORS, width // stride)
    left, top, right, bottom = sides[anchors].astype(np.float64).T
    corners = (column - left, row - top, column + right, row + bottom)
    return np.column_stack([np.stack(corners, axis=1) * stride, scores[anchors, 0].astype(np.float64)])
