"""How well faces are hidden where it is known where they are: in videos (`video`, `leaks`) and in photos (`photos`)."""

from faceblur.evaluation.masks import Mask, mask
from faceblur.evaluation.photos import Bin, Result, Seen, photos
from faceblur.evaluation.report import dump, misses, photo_lines, photo_plot
from faceblur.evaluation.truth import Faces
from faceblur.evaluation.video import Figures, Labels, Tally, Truth, leaks, lines, plot, steadiness, video

__all__ = [
    "Bin",
    "Faces",
    "Figures",
    "Labels",
    "Mask",
    "Result",
    "Seen",
    "Tally",
    "Truth",
    "dump",
    "leaks",
    "lines",
    "mask",
    "misses",
    "photo_lines",
    "photo_plot",
    "photos",
    "plot",
    "steadiness",
    "video",
]
