"""EXIF: which way up a photo is, and the few facts in it that name neither a person, a place nor one camera.

A kept group is written as a new block from a list of known tags and types; nothing is ever copied as it lies there.
"""

import re
import warnings
from collections.abc import Collection, Mapping
from typing import Any

from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from faceblur.errors import UsageError

Groups = Mapping[str, Mapping[int, Any]]  # group → tag → value

_EXIF_IFD = 0x8769
_INTEROPERABILITY_IFD = 0xA005
_ORIENTATION = 0x0112
_COLOUR_SPACE = 0xA001
_ASCII, _SHORT, _RATIONAL, _SIGNED_RATIONAL = 2, 3, 5, 10
_TIME = re.compile(r"\d{4}:\d\d:\d\d \d\d:\d\d:\d\d")
_ZONE = re.compile(r"[+-]\d\d:\d\d")
_FRACTION = re.compile(r"\d{1,9}")
_NAME = re.compile(r"[A-Za-z0-9 .,:;/+()&@_-]{1,64}")
# tag: (type, what a text has to look like). 0x010F to 0x0132 belong to the first directory, all others to EXIF's own.
_DATE: dict[int, tuple[int, re.Pattern[str] | None]] = {
    0x0132: (_ASCII, _TIME),  # DateTime
    0x9003: (_ASCII, _TIME),  # DateTimeOriginal
    0x9004: (_ASCII, _TIME),  # DateTimeDigitized
    **dict.fromkeys((0x9010, 0x9011, 0x9012), (_ASCII, _ZONE)),  # their offsets from UTC
    **dict.fromkeys((0x9290, 0x9291, 0x9292), (_ASCII, _FRACTION)),  # their fractions of a second
}
_CAMERA: dict[int, tuple[int, re.Pattern[str] | None]] = {
    0x010F: (_ASCII, _NAME),  # Make
    0x0110: (_ASCII, _NAME),  # Model
    0xA433: (_ASCII, _NAME),  # LensMake
    0xA434: (_ASCII, _NAME),  # LensModel
    0xA432: (_RATIONAL, None),  # LensSpecification
    0x829A: (_RATIONAL, None),  # ExposureTime
    0x829D: (_RATIONAL, None),  # FNumber
    0x8822: (_SHORT, None),  # ExposureProgram
    0x8827: (_SHORT, None),  # PhotographicSensitivity: ISO
    0x9204: (_SIGNED_RATIONAL, None),  # ExposureBiasValue
    0x9207: (_SHORT, None),  # MeteringMode
    0x9209: (_SHORT, None),  # Flash
    0x920A: (_RATIONAL, None),  # FocalLength
    0xA405: (_SHORT, None),  # FocalLengthIn35mmFilm
    0xA403: (_SHORT, None),  # WhiteBalance
}
_FIRST = (0x010F, 0x0110, 0x0132)
_GROUPS = {"date": _DATE, "camera": _CAMERA}
GROUPS = tuple(_GROUPS)


def check(keep: Collection[str]) -> None:
    """UsageError unless every name is one of GROUPS."""
    for name in keep:
        if name not in _GROUPS:
            raise UsageError(f"{name}: no such group of metadata; there are {', '.join(GROUPS)}")


def orientation(block: bytes) -> int:
    """The orientation that an EXIF block asks for, 1 to 8; 1 when it says nothing that can be read."""
    value = _tags(block).get(_ORIENTATION)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def is_adobe_rgb(block: bytes) -> bool:
    """Whether an EXIF block says that the colours are those of Adobe RGB: cameras write no profile for it."""
    return _tags(block).get(_COLOUR_SPACE) == 2 or _tags(block, _INTEROPERABILITY_IFD).get(1) == "R03"


def groups(block: bytes) -> Groups:
    """What an EXIF block says of each of GROUPS, as far as it has the form that the standard wants."""
    tags = _tags(block)
    return {
        name: {t: tags[t] for t in known if t in tags and _fits(tags[t], *known[t])} for name, known in _GROUPS.items()
    }


def directory(found: Groups, keep: Collection[str]) -> ImageFileDirectory_v2:
    """A TIFF directory of the groups to keep, EXIF's own directory nested in it; empty when there is nothing to say."""
    result = ImageFileDirectory_v2(prefix=b"II")
    nested: dict[int, Any] = {}
    for name in sorted(keep):
        for tag, value in found.get(name, {}).items():
            (result if tag in _FIRST else nested)[tag] = value
    if nested:
        result[_EXIF_IFD] = nested
    return result


def block(found: Groups, keep: Collection[str]) -> bytes:
    """An EXIF block of the groups to keep, from its TIFF header on; empty when there is nothing to say."""
    tags = directory(found, keep)
    return b"II*\0\x08\0\0\0" + tags.tobytes(8) if len(tags) else b""


def _fits(value: Any, kind: int, form: re.Pattern[str] | None) -> bool:
    if form is not None:
        return isinstance(value, str) and form.fullmatch(value) is not None
    values = value if isinstance(value, tuple) else (value,)
    if kind == _SHORT:
        return len(values) == 1 and isinstance(value, int) and 0 <= value < 1 << 16
    return len(values) <= 4 and all(getattr(v, "denominator", 0) for v in values)


def _tags(block: bytes, directory: int = _EXIF_IFD) -> dict[int, Any]:
    """The known tags of the first directory and all of another one; none when the block cannot be read."""
    if not block:
        return {}
    exif = Image.Exif()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of tags cut short, which are then not there
            exif.load(block)
            tags = {tag: exif.get(tag) for tag in (_ORIENTATION, *_FIRST)}
            nested = exif.get_ifd(directory)
    except Exception:  # whatever a damaged block makes of Pillow's parser
        return {}
    return {tag: v.rstrip("\0 ") if isinstance(v, str) else v for tag, v in {**nested, **tags}.items() if v is not None}
