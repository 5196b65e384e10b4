"""OpenCV's face detector: an SSD (Liu et al., 2016, arXiv:1512.02325) on a small ResNet-10, made for 300 × 300.

It wants BGR, 0 to 255, less a mean. It gives, for each anchor, how likely there is none and a face, and the box as
centre and log of the size relative to the anchor.
"""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from faceblur import weights as weights_table
from faceblur.detectors.base import FLOOR, OneByOne, Rows, nms
from faceblur.detectors.network import blob
from faceblur.images import Image

_MEAN = (104, 177, 123)
_VARIANCES = (0.1, 0.2)  # what training multiplied centres and sizes with
_OUTPUTS = ("mbox_loc", "mbox_conf_flatten", "mbox_priorbox")  # before the file's own limit of 200 faces
_IOU = 0.4
_LEAST = 300  # px; smaller sides than what it was made for are padded to this
_SHORT = 450  # px; at more than this on the short side it finds less (14 photos, AP easy: 300 0.68, 450 0.79, 600 0.64)
_LONG = 1600  # px, of a very long picture


class Ssd(OneByOne):
    """The whole picture, its short side shrunk to 450 px; one smaller than 300 px is enlarged to that.

    The network is so unsure that the anchors of an empty picture get 0.07. The score is p² / (p² + (1 − p)²), which
    keeps the order, and with which they count as noise.
    """

    def __init__(self, name: str, weights: Sequence[Path], threads: int = 0) -> None:
        super().__init__(name)
        if threads:
            cv2.setNumThreads(threads)
        model, graph = (str(weights_table.fetch(file, weights)) for file in ("ssd", "ssd-graph"))
        self._network = cv2.dnn.readNetFromTensorflow(model, graph)

    def rows(self, image: Image) -> Rows:
        canvas, factor = _fitted(image)
        self._network.setInput(blob(canvas, mean=_MEAN))
        boxes, likely, priors = (np.asarray(value, np.float64) for value in self._network.forward(_OUTPUTS))
        if not np.isfinite(boxes).all() or not np.isfinite(likely).all():
            raise ValueError(f"{self.name} answered with numbers that are none")
        rows = _decode(boxes.reshape(-1, 4), likely.reshape(-1, 2), priors[0, 0].reshape(-1, 4))
        height, width = canvas.shape[:2]
        rows[:, :4] *= np.array([width, height, width, height]) / factor
        return nms(rows, _IOU)


def _fitted(image: Image) -> tuple[Image, float]:
    """The picture at the size at which it is seen, padded where too small, and how many times its own that is."""
    height, width = image.shape[:2]
    short, long = min(height, width), max(height, width)
    factor = min(max(min(1.0, _SHORT / short), _LEAST / short), _LONG / long)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    shrunk = cv2.resize(image, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR)
    canvas = np.full((max(size[1], _LEAST), max(size[0], _LEAST), 3), np.array(_MEAN), np.uint8)
    canvas[: size[1], : size[0]] = shrunk
    return canvas, factor


def _decode(boxes: np.ndarray, likely: np.ndarray, priors: np.ndarray) -> Rows:
    """(N, 5) rows of the anchors with a score that counts, in shares of the picture."""
    scores = likely[:, 1] ** 2 / (likely**2).sum(axis=1)
    counts = scores >= FLOOR
    boxes, corners = boxes[counts], priors[counts]
    sides = corners[:, 2:] - corners[:, :2]
    middle = (corners[:, 2:] + corners[:, :2]) / 2 + boxes[:, :2] * _VARIANCES[0] * sides
    half = np.exp(boxes[:, 2:] * _VARIANCES[1]) * sides / 2
    return np.column_stack([middle - half, middle + half, scores[counts]])
