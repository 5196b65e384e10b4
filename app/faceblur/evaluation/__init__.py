"""How well faces are hidden where it is known where they are: in videos (`video`, `leaks`)."""

from faceblur.evaluation.masks import Mask, mask
from faceblur.evaluation.video import Figures, Labels, Tally, Truth, leaks, lines, plot, steadiness, video

__all__ = ["Figures", "Labels", "Mask", "Tally", "Truth", "leaks", "lines", "mask", "plot", "steadiness", "video"]
