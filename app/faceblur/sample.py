"""A clip for people who have none at hand: a moving view of a public-domain portrait, with sound.

The portrait is NASA's of the astronaut Eileen Collins, which scikit-image carries.
"""

import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from faceblur import files, media
from faceblur.errors import MissingError
from faceblur.images import Image

_SIZE = (640, 360)
_RATE = 25
_FRAMES = 125
_PITCHES_HZ = (262.0, 330.0, 392.0, 330.0, 262.0)  # one a second


def sample(path: Path) -> Path:
    """Write the clip to `path`, whole or not at all; MissingError without the package scikit-image."""
    portrait = _portrait()
    clock = media.Clock(Fraction(1, _RATE), tuple(range(_FRAMES)), _FRAMES)
    with tempfile.TemporaryDirectory() as folder, files.atomic(path, sync=True) as temporary:
        sound = media.write_sound(Path(folder) / "sound.m4a", _melody(48000), 48000)
        media.write(temporary, _views(portrait), clock, media.choose(_SIZE, wish=media.Wish(crf=20)), sound)
    return path


def _portrait() -> Image:
    try:
        from skimage import data
    except ImportError as error:
        raise MissingError("the sample needs scikit-image: pip install 'faceblur[sample]'") from error
    portrait: Image = data.astronaut()[:, :, ::-1]  # type: ignore[no-untyped-call]
    return np.ascontiguousarray(portrait)


def _views(portrait: Image) -> Iterator[Image]:
    """Windows that wander over the portrait's upper half and zoom in and out; the face is always inside."""
    for number in range(_FRAMES):
        turn = 2 * np.pi * number / _FRAMES
        width = 380 + 60 * np.cos(turn)
        x, y = 232 + 40 * np.sin(turn), 128 + 14 * np.sin(2 * turn)
        scale = _SIZE[0] / width
        view = np.array([[scale, 0, _SIZE[0] / 2 - scale * x], [0, scale, _SIZE[1] / 2 - scale * y]])
        picture = cv2.warpAffine(portrait, view, _SIZE, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
        yield picture.astype(np.uint8, copy=False)


def _melody(rate: int) -> NDArray[np.float32]:
    """(N,) float32 samples, one note a second, as long as the picture."""
    time = np.arange(rate * _FRAMES // _RATE) / rate
    pitch = np.array(_PITCHES_HZ)[np.minimum(time.astype(int), len(_PITCHES_HZ) - 1)]
    samples = 0.2 * np.sin(2 * np.pi * pitch * time) * np.exp(-2 * (time % 1))
    return np.asarray(samples, dtype=np.float32)
