"""Video in and out, on PyAV: probe, read frames with their time, write a video, check what was written.

Time is an integer pts and a Fraction time base, never a float. Frames are upright (H, W, 3) uint8 BGR.
"""

from faceblur.media.check import again, measure, verify
from faceblur.media.sound import Soundtrack, subtitles
from faceblur.media.source import Reader, Recipe, Sound, Timed, Video, probe
from faceblur.media.target import VERSION, Clock, Encoding, check_target, family, write, write_sound

__all__ = [
    "VERSION",
    "Clock",
    "Encoding",
    "Reader",
    "Recipe",
    "Sound",
    "Soundtrack",
    "Timed",
    "Video",
    "again",
    "check_target",
    "family",
    "measure",
    "probe",
    "subtitles",
    "verify",
    "write",
    "write_sound",
]
