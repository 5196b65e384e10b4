"""Letting a network whose input is one square see pictures of any size: whole, and in squares that are cut out."""

import math
from collections.abc import Callable, Sequence

import cv2
import numpy as np

from faceblur.detectors.base import Rows, nms
from faceblur.images import Image

_OVERLAP = 0.25  # share of a square that the next one repeats: what is smaller is whole in one of them
_BORDER = 0.005  # share of a square, to its border, from which a thing counts as cut by it
_COVERED = 0.6  # share of a cut thing that lies in a whole one, from which it is the same thing
_GREY = 114  # beyond the picture; what YOLO-like networks were trained with


def look(image: Image, lengths: Sequence[float], side: int, find: Callable[[Image], Rows], iou: float) -> Rows:
    """What `find` sees in squares of each of these lengths in pixels; one longer than the picture holds it whole.

    `find` gets (side, side, 3) and answers with (N, 5) rows in pixels of that.
    """
    height, width = image.shape[:2]
    whole, cut = [np.empty((0, 5))], [np.empty((0, 5))]
    for length in lengths:
        for top in _starts(height, length):
            for left in _starts(width, length):
                right, bottom = min(left + round(length), width), min(top + round(length), height)
                rows = find(_square(image[top:bottom, left:right], length, side))
                rows[:, :4] = rows[:, :4] * (length / side) + (left, top, left, top)
                edge = _BORDER * length
                low = np.array([left or -math.inf, top or -math.inf]) + edge
                high = np.array([math.inf if right == width else right, math.inf if bottom == height else bottom])
                at_border = (rows[:, :2] < low).any(axis=1) | (rows[:, 2:4] > high - edge).any(axis=1)
                whole.append(rows[~at_border])
                cut.append(rows[at_border])
    kept, doubtful = nms(np.concatenate(whole), iou), np.concatenate(cut)
    return nms(np.concatenate([kept, doubtful[~_within(doubtful, kept)]]), iou)


def _starts(pixels: int, length: float) -> list[int]:
    """Where squares of that length begin along one axis: as few as do, evenly spread."""
    count = max(1, math.ceil((pixels - _OVERLAP * length) / ((1 - _OVERLAP) * length)))
    return [round((pixels - length) * i / (count - 1)) for i in range(count)] if count > 1 else [0]


def _square(part: Image, length: float, side: int) -> Image:
    """(side, side, 3): the part in the upper left corner, at the scale at which `length` fills a side."""
    height, width = part.shape[:2]
    size = (min(side, max(1, round(width * side / length))), min(side, max(1, round(height * side / length))))
    square = np.full((side, side, 3), _GREY, np.uint8)
    shrunk = length > side
    square[: size[1], : size[0]] = cv2.resize(part, size, interpolation=cv2.INTER_AREA if shrunk else cv2.INTER_LINEAR)
    return square


def _within(rows: Rows, others: Rows) -> np.ndarray:
    """(N,) whether a row lies for the most part inside one of the others."""
    if not len(rows) or not len(others):
        return np.zeros(len(rows), dtype=bool)
    sides = np.minimum(rows[:, None, 2:4], others[None, :, 2:4]) - np.maximum(rows[:, None, :2], others[None, :, :2])
    overlap = np.prod(np.maximum(sides, 0), axis=2).max(axis=1)
    return np.asarray(overlap > _COVERED * np.prod(rows[:, 2:4] - rows[:, :2], axis=1))
