"""YOLOX nano (Ge et al., 2021, arXiv:2107.08430), trained on COCO; of its 80 classes only persons are used.

It wants BGR, 0 to 255, sides a multiple of 32. On grids of 8, 16 and 32 px it gives the middle relative to the cell and
the log of the size, in cells, how likely a thing is there, and how likely it is of each class.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from faceblur import weights as weights_table
from faceblur.detectors.base import FLOOR, OneByOne, Rows, nms
from faceblur.detectors.network import Network, Tensor, blob
from faceblur.images import Image

_STRIDES = (8, 16, 32)
_STEP = 32  # px; not left to the view, which stretches pictures to it: the shape of a box says where its head is
_PERSON = 5  # the column of COCO's first class, after box and likeness
_IOU = 0.5
_LONGEST = 800  # px; a picture up to this is looked at once
# Of a person who stands, the head is the top seventh; a box that is wide for its height shows less of the body, down to
# the head alone. So a head's box is sized by the width too, with room around it: it is to hide, not to fit.
_SHARE = 0.22  # of the height, at least
_WIDE = 0.75  # widths of the box, at most its whole height
_ACROSS = 1.3  # how wide a head's box is for its height, at most the whole width


class YoloX(OneByOne):
    """Persons, or, with `heads`, where their heads are, also of those seen from behind.

    It looks at the picture's own size, a half, a quarter, and so on: of who is larger than it was made for, it finds
    parts only.
    """

    def __init__(self, name: str, weights: Sequence[Path], threads: int = 0, *, heads: bool = False) -> None:
        super().__init__(name)
        self._heads = heads
        self._network = Network(weights_table.fetch("yolox", weights), threads)

    def rows(self, image: Image) -> Rows:
        found = [self._seen(image, 1)]
        while max(image.shape[:2]) / 2 ** (len(found) - 1) > _LONGEST:
            found.append(self._seen(image, 2 ** len(found)))
        persons = nms(np.concatenate(found), _IOU)
        return heads(persons) if self._heads else persons

    def _seen(self, image: Image, shrunk: int) -> Rows:
        height, width = image.shape[:2]
        size = tuple(math.ceil(pixels / shrunk / _STEP) * _STEP for pixels in (width, height))
        part = image if size == (width, height) else cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        rows = _decode(self._network.run(blob(part.astype(np.uint8, copy=False)))["output"][0], size[1], size[0])
        rows[:, :4] *= np.array([width, height, width, height]) / np.array([*size, *size])
        return rows


def heads(persons: Rows) -> Rows:
    """(N, 5) where the heads of persons (N, 5) are: a fifth of a slim box, three quarters of a square one."""
    left, top, right, bottom, scores = persons.T
    width, height = right - left, bottom - top
    down = np.minimum(np.maximum(_SHARE * height, _WIDE * width), height)
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
