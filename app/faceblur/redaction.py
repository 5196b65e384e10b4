"""Hide regions of a picture: one union mask, everything computed from the untouched frame.

Each region is hidden with a strength of its own, in proportion to its size, so that a large face is as unreadable as
a small one. Where regions overlap the stronger one wins; neither ever sees what the other left.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from faceblur.domain import Region
from faceblur.images import Image

VERSION = 2  # part of every stamp: count up when the pictures change

_CELLS = 6  # mosaic cells along the longer side of a region, of which a face takes about four and a half
_CELL_PX = 8  # pixels a cell has while it is blurred; enough for a smooth fall of colours
_SIGMA = 0.75  # of the blur, in cells
_EDGE = 0.12  # width of the soft edge, as a share of the half-axes, all of it outside the region


@dataclass(frozen=True, slots=True)
class Style:
    """How a region is hidden: by which means, and in which shape."""

    kind: Literal["blur", "pixelate", "solid"] = "blur"
    shape: Literal["ellipse", "box"] = "ellipse"


def redact(image: Image, regions: Sequence[Region], style: Style = Style()) -> Image:
    """A copy of a (H, W, 3) uint8 BGR image with the regions hidden; the image itself is left as it is.

    Regions may overlap, touch the border or lie outside. Deterministic, whatever the order of the regions.
    """
    result = image.copy()
    for region in sorted(regions, key=lambda r: (max(r.box.width, r.box.height), r.box.to_json())):
        _hide(image, result, region, style)
    return result


def _hide(image: Image, result: Image, region: Region, style: Style) -> None:
    height, width = image.shape[:2]
    box = region.box
    outer = box.grow(_EDGE / 2).clip(width, height)
    if outer.area == 0:
        return
    # A pixel more on each side, so that even the smallest region has neighbours to be averaged with.
    left, top = max(0, int(outer.left) - 1), max(0, int(outer.top) - 1)
    right, bottom = min(width, math.ceil(outer.right) + 1), min(height, math.ceil(outer.bottom) + 1)
    alpha = _mask(region, (left, top, right, bottom), style.shape)
    hidden = _FILLS[style.kind](image[top:bottom, left:right], max(box.width, box.height))
    target = result[top:bottom, left:right]
    target[...] = cv2.blendLinear(hidden, target, alpha, 1 - alpha)


def _mask(region: Region, window: tuple[int, int, int, int], shape: str) -> NDArray[np.float32]:
    """Opacity, 0 to 1, float32 (H, W): 1 all over the shape, falling to 0 on a soft edge outside of it."""
    left, top, right, bottom = window
    box = region.box
    # A pixel counts with its point nearest to the middle, so that one cut by the outline is hidden whole.
    x = _distance(np.arange(left, right), box.left, box.right)[None, :]
    y = _distance(np.arange(top, bottom), box.top, box.bottom)[:, None]
    radius = np.sqrt(x * x + y * y) if shape == "ellipse" else np.maximum(x, y)
    alpha: NDArray[np.float32] = np.clip((1 + _EDGE - radius) / _EDGE, 0, 1).astype(np.float32, copy=False)
    return alpha


def _distance(pixels: NDArray[np.int64], low: float, high: float) -> NDArray[np.float32]:
    """How far pixels of one axis are from the middle, in half-axes, at their nearest point."""
    middle, half = (low + high) / 2, max((high - low) / 2, 0.5)
    nearest = np.clip(middle, pixels, pixels + 1.0)
    return np.asarray(np.abs(nearest - middle) / half, dtype=np.float32)


def _pixelate(patch: Image, extent: float) -> Image:
    """Means over a few cells: all that is left of the picture is a handful of colours."""
    return _resize(_means(patch, extent), _size(patch), cv2.INTER_NEAREST)


def _blur(patch: Image, extent: float) -> Image:
    """A mosaic, blurred: nothing to sharpen, as the detail was thrown away before the blur.

    The mosaic is blurred at a few pixels a cell and then enlarged: large faces cost no more than small ones.
    """
    share = min(_CELL_PX / _cell(extent), 1.0)
    width, height = _size(patch)
    rough = (max(1, round(width * share)), max(1, round(height * share)))
    mosaic = _resize(_means(patch, extent), rough, cv2.INTER_NEAREST)
    sigma = _cell(extent) * share * _SIGMA
    blurred = cv2.GaussianBlur(mosaic, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    return _resize(blurred, (width, height), cv2.INTER_LINEAR)


def _means(patch: Image, extent: float) -> Image:
    width, height = _size(patch)
    cells = (max(1, round(width / _cell(extent))), max(1, round(height / _cell(extent))))
    return _resize(patch, cells, cv2.INTER_AREA)


def _cell(extent: float) -> float:
    """The side of a mosaic cell, in pixels, for a region whose longer side is `extent`."""
    return max(extent / _CELLS, 2.0)


def _size(patch: Image) -> tuple[int, int]:
    return patch.shape[1], patch.shape[0]


def _resize(patch: MatLike, size: tuple[int, int], method: int) -> Image:
    return cv2.resize(patch, size, interpolation=method).astype(np.uint8, copy=False)


def _solid(patch: Image, extent: float) -> Image:
    return np.zeros_like(patch)


_FILLS = {"blur": _blur, "pixelate": _pixelate, "solid": _solid}
