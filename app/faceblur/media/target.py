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
from faceblur.images import Image
from faceblur.media.containers import FAMILIES, MP4, holds
from faceblur.media.sound import Soundtrack, carried
from faceblur.media.source import EXACT, UNKNOWN, Sound

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


def write(path: Path, images: Iterable[Image], clock: Clock, encoding: Encoding, track: Soundtrack | None) -> None:
    """Encode (H, W, 3) uint8 BGR images, one for each pts; copy the sound, or encode it anew where `path` asks for it.

    Nothing of the source's metadata is written but the language of sound and subtitles, and what each is for. Raises
    MediaError when encoding fails; the file is then to be thrown away. The caller gives a temporary path and checks the
    result with `verify` before it gets its name.
    """
    pictures = iter(images)
    first = next(pictures)
    try:
        with av.open(path, "w", options=_muxer_options(path, clock)) as container, ExitStack() as opened:
            stream = _add_video(container, path, first, clock, encoding)
            waiting = opened.enter_context(carried(track, container, path))
            held = next(waiting, None)
            for pts, duration, image in zip(
                clock.pts, clock.durations(), itertools.chain([first], pictures), strict=True
            ):
                while held is not None and held[0] <= pts * clock.time_base:
                    container.mux_one(held[1])
                    held = next(waiting, None)
                container.mux(stream.encode(_frame(image, pts, duration, clock, stream.codec_context)))
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


def _add_video(container: Any, path: Path, image: Image, clock: Clock, encoding: Encoding) -> Any:
    height, width = image.shape[:2]
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


def _frame(image: Image, pts: int, duration: int, clock: Clock, context: Any) -> Any:
    frame = av.VideoFrame.from_ndarray(image, format="bgr24")
    frame = frame.reformat(
        format=context.pix_fmt,
        interpolation=EXACT,
        dst_colorspace=context.colorspace if context.colorspace != UNKNOWN else None,
        dst_color_range=context.color_range or None,
    )
    frame.pts, frame.duration, frame.time_base = pts, duration, clock.time_base
    return frame


def _unfit(ending: str, sounds: Sequence[Sound]) -> bool:
    return not {s.codec for s in sounds} <= holds(Path(f"any{ending}"))
