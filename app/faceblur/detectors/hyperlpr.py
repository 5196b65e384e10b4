"""The plate detector of HyperLPR (github.com/szad670401/HyperLPR), a YOLOv5-like network made for Chinese plates.

It wants BGR, 0 to 1, 640 × 640. It gives, for each of 25,200 anchors, centre and size of a box, how likely a thing is
there, the four corners of a plate, and how likely it has one row of signs or two. What is given is the corners, and the
box around them: on 108 European photos it fits the labels better (mean IoU 0.85) than the network's own box (0.83), or
than both together (0.83).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from faceblur import weights as weights_table
from faceblur.detectors import squares
from faceblur.detectors.base import FLOOR, OneByOne, Rows
from faceblur.detectors.network import Network, Tensor, blob
from faceblur.images import Image

_SIDE = 640  # px of the network's input
_DETAIL = 800  # px; in larger pictures a plate may be lost when all is shrunk to the input, so parts are seen as well
_IOU = 0.4


class HyperLpr(OneByOne):
    """The picture whole, and a larger one in squares at its own size too; a plate of 30 px across is found."""

    def __init__(self, name: str, weights: Sequence[Path], threads: int = 0) -> None:
        super().__init__(name)
        self._network = Network(weights_table.fetch("hyperlpr", weights), threads, any_size=False)

    def rows(self, image: Image) -> Rows:
        longest = max(image.shape[:2])
        lengths = [longest, _SIDE] if longest > _DETAIL else [longest]
        return squares.look(image, lengths, _SIDE, self._find, _IOU)

    def _find(self, square: Image) -> Rows:
        return _decode(self._network.run(blob(square, scale=1 / 255))["output"][0])


def _decode(found: Tensor) -> Rows:
    """(N, 13) rows of the anchors with a score that counts, the box around the corners."""
    scores = (found[:, 4] * found[:, 13:].max(axis=1)).astype(np.float64)
    corners = found[:, 5:13].astype(np.float64).reshape(-1, 4, 2)
    low, high = corners.min(axis=1), corners.max(axis=1)
    shares = (corners - low[:, None]) / np.maximum(high - low, 1e-6)[:, None]
    return np.asarray(np.column_stack([low, high, scores, shares.reshape(-1, 8)])[scores >= FLOOR])
