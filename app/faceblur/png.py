"""The picture in a PNG, packed and unpacked in a fraction of the time that libpng takes, and smaller.

The format is RFC 2083. Its filters are chosen so that NumPy can undo them: in each band of lines the first is stored as
it is, and of the others what differs from the line above, so that one addition gives a line of every band.
"""

import struct
import zlib
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

Picture = NDArray[np.uint8 | np.uint16]  # (H, W, 3) BGR or (H, W, 4) BGRA, uint8, or uint16 of full scale

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_HEADER = ">IIBBBBB"  # width, height, depth, type of colour; then compression, filter and interlace, all 0
_RGB, _RGBA = 2, 6  # types of colour
_CHANNELS = {_RGB: 3, _RGBA: 4}
_SWAPPED = {3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGBA}
_NONE, _UP = 0, 2  # filters
_BAND = 32  # lines; with twice as many a file of 720p is 2 % smaller
_AT_ONCE = 32 << 20  # bytes of lines that are filtered together, so that large pictures take little memory beside them
_PEEK = 1 << 16  # bytes packed, of which the first lines are
# ISA-L takes a fifth of the time of zlib at level 2, for files as large. Its levels 2 and 3 make no smaller ones.
_PACKINGS: dict[str, Callable[[], Any]] = {
    "small": lambda: zlib.compressobj(5),
    "fast": lambda: isal_zlib.compressobj(1),
    "raw": lambda: zlib.compressobj(0),
}
_DAMAGED: type[Exception] = isal_zlib.error  # type: ignore[assignment] # the stub takes the class for an instance
_MOST_SIDE, _MOST_PIXELS = 1_000_000, 1 << 30  # what libpng and OpenCV read, too


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk: length, kind, content, CRC-32."""
    check = isal_zlib.crc32(content, isal_zlib.crc32(kind))
    return b"".join([struct.pack(">I", len(content)), kind, content, struct.pack(">I", check)])


def pack(image: Picture, packing: str) -> bytes:
    """PNG bytes of an image; `packing` is "small", "fast" or "raw". ValueError for one without pixels."""
    if not image.size:
        raise ValueError(f"cannot encode a picture of shape {image.shape}")
    height, width, channels = image.shape
    kind = _RGB if channels == _CHANNELS[_RGB] else _RGBA
    header = struct.pack(_HEADER, width, height, 8 * image.itemsize, kind, 0, 0, 0)
    packer = _PACKINGS[packing]()
    steps = _steps(height, width * channels * image.itemsize)
    packed = [packer.compress(_filtered(image[begin:end]).data) for begin, end in steps]
    parts = filter(None, [*packed, packer.flush()])
    return b"".join([SIGNATURE, chunk(b"IHDR", header), *(chunk(b"IDAT", p) for p in parts), chunk(b"IEND", b"")])


def unpack(header: bytes | memoryview, packed: bytes | memoryview) -> Picture | None:
    """The image, from the contents of IHDR and of all IDAT together; None for what `pack` does not make."""
    if len(header) != struct.calcsize(_HEADER):
        return None
    width, height, depth, kind, *ways = struct.unpack(_HEADER, header)
    if kind not in _CHANNELS or depth not in (8, 16) or any(ways):
        return None
    if not 0 < width * height <= _MOST_PIXELS or max(width, height) > _MOST_SIDE:
        return None
    try:
        return _image(packed, height, width, _CHANNELS[kind], depth // 8)
    except (_DAMAGED, MemoryError):  # a header may promise anything
        return None


def _image(packed: bytes | memoryview, height: int, width: int, channels: int, size: int) -> Picture | None:
    """The image, of samples of `size` bytes; None where lines are filtered in another way, or are more or fewer."""
    line = 1 + width * channels * size
    first = isal_zlib.decompressobj().decompress(packed[:_PEEK], line + 1)
    if len(first) > line and (first[0], first[line]) != (_NONE, _UP) and height > 1:
        return None
    image: Picture = np.empty((height, width, channels), f"u{size}")
    packer = isal_zlib.decompressobj()
    for begin, end in _steps(height, line):
        data = packer.decompress(packed, (end - begin) * line)
        packed = packer.unconsumed_tail
        if len(data) != (end - begin) * line:
            return None
        lines = _unfiltered(np.frombuffer(data, np.uint8).reshape(end - begin, line))
        if lines is None:
            return None
        samples = lines.view(f">u{size}").reshape(end - begin, width, channels).astype(image.dtype, copy=False)
        cv2.cvtColor(samples, _SWAPPED[channels], dst=image[begin:end])
    rest = b"" if packer.eof else packer.decompress(packed, 1)
    return image if packer.eof and not rest else None


def _steps(height: int, line: int) -> list[tuple[int, int]]:
    """Begin and end of the lines that are filtered together, whole bands of them."""
    count = max(_AT_ONCE // line // _BAND, 1) * _BAND
    return [(begin, min(begin + count, height)) for begin in range(0, height, count)]


def _filtered(image: Picture) -> NDArray[np.uint8]:
    """(H, 1 + bytes) the lines of an image, filtered, with the filter of each in front."""
    height, _, channels = image.shape
    samples = np.asarray(cv2.cvtColor(image, _SWAPPED[channels]), dtype=f">u{image.itemsize}")
    lines = samples.view(np.uint8).reshape(height, -1)
    filtered = np.empty((height, 1 + lines.shape[1]), np.uint8)
    filtered[:, 0] = _filters(height)
    np.subtract(lines[1:], lines[:-1], out=filtered[1:, 1:])
    filtered[::_BAND, 1:] = lines[::_BAND]
    return filtered


def _filters(height: int) -> NDArray[np.uint8]:
    return np.where(np.arange(height) % _BAND, _UP, _NONE).astype(np.uint8)


def _unfiltered(filtered: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """The lines as they are; None where they are filtered in another way."""
    filters, coded = filtered[:, 0], filtered[:, 1:]
    if not np.array_equal(filters, _filters(len(filters))):
        return None
    lines = np.empty(coded.shape, np.uint8)
    lines[::_BAND] = coded[::_BAND]
    for i in range(1, min(_BAND, len(lines))):
        differences = coded[i::_BAND]
        np.add(lines[i - 1 :: _BAND][: len(differences)], differences, out=lines[i::_BAND])
    return lines
