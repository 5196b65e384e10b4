"""Reading photos: the picture upright, and what an output must repeat of how it was stored."""

import io
import struct
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageFile, JpegImagePlugin

from faceblur import png
from faceblur.errors import MissingError, SourceError
from faceblur.stills import exif
from faceblur.stills.kinds import HEIC_HINT, KINDS, can_write, kind
from faceblur.stills.parts import Parts, profile, walk

Pixels = NDArray[np.unsignedinteger[Any]]  # (H, W, C) uint8 or uint16: C is 1 (grey), 3 (BGR) or 4 (BGRA)

MAX_PIXELS = 300_000_000  # 2.4 GB at most in memory; the largest cameras have 150 million
Image.MAX_IMAGE_PIXELS = None  # Pillow's own limit only warns where ours begins; `_check_size` is asked each time

_BITS_PER_SAMPLE, _PHOTOMETRIC, _SAMPLES, _PLANAR, _EXTRA = 258, 262, 277, 284, 338
_SUB_IFDS, _DNG, _CFA = 330, 50706, 32803
_ADVICE = "use the original, or save it as PNG with another program"
_ACCEPT = "to go on with what can be decoded, add --damaged accept"
_NCLX = struct.Struct(">HHH")
_UPRIGHT = {  # what makes a picture upright that is stored in orientation 2 to 8 (EXIF 2.32, 4.6.4)
    2: (False, 1),
    3: (False, -1),
    4: (False, 0),
    5: (True, None),
    6: (True, 1),
    7: (True, -1),
    8: (True, 0),
}


@dataclass(frozen=True, slots=True)
class Jpeg:
    """How a JPEG was compressed: quantization tables (64 numbers each, row by row), chroma sampling, progressive."""

    tables: tuple[tuple[int, ...], ...]
    sampling: str  # "4:4:4", "4:2:2", "4:2:0"; empty for grey and for any other
    progressive: bool


@dataclass(frozen=True, slots=True, eq=False)
class Still:
    """A photo: its pixels, upright, (H, W, C) uint8 or uint16, and what an output must repeat.

    Where alpha is 0, colours are 0. `dpi` is across and down, upright. `changes` names what of the source's form an
    output cannot repeat. `groups` holds the metadata that may be kept on request.
    """

    image: Pixels
    kind: str
    lossless: bool
    orientation: int = 1  # as stored, 1 to 8
    icc: bytes = b""
    dpi: tuple[float, float] | None = None
    jpeg: Jpeg | None = None
    chroma: str = "4:4:4"  # of HEIC and AVIF
    colour: tuple[bytes, ...] = ()  # PNG chunks that say what the samples mean and how large a pixel is
    groups: exif.Groups = field(default_factory=dict)
    changes: tuple[str, ...] = ()
    cleared: bool = False  # whether there was a picture under full transparency
    damaged: int = 0

    @property
    def width(self) -> int:
        return int(self.image.shape[1])

    @property
    def height(self) -> int:
        return int(self.image.shape[0])

    @property
    def depth(self) -> int:
        """Bits a sample: 8 or 16."""
        return self.image.dtype.itemsize * 8

    @property
    def alpha(self) -> bool:
        return bool(self.image.shape[2] == 4)

    @property
    def grey(self) -> bool:
        return bool(self.image.shape[2] == 1)

    @property
    def turned(self) -> bool:
        """Whether the picture is stored in another way than it is shown."""
        return self.orientation != 1

    @property
    def strippable(self) -> bool:
        """Whether the stored picture data may stand in an output as they are."""
        walked = self.kind in ("jpeg", "png", "webp")
        return walked and not (self.turned or self.cleared or self.damaged)

    @property
    def ending(self) -> str:
        """The ending that an output gets by default: the source's own kind where it can hold the picture, else .png."""
        holds = can_write(self.kind) and not (self.kind == "bmp" and self.alpha)
        return KINDS[self.kind][0] if holds else ".png"


@dataclass(frozen=True, slots=True)
class _Decoded:
    """What a decoder says: the pixels, as stored or already upright, and the facts that only the decoder knows."""

    image: Pixels
    icc: bytes = b""
    exif: bytes = b""
    orientation: int | None = None  # as stored, where the decoder made the picture upright; None: EXIF says it
    dpi: tuple[float, float] | None = None
    jpeg: Jpeg | None = None
    chroma: str = "4:4:4"
    changes: tuple[str, ...] = ()


def read(path: Path, *, accept_damaged: bool = False) -> Still:
    """The photo in a file: its primary picture, upright, and nothing of any other picture in it.

    SourceError when it is no photo, too large, of a form that cannot be repeated, cut or damaged; with
    `accept_damaged` what can be decoded of a cut or damaged one comes back, and `damaged` is above 0.
    MissingError for HEIC without its package.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror or error}") from error
    return parse(data, path, accept_damaged=accept_damaged)


def parse(data: bytes, path: Path, *, accept_damaged: bool = False) -> Still:
    """The photo in the bytes of a file, as `read` gives it; errors name `path`."""
    found = kind(data)
    if found is None:
        raise SourceError(f"{path} is not a photo that can be read")
    parts = walk(found, data)
    damage = parts.damage if parts else ""
    if parts:
        data = parts.assembled(icc=b"")
    if parts and found == "jpeg" and not damage and not _whole_scans(parts, data):
        damage = "its picture data end too early"
    try:
        decoded = None if damage else _decode(found, data, path, parts)
    except _Unreadable as error:
        damage = str(error)
        decoded = None
    if decoded is None:
        if not accept_damaged:
            raise SourceError(f"{path} is damaged, or of a form that cannot be read: {damage}; {_ACCEPT}") from None
        try:
            with _tolerant():
                decoded = _decode(found, data, path, parts)
        except _Unreadable:
            raise SourceError(f"{path} cannot be decoded, not even in part: {damage}; {_ADVICE}") from None
    block = parts.exif if parts else decoded.exif
    icc = parts.icc if parts else profile(decoded.icc)
    unmarked = ("Adobe RGB without a profile to sRGB",) if not icc and exif.is_adobe_rgb(block) else ()
    orientation = decoded.orientation or exif.orientation(block)
    image, cleared = clear(decoded.image if decoded.orientation else _upright(decoded.image, orientation))
    return Still(
        image,
        found,
        lossless=found in ("png", "tiff", "bmp", "gif") or (found == "webp" and b"VP8L" in data[12:64]),
        orientation=orientation,
        icc=_fitting(icc, decoded),
        dpi=decoded.dpi[::-1] if decoded.dpi and orientation >= 5 else decoded.dpi,
        jpeg=decoded.jpeg,
        chroma=decoded.chroma,
        colour=tuple(_turned(c) if orientation >= 5 else c for c in parts.colour) if parts else (),
        groups=exif.groups(block),
        changes=decoded.changes + unmarked,
        cleared=cleared,
        damaged=int(bool(damage)),
    )


class _Unreadable(Exception):  # noqa: N818 - like Interrupted, it says what, not whose fault
    """A decoder gave up."""


def _decode(kind: str, data: bytes, path: Path, parts: Parts | None) -> _Decoded:
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
        raise _Unreadable(_reason(error)) from error


def _reason(error: Exception) -> str:
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return "it cannot be decoded" if "BytesIO" in text else text


def _check_size(size: tuple[int, int], path: Path) -> None:
    if size[0] * size[1] > MAX_PIXELS:
        limit = MAX_PIXELS // 1_000_000
        raise SourceError(f"{path} has {size[0]} × {size[1]} pixels; photos of up to {limit} million can be read")


def _decode_usual(picture: Any, data: bytes, path: Path, parts: Parts | None) -> _Decoded:
    dpi = picture.info.get("dpi")
    pixels, changes = _pixels(picture, parts.icc if parts else picture.info.get("icc_profile") or b"", path)
    return _Decoded(pixels, dpi=_dpi(dpi), changes=changes)


def _decode_jpeg(picture: Any, data: bytes, path: Path, parts: Parts | None) -> _Decoded:
    sampling = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}.get(JpegImagePlugin.get_sampling(picture), "")
    tables = picture.quantization
    ordered = tuple(tuple(tables[i]) for i in range(len(tables))) if sorted(tables) == [*range(len(tables))] else ()
    jpeg = Jpeg(ordered, sampling, bool(picture.info.get("progressive")))
    pixels, changes = _pixels(picture, parts.icc if parts else b"", path)
    # A CMYK picture comes back as RGB, to which its own tables mean nothing.
    return _Decoded(pixels, dpi=_dpi(picture.info.get("dpi")), jpeg=None if changes else jpeg, changes=changes)


def _decode_png(picture: Any, data: bytes, path: Path, parts: Parts | None) -> _Decoded:
    if data[24] == 16:  # Pillow would reduce colours to 8 bits
        return _Decoded(_decode_deep(data), dpi=_dpi(picture.info.get("dpi")))
    return _decode_usual(picture, data, path, parts)


def _decode_tiff(picture: Any, data: bytes, path: Path, parts: Parts | None) -> _Decoded:
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
        return _Decoded(pixels, **facts, changes=changes)
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
    return _Decoded(image, **facts)


def _decode_avif(picture: Any, data: bytes, path: Path, parts: Parts | None) -> _Decoded:
    chroma, changes = _box_facts(data, b"av1C", path)
    icc = picture.info.get("icc_profile") or b""
    block = picture.info.get("exif") or b""
    pixels, _ = _pixels(picture, icc, path)
    return _Decoded(pixels, icc=icc, exif=block, chroma=chroma, changes=changes)


def _decode_heic(data: bytes, path: Path) -> _Decoded:
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
        raise _Unreadable(_reason(error)) from error
    info: Mapping[str, Any] = primary.info
    icc, block = info.get("icc_profile") or b"", info.get("exif") or b""
    # libheif has turned it; EXIF's orientation does not count in HEIF.
    return _Decoded(pixels, icc=icc, exif=block, orientation=1, chroma=chroma, changes=changes)


_DECODERS: dict[str, Callable[[Any, bytes, Path, Parts | None], _Decoded]] = {
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


def _fitting(icc: bytes, decoded: _Decoded) -> bytes:
    """The profile, if it is one for the pixels as they were decoded."""
    space = b"GRAY" if decoded.image.shape[2] == 1 else b"RGB "
    return icc if icc[16:20] == space else b""


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


def _upright(image: Pixels, orientation: int) -> Pixels:
    """The picture as it is to be seen, from the one stored in an EXIF orientation."""
    if orientation == 1:
        return image
    transpose, axis = _UPRIGHT[orientation]
    turned = image.transpose(1, 0, 2) if transpose else image
    flips: dict[int | None, tuple[slice, slice]] = {
        None: (slice(None), slice(None)),
        0: (slice(None, None, -1), slice(None)),
        1: (slice(None), slice(None, None, -1)),
        -1: (slice(None, None, -1), slice(None, None, -1)),
    }
    return np.ascontiguousarray(turned[flips[axis]])


def _turned(piece: bytes) -> bytes:
    """A PNG chunk of a picture turned by 90 degrees: pixels are then as wide as they were high."""
    return png.chunk(b"pHYs", piece[12:16] + piece[8:12] + piece[16:17]) if piece[4:8] == b"pHYs" else piece


def clear(image: Pixels) -> tuple[Pixels, bool]:
    """The picture with nothing under full transparency, and whether anything was there.

    A picture could lie there unseen; a single colour, as of a palette's transparent entry, is none.
    """
    if image.shape[2] != 4 or image[:, :, 3].all():
        return image, False
    result = image.copy()
    hidden = result[:, :, 3] == 0
    colours = result[hidden]
    result[hidden] = 0
    return result, bool((colours != colours[0]).any())


def _whole_scans(parts: Parts, data: bytes) -> bool:
    """Whether a JPEG's picture data go to their end: libjpeg fills what is missing with grey and says nothing."""
    if not any(piece[1] in (0xC0, 0xC1, 0xC2) for piece in parts.pieces if piece):
        return True  # FFmpeg's decoder knows no arithmetic coding
    decoder = av.CodecContext.create("mjpeg", "r")
    decoder.options = {"err_detect": "explode"}
    try:
        return bool(decoder.decode(av.Packet(data)) or decoder.decode(None))
    except av.error.InvalidDataError:
        return False
    except av.FFmpegError:  # a form of JPEG that FFmpeg does not know; Pillow may
        return True


@contextmanager
def _tolerant() -> Iterator[None]:
    """Let Pillow give what it has of a picture that is cut."""
    before, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, True
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before
