"""Photos in and out: read one upright with what an output must repeat, write it anew or stripped, check the file.

Pictures are (H, W, C) uint8 or uint16: C is 1 (grey), 3 (BGR) or 4 (BGRA).
"""

from faceblur.stills.check import again, measure, verify
from faceblur.stills.decoders import Pixels
from faceblur.stills.exif import GROUPS
from faceblur.stills.kinds import ENDINGS, KINDS, can_write, is_still
from faceblur.stills.source import Still, read
from faceblur.stills.target import VERSION, check_target, strip, write

__all__ = [
    "ENDINGS",
    "GROUPS",
    "KINDS",
    "VERSION",
    "Pixels",
    "Still",
    "again",
    "can_write",
    "check_target",
    "is_still",
    "measure",
    "read",
    "strip",
    "verify",
    "write",
]
