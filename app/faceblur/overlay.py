"""What is drawn over a picture for people: the debug picture, and a caption in the corner."""

from collections.abc import Sequence

import cv2
import numpy as np

from faceblur.domain import Box, Detection, Region
from faceblur.images import Image

VERSION = 3  # part of every stamp: count up when the pictures change

_GREEN, _RED, _YELLOW, _WHITE, _BLACK = (0, 200, 0), (0, 0, 255), (0, 220, 255), (255, 255, 255), (0, 0, 0)
_ORANGE, _CYAN, _MAGENTA = (0, 140, 255), (255, 220, 0), (255, 0, 255)
_COLOURS = {"detection": _YELLOW, "bridged": _ORANGE, "extended": _CYAN}  # magenta for what a person decided
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def debug(image: Image, number: int, detections: Sequence[Detection], regions: Sequence[Region]) -> Image:
    """A copy of the untouched (H, W, 3) uint8 BGR frame with everything that is known about it.

    Regions are outlined thick, in a colour that says why they are hidden, with their track and how sure it is;
    detections thin, with score and detector: green where a region hides them, red where none does. The faces are
    visible: it is a picture for the person who checks, not for publishing.
    """
    picture = image.copy()
    for region in regions:
        colour = _COLOURS.get(region.reason, _MAGENTA)
        _outline(picture, region.box, colour, 2)
        text = f"{region.track} {region.reason} {region.score:.2f}".strip()
        line = int(np.ceil(30 * _scale(picture) * 0.55))
        _text(picture, text, (int(region.box.left), int(region.box.bottom) + line), colour, _scale(picture) * 0.55)
    for detection in reversed(detections):
        colour = _GREEN if _is_hidden(detection.box, regions) else _RED
        _outline(picture, detection.box, colour)
        text = f"{detection.score:.2f} {detection.detector}"
        _text(picture, text, (int(detection.box.left), int(detection.box.top) - 3), colour, _scale(picture) * 0.55)
    return caption(picture, f"frame {number}  {len(regions)} hidden  NOT REDACTED")


def _is_hidden(box: Box, regions: Sequence[Region]) -> bool:
    """Whether the middle of a box lies in a region."""
    x, y = (box.left + box.right) / 2, (box.top + box.bottom) / 2
    return any(r.box.left <= x < r.box.right and r.box.top <= y < r.box.bottom for r in regions)


def caption(image: Image, text: str) -> Image:
    """A copy with a line of text in the upper left corner."""
    picture = image.copy()
    _text(picture, text, (4, 4), _WHITE, _scale(picture))
    return picture


def cell(image: Image, box: Box, lines: Sequence[str], size: tuple[int, int], around: float) -> Image:
    """The part of a (H, W, 3) uint8 BGR frame around a box, `size` (width, height) pixels, with lines of text below.

    `around` is how much is shown on each side, as a share of the box.
    """
    width, height = size
    middle = ((box.left + box.right) / 2, (box.top + box.bottom) / 2)
    reach = max(box.width / width, box.height / height, 1 / min(size)) * (0.5 + around)
    corner = (middle[0] - reach * width, middle[1] - reach * height)
    scale = 1 / (2 * reach)
    matrix = np.array([[scale, 0, -corner[0] * scale], [0, scale, -corner[1] * scale]])
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    part = np.asarray(cv2.warpAffine(image, matrix, size, flags=method), dtype=np.uint8)
    left, top = (box.left - corner[0]) * scale, (box.top - corner[1]) * scale
    _outline(part, Box(left, top, left + box.width * scale, top + box.height * scale), _RED)
    text = np.zeros((18 * len(lines) + 6, width, 3), dtype=np.uint8)
    for row, line in enumerate(lines, start=1):
        cv2.putText(text, line, (4, 18 * row - 4), _FONT, 0.4, _WHITE, 1, cv2.LINE_AA)
    return np.concatenate([part, text])


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


def _text(picture: Image, text: str, at: tuple[int, int], colour: tuple[int, int, int], scale: float) -> None:
    """Write with the lower left corner at `at`, moved down as far as it needs to be inside the picture."""
    line = int(np.ceil(30 * scale))
    at = (max(0, at[0]), max(line, at[1]))
    thickness = max(1, round(scale * 2))
    for ink, width in ((_BLACK, thickness + 2), (colour, thickness)):
        cv2.putText(picture, text, at, _FONT, scale, ink, width, cv2.LINE_AA)


def _scale(picture: Image) -> float:
    return float(max(0.4, picture.shape[0] / 1400))
