"""Checking a written photo by reading it again: it shows what was meant, and nothing else is in the file."""

import hashlib
import io
import struct
import warnings
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from faceblur.errors import MediaError, SourceError
from faceblur.images import read_bytes
from faceblur.stills import exif
from faceblur.stills.decoders import Pixels
from faceblur.stills.kinds import LOSSLESS, named
from faceblur.stills.parts import walk
from faceblur.stills.source import Still, clear, parse

_TILE = 32  # pixels
_BLOCK = 8  # pixels; chroma is often stored at half the resolution, means over a block are not
_MIN_PSNR_DB = 28.0  # brightness, in the worst tile; noise, stripes and JPEGs of quality 5 come back with 30 and more
_MAX_BLOCK_ERROR = 24.0  # of a block's mean, in 255 levels, in any channel
_TIFF_TAGS = frozenset({256, 257, 258, 259, 262, 273, 277, 278, 279, 282, 283, 284, 296, 317, 338, 34675})
_BOXES = {b"ftyp", b"meta", b"mdat", b"free"}


def verify(
    path: Path, still: Still, image: Pixels, *, kept: Collection[str] = (), stripped: bool = False
) -> dict[str, Any]:
    """Facts about the photo in `path`, for a report; MediaError unless it shows `image` and holds nothing else.

    `still` is the source, `image` (H, W, C) what was to be written, `kept` the groups of metadata in it. With
    `stripped` the pixels have to be equal, as they have in kinds that lose nothing.
    """
    data = read_bytes(path)
    try:
        found = parse(data, path)
    except SourceError as error:
        raise MediaError(f"the output cannot be read: {error}") from error
    block = exif.block(still.groups, kept)
    for what, wrong in (
        ("its kind", found.kind != named(path)),
        ("its size", (found.width, found.height) != (still.width, still.height)),
        ("its depth", found.depth != still.depth),
        ("its orientation", found.turned),
        ("its transparency", found.alpha != still.alpha and not _opaque(image)),
        ("its colour profile", found.icc != still.icc and not _unprofiled(found, still)),
        ("its resolution", not _same_dpi(found, still)),
        ("its metadata", _foreign(found.kind, data, block)),
        ("the metadata that was to be kept", found.groups != exif.groups(block)),
    ):
        if wrong:
            raise MediaError(f"the output is not what was to be written: {what} differs; please report this")
    exact = stripped or found.kind in LOSSLESS or (found.kind == "webp" and found.lossless and still.lossless)
    facts = _compare(found.image, clear(image)[0], exact)
    return _facts(found, data) | {"kept": sorted(kept), **facts}


def measure(path: Path) -> dict[str, Any]:
    """Kind, size, depth and a digest of the pixels of a photo, whoever wrote it. Raises SourceError."""
    data = read_bytes(path)
    return _facts(parse(data, path), data)


def again(path: Path, checks: Mapping[str, Any]) -> list[str]:
    """What differs between a photo now and what `verify` told of it once; nothing when it is the same."""
    try:
        now = measure(path)
    except SourceError as error:
        return [str(error)]
    return [f"{name} {is_} instead of {checks.get(name)}" for name, is_ in now.items() if is_ != checks.get(name)]


def _facts(found: Still, data: bytes) -> dict[str, Any]:
    pixels = hashlib.sha256(np.ascontiguousarray(found.image).data).hexdigest()
    size = {"width": found.width, "height": found.height, "depth": found.depth, "bytes": len(data)}
    return {"kind": found.kind, **size, "profile": bool(found.icc), "pixels_sha256": pixels}


def _unprofiled(found: Still, still: Still) -> bool:
    """Whether the profile is one of grey, which a kind that has only colours cannot use."""
    return still.grey and not found.grey and not found.icc


def _same_dpi(found: Still, still: Still) -> bool:
    if found.kind not in ("jpeg", "png", "tiff", "bmp") or still.dpi is None:
        return True
    return found.dpi is not None and bool(np.allclose(found.dpi, still.dpi, rtol=0.01, atol=0.51))


def _compare(found: Pixels, image: Pixels, exact: bool) -> dict[str, Any]:
    found, image = (_coloured(p) for p in (found, image))
    if found.shape[2] < image.shape[2]:  # WebP stores no alpha where all is opaque
        image = image[:, :, :3]
    if np.array_equal(found, image):
        return {"exact": True}
    if exact:
        raise MediaError("the output does not show what was to be written, pixel for pixel; please report this")
    levels = np.iinfo(image.dtype).max / 255
    grey_found, grey = (cv2.cvtColor(p[:, :, :3], cv2.COLOR_BGR2GRAY) for p in (found, image))
    squares = ((grey_found.astype(np.float32) - grey) / levels) ** 2
    psnr_db, worst_db = _psnr(float(squares.mean())), _psnr(float(_means(squares, _TILE).max()))
    error = float(np.abs(_means(found, _BLOCK) - _means(image, _BLOCK)).max() / levels)
    if worst_db < _MIN_PSNR_DB or error > _MAX_BLOCK_ERROR:
        raise MediaError(
            f"the output shows something else than was to be written ({worst_db:.1f} dB in a tile, a block is off by "
            f"{error:.0f} levels); name it .png"
        )
    return {"exact": False, "psnr_db": round(psnr_db, 1), "worst_tile_db": round(worst_db, 1)}


def _opaque(image: Pixels) -> bool:
    return image.shape[2] == 4 and bool((image[:, :, 3] == np.iinfo(image.dtype).max).all())


def _coloured(image: Pixels) -> Pixels:
    return np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image


def _psnr(square: float) -> float:
    return float(10 * np.log10(255**2 / max(square, 1e-6)))


def _means(image: Any, side: int) -> Any:
    """Means over squares of the picture, float32; those at its borders may be a little larger."""
    height, width = image.shape[:2]
    size = (max(1, width // side), max(1, height // side))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.float32)


def _foreign(kind: str, data: bytes, block: bytes) -> bool:
    """Whether there is anything in a file but a picture, its profile and the EXIF block given."""
    parts = walk(kind, data)
    if parts:
        return parts.assembled(exif=block, colour=parts.colour) != data
    if kind == "tiff":
        return _tiff_foreign(data, block)
    if kind == "bmp":
        return int.from_bytes(data[2:6], "little") != len(data)
    return _boxes_foreign(data, block)


def _tiff_foreign(data: bytes, block: bytes) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(io.BytesIO(data), formats=["TIFF"]) as picture:
            own = Image.Exif()
            if block:
                own.load(block)
            # `parse` has refused files of several pictures.
            tags: set[int] = set(getattr(picture, "tag_v2", ()))
            return not tags <= _TIFF_TAGS | set(own)


def _boxes_foreign(data: bytes, block: bytes) -> bool:
    """Whether an AVIF or HEIC holds items of metadata, or boxes that no picture needs (ISO/IEC 14496-12)."""
    position, items = 0, set[bytes]()
    while position + 8 <= len(data):
        length = struct.unpack(">I", data[position : position + 4])[0]
        if data[position + 4 : position + 8] not in _BOXES or length < 8:
            return True
        if data[position + 4 : position + 8] == b"meta":
            items = _items(data[position : position + length])
        position += length
    return position != len(data) or b"mime" in items or (b"Exif" in items) != bool(block)


def _items(meta: bytes) -> set[bytes]:
    """The types of the items in a meta box; where they stand depends on the version of an entry (ISO/IEC 14496-12)."""
    entries = meta.split(b"infe")[1:]
    return {entry[8:12] if entry[:1] == b"\2" else entry[10:14] for entry in entries}
