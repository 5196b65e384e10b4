"""What a detector's score is worth: how likely it is that a face is there, as log-odds."""

import math
import re

import numpy as np
from numpy.typing import NDArray

from faceblur.domain import digest

_PLAIN = (0.0, 1.0, 0.0, 0.0, 0.0)  # for a detector that nobody has measured: its score is taken for a probability
_OF_MANY = (0.86, 0.93, -0.2, 0.02, -0.05)
_EARLY = (0.8, 1.0, -0.2, 0.0, 0.0)

# For a detector at a size of the picture, the five constants of
#     log-odds = b0 + b1·L + b2·z + b3·z² + b4·L·z, where L = logit(score) and z = log2(size / 32 px),
# fit to 250 labelled photos of WIDER FACE (validation); scripts/fit_calibration does so now for three of them. A size
# that is not here counts as the picture's own. Scores of views taken together are probabilities already, but for what
# they have in common; theirs were fit to all that was fused, also below the floor of an ensemble, which the script does
# not see. Those of centerface@0.75 are the native ones for faces of three quarters the size: in the photos are too few
# large faces to fit how their scores change with the size, and in videos what was fit so hid twice as much for nothing.
# Those of centerface@192x192 are the native ones with 2 less for the first: at so small a size much passes for a large
# face. So it hid less for nothing in photos (3.9 % in place of 4.1 % by fast.2) and covered as many faces.
# Those of turned views have 4 less for the first than the same view upright: most faces are upright, and without that
# twice as much of two hard clips was hidden for nothing.
# Those of slow.10 were fit without what its turned views say. Those of slow.8 and slow.9, which are what one view says,
# believe small faces earlier, as who asks for `slow` would rather hide too much: on six hard clips that left 3.2 % of
# the faces visible and hid 2.9 % of the picture for nothing, where `fast` leaves 6.6 % and hides 1.5 %.
_CONSTANTS = {
    "centerface": (1.69, 2.17, -0.2, 0.12, -0.17),
    "centerface@192x192": (-0.31, 2.17, -0.2, 0.12, -0.17),
    "centerface@0.25": (2.7, 2.52, -2.23, 0.86, -0.37),
    "centerface@0.5": (1.32, 2.27, -0.29, 0.51, 0.19),
    **dict.fromkeys(
        ("centerface@0.5@left", "centerface@0.5@right", "centerface@0.5@over"), (-2.68, 2.27, -0.29, 0.51, 0.19)
    ),
    **dict.fromkeys(("centerface@0.75@left", "centerface@0.75@right"), (-2.21, 2.24, -0.3, 0.12, -0.17)),
    "centerface@0.75": (1.79, 2.24, -0.3, 0.12, -0.17),
    "centerface@1.5": (1.84, 2.14, -0.13, -0.1, -0.26),
    "centerface@2": (1.97, 2.08, -0.04, -0.29, -0.15),
    "yunet": (-0.1, 1.92, -0.09, -0.13, -0.05),
    "yunet@0.5": (-0.27, 1.84, -0.38, 0.17, 0.02),
    "yunet@1.5": (-0.23, 1.91, -0.03, -0.16, 0.0),
    "yunet.n": (-0.22, 1.93, 0.01, -0.15, -0.07),
    "yunet.n@0.5": (-0.23, 1.87, -0.21, 0.04, -0.14),
    "yunet.n@1.5": (-0.34, 1.89, -0.03, -0.2, -0.03),
    "yunet.n@2": (-0.4, 1.86, -0.11, -0.29, 0.01),
    **dict.fromkeys(("lone.2", "fast.7", "fast.8", "turned.1"), _PLAIN),  # of one view: probabilities as they are
    "fast.2": (0.62, 1.14, -0.53, 0.0, 0.0),
    "slow.10": _OF_MANY,
    **dict.fromkeys(("slow.8", "slow.9"), _EARLY),
    # Those of older versions stay: a job may hold what they said, and would hide less by it without them.
    **dict.fromkeys(("lone.1", "fast.3", "fast.4", "fast.5", "fast.6"), _PLAIN),
    "fast.1": (0.54, 1.14, -0.57, 0.15, -0.11),
    "slow.1": (1.36, 0.93, -0.2, 0.02, -0.05),
    **dict.fromkeys(("slow.2", "slow.3"), _OF_MANY),
    **dict.fromkeys(("slow.4", "slow.5", "slow.6", "slow.7"), _EARLY),
    "centerface@full": (0.55, 1.03, -0.43, 0.15, -0.09),
    # Three, with b2 within ±0.3: what crowds in photos say about sizes must not give up a face close to the camera.
    # Each was better than the score itself on the half of the photos to which it was not fit.
    "ssd": (0.87, 0.36, -0.3, 0.0, 0.0),
    "blazeface": (-1.36, 1.12, -0.3, 0.0, 0.0),
    "blazeface-full": (0.13, 1.71, -0.3, 0.0, 0.0),
    "retinaface-mobile": (0.45, 1.24, -0.3, 0.0, 0.0),
    "scrfd": (1.55, 2.15, 0.28, 0.0, 0.0),
    "haar": (0.7, 1.78, -0.3, 0.0, 0.0),
    "mtcnn": (-2.31, 0.96, -0.3, 0.0, 0.0),
    # Only the first two, fit in the same way to 170 (hyperlpr) and 141 detections in 108 photos of plates, too few to
    # tell sizes apart.
    "hyperlpr": (-0.1, 2.25, 0.0, 0.0, 0.0),
    "haar-plate": (1.17, 1.9, 0.0, 0.0, 0.0),
}
_A_SIZE = re.compile(r"auto|[\d.]*|\d+x\d+")
_SIZES_PX = (8.0, 256.0)  # beyond these next to nothing was labelled: what is larger or smaller counts as this
_SURE = 1e-9  # closer to 0 or 1 than this no probability is


def version() -> str:
    """Another one when any of the constants is."""
    return digest(_CONSTANTS)


def log_odds(detector: str, scores: NDArray[np.float64], sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """The log-odds (N,) of detections with these scores (N,), 0 to 1, and sizes (N,), in pixels."""
    detector = detector.replace(".half", "")  # float16 moves scores by less than the constants are known to
    model, _, view = detector.partition("@")
    constants = _CONSTANTS.get(detector) or (_CONSTANTS.get(model) if _A_SIZE.fullmatch(view) else None) or _PLAIN
    return np.asarray(terms(scores, sizes) @ np.array(constants), dtype=np.float64)


def terms(scores: NDArray[np.float64], sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, 5) what the constants are multiplied with, for scores (N,) and sizes (N,) in pixels."""
    scores = np.clip(scores, _SURE, 1 - _SURE)
    score, size = np.log(scores / (1 - scores)), np.log2(np.clip(sizes, *_SIZES_PX) / 32)
    return np.stack([np.ones_like(score), score, size, size**2, score * size], axis=-1)


def logit(probability: float) -> float:
    """The log-odds of a probability, 0 to 1; finite for both."""
    probability = min(max(probability, _SURE), 1 - _SURE)
    return math.log(probability / (1 - probability))


def probability(odds: float) -> float:
    """The probability, 0 to 1, of log-odds."""
    return 1 / (1 + math.exp(-odds))
