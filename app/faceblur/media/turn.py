"""How the pictures of a source are made upright, as its display matrix says."""

import math
import struct
from dataclasses import dataclass
from typing import Any, Self

import numpy as np


@dataclass(frozen=True, slots=True)
class Turn:
    """By `degrees` counterclockwise, in quarters; after that mirrored left to right, or not."""

    degrees: int = 0
    mirrored: bool = False

    @classmethod
    def of(cls, frame: Any, matrix: bytes | None) -> Self:
        """What the display matrix of a decoded frame asks for, to the nearest quarter.

        FFmpeg's takes (x, y), y down, to (a·x + c·y, b·x + d·y), and is nine numbers from a, b, –, c, d on.
        """
        degrees, mirrored = float(frame.rotation), False
        if matrix is not None:
            a, b, _, c, d = struct.unpack("=5i", matrix[:20])
            mirrored = a * d < b * c
            degrees = math.degrees(math.atan2(-b, -a if mirrored else a))
        return cls(round(degrees / 90) * 90 % 360, mirrored)

    def __bool__(self) -> bool:
        """Whether it changes anything."""
        return self != Turn()

    @property
    def lays_down(self) -> bool:
        """Whether what was width is height."""
        return self.degrees % 180 != 0

    def size(self, width: int, height: int) -> tuple[int, int]:
        """The size after it of a picture of that size, and the other way round."""
        return (height, width) if self.lays_down else (width, height)

    def array(self, samples: Any) -> Any:
        """A view of an (H, W, ...) array after it."""
        turned = np.rot90(samples, self.degrees // 90)
        return turned[:, ::-1] if self.mirrored else turned
