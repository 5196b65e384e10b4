"""What is stored in photos, decoded: one decoder for each kind, with the facts that only that knows."""

import io
import struct
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageFile, JpegImagePlugin

from faceblur.errors import MissingError, SourceError
from faceblur.stills.kinds import HEIC_HINT
from faceblur.stills.parts import Parts

Pixels = NDArray[np.unsignedinteger[Any]]  # (H, W, C) uint8 or uint16: C is 1 (grey), 3 (BGR) or 4 (BGRA)

MAX_PIXELS = 300_000_000  # 2.4 GB at most in memory; the largest cameras have 150 million
Image.MAX_IMAGE_PIXELS = None  # Pillow's own limit only warns where ours begins; `_check_size` is asked each time

_BITS_PER_SAMPLE, _PHOTOMETRIC, _SAMPLES, _PLANAR, _EXTRA = 258, 262, 277, 284, 338
_SUB_IFDS, _DNG, _CFA = 330, 50706, 32803
_NCLX = struct.Struct(">HHH")


@dataclass(frozen=True, slots=True)
class Jpeg:
    """How a JPEG was compressed: quantization tables (64 numbers each, row by row), chroma sampling, progressive."""

    tables: tuple[tuple[int, ...], ...]
    sampling: str  # "4:4:4", "4:2:2", "4:2:0"; empty for grey and for any other
    progressive: bool


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a decoder says: the pixels, as stored or already upright, and the facts that only the decoder knows."""

    image: Pixels
    icc: bytes = b""
    exif: bytes = b""
    orientation: int | None = None  # as stored, where the decoder made the picture upright; None: EXIF says it
    dpi: tuple[float, float] | None = None
    jpeg: Jpeg | None = None
    chroma: str = "4:4:4"
    changes: tuple[str, ...] = ()


class Unreadable(Exception):  # noqa: N818 - like Interrupted, it says what, not whose fault
    """A decoder gave up."""


def decode(kind: str, data: bytes, path: Path, parts: Parts | None) -> Decoded:
    """The picture in the bytes of a photo of a kind, of which `parts` are known; errors name `path`.

    Unreadable when it is damaged, or of a form that is unknown here; SourceError for what cannot be repeated, and
    MissingError for HEIC without its package.
    """
    if kind == "heic":
        return _decode_heic(data, path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Pillow has to say of damaged tags
            with Image.open(io.BytesIO(data), formats=[kind.upper()]) as picture:
                _check_size(picture.size, path)
                return _DECODERS.get(kind, _decode_usual)(picture, data, path, parts)
    except (SourceError, MissingError):
        raise
    except Exception as error:  # the plugins raise whatever damaged bytes lead them to
        raise Unreadable(_reason(error)) from error


def _reason(error: Exception) -> str:
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return "it cannot be decoded" if "BytesIO" in text else text


def _check_size(size: tuple[int, int], path: Path) -> None:
    if size[0] * size[1] > MAX_PIXELS:
        limit = MAX_PIXELS // 1_000_000
        raise SourceError(f"{path} has {size[0]} × {size[1]} pixels; photos of up to {limit} million can be read")


def _decode_usual(picture: Any, data: bytes, path: Path, parts: Parts | None) -> Decoded:
    dpi = picture.info.get("dpi")
    pixels, changes = _pixels(picture, parts.icc if parts else picture.info.get("icc_profile") or b"", path)
    return Decoded(pixels, dpi=_dpi(dpi), changes=changes)


def _decode_jpeg(picture: Any, data: bytes, path: Path, parts: Parts | None) -> Decoded:
    sampling = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}.get(JpegImagePlugin.get_sampling(picture), "")
    tables = picture.quantization
    ordered = tuple(tuple(tables[i]) for i in range(len(tables))) if sorted(tables) == [*range(len(tables))] else ()
    jpeg = Jpeg(ordered, sampling, bool(picture.info.get("progressive")))
    pixels, changes = _pixels(picture, parts.icc if parts else b"", path)
    # A CMYK picture comes back as RGB, to which its own tables mean nothing.
    return Decoded(pixels, dpi=_dpi(picture.info.get("dpi")), jpeg=None if changes else jpeg, changes=changes)


def _decode_png(picture: Any, data: bytes, path: Path, parts: Parts | None) -> Decoded:
    if data[24] == 16:  # Pillow would reduce colours to 8 bits
        return Decoded(_decode_deep(data), dpi=_dpi(picture.info.get("dpi")))
    return _decode_usual(picture, data, path, parts)


def _decode_tiff(picture: Any, data: bytes, path: Path, parts: Parts | None) -> Decoded:
    tags = picture.tag_v2
    if _DNG in tags or _SUB_IFDS in tags or tags.get(_PHOTOMETRIC) == _CFA:
        raise SourceError(f"{path} is a raw photo; develop it to a TIFF or JPEG first")
    if getattr(picture, "n_frames", 1) > 1:
        raise SourceError(f"{path} holds {picture.n_frames} pictures; save each as a file of its own first")
    bits = max(_several(tags.get(_BITS_PER_SAMPLE, 1)))
    stored = tags.get(0x0112)
    facts = {
        "icc": picture.info.get("icc_profile") or b"",
        "exif": picture.getexif().tobytes(),
        "dpi": _dpi(picture.info.get("dpi")),
        # Pillow and OpenCV turn the picture while they decode it.
        "orientation": stored if isinstance(stored, int) and 1 <= stored <= 8 else 1,
    }
    if bits <= 8:
        pixels, changes = _pixels(picture, facts["icc"], path)
        return Decoded(pixels, **facts, changes=changes)
    samples, extra = tags.get(_SAMPLES, 1), _several(tags.get(_EXTRA, ()))
    if bits != 16 or tags.get(339, (1,))[0] != 1:
        raise SourceError(
            f"{path} has samples of {bits} bits or of another type than whole numbers; save it with 16 bits"
        )
    if samples not in (1, 3, 4) or (samples > 1 and tags.get(_PLANAR, 1) != 1) or (samples == 4 and extra != (2,)):
        raise SourceError(f"{path} stores its 16 bits in a way that cannot be read; save it as plain RGB or as PNG")
    if tags.get(_PHOTOMETRIC) not in (0, 1, 2):
        raise SourceError(f"{path} has 16 bits of another kind of colour than RGB; save it as RGB")
    image = _decode_deep(data)
    if tags.get(_PHOTOMETRIC) == 0:  # white is zero
        image = 65535 - image
    return Decoded(image, **facts)


def _decode_avif(picture: Any, data: bytes, path: Path, parts: Parts | None) -> Decoded:
    chroma, changes = _box_facts(data, b"av1C", path)
    icc = picture.info.get("icc_profile") or b""
    block = picture.info.get("exif") or b""
    pixels, _ = _pixels(picture, icc, path)
    return Decoded(pixels, icc=icc, exif=block, chroma=chroma, changes=changes)


def _decode_heic(data: bytes, path: Path) -> Decoded:
    try:
        import pillow_heif
    except ImportError as error:
        raise MissingError(f"{path}: {HEIC_HINT}") from error
    try:
        found = pillow_heif.open_heif(io.BytesIO(data))
        _check_size(found.size, path)
        primary = found[found.primary_index]
        chroma, changes = _box_facts(data, b"hvcC", path)
        pixels, _ = _pixels(primary.to_pillow(), b"", path)
    except SourceError:
        raise
    except Exception as error:  # libheif's errors come as several types
        raise Unreadable(_reason(error)) from error
    info: Mapping[str, Any] = primary.info
    icc, block = info.get("icc_profile") or b"", info.get("exif") or b""
    # libheif has turned it; EXIF's orientation does not count in HEIF.
    return Decoded(pixels, icc=icc, exif=block, orientation=1, chroma=chroma, changes=changes)


_DECODERS: dict[str, Callable[[Any, bytes, Path, Parts | None], Decoded]] = {
    "jpeg": _decode_jpeg,
    "png": _decode_png,
    "tiff": _decode_tiff,
    "avif": _decode_avif,
}


def _decode_deep(data: bytes) -> Pixels:
    """16 bits a sample: OpenCV keeps them."""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None or image.dtype != np.uint16:
        raise ValueError("its 16 bits cannot be decoded")
    return image.reshape(*image.shape[:2], -1).astype(np.uint16, copy=False)


def _pixels(picture: Any, icc: bytes, path: Path) -> tuple[Pixels, tuple[str, ...]]:
    """The pixels of a Pillow picture in our order of channels, and what had to be changed for it."""
    changes: tuple[str, ...] = ()
    if picture.mode in ("F", "I"):
        raise SourceError(f"{path} has 32 bits a sample; save it with 8 or 16")
    picture.load()
    if picture.mode.startswith("I;16"):
        return np.asarray(picture).astype(np.uint16)[:, :, None], changes
    if picture.mode in ("CMYK", "LAB", "YCbCr"):
        if picture.mode != "YCbCr":
            changes = (f"{picture.mode} to RGB",)
        picture = _to_rgb(picture, icc)
    elif picture.mode == "La":
        picture = picture.convert("LA").convert("RGBA")
    elif picture.mode in ("LA", "PA", "RGBa") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
    elif picture.mode == "1":
        picture = picture.convert("L")
    elif picture.mode not in ("L", "RGB", "RGBA"):
        picture = picture.convert("RGB")
    pixels = np.asarray(picture)
    if pixels.ndim == 2:
        return pixels[:, :, None], changes
    code = cv2.COLOR_RGBA2BGRA if pixels.shape[2] == 4 else cv2.COLOR_RGB2BGR
    return cv2.cvtColor(pixels, code).astype(np.uint8, copy=False), changes


def _to_rgb(picture: Any, icc: bytes) -> Any:
    """Print colours as sRGB: by the profile in the file where there is one that works, else by the usual rule."""
    if icc:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
            converted = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
            if converted is not None:
                return converted
        except ImageCms.PyCMSError:
            pass
    return picture.convert("RGB")


def _dpi(value: Any) -> tuple[float, float] | None:
    """A resolution that somebody meant; 1 stands for none in many files, and PNG and BMP cannot even say it."""
    try:
        across, down = (float(v) for v in value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return (across, down) if min(across, down) >= 10 and max(across, down) <= 30000 else None


def _several(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _box_facts(data: bytes, name: bytes, path: Path) -> tuple[str, tuple[str, ...]]:
    """Chroma sampling of an AVIF or HEIC picture, and what of its depth and colours cannot be repeated.

    The first decoder configuration and the first colour box are taken for the primary picture's.
    """
    start, changes = data.find(name) + 4, []
    if name == b"av1C":
        flags = data[start + 2] if start > 3 and start + 2 < len(data) else 0
        bits = 8 if not flags & 0x40 else 12 if flags & 0x20 else 10
        chroma = "4:2:0" if flags & 0x0C == 0x0C else "4:2:2" if flags & 0x08 else "4:4:4"
    else:
        formats = data[start + 16 : start + 18] if start > 3 else b""
        chroma = {1: "4:2:0", 2: "4:2:2"}.get(formats[0] & 3, "4:4:4") if formats else "4:4:4"
        bits = 8 + (formats[1] & 7) if len(formats) == 2 else 8
    if bits > 8:
        changes.append(f"{bits} bits to 8")
    colours = data.find(b"colrnclx") + 8
    if colours > 7 and colours + _NCLX.size <= len(data):
        primaries, transfer, _ = _NCLX.unpack_from(data, colours)
        if transfer in (16, 18):
            raise SourceError(f"{path} is an HDR photo; save it with a standard range of brightness first")
        if primaries not in (1, 2) and b"colrprof" not in data and b"colrrICC" not in data:
            changes.append("wide colours without a profile to sRGB")
    return chroma, tuple(changes)


@contextmanager
def tolerant() -> Iterator[None]:
    """Let Pillow give what it has of a picture that is cut."""
    before, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, True
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before
