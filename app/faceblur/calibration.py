"""What a detector's score is worth: how likely it is that a face is there, as log-odds."""

import math

import numpy as np
from numpy.typing import NDArray

# Log-odds at some scores, linear in the logarithm of the score between them.
_SCORES = np.log([0.05, 0.08, 0.12, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 1.0])
_ODDS = {
    "centerface": np.array([-2.57, -2.13, -1.74, -1.08, -0.09, 1.22, 3.27, 5.5, 7.5, 9.0]),
}
_SURE = 1e-9  # closer to 0 or 1 than this no probability is


def log_odds(detector: str, scores: NDArray[np.float64], sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """The log-odds (N,) of detections with these scores (N,), 0 to 1, and sizes (N,), in pixels."""
    table = _ODDS.get(detector.split("@", maxsplit=1)[0])
    if table is None:
        scores = np.clip(scores, _SURE, 1 - _SURE)
        return np.asarray(np.log(scores / (1 - scores)), dtype=np.float64)
    return np.asarray(np.interp(np.log(np.maximum(scores, _SURE)), _SCORES, table), dtype=np.float64)


def logit(probability: float) -> float:
    """The log-odds of a probability, 0 to 1; finite for both."""
    probability = min(max(probability, _SURE), 1 - _SURE)
    return math.log(probability / (1 - probability))


def probability(odds: float) -> float:
    """The probability, 0 to 1, of log-odds."""
    return 1 / (1 + math.exp(-odds))
