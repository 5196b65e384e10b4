"""CenterFace (Xu et al., 2019, arXiv:1911.03599): an anchor-free face detector, one fully convolutional network.

It wants RGB, 0 to 255, sides a multiple of 32. It gives, on a grid of 4 px, a heat map of face centres, the log of
height and width, and the offset of the centre. Measured on WIDER FACE at native size: AP 0.93 / 0.92 / 0.80.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from faceblur import weights as weights_table
from faceblur.detectors.base import FLOOR, Detector, Rows, nms
from faceblur.errors import MissingError
from faceblur.images import Image

_STRIDE = 4
_STEP = 32
_IOU = 0.3
_LONGEST = 1920  # px of the network's input: larger pictures are shrunk to this, smaller ones are taken as they are


class CenterFace(Detector):
    """CenterFace at one or several sizes of the picture, with or without a mirrored pass; the passes are united."""

    def __init__(
        self,
        name: str,
        weights: Sequence[Path],
        threads: int = 0,
        *,
        scales: Sequence[float] = (1.0,),
        mirror: bool = False,
    ) -> None:
        super().__init__(name)
        self._scales = tuple(scales)
        self._mirror = mirror
        self._session = _session(weights_table.fetch("centerface", weights), threads)

    def _rows(self, image: Image) -> Rows:
        passes = []
        for scale in self._scales:
            passes.append(self._pass(image, scale))
            if self._mirror:
                rows = self._pass(np.ascontiguousarray(image[:, ::-1]), scale)
                rows[:, [0, 2]] = image.shape[1] - rows[:, [2, 0]]
                passes.append(rows)
        return nms(np.concatenate(passes), _IOU) if len(passes) > 1 else passes[0]

    def _pass(self, image: Image, scale: float) -> Rows:
        height, width = image.shape[:2]
        scale *= min(1.0, _LONGEST / max(width, height))
        size = (_to_step(width * scale), _to_step(height * scale))
        blob = cv2.dnn.blobFromImage(image, 1.0, size, (0, 0, 0), swapRB=True, crop=False)
        heat, extent, offset = self._session.run(["537", "538", "539"], {"input.1": blob})
        if not np.isfinite(heat).all():  # not a number is not "no face"
            raise ValueError(f"{self.name} answered with numbers that are none")
        rows = nms(_decode(heat[0, 0], extent[0], offset[0]), _IOU)
        rows[:, [0, 2]] *= width / size[0]
        rows[:, [1, 3]] *= height / size[1]
        return rows


def _decode(heat: np.ndarray, extent: np.ndarray, offset: np.ndarray) -> Rows:
    """(N, 5) rows in pixels of the network's input, one for each cell of the heat map with a score that counts."""
    y, x = np.nonzero(heat >= FLOOR)
    half_height, half_width = (np.exp(extent[:, y, x].astype(np.float64)) * _STRIDE / 2)[:2]
    middle_y = (y + offset[0, y, x].astype(np.float64) + 0.5) * _STRIDE
    middle_x = (x + offset[1, y, x].astype(np.float64) + 0.5) * _STRIDE
    corners = (middle_x - half_width, middle_y - half_height, middle_x + half_width, middle_y + half_height)
    return np.stack([*corners, heat[y, x].astype(np.float64)], axis=1)


def _to_step(pixels: float) -> int:
    return max(_STEP, math.ceil(pixels / _STEP) * _STEP)


def _session(path: Path, threads: int):  # type: ignore[no-untyped-def] # onnxruntime has no types
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingError("centerface needs the package onnxruntime: pip install onnxruntime") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    wanted = ("CUDAExecutionProvider", "CPUExecutionProvider")
    providers = [p for p in wanted if p in onnxruntime.get_available_providers()]
    return onnxruntime.InferenceSession(_any_size(path.read_bytes()), options, providers=providers)


def _any_size(model: bytes) -> bytes:
    """The model with batch, height and width left open; the file fixes them at 10, 32 and 32.

    A dimension is stored as field 1 (dim_value) of TensorShapeProto.Dimension, onnx.proto; field 2 with no text
    (dim_param) takes the same two bytes and means "any". It spares the onnx package, and the file's hash is known.
    """
    for channels, side in ((3, 32), (1, 8), (2, 8), (10, 8)):
        fixed = b"".join(b"\x0a\x02\x08" + bytes([n]) for n in (10, channels, side, side))
        free = b"".join(b"\x0a\x02" + (b"\x08" + bytes([channels]) if i == 1 else b"\x12\x00") for i in range(4))
        model = model.replace(fixed, free)
    return model
