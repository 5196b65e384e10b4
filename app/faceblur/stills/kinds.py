"""The kinds of photo, told by the first bytes of a file, and the endings that name them."""

import struct
from importlib.util import find_spec
from pathlib import Path

from faceblur import png
from faceblur.errors import SourceError, UsageError
from faceblur.images import is_animated_webp

KINDS = {
    "jpeg": (".jpg", ".jpeg"),
    "png": (".png",),
    "webp": (".webp",),
    "tiff": (".tif", ".tiff"),
    "bmp": (".bmp",),
    "gif": (".gif",),
    "heic": (".heic", ".heif"),
    "avif": (".avif",),
}
ENDINGS = tuple(ending for endings in KINDS.values() for ending in endings)
NAMES = {"jpeg": "JPEG", "png": "PNG", "webp": "WebP", "tiff": "TIFF", "bmp": "BMP", "heic": "HEIC", "avif": "AVIF"}
LOSSLESS = ("png", "tiff", "bmp", "gif")
HEIC_HINT = "HEIC photos need one more package: pip install 'faceblur[heic]'"

_HOLD_16_BITS = ("png", "tiff")
_HOLD_ALPHA = ("png", "webp", "tiff", "heic", "avif")
_AVIF = (b"avif",)
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"mif1")
_SEQUENCES = (b"avis", b"msf1", b"hevc", b"hevx")


def is_still(path: Path) -> bool:
    """Whether a file is a photo, by its content: JPEG, PNG, WebP, TIFF, BMP, HEIC, AVIF, or a GIF of one picture.

    An animated GIF, PNG or WebP is a video and gives False, as does whatever is no picture. SourceError for a file that
    cannot be read, and for animations that no decoder here can read: as a video they would lose their pictures.
    """
    try:
        with path.open("rb") as file:
            head = file.read(64)
            data = head + file.read() if _may_move(head) else head
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror or error}") from error
    if data[4:8] == b"ftyp" and data[8:12] in _SEQUENCES:
        raise SourceError(f"{path} is an animation of a kind that cannot be read; convert it to a video first")
    return kind(data) is not None and not _moves(data)


def kind(data: bytes) -> str | None:
    """The kind of picture that a file's first 64 bytes announce; None when it is none of KINDS."""
    if data[:4] == b"RIFF":
        return "webp" if data[8:12] == b"WEBP" else None
    if data[:2] == b"BM":
        return "bmp" if data[14:18] in _BMP_HEADERS else None
    return next((kind for start, kind in _STARTS.items() if data.startswith(start)), None) or _box_kind(data)


def named(path: Path) -> str | None:
    """The kind of picture that a file's name promises; None when it is none of KINDS."""
    return next((kind for kind, endings in KINDS.items() if path.suffix.lower() in endings), None)


def can_write(kind: str) -> bool:
    """Whether a photo of this kind can be written here; HEIC needs a package of its own, GIF cannot hold a blur."""
    return kind in NAMES and (kind != "heic" or find_spec("pillow_heif") is not None)


def holders(depth: int, alpha: bool) -> list[str]:
    """The kinds that hold a picture of `depth` bits a sample, with or without alpha."""
    return [k for k in NAMES if (depth == 8 or k in _HOLD_16_BITS) and (not alpha or k in _HOLD_ALPHA)]


def target_kind(path: Path, depth: int, alpha: bool) -> str:
    """The kind of photo to write under this name; UsageError for a name or a pair that cannot be."""
    kind = named(path)
    if kind not in NAMES:
        usual = ", ".join(KINDS[k][0] for k in NAMES)
        raise UsageError(f"{path}: cannot write a photo of this kind; name it {usual}")
    fit = holders(depth, alpha)
    if kind not in fit:
        what = " and ".join([f"{depth} bits a sample"] * (depth > 8) + ["transparency"] * alpha)
        raise UsageError(f"{path}: {NAMES[kind]} cannot hold {what}; name it {' or '.join(KINDS[k][0] for k in fit)}")
    return kind


_STARTS = {
    b"\xff\xd8\xff": "jpeg",
    png.SIGNATURE: "png",
    b"GIF87a": "gif",
    b"GIF89a": "gif",
    b"II*\0": "tiff",
    b"MM\0*": "tiff",
    b"II+\0": "tiff",
    b"MM\0+": "tiff",
}
_BMP_HEADERS = tuple(struct.pack("<I", size) for size in (12, 40, 52, 56, 64, 108, 124))


def _box_kind(data: bytes) -> str | None:
    if data[4:8] != b"ftyp":
        return None
    length = struct.unpack(">I", data[:4])[0]
    brands = [data[8:12], *(data[i : i + 4] for i in range(16, min(length, len(data)), 4))]
    if brands[0] not in (*_AVIF, *_HEIC):
        return None
    return "avif" if any(b in _AVIF for b in brands) else "heic"


def _may_move(head: bytes) -> bool:
    return head.startswith((png.SIGNATURE, b"GIF8"))


def _moves(data: bytes) -> bool:
    if data[:4] == b"RIFF":
        return is_animated_webp(data)
    if data.startswith(png.SIGNATURE):
        # The animation control has to come before the picture data, or the file is not animated.
        return b"acTL" in data[: max(0, data.find(b"IDAT"))]
    return data[:4] == b"GIF8" and _gif_pictures(data) > 1


def _gif_pictures(data: bytes) -> int:
    """How many pictures a GIF holds, as far as its blocks can be followed; two are as many as matter."""
    pictures, position = 0, 13 + _table_length(data[10:11])
    while pictures < 2 and data[position : position + 1] in (b"!", b","):
        if data[position] == ord(","):
            pictures += 1
            position += 11 + _table_length(data[position + 9 : position + 10])
        else:
            position += 2
        while data[position : position + 1] not in (b"\0", b""):
            position += 1 + data[position]
        position += 1
    return pictures


def _table_length(flags: bytes) -> int:
    return 3 << ((flags[0] & 7) + 1) if flags and flags[0] & 0x80 else 0
