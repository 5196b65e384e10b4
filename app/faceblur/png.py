"""The picture in a PNG, packed and unpacked in a fraction of the time that libpng takes, and smaller.

The format is RFC 2083. Its filters are chosen so that NumPy can undo them: in each band of lines the first is stored as
it is, and of the others what differs from the line above, so that one addition gives a line of every band.
"""

import struct
import zlib

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
# ISA-L takes a fifth of the time of zlib at level 2, for files as large. Its levels 2 and 3 make no smaller ones.
_PACKINGS = {
    "small": lambda lines: zlib.compress(lines, 5),
    "fast": lambda lines: isal_zlib.compress(lines, 1),
    "raw": lambda lines: zlib.compress(lines, 0),
}
_MOST_SIDE, _MOST_PIXELS = 1 << 20, 1 << 30  # what OpenCV reads, too
_MOST_BYTES = 1 << 30  # in a chunk, of 2³¹ − 1 that are allowed; few large ones, as a fingerprint is made of all


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk: length, kind, content, CRC-32."""
    body = kind + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", isal_zlib.crc32(body))


def pack(image: Picture, packing: str) -> bytes:
    """PNG bytes of an image; `packing` is "small", "fast" or "raw". ValueError for one without pixels."""
    if not image.size:
        raise ValueError(f"cannot encode a picture of shape {image.shape}")
    height, width, channels = image.shape
    depth, kind = 8 * image.itemsize, _RGB if channels == _CHANNELS[_RGB] else _RGBA
    samples = np.asarray(cv2.cvtColor(image, _SWAPPED[channels]), dtype=f">u{image.itemsize}")
    lines = samples.view(np.uint8).reshape(height, -1)
    filtered = np.empty((height, 1 + lines.shape[1]), np.uint8)
    filtered[:, 0] = _filters(height)
    np.subtract(lines[1:], lines[:-1], out=filtered[1:, 1:])
    filtered[::_BAND, 1:] = lines[::_BAND]
    packed = _PACKINGS[packing](filtered.data)
    header = chunk(b"IHDR", struct.pack(_HEADER, width, height, depth, kind, 0, 0, 0))
    parts = (packed[start : start + _MOST_BYTES] for start in range(0, len(packed), _MOST_BYTES))
    return b"".join([SIGNATURE, header, *(chunk(b"IDAT", part) for part in parts), chunk(b"IEND", b"")])


def unpack(header: bytes | memoryview, packed: bytes | memoryview) -> Picture | None:
    """The image, from the contents of IHDR and of all IDAT together; None for what `pack` does not make."""
    if len(header) != struct.calcsize(_HEADER):
        return None
    width, height, depth, kind, *ways = struct.unpack(_HEADER, header)
    if kind not in _CHANNELS or depth not in (8, 16) or any(ways):
        return None
    if not 0 < width * height <= _MOST_PIXELS or max(width, height) > _MOST_SIDE:
        return None
    width_bytes = width * _CHANNELS[kind] * depth // 8
    data = _inflated(packed, height * (1 + width_bytes))
    lines = _unfiltered(np.frombuffer(data, np.uint8).reshape(height, -1)) if data else None
    if lines is None:
        return None
    samples = lines.view(f">u{depth // 8}").reshape(height, width, -1).astype(f"u{depth // 8}", copy=False)
    image: Picture = cv2.cvtColor(samples, _SWAPPED[_CHANNELS[kind]])  # type: ignore[assignment]
    return image


def _inflated(packed: bytes | memoryview, size: int) -> bytes:
    """What was packed, if it is that many bytes and whole; else nothing, and never more of it than that."""
    inflating = isal_zlib.decompressobj()
    try:
        data = inflating.decompress(packed, size + 1)
    except isal_zlib.IsalError:  # type: ignore[misc] # its stub takes the class for one of its instances
        return b""
    return data if len(data) == size and inflating.eof else b""


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
