"""YOLOX nano (Ge et al., 2021, arXiv:2107.08430), trained on COCO; of its 80 classes only persons are used.

It wants BGR, 0 to 255, sides a multiple of 32. On grids of 8, 16 and 32 px it gives the middle relative to the cell and
the log of the size, in cells, how likely a thing is there, and how likely it is of each class.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from faceblur import weights as weights_table
from faceblur.detectors.base import FLOOR, Detector, Rows, nms
from faceblur.detectors.network import Network, Tensor, blob
from faceblur.images import Image

_STRIDES = (8, 16, 32)
_PERSON = 5  # the column of COCO's first class, after box and likeness
_IOU = 0.5
# Of a person who stands, the head is the top seventh; how much of a box it is says the shape of the box, as a box that
# is wide for its height shows less of the body. With room around it, as heads are bent and boxes are not exact.
_SHARE = 0.22  # of the height, of a box at least 3 times as high as wide
_SLIM = 3.0
_ACROSS = 1.3  # how wide a head's box is for its height, at most the whole width


class YoloX(Detector):
    """Persons at the picture's own size, or, with `heads`, where their heads are, also of those seen from behind."""

    step = 32

    def __init__(self, name: str, weights: Sequence[Path], threads: int = 0, *, heads: bool = False) -> None:
        super().__init__(name)
        self._heads = heads
        self._network = Network(weights_table.fetch("yolox", weights), threads)

    def rows(self, image: Image) -> Rows:
        found = self._network.run(blob(image))["output"][0]
        persons = nms(_decode(found, *image.shape[:2]), _IOU)
        return heads(persons) if self._heads else persons


def heads(persons: Rows) -> Rows:
    """(N, 5) where the heads of persons (N, 5) are: a fifth of a slim box, up to the whole of one wider than high."""
    left, top, right, bottom, scores = persons.T
    width, height = right - left, bottom - top
    share = np.clip(_SHARE * _SLIM * width / np.maximum(height, 1e-9), _SHARE, 1.0)
    down = share * height
    half = np.minimum(width, _ACROSS * down) / 2
    middle = (left + right) / 2
    return np.stack([middle - half, top - 0.1 * down, middle + half, top + down, scores], axis=1)


def _decode(found: Tensor, height: int, width: int) -> Rows:
    """(N, 5) rows of the cells in which a person's score counts; grid by grid, from left to right, then down."""
    cells = []
    for stride in _STRIDES:
        down, across = np.meshgrid(np.arange(height // stride), np.arange(width // stride), indexing="ij")
        cells.append(np.stack([across, down, np.full_like(down, 1)], axis=-1).reshape(-1, 3) * (1, 1, stride))
    scores = (found[:, 4] * found[:, _PERSON]).astype(np.float64)
    counts = scores >= FLOOR
    cell, box = np.concatenate(cells)[counts], found[counts, :4].astype(np.float64)
    middle, half = (cell[:, :2] + box[:, :2]) * cell[:, 2:], np.exp(box[:, 2:]) * cell[:, 2:] / 2
    return np.column_stack([middle - half, middle + half, scores[counts]])
