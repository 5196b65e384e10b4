"""Letting a network whose input is one square see pictures of any size: whole, and in squares that are cut out."""

import math
from collections.abc import Callable, Iterator, Sequence

import cv2
import numpy as np

from faceblur.detectors.base import Rows
from faceblur.detectors.tiles import Part, stitch
from faceblur.images import Image

_OVERLAP = 0.25  # share of a square that the next one repeats: what is smaller is whole in one of them
_BORDER = 0.005  # share of a square, to its border, from which a thing counts as cut by it
_GREY = 114  # beyond the picture; what YOLO-like networks were trained with


def look(image: Image, lengths: Sequence[float], side: int, find: Callable[[Image], Rows], iou: float) -> Rows:
    """What `find` sees in squares of each of these lengths in pixels; one longer than the picture holds it whole.

    `find` gets (side, side, 3) and answers with (N, 5 or 13) rows in pixels of that.
    """
    size = image.shape[1], image.shape[0]
    seen = [part for length in lengths for part in _parts(image, length, side, find)]
    return stitch(seen, size, _BORDER, iou)


def _parts(image: Image, length: float, side: int, find: Callable[[Image], Rows]) -> Iterator[tuple[Part, Rows]]:
    height, width = image.shape[:2]
    for top in _starts(height, length):
        for left in _starts(width, length):
            right, bottom = min(left + round(length), width), min(top + round(length), height)
            rows = find(_square(image[top:bottom, left:right], length, side))
            rows[:, :4] = rows[:, :4] * (length / side) + (left, top, left, top)
            yield (left, top, right, bottom), rows


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
