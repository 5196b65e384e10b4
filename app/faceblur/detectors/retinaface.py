"""RetinaFace (Deng et al., 2019, arXiv:1905.00641) with a ResNet-50, as the package retina-face has it.

It wants RGB, 0 to 255, as (N, H, W, 3). On grids of 32, 16 and 8 px it gives, for two squares in each cell, how much
they look like background and like a face, the box relative to the square, and landmarks, which nobody reads here.

The package runs it on TensorFlow or on ONNX: DEEPFACE_BACKEND_ENGINE says on which, else TensorFlow where that is
installed. Its own `detect_faces` is not used: it resizes each picture to a short side of 1024 px, cuts boxes to whole
pixels, compares boxes one by one, and takes a score that is no number for none. Its scores are not calibrated, because
its weights could not be had.
"""

import os
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from faceblur import weights as weights_table
from faceblur.detectors import packages
from faceblur.detectors.base import FLOOR, OneByOne, Rows, nms
from faceblur.detectors.network import Network, Tensor
from faceblur.errors import MissingError, UsageError
from faceblur.images import Image

# Stride of a grid, and the sides of its two squares, in pixels, in the order of the network's outputs.
_GRIDS = ((32, (512, 256)), (16, (128, 64)), (8, (32, 16)))
_MIDDLE = 8  # px from the corner of a cell to the middle of its squares, whatever the stride
_IOU = 0.4
_ONNX = "retinaface.onnx"  # its makers name neither size nor digest
_VARIABLE = "DEEPFACE_BACKEND_ENGINE"
_INSTALL = "retina-face tensorflow tf-keras"

Run = Callable[[Tensor], list[Tensor]]  # (1, H, W, 3) RGB -> for each grid scores, boxes and landmarks (1, h, w, C)


class RetinaFace(OneByOne):
    """RetinaFace at the picture's own size."""

    step = 32

    def __init__(self, name: str, weights: Sequence[Path], threads: int = 0) -> None:
        super().__init__(name)
        self._run = _ENGINES[_engine()](weights, threads)

    def rows(self, image: Image) -> Rows:
        found = self._run(np.ascontiguousarray(image[None, :, :, ::-1], dtype=np.float32))
        if not all(np.isfinite(values).all() for values in found):
            raise ValueError("the network answered with numbers that are none")
        grids = zip(_GRIDS, found[0::3], found[1::3], strict=True)
        return nms(np.concatenate([_decode(scores[0], boxes[0], *grid) for grid, scores, boxes in grids]), _IOU)


def unlisted() -> str:
    """The file that is read in place of that in the table of weights, or nothing; UsageError for an unknown engine."""
    try:
        return _ONNX if _engine() == "onnx" else ""
    except MissingError:  # told when the detector is made
        return ""


def _decode(scores: Tensor, boxes: Tensor, stride: int, sides: tuple[int, int]) -> Rows:
    """(N, 5) rows of one grid: scores (h, w, 2 + 2), both backgrounds first, and boxes (h, w, 2 · 4)."""
    scores = scores[:, :, len(sides) :]
    row, column, square = np.nonzero(scores >= FLOOR)
    right, down, across, high = boxes.reshape(*scores.shape, 4)[row, column, square].astype(np.float64).T
    side = np.array(sides, dtype=np.float64)[square]
    middle_x, middle_y = column * stride + _MIDDLE + right * side, row * stride + _MIDDLE + down * side
    half_width, half_height = np.exp(across) * side / 2, np.exp(high) * side / 2
    corners = (middle_x - half_width, middle_y - half_height, middle_x + half_width, middle_y + half_height)
    return np.stack([*corners, scores[row, column, square].astype(np.float64)], axis=1)


def _engine() -> str:
    """What the package would run on here, which it remembers once it was asked."""
    asked = os.environ.get(_VARIABLE, "").strip().lower()
    if asked and asked not in _ENGINES:
        raise _unknown(asked)
    choice = packages.load("retinaface.commons.backend_utils", "retina-face")
    try:
        engine = str(choice.get_backend_engine())
    except ValueError as error:
        raise MissingError(f"retinaface has nothing to run on: {error}") from error
    if engine not in _ENGINES:
        raise _unknown(engine)
    return engine


def _unknown(engine: str) -> UsageError:
    return UsageError(f"retinaface does not run on {engine!r}: set {_VARIABLE} to {' or '.join(_ENGINES)}")


def _tensorflow(weights: Sequence[Path], threads: int) -> Run:
    weights_table.fetch("retinaface", weights)  # told before TensorFlow takes its seconds to come up
    if not find_spec("tf_keras"):
        raise MissingError(f"retinaface needs Keras 2: pip install {_INSTALL}")
    tensorflow = packages.load("tensorflow", _INSTALL, threads)
    model = packages.load("retinaface.model.retinaface_model", _INSTALL)
    with packages.ours(model.weight_utils, weights):
        network = model.build_model()
    # Without the signature each new size of picture would be compiled anew.
    run = tensorflow.function(
        network, input_signature=[tensorflow.TensorSpec((None, None, None, 3), tensorflow.float32)]
    )
    return lambda pixels: [np.asarray(values) for values in run(pixels)]


def _onnx(weights: Sequence[Path], threads: int) -> Run:
    path = packages.find(
        _ONNX, weights, packages.load("retinaface.model.retinaface_onnx_model", "retina-face").WEIGHTS_URLS
    )
    network = Network(path, threads, any_size=False)
    return lambda pixels: list(network.run(pixels).values())


_ENGINES: dict[str, Callable[[Sequence[Path], int], Run]] = {"tensorflow": _tensorflow, "onnx": _onnx}
