"""MTCNN (Zhang et al., 2016, arXiv:1604.02878): three small networks, each checks what the one before it proposes.

It wants RGB, scaled to −1 to 1, and looks for faces of 20 px and more in ever smaller copies of the picture. The
package mtcnn (MIT) brings the networks with their weights, and runs them on TensorFlow.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from faceblur.detectors import packages
from faceblur.detectors.base import FLOOR, OneByOne, Rows
from faceblur.images import Image

# A score is the last network's. The first two only propose; their own thresholds, 0.6 and 0.7 by default, would hide
# weak faces from it: below these here they bring noise and cost only (three times the time at 0.1 and 0.05).
_SETTINGS = {"threshold_pnet": 0.2, "threshold_rnet": 0.1, "threshold_onet": FLOOR}


class MtCnn(OneByOne):
    """MTCNN at the picture's own size."""

    def __init__(self, name: str, weights: Sequence[Path], threads: int = 0) -> None:
        super().__init__(name)
        # Not MTCNN.detect_faces: that takes an error inside TensorFlow for "no face".
        self._stages = packages.load("mtcnn", "mtcnn tensorflow", threads).MTCNN().stages
        for stage in self._stages:
            if not all(np.isfinite(weight).all() for weight in stage.model.get_weights()):
                raise ValueError(f"the weights of {stage.name} are numbers that are none")

    def rows(self, image: Image) -> Rows:
        pixels = ((image[None, :, :, ::-1] - 127.5) / 128).astype(np.float32)
        rows = None
        for stage in self._stages:
            rows = stage(
                bboxes_batch=rows, images_normalized=pixels, images_oshapes=np.array([image.shape]), **_SETTINGS
            )
            if len(rows) == 0:  # the next network cannot be asked about nothing
                return np.empty((0, 5))
        return np.array(rows, dtype=np.float64)[:, 1:6]
