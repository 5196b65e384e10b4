"""The detectors of the package deepface, by the names that it gives them: `deepface.mtcnn`, `deepface.yunet`, …

They want BGR, 0 to 255, and give whole pixels and a confidence; nothing is aligned or cut out. Most hide weak faces:
centerface, mediapipe, the yolos and yunet take their threshold from the environment, where FLOOR is put for them;
retinaface and ssd keep 0.9; mtcnn 0.6, 0.7 and 0.8 and fastmtcnn 0.6, 0.7 and 0.7 in their three stages; dlib 0; opencv
ten hits, and its confidence is lower for better faces. So retinaface and mtcnn see more as detectors of their own.
yunet shrinks pictures to 640 px, ssd to 300 × 300, the yolos to 640 px and to 300 faces at most.
"""

import os
from collections.abc import Sequence
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from faceblur.detectors import packages
from faceblur.detectors.base import FLOOR, OneByOne, Rows
from faceblur.errors import MissingError, UsageError
from faceblur.images import Image

_THRESHOLDS = (
    "CENTERFACE_THRESHOLD",
    "MEDIAPIPE_MIN_DETECTION_CONFIDENCE",
    "YOLO_MIN_DETECTION_CONFIDENCE",
    "yunet_score_threshold",
)
# Sides that a picture is given at least, also after yunet has shrunk it: with one of 32 px OpenCV 4.14 answers, in a
# third of all runs, with what was in memory before.
_SMALLEST = 64  # px
_LONGEST = 10  # times as long as wide
_INSTALL = "deepface werkzeug"
_RETINAFACE = "retinaface.commons.weight_utils"  # to retina-face, which has its own, deepface.retinaface leaves it all
_WHEELS = {"retinaface": "retina-face", "tf_keras": "tf-keras"}  # modules that are not called like what brings them


class DeepFace(OneByOne):
    """The detector of deepface that the name says behind its dot."""

    def __init__(self, name: str, weights: Sequence[Path], threads: int = 0) -> None:
        super().__init__(name)
        if threads:
            cv2.setNumThreads(threads)
        os.environ.update(dict.fromkeys(_THRESHOLDS, str(FLOOR)))
        self._weights = weights
        self._weight_utils = [packages.load("deepface.commons.weight_utils", _INSTALL, threads)]
        if find_spec("retinaface"):
            self._weight_utils.append(packages.load(_RETINAFACE, "retina-face"))
        self._detector = self._made(name.partition(".")[2])

    def rows(self, image: Image) -> Rows:
        least = max(_SMALLEST, max(image.shape) // _LONGEST)
        down, across = (max(0, least - side) for side in image.shape[:2])
        image = cv2.copyMakeBorder(image, 0, down, 0, across, cv2.BORDER_REPLICATE).astype(np.uint8, copy=False)
        with self._ours():  # centerface opens its file again for each picture
            found = self._detector.detect_faces(image)
        rows = [
            [one.x, one.y, one.x + one.w, one.y + one.h, 1.0 if one.confidence is None else one.confidence]
            for one in found
        ]
        values = np.array(rows, dtype=np.float64).reshape(-1, 5)
        values[:, 4] = np.clip(values[:, 4], FLOOR, 1)  # what it gives it has found, whatever it means by its number
        return values

    def _made(self, backend: str) -> Any:
        modeling = packages.load("deepface.modules.modeling", _INSTALL)
        try:
            with self._ours():
                with packages.quiet():  # some import TensorFlow
                    made = modeling.get_model_class("face_detector", backend)
                return made()
        except (AttributeError, ImportError, ValueError) as error:  # each says in its own way what is not installed
            module = str(error.name) if isinstance(error, ModuleNotFoundError) else ""
            missing = f"pip install {_WHEELS.get(module, module)}" if module else str(error)
            raise MissingError(f"{self.name} cannot be had: {missing}") from error

    def _ours(self) -> ExitStack:
        """Meanwhile neither deepface nor retina-face fetches anything."""
        with ExitStack() as stack:
            for module in self._weight_utils:
                stack.enter_context(packages.ours(module, self._weights))
            return stack.pop_all()


def check(backend: str) -> None:
    """UsageError, listing all there are, for one that deepface does not have; where it is missing nobody knows."""
    if find_spec("deepface"):
        known = packages.load("deepface.modules.modeling", _INSTALL).AVAILABLE_MODELS["face_detector"]
        if backend not in known:
            raise UsageError(f"deepface has no detector {backend!r}; there are: {', '.join(known)}")
