"""The pixels of decoded frames: their planes as arrays, turned upright, and as the images that become PNG frames.

Each kind of picture has one canonical pixel format, to which its other layouts (nv12, p010le, yuyv422, gbrp …) are
brought without loss: planar for YUV and grey, packed BGR(A) for RGB.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Self

import av
import cv2
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from faceblur.images import Pixels
from faceblur.media.turn import Turn

# Without these flags swscale moves up to 21 % of the samples of camera clips by more than one step.
EXACT = Interpolation.BICUBIC | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP | Interpolation.ACCURATE_RND
UNKNOWN = 2  # "unspecified" in the colour enumerations of FFmpeg (and of ITU-T H.273)
FULL = 2  # FFmpeg's number of the range from 0 to the highest value; 1 is limited, 0 unspecified

Plane = NDArray[np.uint8 | np.uint16]
Colour = tuple[int, int, int, int]  # range, primaries, transfer and matrix, numbered as in FFmpeg

_DEPTHS = (8, 10, 12, 16)
# How many pixels a chroma sample spans, across and down.
SUBSAMPLING = {"420": (2, 2), "422": (2, 1), "444": (1, 1), "440": (1, 2), "411": (4, 1)}
_local = threading.local()


@dataclass(frozen=True, slots=True)
class Layout:
    """What a picture is made of: `chroma` ("420", "422", "444", "440", "411", "grey", "rgb"), bits a sample, alpha."""

    chroma: str = "420"
    depth: int = 8
    alpha: bool = False

    @classmethod
    @cache
    def of(cls, pixel_format: str) -> Self:
        """The layout of an FFmpeg pixel format; depths that no canonical format has go to the next that one has."""
        format_ = av.VideoFormat(pixel_format)
        parts = [c for c in format_.components if not c.is_alpha]
        depth = next((d for d in _DEPTHS if d >= max(c.bits for c in parts)), _DEPTHS[-1])
        alpha = len(parts) < len(format_.components) or format_.has_palette
        if format_.is_rgb or format_.has_palette or format_.is_bayer or pixel_format.startswith("xyz"):
            return cls("rgb", depth, alpha)
        if len(parts) == 1:
            return cls("rgb" if alpha else "grey", depth, alpha)  # planar grey with alpha is nowhere to be had
        spans = (64 // format_.chroma_width(64), 64 // format_.chroma_height(64))
        chroma = next((name for name, span in SUBSAMPLING.items() if span == spans), "420")
        layout = cls(chroma, depth, alpha)
        return layout if _is_known(layout.pixel_format) else replace(layout, chroma="444")

    @property
    def pixel_format(self) -> str:
        """The canonical pixel format."""
        bits = "" if self.depth == 8 else f"{self.depth}le"
        if self.chroma == "grey":
            return f"gray{bits}"
        return self.packed if self.chroma == "rgb" else f"yuv{'a' if self.alpha else ''}{self.chroma}p{bits}"

    @property
    def packed(self) -> str:
        """The BGR(A) format of its images."""
        deep, plain = ("bgra64le", "bgra") if self.alpha else ("bgr48le", "bgr24")
        return deep if self.depth > 8 else plain

    @property
    def spans(self) -> tuple[int, int]:
        """How many pixels a chroma sample spans, across and down."""
        return SUBSAMPLING.get(self.chroma, (1, 1))

    def turned(self, width: int, height: int, turn: Turn) -> Self:
        """The layout of such pictures of so many pixels after that turn: see `upright`."""
        across, down = self.spans
        fits = (across == down or not turn.lays_down) and not (width % across or height % down)
        return self if fits or not turn else replace(self, chroma="444")


@cache
def _is_known(pixel_format: str) -> bool:
    try:
        av.VideoFormat(pixel_format)
    except ValueError:
        return False
    return True


def planes(frame: av.VideoFrame) -> list[Plane]:
    """Read-only views of a frame's planes, which live as long as the frame.

    Planar YUV and grey give an (h, w) array a plane, luma first and alpha last, packed BGR(A) one (H, W, 3 or 4)
    array; uint8, or uint16 where samples have more than 8 bits. The frame is of a canonical format, or of RGB's planar.
    """
    kind: Any = np.uint8 if frame.format.components[0].bits <= 8 else np.uint16
    views: list[Plane] = []
    parts: tuple[Any, ...] = frame.planes
    packed = not frame.format.is_planar and len(frame.format.components) > 1
    channels = frame.format.padded_bits_per_pixel // (8 * kind().itemsize) if packed else 1
    for plane in parts:
        if plane.line_size < 0:
            raise ValueError("the rows of a frame must not be stored upside down")
        rows: Plane = np.frombuffer(plane, kind).reshape(plane.height, -1)[:, : plane.width * channels]
        view = rows.reshape(plane.height, plane.width, channels) if channels > 1 else rows
        view.flags.writeable = False
        views.append(view)
    return views


def from_planes(arrays: Sequence[Plane], like: av.VideoFrame, pixel_format: str | None = None) -> av.VideoFrame:
    """A frame made of copies of planes, in the format (unless another is given), with the time and colours of `like`.

    Of side data, such as captions, nothing comes along.
    """
    height, width = arrays[0].shape[:2]
    frame = av.VideoFrame(width, height, pixel_format or like.format.name)
    parts: tuple[Any, ...] = frame.planes
    for plane, array in zip(parts, arrays, strict=True):
        rows = np.frombuffer(plane, array.dtype).reshape(plane.height, -1)
        rows[:, : array.size // plane.height] = array.reshape(plane.height, -1)
    frame.pts, frame.duration = like.pts, like.duration
    if like.time_base is not None:
        frame.time_base = like.time_base
    frame.color_range, frame.colorspace = like.color_range, like.colorspace
    frame.color_primaries, frame.color_trc = like.color_primaries, like.color_trc
    return frame


def converted(
    frame: av.VideoFrame, size: tuple[int, int], pixel_format: str, colour: Colour | None = None
) -> av.VideoFrame:
    """The frame in another format, or scaled to `size` (width, height), in the range of `colour` if that is given.

    RGB that becomes YUV gets the matrix of `colour`, too.
    """
    was, is_ = frame.format.is_rgb, av.VideoFormat(pixel_format).is_rgb
    kept = FULL if frame.format.name.startswith("yuvj") else frame.color_range
    into = (colour and colour[0]) or (0 if was else kept)
    matrix = colour[3] if was and not is_ and colour and colour[3] != UNKNOWN else None
    if not hasattr(_local, "reformatter"):
        _local.reformatter = VideoReformatter()  # one a thread: it keeps state
    result: av.VideoFrame = _local.reformatter.reformat(
        frame,
        *size,
        pixel_format,
        interpolation=EXACT,
        dst_colorspace=matrix,
        src_color_range=None if was or is_ else kept or None,
        dst_color_range=None if is_ else into or None,
    )
    return result


def canonical(frame: av.VideoFrame, size: tuple[int, int]) -> av.VideoFrame:
    """A decoded frame in its canonical format, scaled to `size` (width, height) unless it has that."""
    layout = Layout.of(frame.format.name)
    if frame.format.name == "rgba64le" and size == (frame.width, frame.height):  # swscale would lose bits
        [pixels] = planes(frame)
        return from_planes([pixels[:, :, [2, 1, 0, 3]]], frame, layout.pixel_format)
    if any(plane.line_size < 0 for plane in frame.planes):  # stored upside down, as raw video in AVI
        frame = converted(frame, (frame.width, frame.height), replace(layout, depth=16).pixel_format)
    return converted(frame, size, layout.pixel_format)


def upright(frame: av.VideoFrame, turn: Turn) -> av.VideoFrame:
    """A canonical frame turned sample by sample.

    Where the spans of chroma samples do not fit the turned picture (4:2:2, 4:4:0 and 4:1:1 on their side, odd sizes)
    it becomes 4:4:4, each sample repeated.
    """
    if not turn:
        return frame
    layout, arrays = Layout.of(frame.format.name), planes(frame)
    across, down = layout.spans
    turned = layout.turned(frame.width, frame.height, turn)
    if turned != layout:
        layout = turned
        luma, *rest = arrays
        chroma = [np.repeat(np.repeat(a, down, 0), across, 1)[: luma.shape[0], : luma.shape[1]] for a in rest[:2]]
        arrays = [luma, *chroma, *rest[2:]]
    return from_planes([turn.array(a) for a in arrays], frame, layout.pixel_format)


def image_of(frame: av.VideoFrame, size: tuple[int, int], turn: Turn) -> Pixels:
    """A decoded frame, scaled to `size` (width, height) and turned, as (H, W, 3) BGR, or (H, W, 4) BGRA.

    It is uint8, or uint16 (of full 16-bit scale) where samples have more than 8 bits. Grey has three equal channels.
    """
    layout = Layout.of(frame.format.name)
    if layout.chroma == "grey" and layout.depth > 8:  # swscale would lose bits on the way back
        image = np.repeat(_widened(planes(canonical(frame, size))[0], layout.depth)[:, :, None], 3, axis=2)
    elif layout.chroma == "rgb":
        image = planes(canonical(frame, size))[0]
    else:
        # The same as packed, in less than half the time: swscale has no fast way to write BGR in full quality.
        green, blue, red = planes(converted(_centred(frame), size, "gbrp" if layout.depth == 8 else "gbrp16le"))
        # Alpha is taken as it is, as swscale moves it by a step.
        rest = [_widened(planes(canonical(frame, size))[-1], layout.depth)] if layout.alpha else []
        image = np.asarray(cv2.merge([blue, green, red, *rest]), dtype=green.dtype)
    return np.ascontiguousarray(turn.array(image))


def frame_of(image: Pixels, pixel_format: str, colour: Colour) -> av.VideoFrame:
    """An image, as `image_of` gives it, as a frame of that format and colour (range, primaries, transfer, matrix).

    Alpha that the format does not hold is dropped, alpha that it misses is opaque.
    """
    layout, given = Layout.of(pixel_format), image
    if layout.alpha and image.shape[2] == 3:
        opaque = np.full((*image.shape[:2], 1), np.iinfo(image.dtype).max, image.dtype)
        given = np.concatenate([image, opaque], axis=2)
    kind = Layout("rgb", 8 if given.dtype == np.uint8 else 16, given.shape[2] == 4)
    blank = av.VideoFrame(1, 1, kind.packed)
    if layout.chroma == "grey" and layout.depth > 8 and given.dtype == np.uint16 and _is_grey(given):
        grey = np.right_shift(given[:, :, 0], 16 - layout.depth).astype(np.uint16)
        frame = from_planes([grey], blank, pixel_format)
    else:
        frame = from_planes([given], blank, kind.packed)
        frame = converted(frame, (frame.width, frame.height), pixel_format, colour)
        if layout.alpha and layout.chroma != "rgb":
            *rest, alpha = planes(frame)
            exact = given[:, :, 3].astype(np.uint16) * (257 if given.dtype == np.uint8 else 1)
            frame = from_planes([*rest, (exact >> (16 - layout.depth)).astype(alpha.dtype)], frame)
    frame.color_range, frame.color_primaries, frame.color_trc, frame.colorspace = colour
    return frame


def _centred(frame: av.VideoFrame) -> av.VideoFrame:
    """The frame without its word on where chroma samples lie: they are put in the middle of what they span.

    There `frame_of`, whose frames cannot say anything else, puts them too; else all colours would move by half a pixel.
    """
    plain = canonical(frame, (frame.width, frame.height))
    return from_planes(planes(plain), plain)


def _is_grey(image: Pixels) -> bool:
    return bool((image[:, :, 0] == image[:, :, 1]).all() and (image[:, :, 0] == image[:, :, 2]).all())


def _widened(plane: Plane, depth: int) -> Plane:
    """Samples of 10 bits and more on the full scale of 16 bits, the upper bits repeated in the lower; 8 bits stay."""
    if depth == 8:
        return plane
    wide = plane.astype(np.uint32) << (16 - depth)
    return (wide | wide >> depth).astype(np.uint16)
