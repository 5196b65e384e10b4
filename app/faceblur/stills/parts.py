"""The parts of a JPEG, PNG or WebP file: those that make the picture are kept byte for byte, all others fall away.

What is kept is a list of what a decoder needs, never what is left after removing known metadata: segments nobody has
thought of, second pictures and whatever lies behind the end are gone without being known.
"""

import re
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from faceblur import png

_ICC_MARK = b"ICC_PROFILE\0"
_EXIF_MARK = b"Exif\0\0"
_ICC_LIMIT = 16 << 20  # bytes; a few kB are usual, print profiles take megabytes
_SEGMENT = 65533  # bytes that fit into a JPEG segment
# A marker that ends the entropy-coded data: neither a stuffed zero nor a restart.
_SCAN_END = re.compile(rb"\xff+[\x01-\xcf\xd8-\xfe]")
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_KEPT = _FRAMES | {0xC4, 0xCC, 0xDB, 0xDC, 0xDD}  # SOFn, DHT, DAC, DQT, DNL, DRI
# Chunks that say how to show the pixels, with the lengths they can have: a longer one holds something else.
_PNG_KEPT = {
    b"tRNS": range(1, 257),
    b"gAMA": (4,),
    b"cHRM": (32,),
    b"sRGB": (1,),
    b"sBIT": (1, 2, 3, 4),
    b"pHYs": (9,),
    b"cICP": (4,),
    b"bKGD": (1, 2, 6),
}
_PNG_SHOWN = (b"gAMA", b"cHRM", b"sRGB", b"cICP", b"pHYs")


@dataclass(frozen=True, slots=True)
class Parts:
    """A file taken apart: the pieces of its picture in their order, and apart from them what may go with it.

    `icc` is a valid ICC profile or empty, `exif` an EXIF block from its TIFF header on or empty, `colour` the PNG
    chunks that say what the samples mean and how large a pixel is. `damage` says what is wrong with the file; empty
    when it is whole.
    """

    kind: str
    pieces: tuple[bytes, ...]
    icc: bytes = b""
    exif: bytes = b""
    colour: tuple[bytes, ...] = ()
    damage: str = ""

    def assembled(self, *, icc: bytes | None = None, exif: bytes = b"", colour: tuple[bytes, ...] = ()) -> bytes:
        """A file of the picture, a profile (its own by default), an EXIF block if given, and nothing else."""
        return _ASSEMBLERS[self.kind](self.pieces, self.icc if icc is None else icc, exif, colour)


def walk(kind: str, data: bytes) -> Parts | None:
    """Take a file apart; None for a kind that has no walker. Never fails: what is wrong is told by `damage`."""
    walker = _WALKERS.get(kind)
    return walker(data) if walker else None


def profile(data: bytes) -> bytes:
    """`data` up to the end of the ICC profile in it (ICC.1, section 7.2); empty when it is no profile."""
    if len(data) < 132 or data[36:40] != b"acsp" or data[16:20] not in (b"RGB ", b"GRAY", b"CMYK"):
        return b""
    length = struct.unpack(">I", data[:4])[0]
    return data[:length] if 132 <= length <= len(data) else b""


def _walk_jpeg(data: bytes) -> Parts:
    pieces: list[bytes] = []
    profiles: dict[int, bytes] = {}
    head, adobe, exif, damage = b"", b"", b"", ""
    for marker, body, scan in _segments(data):
        if marker == 0:
            damage = body.decode()
        elif marker == 0xE0 and body.startswith(b"JFIF\0") and len(body) >= 14 and not head:
            head = _segment(0xE0, body[:12] + b"\0\0")  # 0 × 0: without the thumbnail
        elif marker == 0xE1 and body.startswith(_EXIF_MARK) and not exif:
            exif = body[len(_EXIF_MARK) :]
        elif marker == 0xE2 and body.startswith(_ICC_MARK) and len(body) > 14:
            profiles.setdefault(body[12], body[14:])
        elif marker == 0xEE and body.startswith(b"Adobe") and len(body) >= 12 and not adobe:
            adobe = _segment(0xEE, body[:12])
        elif marker in _JPEG_KEPT or marker == 0xDA:
            pieces.append(_segment(marker, body) + scan)
    if not damage and not any(p[1] in _FRAMES for p in pieces):
        damage = "it holds no picture"
    icc = profile(b"".join(profiles[number] for number in sorted(profiles)))
    return Parts("jpeg", (head, adobe, *pieces), icc, exif, damage=damage)


def _segments(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Marker, content and, behind an SOS, the entropy-coded data, up to the first EOI; marker 0 says what is wrong."""
    position = 2
    while True:
        while data[position : position + 1] == b"\0":  # padding that some cameras write
            position += 1
        start = position
        while data[position : position + 1] == b"\xff":
            position += 1
        if position in (start, len(data)):
            yield 0, b"its end is missing" if position == len(data) else b"there is rubbish between its segments", b""
            return
        marker = data[position]
        position += 1
        if marker == 0xD9:
            return
        length = int.from_bytes(data[position : position + 2], "big")
        if marker in (0x00, 0x01, *range(0xD0, 0xD9)) or length < 2 or position + length > len(data):
            yield 0, b"a segment of it is cut or damaged", b""
            return
        body = data[position + 2 : position + length]
        position += length
        scan = b""
        if marker == 0xDA:
            found = _SCAN_END.search(data, position)
            end = found.start() if found else len(data)
            scan, position = data[position:end], end
        yield marker, body, scan


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def _assemble_jpeg(pieces: tuple[bytes, ...], icc: bytes, exif: bytes, colour: tuple[bytes, ...]) -> bytes:
    room = _SEGMENT - len(_ICC_MARK) - 2
    slices = [icc[i : i + room] for i in range(0, len(icc), room)]
    profiles = [_segment(0xE2, _ICC_MARK + bytes([n, len(slices)]) + s) for n, s in enumerate(slices, start=1)]
    block = _segment(0xE1, _EXIF_MARK + exif) if exif else b""
    return b"".join([b"\xff\xd8", pieces[0], block, *profiles, *pieces[1:], b"\xff\xd9"])


def _walk_png(data: bytes) -> Parts:
    pieces: list[bytes] = []
    icc, exif, damage, position, kind = b"", b"", "", len(png.SIGNATURE), b""
    while kind != b"IEND":
        if position + 12 > len(data):
            damage = damage or "its end is missing"
            break
        length = struct.unpack(">I", data[position : position + 4])[0]
        kind, end = data[position + 4 : position + 8], position + 8 + length
        content = data[position + 8 : end]
        if data[end : end + 4] != struct.pack(">I", zlib.crc32(kind + content)):
            damage = damage or "a chunk of it is cut or damaged"
        if kind in (b"IHDR", b"PLTE", b"IDAT") or len(content) in _PNG_KEPT.get(kind, ()):
            pieces.append(png.chunk(kind, content))
        elif kind == b"iCCP":
            icc = icc or profile(_inflated(content.partition(b"\0")[2][1:]))
        elif kind == b"eXIf":
            exif = exif or content.removeprefix(_EXIF_MARK)
        elif kind[:1].isupper() and kind != b"IEND":
            damage = damage or "it has a chunk that is in no standard"
        position = end + 4
    if not pieces or pieces[0][4:8] != b"IHDR":
        damage = damage or "it holds no picture"
    colour = tuple(p for p in pieces if p[4:8] in _PNG_SHOWN)
    return Parts("png", tuple(pieces), icc, exif, colour, damage)


def _inflated(data: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, _ICC_LIMIT)
    except zlib.error:
        return b""


def _assemble_png(pieces: tuple[bytes, ...], icc: bytes, exif: bytes, colour: tuple[bytes, ...]) -> bytes:
    own = {c[4:8] for c in colour}
    head, *rest = [p for p in pieces if p[4:8] not in own] or [b""]
    profiles = png.chunk(b"iCCP", b"ICC\0\0" + zlib.compress(icc)) if icc else b""
    block = png.chunk(b"eXIf", exif) if exif else b""
    return b"".join([png.SIGNATURE, head, *colour, profiles, block, *rest, png.chunk(b"IEND", b"")])


def _walk_webp(data: bytes) -> Parts:
    pieces: list[bytes] = []
    icc, exif, position = b"", b"", 12
    end = 8 + int.from_bytes(data[4:8], "little")
    damage = "its end is missing" if end > len(data) else ""
    while position + 8 <= min(end, len(data)):
        kind, length = data[position : position + 4], int.from_bytes(data[position + 4 : position + 8], "little")
        content = data[position + 8 : position + 8 + length]
        if len(content) < length:
            damage = damage or "a chunk of it is cut or damaged"
        if kind in (b"VP8 ", b"VP8L", b"ALPH") and kind not in (p[:4] for p in pieces):
            pieces.append(_riff(kind, content))
        elif kind == b"ICCP":
            icc = icc or profile(content)
        elif kind == b"EXIF":
            exif = exif or content.removeprefix(_EXIF_MARK)
        position += 8 + length + length % 2
    if not any(p[:4] in (b"VP8 ", b"VP8L") and len(p) > 18 for p in pieces):
        damage = damage or "it holds no picture"
    return Parts("webp", tuple(pieces), icc, exif, damage=damage)


def _riff(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def _assemble_webp(pieces: tuple[bytes, ...], icc: bytes, exif: bytes, colour: tuple[bytes, ...]) -> bytes:
    profiles, block = _riff(b"ICCP", icc) if icc else b"", _riff(b"EXIF", exif) if exif else b""
    header = b""
    if (icc or exif or any(p[:4] == b"ALPH" for p in pieces)) and pieces:
        width, height, alpha = _webp_canvas(pieces)
        flags = 0x20 * bool(icc) | 0x10 * alpha | 0x08 * bool(exif)
        canvas = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        header = _riff(b"VP8X", bytes([flags, 0, 0, 0]) + canvas)
    body = b"".join([b"WEBP", header, profiles, *pieces, block])
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _webp_canvas(pieces: tuple[bytes, ...]) -> tuple[int, int, bool]:
    """Width, height and whether there is alpha, from the headers of the bit streams (RFC 9649 and RFC 6386)."""
    stream = next((p for p in pieces if p[:4] != b"ALPH"), b"")
    if stream[:4] == b"VP8L":
        bits = int.from_bytes(stream[9:13], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, bool(bits >> 28 & 1)
    width, height = (int.from_bytes(stream[i : i + 2], "little") & 0x3FFF for i in (14, 16))
    return max(width, 1), max(height, 1), len(pieces) > 1


_WALKERS: dict[str, Callable[[bytes], Parts]] = {"jpeg": _walk_jpeg, "png": _walk_png, "webp": _walk_webp}
_ASSEMBLERS = {"jpeg": _assemble_jpeg, "png": _assemble_png, "webp": _assemble_webp}
