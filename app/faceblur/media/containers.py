"""The kinds of file that are written, and what each of them can hold."""

from functools import cache
from pathlib import Path

import av

# The endings that are written, and what they are called; only these kinds keep any time a source counts from.
FAMILIES = {".mp4": ".mp4", ".m4v": ".mp4", ".mov": ".mov", ".mkv": ".mkv", ".webm": ".webm"}
# The endings by which videos are found in a folder; a file that is named is read whatever its ending.
_NAMES = "3g2 3gp asf avi dv f4v flv gif m2ts m4v mkv mov mp4 mpeg mpg mts mxf ogv ts vob webm wmv y4m"
ENDINGS = frozenset(f".{name}" for name in _NAMES.split(" "))
MP4 = (".mp4", ".m4v", ".mov")
_FORMATS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
# What is written where a stream cannot be copied.
_SOUND = {".webm": "libopus"}
_SUBTITLES = {".mp4": "mov_text", ".mov": "mov_text", ".mkv": "subrip", ".webm": "webvtt"}


@cache
def holds(path: Path) -> frozenset[str]:
    """The names of the codecs that a file with this ending can hold."""
    with av.open(_Nowhere(), "w", format=format_of(path)) as container:
        return frozenset(container.supported_codecs)


def format_of(path: Path) -> str:
    """FFmpeg's name for the kind of file that an ending means."""
    return _FORMATS[FAMILIES[path.suffix.lower()]]


def sound_encoder(path: Path) -> str:
    """The encoder of sound that cannot be copied into a file with this ending."""
    return _SOUND.get(path.suffix.lower(), "aac")


def subtitle_encoder(path: Path) -> str:
    """The encoder of subtitles that cannot be copied into a file with this ending."""
    return _SUBTITLES[FAMILIES[path.suffix.lower()]]


class _Nowhere:
    """A file that forgets: to ask a muxer what it can hold without writing anything."""

    name = "nowhere"

    def write(self, data: bytes) -> int:
        return len(data)
