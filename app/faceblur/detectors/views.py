"""How a detector looks at a picture: at which size, mirrored, turned, in tiles, and around the seam of a panorama."""

import math
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from faceblur.detectors.base import Detector, Rows, nms
from faceblur.detectors.tiles import Part, stitch, within
from faceblur.errors import UsageError
from faceblur.images import Image, resized

# Gives pictures to be looked at one after the other, gets the rows of each, and ends with those of the whole.
Looks = Generator[Image, Rows, Rows]
_NONE: Rows = np.empty((0, 5))
LONGEST = 3840  # px; pictures with a longer side are shrunk to this before the size below counts
_TILE = 2560  # px; larger inputs are looked at in tiles, so that memory stays within bounds
_OVERLAP = 320  # px that tiles share: what is smaller is whole in one of them
_IOU = 0.3
_BORDER = 0.001  # share of a tile, to its border, from which a thing counts as cut by it
_PANORAMA = 2048  # px; pictures twice as wide as high, from this width on, may go all around
_MIRRORED = [7, 8, 5, 6, 11, 12, 9, 10]  # columns of corners: left ones become right ones
_SEAM = 8  # what lies within 1/8 of the width behind the seam is looked at once more in front of it
_CUT = 0.02  # share of that, to its end, from which a thing counts as cut by it


@dataclass(frozen=True, slots=True)
class View:
    """At which size a picture is looked at, so many times that, whether mirrored left to right, and then turned.

    The size is a factor of the picture's own; (width, height) in pixels to fit the picture into; or None for its own.
    `turns` is by how many quarters to the left.
    """

    size: float | tuple[int, int] | None = None
    times: float = 1.0
    mirror: bool = False
    turns: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """The view for `auto`, a factor such as 0.5, or 1280x720; UsageError for anything else."""
        width, x, height = text.partition("x")
        try:
            size = None if text == "auto" else (int(width), int(height)) if x else float(text)
        except ValueError:
            size = math.nan
        sides = size if isinstance(size, tuple) else (1.0 if size is None else size,)
        low, high = (16, 16384) if x else (0.05, 8)
        if not all(low <= side <= high for side in sides):
            raise UsageError(f"{text!r} is not a size to detect at: auto, a factor from 0.05 to 8, or 1280x720")
        return cls(size)

    def __str__(self) -> str:
        """The size, as `parse` takes it."""
        if isinstance(self.size, tuple):
            return "x".join(f"{side * self.times:.0f}" for side in self.size)
        return "auto" if self.size is None and self.times == 1 else f"{(self.size or 1) * self.times:g}"

    def factor(self, width: int, height: int) -> float:
        """How many times its own size a picture of that size in pixels is looked at."""
        if isinstance(self.size, tuple):
            return self.times * min(self.size[0] / width, self.size[1] / height)
        return self.times * (1.0 if self.size is None else self.size) * min(1.0, LONGEST / max(width, height))


class Viewed(Detector):
    """A detector that looks at its pictures in one view."""

    def __init__(self, name: str, inner: Detector, view: View) -> None:
        super().__init__(name)
        self.kind = inner.kind
        self._inner = inner
        self.view = view

    def at_once(self, width: int, height: int) -> int:
        if self.view.turns % 2:
            width, height = height, width
        factor = self.view.factor(width, height)
        return self._inner.at_once(*(min(_TILE, max(1, round(side * factor))) for side in (width, height)))

    def batch(self, images: Sequence[Image]) -> list[Rows]:
        most = max(1, min((self.at_once(image.shape[1], image.shape[0]) for image in images), default=1))
        return [rows for start in range(0, len(images), most) for rows in self._together(images[start : start + most])]

    def _together(self, images: Sequence[Image]) -> list[Rows]:
        """The rows of some pictures: what all of them are to be looked at next is looked at together."""
        looks = [self._looks(image) for image in images]
        answers: list[Rows] = [_NONE] * len(looks)
        wanted = {i: next(look) for i, look in enumerate(looks)}
        while wanted:
            found = dict(zip(wanted, self._inner.batch(list(wanted.values())), strict=True))
            wanted = {}
            for i, rows in found.items():
                try:
                    wanted[i] = looks[i].send(rows)
                except StopIteration as end:
                    answers[i] = end.value
        return answers

    def _looks(self, image: Image) -> Looks:
        height, width = image.shape[:2]
        seen = image[:, ::-1] if self.view.mirror else image
        rows = yield from self._around(np.ascontiguousarray(np.rot90(seen, self.view.turns)))
        rows = _turned_back(rows, self.view.turns, width, height)
        if self.view.mirror:
            rows[:, [0, 2]] = width - rows[:, [2, 0]]
            if rows.shape[1] > 5:
                rows[:, 5:] = rows[:, _MIRRORED]
                rows[:, 5::2] = 1 - rows[:, 5::2]
        return rows

    def _around(self, image: Image) -> Looks:
        """With what lies at the right border looked at a second time, together with what lies at the left one."""
        height, width = image.shape[:2]
        if width != 2 * height or width < _PANORAMA:
            return (yield from self._sized(image))
        rows = yield from self._sized(np.concatenate([image, image[:, : width // _SEAM]], axis=1))
        beyond = rows[rows[:, 2] > width]
        beyond[:, [0, 2]] -= width
        inside = rows[rows[:, 0] < width]
        is_cut = beyond[:, 2] > (1 - _CUT) * (width // _SEAM)
        beyond = beyond[~(is_cut & within(beyond, inside))]
        beyond[beyond[:, 0] < 0, 5:] = inside[inside[:, 2] > width, 5:] = np.nan  # of what is cut now
        beyond[:, 0], inside[:, 2] = np.maximum(beyond[:, 0], 0), np.minimum(inside[:, 2], width)
        return nms(np.concatenate([inside, beyond]), _IOU)

    def _sized(self, image: Image) -> Looks:
        height, width = image.shape[:2]
        factor = self.view.factor(width, height)
        step = self._inner.step
        size = (_to_step(width * factor, step), _to_step(height * factor, step))
        rows = yield from self._tiled(image if size == (width, height) else resized(image, size))
        rows[:, [0, 2]] *= width / size[0]
        rows[:, [1, 3]] *= height / size[1]
        return rows

    def _tiled(self, image: Image) -> Looks:
        height, width = image.shape[:2]
        if max(height, width) <= _TILE:
            return (yield image)
        seen: list[tuple[Part, Rows]] = []
        for top, bottom in _spans(height, self._inner.step):
            for left, right in _spans(width, self._inner.step):
                rows = yield np.ascontiguousarray(image[top:bottom, left:right])
                rows[:, :4] += (left, top, left, top)
                seen.append(((left, top, right, bottom), rows))
        return stitch(seen, (width, height), _BORDER, _IOU)


def _turned_back(rows: Rows, turns: int, width: int, height: int) -> Rows:
    """Where in a picture of that size in pixels is what was found in it turned to the left by so many quarters."""
    for quarter in reversed(range(turns)):
        wide = (width, height)[quarter % 2]  # before that quarter
        left, top, right, bottom = rows[:, :4].T
        shares = rows[:, 5:].reshape(len(rows), rows.shape[1] // 2 - 2, 2)
        shares = np.stack([1 - shares[..., 1], shares[..., 0]], axis=2)
        corners = np.roll(shares, 1, axis=1).reshape(len(rows), rows.shape[1] - 5)  # what was lower left is upper left
        rows = np.column_stack([wide - bottom, left, wide - top, right, rows[:, 4], corners])
    return rows


def _spans(length: int, step: int) -> Iterator[tuple[int, int]]:
    """Where the tiles of one axis begin and end: as few as do, of equal length, a multiple of `step`."""
    count = max(1, math.ceil((length - _OVERLAP) / (_TILE - _OVERLAP)))
    side = min(length, _to_step(math.ceil((length + (count - 1) * _OVERLAP) / count), step))
    for i in range(count):
        start = (length - side) * i // max(count - 1, 1)
        yield start, start + side


def _to_step(pixels: float, step: int) -> int:
    rounding: Callable[[float], int] = math.ceil if step > 1 else round
    return max(step, rounding(pixels / step) * step)
