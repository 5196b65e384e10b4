"""Which pixels of a picture are hidden, and how much of a box."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from faceblur.domain import Box, Region
from faceblur.redaction import Style, redact

Mask = NDArray[np.bool_]  # (H, W)


def mask(regions: Sequence[Region], width: int, height: int, shape: str) -> Mask:
    """(height, width): the pixels of which redaction leaves nothing, in the shape "ellipse" or "box"."""
    white = np.full((height, width, 3), 255, np.uint8)
    return np.asarray(redact(white, regions, Style("solid", shape))[:, :, 0] == 0)  # type: ignore[arg-type]


def window(box: Box, picture: Mask) -> tuple[slice, slice]:
    """The rows and columns that a box touches."""
    height, width = picture.shape
    part = box.clip(width, height)
    return slice(int(part.top), math.ceil(part.bottom)), slice(int(part.left), math.ceil(part.right))
