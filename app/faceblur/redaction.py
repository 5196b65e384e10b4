"""Hide regions of a picture, or of the planes of one: one union mask, everything computed from the untouched frame.

Each region is hidden with a strength of its own, in proportion to its size, so that a large face is as unreadable as
a small one. Where regions overlap the stronger one wins; neither ever sees what the other left.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from faceblur.domain import Box, Region
from faceblur.images import Pixels

P = TypeVar("P", bound=Pixels)

VERSION = 3  # part of every stamp: count up when the pictures change

_CELLS = 6  # mosaic cells along the longer side of a region, of which a face takes about four and a half
_SIGMA = 0.8  # of the blur, in cells
_EDGE = 0.12  # width of the soft edge, as a share of the half-axes, all of it outside the region


@dataclass(frozen=True, slots=True)
class Style:
    """How a region is hidden: by which means, and in which shape."""

    kind: Literal["blur", "pixelate", "solid"] = "blur"
    shape: Literal["ellipse", "box"] = "ellipse"


def redact(image: P, regions: Sequence[Region], style: Style = Style()) -> P:
    """A copy of an image with the regions hidden; the image itself is left as it is.

    It is (H, W), (H, W, 3) BGR or (H, W, 4) BGRA, uint8 or uint16; alpha is blurred as a colour is, `solid` makes it
    opaque. Regions may overlap, touch the border or lie outside; one with an outline is hidden as that polygon,
    whatever the shape asked for. Deterministic, whatever the order of the regions.
    """
    result = image.copy()
    channels = image.shape[2] if image.ndim == 3 else 1
    way = _Way(style, (0, 0, 0, int(np.iinfo(image.dtype).max))[:channels])
    for region in _ordered(regions):
        _hide([image], [result], region, way)
    return result


def redact_planes(
    planes: Sequence[P], regions: Sequence[Region], style: Style = Style(), *, depth: int, limited: bool
) -> list[P]:
    """Copies of a picture's planes with the regions hidden, each at its own resolution; the planes stay as they are.

    They are one (H, W) array of grey; luma, two of chroma and perhaps alpha, of YUV with any subsampling, of `depth`
    bits and of limited or full range; or one (H, W, 3 or 4) array of RGB. Regions are in pixels of the whole picture.
    A chroma sample that belongs to any pixel of a mask is hidden, so nothing shows that `redact` would hide.
    """
    if planes[0].ndim == 3:
        return [redact(planes[0], regions, style)]
    height, width = planes[0].shape
    results = [plane.copy() for plane in planes]
    black = (16 << (depth - 8) if limited else 0, 1 << (depth - 1), 1 << (depth - 1), (1 << depth) - 1)
    ordered = _ordered(regions)
    for shape in dict.fromkeys(plane.shape for plane in planes):  # those of one size are hidden as channels of one
        alike = [number for number, plane in enumerate(planes) if plane.shape == shape]
        spans = (_span(width, shape[1]), _span(height, shape[0]))
        way = _Way(style, tuple(black[number] for number in alike), spans)
        for region in ordered:
            _hide([planes[number] for number in alike], [results[number] for number in alike], region, way)
    return results


def _ordered(regions: Sequence[Region]) -> list[Region]:
    return sorted(regions, key=lambda r: (max(r.box.width, r.box.height), r.box.to_json(), r.outline))


def _span(pixels: int, samples: int) -> int:
    """How many pixels a sample spans along a side of a picture that is so many pixels, or so many samples, long."""
    return next(span for span in (1, 2, 4) if -(-pixels // span) == samples)


@dataclass(frozen=True, slots=True)
class _Way:
    """How to hide in arrays of one size: the style, black in each channel, how many pixels a sample spans each way."""

    style: Style
    black: tuple[int, ...]
    spans: tuple[int, int] = (1, 1)


def _hide(images: Sequence[Pixels], results: Sequence[Pixels], region: Region, way: _Way) -> None:
    """Hide a region of one image of any channels, or of several, each a channel."""
    height, width = images[0].shape[:2]
    (across, down), style = way.spans, way.style
    extent = max(region.box.width, region.box.height)
    placed = region.scaled(1 / across, 1 / down)
    outer = placed.box.grow(_EDGE / 2).clip(width, height)
    if outer.area == 0:
        return
    # A pixel more on each side, so that even the smallest region has neighbours to be averaged with.
    left, top = max(0, int(outer.left) - 1), max(0, int(outer.top) - 1)
    right, bottom = min(width, math.ceil(outer.right) + 1), min(height, math.ceil(outer.bottom) + 1)
    window = left, top, right, bottom
    alpha = _polygon(placed, window) if region.outline else _mask(placed.box, window, style.shape)
    patch, shown = (_merged([image[top:bottom, left:right] for image in of]) for of in (images, results))
    if style.kind == "solid":
        hidden = np.full_like(patch, way.black if patch.ndim == 3 else way.black[0])
    else:
        hidden = _FILLS[style.kind](patch, (_cell(extent, across), _cell(extent, down)))
    blended = _blended(hidden, shown, alpha)
    for channel, result in enumerate(results):
        result[top:bottom, left:right] = blended if len(results) == 1 else blended[..., channel]


def _merged(channels: Sequence[Pixels]) -> Pixels:
    return channels[0] if len(channels) == 1 else np.stack(channels, axis=2)


def _blended(hidden: Pixels, shown: Pixels, alpha: NDArray[np.float32]) -> Pixels:
    if shown.dtype == np.uint8:
        return cv2.blendLinear(hidden, shown, alpha, 1 - alpha).astype(np.uint8, copy=False)
    weight = alpha[:, :, None] if shown.ndim == 3 else alpha
    below = shown.astype(np.float32)
    return np.rint(below + (hidden.astype(np.float32) - below) * weight).astype(np.uint16)


def _mask(box: Box, window: tuple[int, int, int, int], shape: str) -> NDArray[np.float32]:
    """Opacity, 0 to 1, float32 (H, W): 1 all over the shape, falling to 0 on a soft edge outside of it."""
    left, top, right, bottom = window
    # A pixel counts with its point nearest to the middle, so that one cut by the outline is hidden whole.
    x = _distance(np.arange(left, right), box.left, box.right)[None, :]
    y = _distance(np.arange(top, bottom), box.top, box.bottom)[:, None]
    radius = np.sqrt(x * x + y * y) if shape == "ellipse" else np.maximum(x, y)
    return _fading((1 + _EDGE - radius) / _EDGE)


def _polygon(region: Region, window: tuple[int, int, int, int]) -> NDArray[np.float32]:
    """As `_mask`, for the convex outline of a region."""
    left, top, right, bottom = window
    corners = np.array(region.outline)
    ahead = np.roll(corners, -1, axis=0) - corners
    turn = np.sign(np.sum(corners[:, 0] * np.roll(corners[:, 1], -1) - corners[:, 1] * np.roll(corners[:, 0], -1)))
    beyond = np.full((bottom - top, right - left), -np.inf)
    for (x, y), (dx, dy) in zip(corners.tolist(), ahead.tolist(), strict=True):
        length = math.hypot(dx, dy)
        if length > 0:
            across, down = turn * dy / length, -turn * dx / length  # outwards, at a right angle to the side
            # A pixel counts with its corner that is farthest in, so that one cut by the outline is hidden whole.
            columns = (np.arange(left, right) - x) * across + min(across, 0.0)
            rows = (np.arange(top, bottom) - y) * down + min(down, 0.0)
            np.maximum(beyond, columns[None, :] + rows[:, None], out=beyond)
    edge = _EDGE / 2 * min(region.box.width, region.box.height)
    return _fading(1 - beyond / max(edge, 1e-3))


def _fading(alpha: NDArray[np.floating]) -> NDArray[np.float32]:
    """Between 0 and 1; np.clip takes longer."""
    return np.asarray(np.minimum(np.maximum(alpha, 0), 1), dtype=np.float32)


def _distance(pixels: NDArray[np.int64], low: float, high: float) -> NDArray[np.float32]:
    """How far pixels of one axis are from the middle, in half-axes, at their nearest point."""
    middle, half = (low + high) / 2, max((high - low) / 2, 0.5)
    nearest = np.minimum(np.maximum(middle, pixels), pixels + 1.0)
    return np.asarray(np.abs(nearest - middle) / half, dtype=np.float32)


def _pixelate(patch: Pixels, cell: tuple[float, float]) -> Pixels:
    """Means over a few cells: all that is left of the picture is a handful of colours."""
    return _resize(_means(patch, cell), _size(patch), cv2.INTER_NEAREST)


def _blur(patch: Pixels, cell: tuple[float, float]) -> Pixels:
    """A mosaic, blurred and then enlarged: nothing to sharpen, as the detail was thrown away before the blur."""
    blurred = cv2.GaussianBlur(_means(patch, cell), (0, 0), _SIGMA, borderType=cv2.BORDER_REPLICATE)
    enlarged = _resize(blurred, _size(patch), cv2.INTER_CUBIC)
    if enlarged.dtype == np.uint8:
        return enlarged
    return np.asarray(np.minimum(enlarged, blurred.max()), np.uint16)  # of 10 bits, say, beyond which the curve swings


def _means(patch: Pixels, cell: tuple[float, float]) -> Pixels:
    width, height = _size(patch)
    return _resize(patch, (max(1, round(width / cell[0])), max(1, round(height / cell[1]))), cv2.INTER_AREA)


def _cell(extent: float, span: int) -> float:
    """The side of a mosaic cell, in samples that span so many pixels, for a region whose longer side is `extent`."""
    return max(extent / span / _CELLS, 2.0)


def _size(patch: Pixels) -> tuple[int, int]:
    return patch.shape[1], patch.shape[0]


def _resize(patch: MatLike, size: tuple[int, int], method: int) -> Pixels:
    resized = cv2.resize(patch, size, interpolation=method)
    return resized.astype(np.uint16 if resized.dtype == np.uint16 else np.uint8, copy=False)


_FILLS = {"blur": _blur, "pixelate": _pixelate}
