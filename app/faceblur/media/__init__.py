"""Video in and out, on PyAV: probe, read frames with their time, write a video, check what was written.

Time is an integer pts and a Fraction time base, never a float. Frames are upright: as the decoder's own planes, or as
(H, W, 3) BGR images, (H, W, 4) BGRA with alpha, uint8, or uint16 where the source has more than 8 bits.
"""

from faceblur.media.check import again, measure, verify
from faceblur.media.containers import ENDINGS
from faceblur.media.encoders import Encoding, Wish, choose
from faceblur.media.pixels import FULL, UNKNOWN, Layout, from_planes, planes
from faceblur.media.sound import Soundtrack, present, subtitles
from faceblur.media.source import READING, Picture, Reader, Recipe, Timed
from faceblur.media.target import VERSION, Clock, check_target, family, write, write_sound
from faceblur.media.video import Sound, Video, probe

__all__ = [
    "ENDINGS",
    "FULL",
    "READING",
    "UNKNOWN",
    "VERSION",
    "Clock",
    "Encoding",
    "Layout",
    "Picture",
    "Reader",
    "Recipe",
    "Sound",
    "Soundtrack",
    "Timed",
    "Video",
    "Wish",
    "again",
    "check_target",
    "choose",
    "family",
    "from_planes",
    "measure",
    "planes",
    "present",
    "probe",
    "subtitles",
    "verify",
    "write",
    "write_sound",
]
