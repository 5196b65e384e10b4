"""Video in and out, on PyAV: probe, read frames with their time, write a video, check what was written.

Time is an integer pts and a Fraction time base, never a float. Frames are upright (H, W, 3) uint8 BGR.
"""

from faceblur.media.check import verify
from faceblur.media.sound import Soundtrack
from faceblur.media.source import READING, Picture, Reader, Recipe, Sound, Timed, Video, probe
from faceblur.media.target import VERSION, Clock, Encoding, check_target, family, write, write_sound

__all__ = [
    "READING",
    "VERSION",
    "Clock",
    "Encoding",
    "Picture",
    "Reader",
    "Recipe",
    "Sound",
    "Soundtrack",
    "Timed",
    "Video",
    "check_target",
    "family",
    "probe",
    "verify",
    "write",
    "write_sound",
]
