"""PNG frames: read, write, and the stamp in a tEXt chunk that says what a frame was made from.

The format is RFC 2083: an 8-byte signature, then chunks of length, type, data and CRC-32; IHDR first, IEND last.
"""

import io
import struct
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from faceblur import files, png
from faceblur.domain import digest
from faceblur.errors import SourceError, UsageError

Image = NDArray[np.uint8]  # (H, W, 3) uint8 BGR: what detectors and people look at
Pixels = png.Picture  # (H, W, 3) BGR or (H, W, 4) BGRA, uint8, or uint16 of full scale

_UNKNOWN, _PQ, _HLG = 2, 16, 18  # transfers, numbered as in FFmpeg (and ITU-T H.273)
_WHITE_NITS, _PEAK_NITS = 203, 1000  # of HDR video: reference white (ITU-R BT.2408), and what most is mastered for

_IHDR_END = 8 + 25
_IEND = b"\x00\x00\x00\x00IEND\xaeB`\x82"
# The chunks of a PNG that say how its picture looks, and those of an animation. The others hold texts, EXIF and more.
_LOOKS = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP", b"sBIT", b"pHYs"}
_ANIMATION = {b"acTL", b"fcTL", b"fdAT"}
_OURS = {b"IHDR", b"IDAT", b"IEND"}
_ANCILLARY = 0x20  # the bit of a kind's first byte which says that readers may pass it over
_TRANSPARENT = b"tRNS"  # in a picture without alpha, one colour of which is to be seen through
_KEYWORD = b"faceblur"
_SHOWS = "frame "  # how the stamp of a source's frame begins


def encode(image: Pixels, packing: str = "fast") -> bytes:
    """PNG bytes of a (H, W, 3) BGR or (H, W, 4) BGRA image, uint8 or uint16; `packing` is "small", "fast" or "raw".

    What each of them costs is in the README, at --png.
    """
    return png.pack(image, packing)


def encode_as(image: Image, path: Path) -> bytes:
    """PNG or JPEG bytes, as the ending of `path` says; UsageError for any other ending."""
    if ending(path) == ".png":
        return encode(image)
    ok, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])
    if not ok:
        raise ValueError(f"cannot encode a picture of shape {image.shape}")
    return data.tobytes()


def ending(path: Path) -> str:
    """What kind of picture a file is to be, as its name says: ".png" or ".jpg"; UsageError for anything else."""
    kind = {".png": ".png", ".jpg": ".jpg", ".jpeg": ".jpg"}.get(path.suffix.lower())
    if kind is None:
        raise UsageError(f"{path}: a picture must end in .jpg or .png")
    return kind


def decode(data: bytes, path: Path) -> Pixels:
    """The image in PNG bytes: (H, W, 3) BGR or, with alpha, (H, W, 4) BGRA, uint8 or uint16; grey has equal channels.

    SourceError, naming `path`, unless every chunk is whole.
    """
    ours = _unpacked(_whole(data, path))
    if ours is not None:
        return ours
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:  # a header that promises more pixels than OpenCV allows
        image = None
    if image is None:
        raise SourceError(f"{path} is not a PNG that can be read; split the source again or replace the file")
    if image.ndim == 2:
        image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    return image.astype(np.uint16 if image.dtype == np.uint16 else np.uint8, copy=False)


def read(path: Path) -> Pixels:
    """The image in a PNG file, as `decode` gives it; SourceError when it is missing, cut or damaged."""
    return decode(read_bytes(path), path)


def plain(image: Pixels, transfer: int = _UNKNOWN) -> Image:
    """An image for detectors and people: (H, W, 3) uint8 BGR, without alpha. One that is so already is given back.

    Images of 16 bits with the transfer of HDR video (numbered as in FFmpeg: 16 is PQ, 18 HLG) are brought to the
    brightness of SDR video, channel by channel: light by the EOTF of SMPTE ST 2084, or the inverse OETF and the system
    gamma of ITU-R BT.2100 at 1000 cd/m², is compressed by Reinhard's extended operator, with 203 cd/m² (BT.2408) for
    one and 1000 cd/m² for white, and encoded with the inverse of BT.1886's gamma of 2.4.
    """
    colours = image if image.shape[2] == 3 else np.ascontiguousarray(image[:, :, :3])
    if colours.dtype == np.uint8:
        return colours.astype(np.uint8, copy=False)
    if transfer in (_PQ, _HLG):
        return np.take(_toned(transfer), colours)
    return np.asarray(cv2.convertScaleAbs(colours, alpha=255 / 65535), dtype=np.uint8)


def resized(image: Image, size: tuple[int, int]) -> Image:
    """An image, or one of grey, uint8, of that width and height: halved while it is more than twice as large each way,
    then bilinear. For what looks at pictures: to shrink by the mean over areas takes 3 to 9 times as long.
    """
    while 2 * size[0] < image.shape[1] and 2 * size[1] < image.shape[0]:
        image = _bilinear(image, ((image.shape[1] + 1) // 2, (image.shape[0] + 1) // 2))
    return _bilinear(image, size)


def _bilinear(image: Image, size: tuple[int, int]) -> Image:
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


@cache
def _toned(transfer: int) -> NDArray[np.uint8]:
    """The SDR value of each of the 65,536 values of PQ or HLG."""
    signal = np.arange(65536) / 65535
    if transfer == _PQ:
        m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
        root = signal ** (1 / m2)
        nits = 10000 * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)
    else:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
        nits = _PEAK_NITS * scene**1.2
    light, white = nits / _WHITE_NITS, _PEAK_NITS / _WHITE_NITS
    shown = np.clip(light * (1 + light / white**2) / (1 + light), 0, 1)
    table: NDArray[np.uint8] = np.rint(255 * shown ** (1 / 2.4)).astype(np.uint8)
    return table


def is_animated_webp(head: bytes) -> bool:
    """Whether a file that begins like this is a WebP of several pictures: it says so in its extended header."""
    return head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X" and bool(head[20:21]) and bool(head[20] & 2)


def read_bytes(path: Path) -> bytes:
    """The bytes of a file; SourceError when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror or error}") from error


def write(path: Path, image: Pixels, stamp: str | None = None, packing: str = "fast") -> None:
    """Write a PNG file, whole or not at all, with `stamp` in it if given."""
    data = encode(image, packing)
    files.write(path, stamped(data, stamp) if stamp else data)


def restamped(data: bytes, path: Path, stamp: str) -> bytes:
    """The same PNG, that of `path`, with `stamp` in it; its picture stays as it is, bit for bit.

    What else a frame from elsewhere may hold, such as texts and EXIF, stays behind. Of an animation that which `decode`
    shows is taken: it need not be the picture that others show. SourceError unless every chunk is whole.
    """
    chunks = _whole(data, path)
    if any(kind in _ANIMATION for kind, _ in chunks):
        picture = encode(decode(data, path))
    else:
        picture = b"".join([png.SIGNATURE, *(whole for kind, whole in chunks if kind in _LOOKS)])
    return stamped(picture, stamp)


def stamped(data: bytes, stamp: str) -> bytes:
    """The same PNG with `stamp` in a tEXt chunk behind IHDR, in place of one that is there: no decode, no encode."""
    view, start = memoryview(data), _IHDR_END
    if stamp_of(data[: _IHDR_END + 256]) is not None:
        start += 12 + struct.unpack(">I", view[start : start + 4])[0]
    chunk = png.chunk(b"tEXt", _KEYWORD + b"\0" + stamp.encode("latin-1"))
    return b"".join([view[:_IHDR_END], chunk, view[start:]])


def read_stamp(path: Path) -> str | None:
    """The stamp of a rendered frame; None when there is no such file, no stamp in it, or its end is missing."""
    head = _head(path)
    return stamp_of(head) if head else None


def stamp_of(data: bytes) -> str | None:
    """The stamp in PNG bytes, of which the beginning is enough; None when there is none."""
    prefix = b"tEXt" + _KEYWORD + b"\0"
    if data[_IHDR_END + 4 : _IHDR_END + 4 + len(prefix)] != prefix:
        return None
    length = struct.unpack(">I", data[_IHDR_END : _IHDR_END + 4])[0]
    return data[_IHDR_END + 4 + len(prefix) : _IHDR_END + 8 + length].decode("latin-1")


def write_frame(path: Path, image: Pixels, shows: str, packing: str = "fast") -> None:
    """Write a PNG file, whole or not at all, that keeps the fingerprint `shows` until somebody changes its pictures."""
    data = encode(image, packing)
    files.write(path, stamped(data, f"{_SHOWS}{shows} {digest(_chunks(io.BytesIO(data)))}"))


def fingerprint(path: Path) -> str | None:
    """What a PNG file shows: the fingerprint that it was written with, else a digest of its chunks' kinds and CRC-32s.

    None when it is missing or cut. Only the ends of the chunks are read, so it is quick for large pictures.
    """
    try:
        with path.open("rb", buffering=0) as file:
            return _shown(file)
    except OSError:
        return None


def shown(data: bytes) -> str | None:
    """The same of the bytes of a PNG file."""
    return _shown(io.BytesIO(data))


def _shown(file: BinaryIO) -> str | None:
    chunks = _chunks(file)
    file.seek(0)
    stamp = stamp_of(file.read(_IHDR_END + 256)) or ""
    if chunks and stamp.startswith(_SHOWS):
        shows, _, written = stamp.removeprefix(_SHOWS).partition(" ")
        pictures = [chunk for index, chunk in enumerate(chunks) if index != 1]  # the stamp is the second chunk
        if written == digest(pictures):
            return shows
    return digest(chunks) if chunks else None


def is_frame(stamp: str) -> bool:
    """Whether a stamp is that of a source's untouched frame."""
    return stamp.startswith(_SHOWS)


def _chunks(file: BinaryIO) -> list[str]:
    """Length, kind and CRC-32 of each chunk of a PNG file but the last, in hex; none when it is cut or no PNG."""
    chunks = []
    if file.read(len(png.SIGNATURE)) != png.SIGNATURE:
        return []
    head = file.read(8)
    while len(head) == 8 and head[4:] != b"IEND":
        file.seek(struct.unpack(">I", head[:4])[0], 1)
        rest = file.read(12)
        chunks.append((head + rest[:4]).hex())
        head = rest[4:]
    return chunks if head[4:] == b"IEND" and len(file.read(4)) == 4 else []


def size(path: Path) -> tuple[int, int]:
    """Width and height in pixels, from the header; SourceError when it is not a whole PNG file."""
    head = _head(path)
    if head is None:
        raise SourceError(f"{path} is not a whole PNG file")
    width, height = struct.unpack(">II", head[16:24])
    return int(width), int(height)


def samples(path: Path) -> tuple[int, bool]:
    """Bits a sample, 8 or 16, and whether there is alpha, from the header of a PNG file; SourceError as for `size`."""
    head = _head(path)
    if head is None:
        raise SourceError(f"{path} is not a whole PNG file")
    depth, kind = head[24], head[25]
    return (16 if depth == 16 else 8), bool(kind & 4)


def _head(path: Path) -> bytes | None:
    """The first bytes of a PNG file that has its end too; None otherwise."""
    try:
        with path.open("rb", buffering=0) as file:
            head = file.read(_IHDR_END + 256)
            file.seek(max(0, file.seek(0, 2) - len(_IEND)))
            whole = head.startswith(png.SIGNATURE) and len(head) > _IHDR_END and file.read() == _IEND
    except OSError:
        return None
    return head if whole else None


def _whole(data: bytes, path: Path) -> list[tuple[bytes, memoryview]]:
    """(kind, all of it) for each chunk; SourceError unless every one is whole.

    OpenCV would return what it got of a cut or damaged file, and only print a warning.
    """
    view, start, kind = memoryview(data), len(png.SIGNATURE), b""
    chunks = []
    if data.startswith(png.SIGNATURE):
        while kind != b"IEND" and start + 12 <= len(data):
            length = struct.unpack(">I", view[start : start + 4])[0]
            kind, end = bytes(view[start + 4 : start + 8]), start + 8 + length
            if view[end : end + 4] != struct.pack(">I", isal_zlib.crc32(view[start + 4 : end])):
                break
            chunks.append((kind, view[start : end + 4]))
            start = end + 4
        else:
            kinds = [kind for kind, _ in chunks]
            if kinds[-1:] == [b"IEND"] and kinds[0] == b"IHDR" and kinds.count(b"IHDR") == 1:
                return chunks
    raise SourceError(f"{path} is cut or damaged; delete it and run again, or split the source again")


def _unpacked(chunks: Sequence[tuple[bytes, memoryview]]) -> Pixels | None:
    """The image in chunks that `encode` makes; None in those of others, which are for OpenCV to decode."""
    kinds = [kind for kind, _ in chunks]
    known = all(kind in _OURS or kind[0] & _ANCILLARY for kind in kinds)
    packed = [whole[8:-4] for kind, whole in chunks if kind == b"IDAT"]
    first = kinds.index(b"IDAT") if packed else 0
    in_a_row = kinds[first : first + len(packed)] == [b"IDAT"] * len(packed)
    if not known or not in_a_row or _ANIMATION.union([_TRANSPARENT]).intersection(kinds):
        return None
    return png.unpack(chunks[0][1][8:-4], packed[0] if len(packed) == 1 else b"".join(packed))
