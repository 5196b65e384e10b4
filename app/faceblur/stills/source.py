"""Reading photos: the picture upright, and what an output must repeat of how it was stored."""

from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np

from faceblur import png
from faceblur.errors import SourceError
from faceblur.stills import exif
from faceblur.stills.decoders import Decoded, Jpeg, Pixels, Unreadable, decode, tolerant
from faceblur.stills.kinds import KINDS, can_write, kind
from faceblur.stills.parts import Parts, profile, walk

_ADVICE = "use the original, or save it as PNG with another program"
_ACCEPT = "to go on with what can be decoded, add --damaged accept"
_UPRIGHT = {  # what makes a picture upright that is stored in orientation 2 to 8 (EXIF 2.32, 4.6.4)
    2: (False, 1),
    3: (False, -1),
    4: (False, 0),
    5: (True, None),
    6: (True, 1),
    7: (True, -1),
    8: (True, 0),
}


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
        decoded = None if damage else decode(found, data, path, parts)
    except Unreadable as error:
        damage = str(error)
        decoded = None
    if decoded is None:
        if not accept_damaged:
            raise SourceError(f"{path} is damaged, or of a form that cannot be read: {damage}; {_ACCEPT}") from None
        try:
            with tolerant():
                decoded = decode(found, data, path, parts)
        except Unreadable:
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


def _fitting(icc: bytes, decoded: Decoded) -> bytes:
    """The profile, if it is one for the pixels as they were decoded."""
    space = b"GRAY" if decoded.image.shape[2] == 1 else b"RGB "
    return icc if icc[16:20] == space else b""


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
