"""What a detector's score is worth: how likely it is that a face is there, as log-odds."""

import math

import numpy as np
from numpy.typing import NDArray

# For a detector, or all variants of one, the five constants of
#     log-odds = b0 + b1·L + b2·z + b3·z² + b4·L·z, where L = logit(score) and z = log2(size / 32 px),
# fit by scripts/fit_calibration to 250 labelled photos of WIDER FACE (validation).
_CONSTANTS = {
    "centerface": (1.7, 2.17, -0.21, 0.1, -0.16),
    # Six passes say "face" more often than one. The first constant was then lowered until, on hard clips, what it hides
    # for nothing stayed under 3 % of the picture.
    "centerface@full": (1.35, 2.17, -0.21, 0.1, -0.16),
    "yunet": (-0.18, 1.9, -0.05, -0.09, -0.04),
    # Only the first two, fit in the same way to 170 detections in 108 photos of plates, too few to tell sizes apart.
    "hyperlpr": (-0.1, 2.25, 0.0, 0.0, 0.0),
}
_PLAIN = (0.0, 1.0, 0.0, 0.0, 0.0)  # for a detector that nobody has measured: its score is taken for a probability
_SIZES_PX = (8.0, 256.0)  # beyond these next to nothing was labelled: what is larger or smaller counts as this
_SURE = 1e-9  # closer to 0 or 1 than this no probability is


def log_odds(detector: str, scores: NDArray[np.float64], sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """The log-odds (N,) of detections with these scores (N,), 0 to 1, and sizes (N,), in pixels."""
    constants = _CONSTANTS.get(detector) or _CONSTANTS.get(detector.partition("@")[0]) or _PLAIN
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
