"""Writing videos: encode pictures at given times, copy the sound, and nothing of the source's metadata."""

import itertools
import os
from collections.abc import Collection, Iterable, Sequence
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
from faceblur.media.containers import FAMILIES, MP4, format_of, holds
from faceblur.media.encoders import Encoding
from faceblur.media.pixels import Layout, converted, frame_of, from_planes, planes
from faceblur.media.sound import Soundtrack, carried
from faceblur.media.video import Sound

VERSION = 2  # part of a video's stamp: count up when the encoding changes


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


def family(source: Path | None, sounds: Sequence[Sound], endings: Collection[str] = FAMILIES) -> str:
    """The ending that an output gets by default: the source's own where we can write it, else .mp4 or .mkv.

    `endings` are those that can hold the picture. PCM sound goes into .mkv: hardly any player knows it in .mp4.
    """
    own = FAMILIES.get(source.suffix.lower()) if source else None
    usual = ".mkv" if any(s.codec.startswith("pcm_") for s in sounds) else ".mp4"
    return next((e for e in (own, usual) if e and e in endings and not _unfit(e, sounds)), ".mkv")


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
        options = _muxer_options(path, clock)
        with av.open(path, "w", format=format_of(path), options=options) as container, ExitStack() as opened:
            stream = _add_video(container, path, _size(first), clock, encoding)
            waiting = opened.enter_context(carried(track, container, path))
            held = next(waiting, None)
            for pts, duration, picture in zip(
                clock.pts, clock.durations(), itertools.chain([first], waiting_pictures), strict=True
            ):
                while held is not None and held[0] <= pts * clock.time_base:
                    container.mux_one(held[1])
                    held = next(waiting, None)
                frame = _frame(picture, encoding)
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


def _add_video(container: Any, path: Path, size: tuple[int, int], clock: Clock, encoding: Encoding) -> Any:
    encoder, options = encoding.codec.encoder, dict(encoding.options)
    if not clock.is_regular:  # MP4 tells durations in decoding order, which B-frames would garble
        if encoder == "libx265":
            options["x265-params"] += ":bframes=0"
        elif encoding.codec.name in ("h264", "hevc"):
            options["bf"] = "0"
    os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 tells errors only
    stream = container.add_stream(encoder, rate=encoding.rate, options=options)
    stream.time_base = clock.time_base
    context = stream.codec_context
    context.time_base = clock.time_base
    # As FFmpeg has it by default. PyAV asks for slices, with which x264 waits for the slowest slice of each frame and
    # writes files that are 4 % larger.
    context.thread_type = "AUTO"
    context.flags |= Flags.frame_duration  # or the muxer makes up how long the last frame lasts
    context.width, context.height = size
    context.pix_fmt = encoding.pixel_format
    if encoding.codec.name == "hevc" and path.suffix.lower() in MP4:
        context.codec_tag = "hvc1"  # the kind of HEVC in MP4 that Apple's players know
    context.sample_aspect_ratio = encoding.aspect
    context.color_range, context.color_primaries, context.color_trc, context.colorspace = encoding.colour
    return stream


def _frame(picture: Pixels | av.VideoFrame, encoding: Encoding) -> av.VideoFrame:
    if not isinstance(picture, av.VideoFrame):
        return frame_of(picture, encoding.pixel_format, encoding.colour)
    # A copy without side data: captions, user data and display matrices of the source would be encoded too.
    arrays, highest = planes(picture), (1 << Layout.of(picture.format.name).depth) - 1
    if highest < np.iinfo(arrays[0].dtype).max:
        # Where a source is damaged, samples of 10 bits may be above 1023: x264 ends the whole process over them.
        arrays = [np.minimum(plane, plane.dtype.type(highest)) for plane in arrays]
    frame = from_planes(arrays, picture)
    frame = converted(frame, (frame.width, frame.height), encoding.pixel_format, encoding.colour)
    frame.color_range, frame.color_primaries, frame.color_trc, frame.colorspace = encoding.colour
    return frame


def _size(picture: Pixels | av.VideoFrame) -> tuple[int, int]:
    if isinstance(picture, av.VideoFrame):
        return picture.width, picture.height
    return picture.shape[1], picture.shape[0]


def _unfit(ending: str, sounds: Sequence[Sound]) -> bool:
    return not {s.codec for s in sounds} <= holds(Path(f"any{ending}"))
