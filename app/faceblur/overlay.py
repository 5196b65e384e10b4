"""What is drawn over a picture for people: the debug picture, and a caption in the corner."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

import cv2
import numpy as np

from faceblur.domain import Box, Detection, Points, Region
from faceblur.images import Image, Pixels

P = TypeVar("P", bound=Pixels)

VERSION = 3  # part of every stamp: count up when the pictures change

_GREEN, _RED, _YELLOW, _WHITE, _BLACK = (0, 200, 0), (0, 0, 255), (0, 220, 255), (255, 255, 255), (0, 0, 0)
_ORANGE, _CYAN, _MAGENTA = (0, 140, 255), (255, 220, 0), (255, 0, 255)
_COLOURS = {"detection": _YELLOW, "bridged": _ORANGE, "extended": _CYAN}  # magenta for what a person decided
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_SMALL = 0.4  # scale of the text below a cell
_ROWS = 4  # of that text
_FAR = 1 << 15  # px; what OpenCV draws must end somewhere
_ENLARGED = 8.0  # a cell shows nothing larger than this many times


def debug(image: Image, number: int, detections: Sequence[Detection], regions: Sequence[Region]) -> Image:
    """A copy of the untouched (H, W, 3) uint8 BGR frame with everything that is known about it.

    Regions are outlined thick, in a colour that says why they are hidden, with their track and how sure it is;
    detections thin, with score and detector: green where a region hides them, red where none does. The faces are
    visible: it is a picture for the person who checks, not for publishing.
    """
    picture = image.copy()
    for region in regions:
        colour = _COLOURS.get(region.reason, _MAGENTA)
        if region.outline:
            _polygon(picture, region.outline, colour, 2)
        else:
            _outline(picture, region.box, colour, 2)
        text = f"{region.track} {region.reason} {region.score:.2f}".strip()
        line = int(np.ceil(30 * _scale(picture) * 0.55))
        box = region.box.clip(picture.shape[1], picture.shape[0])  # a person's box may be of any size
        _text(picture, text, (int(box.left), int(box.bottom) + line), colour, _scale(picture) * 0.55)
    for detection in reversed(detections):
        colour = _GREEN if _is_hidden(detection.box, regions) else _RED
        _outline(picture, detection.box, colour)
        text = f"{detection.score:.2f} {detection.detector}"
        _text(picture, text, (int(detection.box.left), int(detection.box.top) - 3), colour, _scale(picture) * 0.55)
    return caption(picture, f"frame {number}  {len(regions)} hidden  NOT REDACTED")


def _is_hidden(box: Box, regions: Sequence[Region]) -> bool:
    """Whether the middle of a box lies in a region."""
    x, y = (box.left + box.right) / 2, (box.top + box.bottom) / 2
    held = [r for r in regions if r.box.left <= x < r.box.right and r.box.top <= y < r.box.bottom]
    polygons = [np.array(r.outline, dtype=np.float32) for r in held if r.outline]
    return len(polygons) < len(held) or any(cv2.pointPolygonTest(p, (x, y), False) >= 0 for p in polygons)


def caption(image: P, text: str) -> P:
    """A copy of a (H, W, 3) BGR or (H, W, 4) BGRA image, uint8 or uint16, with text in the upper left corner."""
    picture = image.copy()
    _text(picture, text, (4, 4), _WHITE, _scale(picture))
    return picture


def cell(
    image: Image | None,
    box: Box,
    lines: Sequence[str],
    size: tuple[int, int],
    around: float,
    *,
    others: Sequence[Box] = (),
) -> Image:
    """The part of a (H, W, 3) uint8 BGR frame around a box, `size` (width, height) pixels, with lines of text below.

    `around` is how much is shown on each side, as a share of the box. Without an image, and beside it, it is black.
    The box is outlined red, `others` yellow. Long lines are wrapped; what is more than fits ends in "...".
    All cells of one `size` have one shape.
    """
    width, height = size
    blank = np.zeros((height, width, 3), dtype=np.uint8)
    part = blank if image is None else _around(image, box, size, around, others)
    text = np.zeros((18 * _ROWS + 6, width, 3), dtype=np.uint8)
    rows = [row for line in lines for row in _wrapped(line, width - 8)]
    if len(rows) > _ROWS:
        rows[_ROWS - 1] = next(_wrapped(rows[_ROWS - 1], width - 8 - _width("..."))) + "..."
    for number, row in enumerate(rows[:_ROWS], start=1):
        cv2.putText(text, row, (4, 18 * number - 4), _FONT, _SMALL, _WHITE, 1, cv2.LINE_AA)
    return np.concatenate([part, text])


def _around(image: Image, box: Box, size: tuple[int, int], around: float, others: Sequence[Box]) -> Image:
    """What is around a box, with outlines; what is beside the image is black."""
    high, wide = image.shape[:2]
    left, right = (min(max(x, -wide), 2 * wide) for x in (box.left, box.right))  # a person's box may be of any size
    top, bottom = (min(max(y, -high), 2 * high) for y in (box.top, box.bottom))
    shares = ((right - left) * (1 + 2 * around) / size[0], (bottom - top) * (1 + 2 * around) / size[1])
    scale = 1 / max(*shares, 1 / _ENLARGED)
    x, y = (left + right - size[0] / scale) / 2, (top + bottom - size[1] / scale) / 2
    if scale < 1:
        shape = (max(1, round(wide * scale)), max(1, round(high * scale)))
        image = np.asarray(cv2.resize(image, shape, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    across, down = scale * wide / image.shape[1], scale * high / image.shape[0]
    matrix = np.array([[across, 0, across / 2 - x * scale - 0.5], [0, down, down / 2 - y * scale - 0.5]])
    part = np.asarray(cv2.warpAffine(image, matrix, size, flags=cv2.INTER_CUBIC), dtype=np.uint8)
    for other, colour in (*((other, _YELLOW) for other in others), (Box(left, top, right, bottom), _RED)):
        moved = [(value - start) * scale for value, start in zip(other.to_json(), (x, y, x, y), strict=True)]
        _outline(part, Box(*moved), colour)
    return part


def _wrapped(text: str, width: int) -> Iterator[str]:
    """The text in rows of at most `width` pixels, broken between words where that is possible."""
    row = ""
    for word in text.split(" "):
        longer = f"{row} {word}" if row else word
        if row and _width(longer) > width:
            yield row
            longer = word
        while _width(longer) > width and len(longer) > 1:
            count = max(1, sum(_width(longer[:n]) <= width for n in range(1, len(longer))))
            yield longer[:count]
            longer = longer[count:]
        row = longer
    yield row


def _width(text: str) -> int:
    return int(cv2.getTextSize(text, _FONT, _SMALL, 1)[0][0])


def tiled(cells: Sequence[Image], columns: int) -> Image:
    """Cells of one shape (h, w, 3), row by row; black where there is none."""
    if not cells:
        return np.zeros((1, 1, 3), dtype=np.uint8)
    height, width = cells[0].shape[:2]
    rows = -(-len(cells) // columns)
    picture = np.zeros((rows * height, min(columns, len(cells)) * width, 3), dtype=np.uint8)
    for index, part in enumerate(cells):
        row, column = divmod(index, columns)
        picture[row * height : (row + 1) * height, column * width : (column + 1) * width] = part
    return picture


def _outline(picture: Image, box: Box, colour: tuple[int, int, int], weight: int = 1) -> None:
    box = box.clip(picture.shape[1], picture.shape[0])
    if box.area == 0:
        return
    low = (round(box.left), round(box.top))
    high = (round(box.right) - 1, round(box.bottom) - 1)
    cv2.rectangle(picture, low, high, colour, max(1, picture.shape[0] // 540) * weight)


def _polygon(picture: Image, points: Points, colour: tuple[int, int, int], weight: int) -> None:
    corners = np.clip(np.round(points), -_FAR, _FAR).astype(np.int32)
    cv2.polylines(picture, [corners], True, colour, max(1, picture.shape[0] // 540) * weight)


def _text(picture: Pixels, text: str, at: tuple[int, int], colour: tuple[int, int, int], scale: float) -> None:
    """Write with the lower left corner at `at`, moved down as far as it needs to be inside the picture."""
    line = int(np.ceil(30 * scale))
    at = (max(0, at[0]), max(line, at[1]))
    thickness = max(1, round(scale * 2))
    top = float(np.iinfo(picture.dtype).max)
    # OpenCV smooths lines in pictures of 8 bits only; what is drawn is opaque.
    smooth = cv2.LINE_AA if picture.dtype == np.uint8 else cv2.LINE_8
    for ink, width in ((_BLACK, thickness + 2), (colour, thickness)):
        cv2.putText(picture, text, at, _FONT, scale, (*(c * top / 255 for c in ink), top), width, smooth)


def _scale(picture: Pixels) -> float:
    return float(max(0.4, picture.shape[0] / 1400))
