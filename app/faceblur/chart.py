"""Charts as pictures: panels of lines or of points below each other, most often with the same from left to right."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from faceblur.images import Image

_WIDTH, _HEIGHT = 1200, 320  # px of a panel
_LEFT, _RIGHT, _TOP, _BOTTOM = 80, 24, 36, 48  # px around the lines of a panel
_LINE_PX = 22  # of the legend
_DOT_PX = 6
_MIDDLE, _ENDS = 0.5, 1.0  # share of a text to the left of its point
_INK, _GRID = (40, 40, 40), (225, 225, 225)
# BGR; told apart by people who see red and green alike too (Okabe and Ito, 2008).
_COLOURS = ((178, 114, 0), (0, 94, 213), (115, 158, 0), (167, 121, 204), (233, 180, 86), (0, 159, 230), (0, 0, 0))


@dataclass(frozen=True, slots=True)
class Panel:
    """What runs upwards, and the lines: a name and a value for each place from left to right, the first being 1.

    With `labels`, what is written below some of the places, the panel shares neither the places of the others nor what
    runs to the right: that is `across`.
    """

    title: str
    series: Mapping[str, Sequence[float]]
    across: str = ""
    labels: Mapping[float, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scatter:
    """Points (x, y) of each name, x and y from 0 up: `lines` are joined, and cut off beyond `most`; `dots` stand alone.

    `most` is where what runs to the right ends. With `octaves` x is above 0, and each doubling takes as much room.
    """

    title: str
    across: str
    dots: Mapping[str, tuple[float, float]]
    most: float
    lines: Mapping[str, Sequence[tuple[float, float]]] = field(default_factory=dict)
    octaves: bool = False


def draw(panels: Sequence[Panel | Scatter], across: str) -> Image:
    """(H, W, 3) uint8 BGR: the panels, from top to bottom, under one legend; `across` says what runs to the right."""
    names = [name for panel in panels for name in (panel.series if isinstance(panel, Panel) else panel.dots)]
    colours = {name: _COLOURS[index % len(_COLOURS)] for index, name in enumerate(dict.fromkeys(names))}
    shared = max((_count(panel) for panel in panels if isinstance(panel, Panel) and not panel.labels), default=0)
    parts = [_legend(colours)]
    for panel in panels:
        if isinstance(panel, Scatter):
            parts.append(_scatter(panel, colours))
        else:
            count = _count(panel) if panel.labels else shared
            parts.append(_panel(panel, panel.across or across, max(count, 2), colours))
    return np.concatenate(parts).astype(np.uint8, copy=False)


def _count(panel: Panel) -> int:
    return max(map(len, panel.series.values()), default=0)


def _legend(colours: Mapping[str, tuple[int, int, int]]) -> Image:
    image = _white(_LINE_PX * len(colours) + 12)
    for row, (name, colour) in enumerate(colours.items()):
        y = 12 + _LINE_PX * row
        cv2.line(image, (_LEFT, y + 4), (_LEFT + 30, y + 4), colour, 2, cv2.LINE_AA)
        _write(image, name, (_LEFT + 40, y + 9))
    return image


def _panel(panel: Panel, across: str, count: int, colours: Mapping[str, tuple[int, int, int]]) -> Image:
    def share(index: float) -> float:
        return (index - 1) / (count - 1)

    labels: Mapping[float, str] = panel.labels or {
        value: f"{value:g}" for value in _ticks(count) if 1 <= value <= count
    }
    top = max([value for values in panel.series.values() for value in values], default=0.0)
    image, place = _axes(panel.title, across, top, {share(value): label for value, label in labels.items()})
    for name, values in panel.series.items():
        _line(image, [place(share(index), value) for index, value in enumerate(values, start=1)], colours[name])
    return image


def _scatter(panel: Scatter, colours: Mapping[str, tuple[int, int, int]]) -> Image:
    if panel.octaves:
        first = math.floor(math.log2(min(x for x, _ in panel.dots.values())))
        steps = [2.0**power for power in range(first, max(first + 1, math.ceil(math.log2(panel.most))) + 1)]
    else:
        steps = _ticks(panel.most or 1.0)

    def share(x: float) -> float:
        return math.log2(x / steps[0]) / (len(steps) - 1) if panel.octaves else x / steps[-1]

    lines = {name: [(x, y) for x, y in points if x <= steps[-1]] for name, points in panel.lines.items()}
    top = max([y for points in (*lines.values(), panel.dots.values()) for _, y in points], default=0.0)
    image, place = _axes(panel.title, panel.across, top, {share(value): f"{value:g}" for value in steps})
    for name, points in lines.items():
        _line(image, [place(share(x), y) for x, y in points], colours[name])
    for name, (x, y) in panel.dots.items():
        cv2.circle(image, place(share(x), y), _DOT_PX, colours[name], -1, cv2.LINE_AA)
    return image


def _axes(
    title: str, across: str, top: float, labels: Mapping[float, str]
) -> tuple[Image, Callable[[float, float], tuple[int, int]]]:
    """An empty panel up to `top`, with labels by their share of its width, and where such a share and a value are."""
    image = _white(_HEIGHT)
    ups = _ticks(top if top > 0 else 1.0)
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM

    def place(share: float, value: float) -> tuple[int, int]:
        return round(_LEFT + share * (right - _LEFT)), round(bottom - value / ups[-1] * (bottom - _TOP))

    for value in ups:
        cv2.line(image, place(0, value), place(1, value), _GRID, 1)
        _write(image, f"{value:g}", (_LEFT - 8, place(0, value)[1] + 5), _ENDS)
    for share, label in labels.items():
        x = place(share, 0)[0]
        cv2.line(image, (x, bottom), (x, bottom + 5), _INK, 1)
        _write(image, label, (x, bottom + 20), _MIDDLE)
    cv2.line(image, (_LEFT, _TOP), (_LEFT, bottom), _INK, 1)
    cv2.line(image, (_LEFT, bottom), (right, bottom), _INK, 1)
    _write(image, title, (_LEFT, _TOP - 12))
    _write(image, across, (right, bottom + 40), _ENDS)
    return image, place


def _line(image: Image, points: Sequence[tuple[int, int]], colour: tuple[int, int, int]) -> None:
    cv2.polylines(image, [np.array(points, np.int32).reshape(-1, 1, 2)], False, colour, 2, cv2.LINE_AA)


def _ticks(top: float) -> list[float]:
    """Round numbers from 0 to at least `top`, about five of them."""
    size = 10.0 ** math.floor(math.log10(top / 5))
    step = next(size * factor for factor in (1, 2, 5, 10) if top / (size * factor) <= 5.0001)
    return [round(step * index, 10) for index in range(math.ceil(top / step - 1e-9) + 1)]


def _white(height: int) -> Image:
    return np.full((height, _WIDTH, 3), 255, np.uint8)


def _write(image: Image, text: str, at: tuple[int, int], share: float = 0.0) -> None:
    """Text of which `share` is to the left of a point; letters that OpenCV has no picture of become question marks."""
    across = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.5, 1)[0][0]
    start = (at[0] - round(share * across), at[1])
    cv2.putText(image, text, start, cv2.FONT_HERSHEY_SIMPLEX, 0.5, _INK, 1, cv2.LINE_AA)
