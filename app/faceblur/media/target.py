"""Writing videos: encode pictures at given times, copy the sound, and nothing of the source's metadata."""

import itertools
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.codec.context import Flags
from numpy.typing import NDArray

from faceblur.errors import MediaError
from faceblur.images import Pixels
from faceblur.media.containers import FAMILIES, MP4, holds
from faceblur.media.pixels import converted, frame_of, from_planes, planes
from faceblur.media.sound import Soundtrack, carried
from faceblur.media.source import Sound

VERSION = 1  # part of a video's stamp: count up when the encoding changes
_BT709 = (1, 1, 1, 1)  # limited range; primaries, transfer and matrix of HD video


@dataclass(frozen=True, slots=True)
class Clock:
    """When frames are shown: rising pts in ticks of `time_base` seconds, and the tick at which the last one ends."""

    time_base: Fraction
    pts: tuple[int, ...]
    end: int

    @property
    def seconds(self) -> Fraction:
        return (self.end - self.pts[0]) * self.time_base

    @property
    def is_regular(self) -> bool:
        """Whether all frames last about as long, but for a last one that may be cut short."""
        durations = self.durations()
        return max(durations) <= 1.5 * min(durations[:-1] or durations)

    def durations(self) -> list[int]:
        return [b - a for a, b in itertools.pairwise((*self.pts, self.end))]


@dataclass(frozen=True, slots=True)
class Encoding:
    """How to encode: constant rate factor (lower is better), x264 preset, and what the source says of its pictures."""

    crf: int
    preset: str
    rate: Fraction
    aspect: Fraction = Fraction(1)
    colour: tuple[int, int, int, int] = _BT709


def family(source: Path | None, sounds: Sequence[Sound]) -> str:
    """The ending that an output gets by default: the source's own where we can write it, else .mp4 or .mkv.

    PCM sound goes into .mkv: hardly any player knows it in .mp4.
    """
    own = FAMILIES.get(source.suffix.lower()) if source else None
    usual = ".mkv" if any(s.codec.startswith("pcm_") for s in sounds) else ".mp4"
    return next((ending for ending in (own, usual) if ending and not _unfit(ending, sounds)), ".mkv")


def check_target(target: Path, track: Soundtrack | None) -> None:
    """MediaError unless a video can be written to `target`, with all the sound and the subtitles of `track`."""
    if target.suffix.lower() not in FAMILIES:
        raise MediaError(f"{target.name}: cannot write this kind of file; name it .mp4, .mov, .mkv or .webm")
    if track and not all(s.codec for s in track.sounds):
        raise MediaError(
            f"{track.path.name} has sound in a format that is unknown here; leave all sound out with --audio drop"
        )
    for words in track.subtitles if track else ():
        if words.codec not in holds(target) and not (words.codec and av.Codec(words.codec, "r").text_sub):
            advice = "name the output .mkv, or leave them out with --subtitles drop"
            name = words.codec or "unknown"
            raise MediaError(f"{target.name}: {target.suffix} cannot hold the source's {name} subtitles; {advice}")


def write(
    path: Path, pictures: Iterable[Pixels | av.VideoFrame], clock: Clock, encoding: Encoding, track: Soundtrack | None
) -> None:
    """Encode pictures, one for each pts, and copy the sound, or encode it anew where `path` asks for it.

    Pictures are (H, W, 3) BGR or (H, W, 4) BGRA images, uint8 or full-scale uint16, or frames as `Timed.frame` gives
    them; frames of the encoding's own pixel format are encoded as they are, sample by sample.

    Nothing of the source's metadata is written but the language of sound and subtitles, and what each is for. Raises
    MediaError when encoding fails; the file is then to be thrown away. The caller gives a temporary path and checks the
    result with `verify` before it gets its name.
    """
    waiting_pictures = iter(pictures)
    first = next(waiting_pictures)
    try:
        with av.open(path, "w", options=_muxer_options(path, clock)) as container, ExitStack() as opened:
            stream = _add_video(container, path, first, clock, encoding)
            waiting = opened.enter_context(carried(track, container, path))
            held = next(waiting, None)
            for pts, duration, picture in zip(
                clock.pts, clock.durations(), itertools.chain([first], waiting_pictures), strict=True
            ):
                while held is not None and held[0] <= pts * clock.time_base:
                    container.mux_one(held[1])
                    held = next(waiting, None)
                frame = _frame(picture, stream.codec_context.pix_fmt, encoding)
                frame.pts, frame.duration, frame.time_base = pts, duration, clock.time_base
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
            for _, packet in itertools.chain([held] if held else [], waiting):
                container.mux_one(packet)
    except av.FFmpegError as error:
        if isinstance(error, OSError):  # a full disk, say: whoever gave the path says it better
            raise
        raise MediaError(f"encoding {path.suffix} failed: {error.strerror}; try another container with -o") from error


def write_sound(path: Path, samples: NDArray[np.float32], rate: int) -> Soundtrack:
    """Encode (N,) float32 mono samples from -1 to 1 as AAC; the file's only stream is what comes back."""
    with av.open(path, "w") as container:
        stream = container.add_stream("aac", rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None, :], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        fifo = av.AudioFifo()
        fifo.write(frame)
        for part in fifo.read_many(1024, partial=True):
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return Soundtrack(path, (Sound(0, "aac"),))


def _muxer_options(path: Path, clock: Clock) -> dict[str, str]:
    if path.suffix.lower() not in MP4:
        return {}
    # Start times are written in ticks of the movie, by default of a millisecond: too coarse for most clips.
    ticks = clock.time_base.denominator
    return {"movflags": "+faststart", "movie_timescale": str(ticks * max(1, -(-10000 // ticks)))}


def _add_video(container: Any, path: Path, picture: Pixels | av.VideoFrame, clock: Clock, encoding: Encoding) -> Any:
    width, height = _size(picture)
    if path.suffix.lower() == ".webm":
        codec, options = "libvpx-vp9", {"crf": str(encoding.crf), "b": "0", "row-mt": "1", "cpu-used": "4"}
    else:
        codec, options = "libx264", {"crf": str(encoding.crf), "preset": encoding.preset}
        if not clock.is_regular:  # MP4 tells durations in decoding order, which B-frames would garble
            options["bf"] = "0"
    stream = container.add_stream(codec, rate=encoding.rate, options=options)
    stream.time_base = clock.time_base
    context = stream.codec_context
    context.time_base = clock.time_base
    context.flags |= Flags.frame_duration  # or the muxer makes up how long the last frame lasts
    context.width, context.height = width, height
    # 4:2:0 needs even sides in H.264; 4:4:4 does not, so an odd picture keeps its size.
    context.pix_fmt = "yuv444p" if (width % 2 or height % 2) and codec == "libx264" else "yuv420p"
    context.sample_aspect_ratio = encoding.aspect
    context.color_range, context.color_primaries, context.color_trc, context.colorspace = encoding.colour
    return stream


def _frame(picture: Pixels | av.VideoFrame, pixel_format: str, encoding: Encoding) -> av.VideoFrame:
    if not isinstance(picture, av.VideoFrame):
        return frame_of(picture, pixel_format, encoding.colour)
    frame = converted(picture, (picture.width, picture.height), pixel_format)
    # A copy without side data: captions, user data and display matrices of the source would be encoded too.
    frame = from_planes(planes(frame), frame)
    frame.color_range, frame.color_primaries, frame.color_trc, frame.colorspace = encoding.colour
    return frame


def _size(picture: Pixels | av.VideoFrame) -> tuple[int, int]:
    if isinstance(picture, av.VideoFrame):
        return picture.width, picture.height
    return picture.shape[1], picture.shape[0]


def _unfit(ending: str, sounds: Sequence[Sound]) -> bool:
    return not {s.codec for s in sounds} <= holds(Path(f"any{ending}"))
