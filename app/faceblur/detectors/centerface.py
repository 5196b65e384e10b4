"""CenterFace (Xu et al., 2019, arXiv:1911.03599): an anchor-free face detector, one fully convolutional network.

It wants RGB, 0 to 255, sides a multiple of 32. It gives, on a grid of 4 px, a heat map of face centres, the log of
height and width, and the offset of the centre. Measured on 250 photos of WIDER FACE at native size:
AP 0.932 / 0.916 / 0.799 (easy, medium, hard).

In float16 its scores move, so it has a name of its own then. Emulated on 40 of these photos, with every weight and
every layer rounded: of 2593 detections by 0.0002 in the middle and 0.002 for one in a hundred; 3 rose above 0.25 and
2 fell below; 29 came or went, all of them below 0.09.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from faceblur import weights as weights_table
from faceblur.detectors.base import FLOOR, Rows, nms
from faceblur.detectors.convolutional import FullyConvolutional
from faceblur.detectors.network import Network, Tensor

_STRIDE = 4
_IOU = 0.3


class CenterFace(FullyConvolutional):
    """CenterFace at the picture's own size; with `half` in float16."""

    def __init__(self, name: str, weights: Sequence[Path], threads: int = 0, *, half: bool = False) -> None:
        super().__init__(name, Network(weights_table.fetch("centerface", weights), threads, half=half), rgb=True)

    def decoded(self, found: Mapping[str, Tensor], height: int, width: int) -> Rows:
        return nms(_decode(found["537"][0], found["538"], found["539"]), _IOU)


def _decode(heat: Tensor, extent: Tensor, offset: Tensor) -> Rows:
    """(N, 5) rows in pixels of the network's input, one for each cell of the heat map with a score that counts."""
    y, x = np.nonzero(heat >= FLOOR)
    half_height, half_width = (np.exp(extent[:, y, x].astype(np.float64)) * _STRIDE / 2)[:2]
    middle_y = (y + offset[0, y, x].astype(np.float64) + 0.5) * _STRIDE
    middle_x = (x + offset[1, y, x].astype(np.float64) + 0.5) * _STRIDE
    corners = (middle_x - half_width, middle_y - half_height, middle_x + half_width, middle_y + half_height)
    return np.stack([*corners, heat[y, x].astype(np.float64)], axis=1)
