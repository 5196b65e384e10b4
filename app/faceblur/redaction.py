"""Hide regions of a picture: one union mask, everything computed from the untouched frame.

Each region is hidden with a strength of its own, in proportion to its size, so that a large face is as unreadable as
a small one. Where regions overlap the stronger one wins; neither ever sees what the other left.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from faceblur.domain import Region
from faceblur.images import Image

VERSION = 1  # part of every stamp: count up when the pictures change

_CELLS = 6  # mosaic cells along the longer side of a region, of which a face takes about four and a half
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
    left, top = int(outer.left), int(outer.top)
    right, bottom = int(np.ceil(outer.right)), int(np.ceil(outer.bottom))
    if right <= left or bottom <= top:
        return
    alpha = _mask(region, (left, top, right, bottom), style.shape)[..., None]
    hidden = _FILLS[style.kind](image[top:bottom, left:right], max(box.width, box.height)).astype(np.float32)
    target = result[top:bottom, left:right]
    target[...] = np.rint(target * (1 - alpha) + hidden * alpha).astype(np.uint8)


def _mask(region: Region, window: tuple[int, int, int, int], shape: str) -> NDArray[np.float32]:
    """Opacity, 0 to 1, float32 (H, W): 1 all over the shape, falling to 0 on a soft edge outside of it."""
    left, top, right, bottom = window
    box = region.box
    # A pixel counts with its point nearest to the middle, so that one cut by the outline is hidden whole.
    x = _distance(np.arange(left, right), box.left, box.right)
    y = _distance(np.arange(top, bottom), box.top, box.bottom)
    combine = np.hypot if shape == "ellipse" else np.maximum
    radius = combine(x[None, :], y[:, None])
    return np.clip(1 - (radius - 1) / _EDGE, 0, 1).astype(np.float32)


def _distance(pixels: NDArray[np.int64], low: float, high: float) -> NDArray[np.float64]:
    """How far pixels of one axis are from the middle, in half-axes, at their nearest point."""
    middle, half = (low + high) / 2, max((high - low) / 2, 0.5)
    nearest = np.clip(middle, pixels, pixels + 1.0)
    return np.asarray(np.abs(nearest - middle) / half, dtype=np.float64)


def _pixelate(patch: Image, extent: float) -> Image:
    """Means over a few cells: all that is left of the picture is a handful of colours."""
    height, width = patch.shape[:2]
    cell = max(extent / _CELLS, 2.0)
    cells = (max(1, round(width / cell)), max(1, round(height / cell)))
    small = cv2.resize(patch, cells, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST).astype(np.uint8, copy=False)


def _blur(patch: Image, extent: float) -> Image:
    """A mosaic, blurred: nothing to sharpen, as the detail was thrown away before the blur."""
    sigma = max(extent / _CELLS / 2, 1.0)
    blurred = cv2.GaussianBlur(_pixelate(patch, extent), (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    return blurred.astype(np.uint8, copy=False)


def _solid(patch: Image, extent: float) -> Image:
    return np.zeros_like(patch)


_FILLS = {"blur": _blur, "pixelate": _pixelate, "solid": _solid}
