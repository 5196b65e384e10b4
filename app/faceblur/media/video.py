"""The facts of a video: what a reader needs of its source, and what an output must repeat."""

import math
import struct
from dataclasses import dataclass, fields
from fractions import Fraction
from pathlib import Path
from typing import Any

from faceblur.domain import Json
from faceblur.errors import SourceError
from faceblur.media.containers import FAMILIES
from faceblur.media.pixels import UNKNOWN, Layout
from faceblur.media.stream import decoded, opened, video_stream
from faceblur.media.turn import Turn

_INTERLACED = (2, 3, 4, 5)  # of FFmpeg's field orders


@dataclass(frozen=True, slots=True)
class Sound:
    """One stream of sound, or of subtitles: its index in the file and its codec ("": unknown to us)."""

    index: int
    codec: str


@dataclass(frozen=True, slots=True)
class Video:
    """The facts of a video stream: what a reader needs, and what an output must repeat.

    `width` and `height` are those of the upright picture, `rotation` the degrees (counterclockwise) that make it so,
    after which it is to be `mirrored` left to right, or not;
    `start` is the pts of the first frame, `zero` the pts at which an output's time begins (0 unless the container may
    count from anywhere, as MPEG streams do) and `frames` the number of frames that it promises (0: unknown).
    `colour` is what an output in YUV must say: range, primaries, transfer and matrix, numbered as in FFmpeg.
    `chroma`, `depth` and `alpha` are those of its `Layout`. HDR sources may tell of the display they were `mastered` on
    (x and y of its red, green, blue and white, lowest and highest luminance in cd/m²), and of their `light`: the
    brightest pixel and the brightest mean of a frame, in cd/m².
    """

    stream: int
    width: int
    height: int
    rotation: int
    codec: str
    pixel_format: str
    rate: Fraction
    time_base: Fraction
    start: int
    zero: int
    frames: int
    duration_s: float
    aspect: Fraction
    colour: tuple[int, int, int, int]
    sounds: tuple[Sound, ...]
    chroma: str = "420"
    depth: int = 8
    alpha: bool = False
    interlaced: bool = False
    mirrored: bool = False
    mastered: tuple[float, ...] | None = None
    light: tuple[int, int] | None = None

    @property
    def layout(self) -> Layout:
        """What its pictures are made of; 4:2:0 of 8 bits for those that were split when all frames were that."""
        return Layout(self.chroma, self.depth, self.alpha)

    @property
    def turn(self) -> Turn:
        """What makes its pictures upright."""
        return Turn(self.rotation, self.mirrored)

    def to_json(self) -> Json:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        for name in ("rate", "time_base", "aspect"):
            values[name] = str(values[name])
        return values | {
            "colour": list(self.colour),
            "sounds": [{"index": s.index, "codec": s.codec} for s in self.sounds],
        }

    @classmethod
    def from_json(cls, value: Json) -> "Video":
        fractions = {name: Fraction(value[name]) for name in ("rate", "time_base", "aspect")}
        sounds = tuple(Sound(**s) for s in value["sounds"])
        tuples = {name: tuple(value[name]) for name in ("colour", "mastered", "light") if value.get(name)}
        return cls(**{**value, **fractions, **tuples, "sounds": sounds})


def probe(path: Path) -> Video:
    """The facts of the first real video stream; SourceError when there is none or the file cannot be read."""
    with opened(path) as container:
        stream = video_stream(container, path)
        frame = next(decoded(container, stream, lambda _: True), None)
        if frame is None:
            raise SourceError(f"{path} holds no picture that can be decoded; is it a video, and whole?")
        side = _side_data(frame)
        turn = Turn.of(frame, side.get("DISPLAYMATRIX"))
        width, height = turn.size(frame.width, frame.height)
        rate = stream.average_rate or stream.guessed_rate or stream.base_rate or Fraction(25)
        context = stream.codec_context
        time_base = stream.time_base or Fraction(1, 1000)
        length = stream.duration * time_base if stream.duration else Fraction(container.duration or 0, 1_000_000)
        aspect = stream.sample_aspect_ratio or Fraction(1)
        layout = Layout.of(frame.format.name).turned(frame.width, frame.height, turn)
        return Video(
            stream=stream.index,
            width=width,
            height=height,
            rotation=turn.degrees,
            codec=context.name,
            pixel_format=str(context.pix_fmt),
            rate=Fraction(rate),
            time_base=Fraction(time_base),
            start=frame.pts or 0,
            zero=_zero(container, path, time_base),
            frames=stream.frames,
            duration_s=float(length),
            aspect=1 / Fraction(aspect) if turn.lays_down else Fraction(aspect),
            colour=_colour(frame),
            sounds=tuple(
                Sound(s.index, s.codec_context.name if s.codec_context else "") for s in container.streams.audio
            ),
            chroma=layout.chroma,
            depth=layout.depth,
            alpha=layout.alpha,
            interlaced=frame.interlaced_frame or context.field_order in _INTERLACED,
            mirrored=turn.mirrored,
            mastered=_mastered(side.get("MASTERING_DISPLAY_METADATA")),
            light=_light(side.get("CONTENT_LIGHT_LEVEL")),
        )


def _zero(container: Any, path: Path, time_base: Fraction) -> int:
    keeps_time = path.suffix.lower() in FAMILIES
    return 0 if keeps_time else math.floor(Fraction(container.start_time or 0, 1_000_000) / time_base)


def _colour(frame: Any) -> tuple[int, int, int, int]:
    if Layout.of(frame.format.name).chroma == "rgb":
        primaries, transfer = (1 if c == UNKNOWN else c for c in (frame.color_primaries, frame.color_trc))
        return 1, primaries, transfer, 1
    return frame.color_range, frame.color_primaries, frame.color_trc, frame.colorspace


def _side_data(frame: Any) -> dict[str, bytes]:
    """What a decoder says besides a frame, by FFmpeg's names; nothing where PyAV does not know some of it, as EXIF."""
    try:
        return {data.type.name: bytes(data) for data in frame.side_data}
    except ValueError:
        return {}


def _mastered(data: bytes | None) -> tuple[float, ...] | None:
    """The numbers of FFmpeg's AVMasteringDisplayMetadata: ten fractions, and whether colours and light are told."""
    if data is None:
        return None
    *parts, has_colours, has_luminances = struct.unpack("=22i", data[:88])
    values = tuple(a / b if b else 0.0 for a, b in zip(parts[::2], parts[1::2], strict=True))
    return values if has_colours and has_luminances else None


def _light(data: bytes | None) -> tuple[int, int] | None:
    """The numbers of FFmpeg's AVContentLightMetadata."""
    if data is None:
        return None
    most, mean = struct.unpack("=2I", data[:8])
    return (most, mean) if most or mean else None
