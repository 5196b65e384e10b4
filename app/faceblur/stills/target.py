"""Writing photos: the kind, depth, profile and compression of the source, and none of its metadata but what is asked.

A JPEG gets the source's own quantization tables. Where nothing was hidden its blocks then come back nearly as they
were: 47 to 70 dB at the source's size, whatever its quality. A fixed quality of 95 gives 40 to 61 dB, and 2.5 times
the size for a source of quality 30.
"""

import io
import itertools
import struct
import zlib
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageFile

from faceblur import files, png
from faceblur.errors import MediaError, MissingError, SourceError, UsageError
from faceblur.images import read_bytes
from faceblur.stills import exif
from faceblur.stills.decoders import Pixels
from faceblur.stills.kinds import HEIC_HINT, NAMES, can_write, named, target_kind
from faceblur.stills.parts import walk
from faceblur.stills.source import Still, clear

VERSION = 1  # part of a report: count up when the encoding changes

_QUALITY = 95  # of JPEG and WebP where there are no tables to repeat
_AV1_QUALITY = 90  # of AVIF and HEIC: 45 dB and more on photos
_ROUGHEST = 32  # step of a block's mean, in eighths of a level: about quality 25
_TIFF_STRIP = 1 << 20  # bytes before compression
_WEBP_SIDE = 16383
_CM_PER_INCH = 2.54


def check_target(path: Path, still: Still) -> str:
    """The kind of photo that `path` names; UsageError unless it can hold `still`, MissingError without its package."""
    kind = target_kind(path, still.depth, still.alpha)
    if not can_write(kind):
        raise MissingError(f"{path}: {HEIC_HINT}")
    if kind == "bmp" and still.icc:
        raise UsageError(f"{path}: BMP cannot hold the photo's colour profile; name it .png or .tif")
    if kind == "webp" and max(still.width, still.height) > _WEBP_SIDE:
        raise UsageError(f"{path}: WebP holds sides of up to {_WEBP_SIDE} pixels; name it .jpg or .png")
    return kind


def write(path: Path, still: Still, image: Pixels, *, keep: Collection[str] = ()) -> None:
    """Write `image`, (H, W, C) of the size, depth and channels of `still`, as a photo of the kind that `path` names.

    `keep` names groups of metadata to write (see `exif.GROUPS`). The file is written whole or not at all.
    UsageError for a kind that cannot hold the photo, MediaError when encoding fails, OutputError.
    """
    exif.check(keep)
    kind = check_target(path, still)
    if image.shape != still.image.shape or image.dtype != still.image.dtype:
        raise ValueError(f"{image.shape} {image.dtype} is no picture of {still.image.shape} {still.image.dtype}")
    try:
        # A blur may have carried colours to where the picture is transparent.
        data = _ENCODERS[kind](still, np.ascontiguousarray(clear(image)[0]), keep)
    except (OSError, ValueError, RuntimeError, cv2.error) as error:
        raise MediaError(f"encoding {path.suffix} failed: {error}; name it .png") from error
    files.write(path, data)


def strip(path: Path, still: Still, target: Path, *, keep: Collection[str] = ()) -> bool:
    """Write the photo in `path`, read as `still`, without its metadata; whether its compressed data stayed as they are.

    They stay, bit for bit, in a JPEG, PNG or WebP that is written as the same kind, if it is `strippable`; any other
    photo is written anew. `keep` and the errors are those of `write`; SourceError when the source has changed.
    """
    exif.check(keep)
    if not still.strippable or named(target) != still.kind:
        write(target, still, still.image, keep=keep)
        return False
    parts = walk(still.kind, read_bytes(path))
    if parts is None or parts.damage:
        raise SourceError(f"{path} has changed since it was read; run again")
    icc = parts.icc if still.changes else still.icc  # print colours stay what they were, with their profile
    files.write(target, parts.assembled(icc=icc, exif=exif.block(still.groups, keep), colour=parts.colour))
    return True


def _encode_jpeg(still: Still, image: Pixels, keep: Collection[str]) -> bytes:
    source = still.jpeg
    options: dict[str, Any] = {"quality": _QUALITY, "subsampling": "4:4:4", "optimize": True}
    if source:
        upright = still.orientation < 5
        options["subsampling"] = (
            source.sampling if source.sampling and (upright or source.sampling != "4:2:2") else "4:4:4"
        )
        options["progressive"] = source.progressive
        if source.tables and (not still.turned or (still.width % 16 == 0 and still.height % 16 == 0)):
            del options["quality"]  # by which the tables would be scaled
            options["qtables"] = [table if upright else _transposed(table) for table in _fine(source.tables)]
    if still.grey:
        del options["subsampling"]
        options["qtables"] = options["qtables"][:1] if "qtables" in options else None
    # A JPEG has to fit into Pillow's buffer, whose usual size is too small for noise at full quality.
    before, ImageFile.MAXBLOCK = ImageFile.MAXBLOCK, max(ImageFile.MAXBLOCK, 4 * image.size)
    try:
        return _assembled("jpeg", _saved(image, "JPEG", dpi=_whole(still.dpi), **options), still, keep)
    finally:
        ImageFile.MAXBLOCK = before


def _fine(tables: tuple[tuple[int, ...], ...]) -> list[tuple[int, ...]]:
    """The source's tables, very rough ones halved: what was in their steps still is, what is new looks better."""
    halvings = max(0, (max(table[0] for table in tables) - 1).bit_length() - _ROUGHEST.bit_length() + 1)
    return [tuple(max(1, value >> halvings) for value in table) for table in tables]


def _transposed(table: tuple[int, ...]) -> list[int]:
    """The table of a picture turned by 90 degrees: what was across is down."""
    return [int(v) for v in np.reshape(table, (8, 8)).T.ravel()]


def _encode_png(still: Still, image: Pixels, keep: Collection[str]) -> bytes:
    if still.depth == 16:
        ok, data = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 2])
        if not ok:
            raise ValueError("OpenCV gave no reason")
        return _assembled("png", data.tobytes(), still, keep)
    # 0.8 s for 12 megapixels; the usual level 6 takes four times as long for 7 % less.
    return _assembled("png", _saved(image, "PNG", compress_level=2), still, keep)


def _encode_webp(still: Still, image: Pixels, keep: Collection[str]) -> bytes:
    options: dict[str, Any] = {"quality": _QUALITY, "method": 4, "use_sharp_yuv": True}
    if still.lossless:
        options = {"lossless": True, "quality": 50, "method": 0}  # method 1 takes 3 times as long for 12 % less
    # `exact`: nothing may be made up for what lies under transparency.
    return _assembled("webp", _saved(image, "WEBP", exact=True, **options), still, keep)


def _assembled(kind: str, data: bytes, still: Still, keep: Collection[str]) -> bytes:
    """What an encoder made, with the source's profile and what else says how to show the samples."""
    parts = walk(kind, data)
    if parts is None or parts.damage:
        raise ValueError(f"what was encoded cannot be read: {parts.damage if parts else kind}")
    colour = still.colour
    if still.dpi and not any(c[4:8] == b"pHYs" for c in colour):
        across, down = (round(v / _CM_PER_INCH * 100) for v in still.dpi)
        colour = (*colour, png.chunk(b"pHYs", struct.pack(">IIB", across, down, 1)))
    icc = b"" if kind == "webp" and still.grey else still.icc  # WebP has colours only
    return parts.assembled(icc=icc, exif=exif.block(still.groups, keep), colour=colour if kind == "png" else ())


def _encode_bmp(still: Still, image: Pixels, keep: Collection[str]) -> bytes:
    return _saved(image, "BMP", **({"dpi": still.dpi} if still.dpi else {}))


def _encode_tiff(still: Still, image: Pixels, keep: Collection[str]) -> bytes:
    """One picture in strips, deflated after the horizontal predictor (TIFF 6.0, sections 8 and 14)."""
    height, width, samples = image.shape
    pixels: Pixels = image if samples == 1 else np.asarray(cv2.cvtColor(image, _TO_RGB[samples]), image.dtype)
    rows = max(1, _TIFF_STRIP // (width * samples * image.itemsize))
    strips = [_deflated(pixels[i : i + rows]) for i in range(0, height, rows)]
    tags = exif.directory(still.groups, keep)
    for tag, type_, value in (
        (256, 4, width),
        (257, 4, height),
        (258, 3, (still.depth,) * samples),
        (259, 3, 8),  # deflate
        (262, 3, 1 if samples == 1 else 2),  # black is zero, or RGB
        (273, 4, tuple(itertools.accumulate((len(s) for s in strips[:-1]), initial=0))),  # Pillow adds where they begin
        (277, 3, samples),
        (278, 4, rows),
        (279, 4, tuple(len(s) for s in strips)),
        (284, 3, 1),
        (317, 3, 2),  # horizontal predictor
        *(((338, 3, 2),) if samples == 4 else ()),  # unassociated alpha
        *(((282, 5, still.dpi[0]), (283, 5, still.dpi[1]), (296, 3, 2)) if still.dpi else ()),
        *(((34675, 7, still.icc),) if still.icc else ()),
    ):
        tags.tagtype[tag] = type_
        tags[tag] = value
    return b"".join([b"II*\0\x08\0\0\0", tags.tobytes(8), *strips])


def _deflated(rows: Pixels) -> bytes:
    differences = rows.copy()
    differences[:, 1:] -= rows[:, :-1]
    return zlib.compress(differences.astype(rows.dtype.newbyteorder("<"), copy=False).tobytes(), 4)


def _encode_avif(still: Still, image: Pixels, keep: Collection[str]) -> bytes:
    block = exif.block(still.groups, keep)
    return _saved(
        image,
        "AVIF",
        quality=_AV1_QUALITY,
        speed=8,  # 2 s for 12 megapixels; 6 takes 5 s for 3 % less
        icc_profile=still.icc,
        exif=block,
        **({} if still.grey else {"subsampling": still.chroma}),
    )


def _encode_heic(still: Still, image: Pixels, keep: Collection[str]) -> bytes:
    import pillow_heif

    file = io.BytesIO()
    pillow_heif.from_pillow(_picture(image)).save(
        file,
        quality=_AV1_QUALITY,
        chroma=int(still.chroma.replace(":", "")),
        icc_profile=still.icc or None,
        exif=exif.block(still.groups, keep) or None,
        xmp=None,
        enc_params={"preset": "veryfast"},  # 5 s for 12 megapixels; the usual "slow" takes 11 s for the same size
    )
    return file.getvalue()


def _saved(image: Pixels, format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    _picture(image).save(file, format, **{k: v for k, v in options.items() if v is not None})
    return file.getvalue()


def _picture(image: Pixels) -> Image.Image:
    return Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else cv2.cvtColor(image, _TO_RGB[image.shape[2]]))


def _whole(dpi: tuple[float, float] | None) -> tuple[int, int] | None:
    return (round(dpi[0]), round(dpi[1])) if dpi else None


_TO_RGB = {3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGBA}
_ENCODERS: dict[str, Callable[[Still, Pixels, Collection[str]], bytes]] = {
    "jpeg": _encode_jpeg,
    "png": _encode_png,
    "webp": _encode_webp,
    "tiff": _encode_tiff,
    "bmp": _encode_bmp,
    "avif": _encode_avif,
    "heic": _encode_heic,
}
assert _ENCODERS.keys() == NAMES.keys()
