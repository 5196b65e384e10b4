"""Video in and out, on PyAV: probe, read frames with their time, write a video, check what was written.

Time is an integer pts and a Fraction time base, never a float. Frames are upright (H, W, 3) uint8 BGR.
"""

import itertools
import math
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

import av
import cv2
import numpy as np
from av.codec.context import Flags
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from faceblur.domain import Json
from faceblur.errors import MediaError, SourceError
from faceblur.images import Image

VERSION = 1  # part of a video's stamp: count up when the encoding changes

# Without these flags swscale moves up to 21 % of the samples of camera clips by more than one step.
_EXACT = (
    Interpolation.BICUBIC | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP | Interpolation.ACCURATE_RND
)
_UNKNOWN = 2  # "unspecified" in the colour enumerations of FFmpeg (and of ITU-T H.273)
_BT709 = (1, 1, 1, 1)  # limited range; primaries, transfer and matrix of HD video
_MP4 = (".mp4", ".m4v", ".mov")
_FAMILIES = {".mp4": ".mp4", ".m4v": ".mp4", ".mov": ".mov", ".mkv": ".mkv", ".webm": ".webm"}

T = TypeVar("T")
_Heard = tuple[Fraction, int]  # the time of a packet in seconds, and a checksum

# What matters is raised, counted and reported. With a level set, decoder threads wait for Python's lock to log an
# error, and a decoder that is closed meanwhile waits for them, for ever (PyAV issues 751 and 909).
av.logging.set_level(None)


@dataclass(frozen=True, slots=True)
class Sound:
    """One audio stream of a source: its index in the file and its codec."""

    index: int
    codec: str


@dataclass(frozen=True, slots=True)
class Video:
    """The facts of a video stream: what a reader needs, and what an output must repeat.

    `width` and `height` are those of the upright picture, `rotation` the degrees (counterclockwise) that make it so;
    `start` is the pts of the first frame, `zero` the pts at which an output's time begins (0 unless the container may
    count from anywhere, as MPEG streams do) and `frames` the number of frames that it promises (0: unknown).
    `colour` is what an output in YUV must say: range, primaries, transfer and matrix, numbered as in FFmpeg.
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

    def to_json(self) -> Json:
        values = {name: getattr(self, name) for name in self.__slots__}
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
        return cls(**{**value, **fractions, "colour": tuple(value["colour"]), "sounds": sounds})


@dataclass(frozen=True, slots=True)
class Recipe:
    """Which frames to take from a source: scaled to a width, at another rate, a part from `start` to `end` seconds."""

    scale: int | None = None
    fps: Fraction | None = None
    start: Fraction | None = None
    end: Fraction | None = None


@dataclass(frozen=True, slots=True)
class Timed:
    """A frame and its time: pts and duration in ticks of the reader's time base."""

    pts: int
    duration: int
    image: Image


def probe(path: Path) -> Video:
    """The facts of the first real video stream; SourceError when there is none or the file cannot be read."""
    with _opened(path) as container:
        stream = _video_stream(container, path)
        frame = next(_decoded(container, stream, lambda _: None), None)
        if frame is None:
            raise SourceError(f"{path} holds no picture that can be decoded; is it a video, and whole?")
        rotation = round(frame.rotation / 90) * 90 % 360
        upright = _upright_size(frame.width, frame.height, rotation)
        rate = stream.average_rate or stream.guessed_rate or stream.base_rate or Fraction(25)
        context = stream.codec_context
        time_base = stream.time_base or Fraction(1, 1000)
        length = stream.duration * time_base if stream.duration else Fraction(container.duration or 0, 1_000_000)
        aspect = stream.sample_aspect_ratio or Fraction(1)
        return Video(
            stream=stream.index,
            width=upright[0],
            height=upright[1],
            rotation=rotation,
            codec=context.name,
            pixel_format=str(context.pix_fmt),
            rate=Fraction(rate),
            time_base=Fraction(time_base),
            start=frame.pts or 0,
            zero=_zero(container, path, time_base),
            frames=stream.frames,
            duration_s=float(length),
            aspect=1 / Fraction(aspect) if rotation % 180 else Fraction(aspect),
            colour=_colour(frame),
            sounds=tuple(Sound(s.index, s.codec_context.name) for s in container.streams.audio if s.codec_context),
        )


class Reader:
    """The frames of a video in order of time, upright, one pass.

    After the pass `damaged` counts what could not be decoded, was marked corrupt, or is missing at the end, and
    `moved` the time stamps that had to be made up or moved because they did not rise.
    """

    def __init__(self, path: Path, video: Video, recipe: Recipe = Recipe()) -> None:
        self.path = path
        self.video = video
        self.recipe = recipe
        self.damaged = 0
        self.moved = 0
        self._last: int | None = None
        self._reformatter = VideoReformatter()

    @property
    def time_base(self) -> Fraction:
        """Seconds in a tick of the pts that come out."""
        return 1 / self.recipe.fps if self.recipe.fps else self.video.time_base

    @property
    def zero(self) -> Fraction:
        """The time in seconds, as the source counts, at which an output's time begins when the whole of it is taken."""
        return self.video.zero * self.video.time_base

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the frames that come out, in pixels."""
        width, height = self.video.width, self.video.height
        scale = self.recipe.scale
        return (scale, max(2, round(height * scale / width / 2) * 2)) if scale and scale != width else (width, height)

    def __iter__(self) -> Iterator[Timed]:
        frames = self._timed()
        for pts, duration, frame in self._resampled(frames) if self.recipe.fps else frames:
            yield Timed(pts, duration, self._picture(frame))

    def _timed(self) -> Iterator[tuple[int, int, Any]]:
        """Decoded frames of the part asked for, with rising pts and their durations in the source's time base."""
        first = self._tick(self.recipe.start) if self.recipe.start else None
        last = self._tick(self.recipe.end) if self.recipe.end is not None else None
        step = max(1, round(1 / (self.video.rate * self.video.time_base)))
        frames = ((self._rising(f.pts, step), f) for f in self._from(first))
        begun = (pair for pair in frames if first is None or pair[0] >= first)
        wanted = itertools.takewhile(lambda pair: last is None or pair[0] < last, begun)
        for (pts, frame), after in _with_next(wanted):
            yield pts, after[0] - pts if after else max(1, frame.duration or step), frame

    def _from(self, first: int | None) -> Iterator[Any]:
        """All decoded frames, or those from a key frame before `first` on, where the container leads there."""
        with _opened(self.path) as container:
            stream = container.streams[self.video.stream]
            stream.thread_type = "AUTO"
            seeked = first is not None and _went(container, stream, first)
            frames = self._frames(container, stream, seeked=seeked)
            head = next(frames, None) if seeked else None
            there = head is not None and head.pts is not None and first is not None and head.pts <= first
            if there or not seeked:
                yield from itertools.chain([head] if there else [], frames)
                return
        self.damaged = 0
        yield from self._from(None)

    def _frames(self, container: Any, stream: Any, *, seeked: bool) -> Iterator[Any]:
        end, count = Fraction(0), 0

        def seen(packet: Any) -> None:
            nonlocal end, count
            if packet.pts is not None:
                end = max(end, (packet.pts + (packet.duration or 0)) * Fraction(packet.time_base))
            if packet.stream_index == stream.index:
                self.damaged += packet.is_corrupt
                count += packet.size > 0 or packet.dts is not None

        for frame in _decoded(container, stream, seen, self._failed):
            self.damaged += frame.is_corrupt
            yield frame
        self.damaged += _lost(container, stream, float(end), None if seeked else count)

    def _failed(self) -> None:
        self.damaged += 1

    def _rising(self, pts: int | None, step: int) -> int:
        if pts is None or (self._last is not None and pts <= self._last):
            self.moved += 1
            pts = self.video.start if self._last is None else self._last + (step if pts is None else 1)
        self._last = pts
        return pts

    def _resampled(self, frames: Iterator[tuple[int, int, Any]]) -> Iterator[tuple[int, int, Any]]:
        """At a constant rate: at every tick of the new clock, the frame that the source shows at that moment."""
        tick: int | None = None
        for pts, duration, frame in frames:
            begin, end = (Fraction(t) * self.video.time_base / self.time_base for t in (pts, pts + duration))
            tick = round(begin) if tick is None else tick
            while tick < end:
                yield tick, 1, frame
                tick += 1

    def _tick(self, seconds: Fraction) -> int:
        return self.video.start + round(seconds / self.video.time_base)

    def _picture(self, frame: Any) -> Image:
        width, height = _upright_size(*self.size, self.video.rotation)
        frame = self._reformatter.reformat(frame, width, height, "bgr24", interpolation=_EXACT)
        image: Image = frame.to_ndarray()
        turns = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}
        if self.video.rotation in turns:
            image = cv2.rotate(image, turns[self.video.rotation]).astype(np.uint8, copy=False)
        return image


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
class Soundtrack:
    """The sound for an output: from which file and streams, and which part of it (seconds of the source's own time).

    The part begins at the output's time zero; without `begin` the sound keeps the source's own time.
    """

    path: Path
    sounds: tuple[Sound, ...]
    begin: Fraction | None = None
    end: Fraction | None = None


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
    own = _FAMILIES.get(source.suffix.lower()) if source else None
    usual = ".mkv" if any(s.codec.startswith("pcm_") for s in sounds) else ".mp4"
    return next((ending for ending in (own, usual) if ending and not _unfit(ending, sounds)), ".mkv")


def check_target(target: Path, sounds: Sequence[Sound]) -> None:
    """MediaError unless the container that `target` names can hold an encoded picture and this sound."""
    if target.suffix.lower() not in _FAMILIES:
        raise MediaError(f"{target.name}: cannot write this kind of file; name it .mp4, .mov, .mkv or .webm")
    unfit = _unfit(target.suffix.lower(), sounds)
    if unfit:
        names = ", ".join(av.Codec(name, "r").canonical_name for name in unfit)
        advice = "name the output .mkv, which holds any sound"
        raise MediaError(f"{target.name}: {target.suffix} cannot hold the source's {names} sound; {advice}")


def write(path: Path, images: Iterable[Image], clock: Clock, encoding: Encoding, track: Soundtrack | None) -> None:
    """Encode (H, W, 3) uint8 BGR images, one for each pts, and copy the sound packet by packet.

    Nothing of the source's metadata is written. Raises MediaError when encoding fails; the file is then to be thrown
    away. The caller gives a temporary path and checks the result with `verify` before it gets its name.
    """
    pictures = iter(images)
    first = next(pictures)
    try:
        with av.open(path, "w", options=_muxer_options(path, clock)) as container, _sound(track) as source:
            stream = _add_video(container, path, first, clock, encoding)
            copies = {s.index: container.add_stream_from_template(s) for s in source.streams} if source else {}
            waiting = source.packets() if source else iter(())
            held = next(waiting, None)
            for pts, duration, image in zip(
                clock.pts, clock.durations(), itertools.chain([first], pictures), strict=True
            ):
                while held is not None and held[0] <= pts * clock.time_base:
                    _mux_copy(container, copies, held[1])
                    held = next(waiting, None)
                container.mux(stream.encode(_frame(image, pts, duration, clock, stream.codec_context)))
            container.mux(stream.encode(None))
            for _, packet in itertools.chain([held] if held else [], waiting):
                _mux_copy(container, copies, packet)
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


def verify(path: Path, clock: Clock, size: tuple[int, int], track: Soundtrack | None) -> Json:
    """Open a written video again and compare it with what it must be; MediaError at the first difference.

    Compared are size, number of frames, every time stamp (within half a tick of the output's clock), the length, and
    for each audio stream the number, times and bytes of its packets. In Matroska all times may come a little later, all
    by as much, where sound began before zero. Returns the figures for the report.
    """
    with _opened(path) as container:
        stream = _video_stream(container, path)
        context = stream.codec_context
        _same("size", (context.width, context.height), size)
        shown: dict[int, list[_Heard]] = {s.index: [] for s in container.streams}
        end = Fraction(0)
        for packet in _demuxed(container, path):
            if packet.size and packet.pts is not None:
                time, is_sound = packet.pts * Fraction(packet.time_base), packet.stream_index != stream.index
                shown[packet.stream_index].append((time, _payload(packet) if is_sound else 0))
                end = end if is_sound else max(end, time + (packet.duration or 0) * Fraction(packet.time_base))
        times = sorted(t for t, _ in shown[stream.index])
        tick = Fraction(stream.time_base) / 2
        wanted = [pts * clock.time_base for pts in clock.pts]
        _same("number of frames", len(times), len(wanted))
        moved = _moved(path, times[0] - wanted[0]) if track else Fraction(0)
        for number, (is_, must) in enumerate(zip(times, wanted, strict=True), start=1):
            if abs(is_ - moved - must) > (2 * tick if moved else tick):
                raise MediaError(f"frame {number} got the time {float(is_):.6f} s instead of {float(must):.6f} s")
        length = end - times[0]
        if stream.duration and path.suffix.lower() in _MP4:
            length = stream.duration * Fraction(stream.time_base)
        frame = max(clock.durations()[:-1] or clock.durations()) * clock.time_base
        if abs(length - clock.seconds) > frame + 4 * tick:
            raise MediaError(f"the video is {float(length):.3f} s long instead of {float(clock.seconds):.3f} s")
        audio = [shown[s.index] for s in container.streams.audio]
    packets = _verify_sound(audio, track, moved)
    return {
        "frames": len(times),
        "width": size[0],
        "height": size[1],
        "duration_s": float(length),
        "sound_packets": packets,
    }


# Reading


def _opened(path: Path) -> Any:
    """An open container, to be closed by a `with`."""
    try:
        return av.open(path, metadata_errors="replace")
    except FileNotFoundError as error:
        raise SourceError(f"{path} does not exist") from error
    except IsADirectoryError as error:
        raise SourceError(f"{path} is a folder, not a video") from error
    except (av.FFmpegError, OSError) as error:
        raise SourceError(f"{path} cannot be read as a video: {error.strerror}") from error


def _video_stream(container: Any, path: Path) -> Any:
    for stream in container.streams.video:
        if not stream.disposition & av.stream.Disposition.attached_pic and stream.codec_context is not None:
            return stream
    raise SourceError(f"{path} has no video in it")


def _decoded(
    container: Any, stream: Any, seen: Callable[[Any], None], failed: Callable[[], None] = lambda: None
) -> Iterator[Any]:
    """The frames of `stream`. `seen` gets every packet of the file, `failed` is called for what cannot be decoded."""
    packets = container.demux()
    while True:
        try:
            packet = next(packets, None)
        except av.FFmpegError:
            failed()
            packet = None
        if packet is not None:
            seen(packet)
            if not packet.size or packet.stream_index != stream.index:
                continue
        try:
            yield from stream.decode(packet)  # without a packet: the frames that the decoder holds back
        except av.FFmpegError:
            failed()
        if packet is None:
            return


def _went(container: Any, stream: Any, pts: int) -> bool:
    """Go to a key frame before `pts`, if this kind of file leads there: MPEG streams land anywhere, AVI loses count."""
    exact: bool = container.format.name.startswith(("mov,", "matroska,"))
    if exact:
        with suppress(av.FFmpegError):
            container.seek(pts, stream=stream)
    return exact


def _lost(container: Any, stream: Any, end_s: float, packets: int | None) -> int:
    """How many frames a file promises that are not in it, when all that was read ends at `end_s`.

    MP4 and AVI list their frames; those of a cut MP4 lie behind its end. Matroska, FLV and AVI say how long they are,
    and half a second less is normal. MPEG streams promise nothing.
    """
    beyond: int = sum(entry.pos + entry.size > container.size for entry in stream.index_entries)
    unseen: int = len(stream.index_entries) - packets if packets is not None else 0
    promised_s = end_s
    if container.format.name in ("matroska,webm", "flv"):
        promised_s = (container.duration or 0) / 1_000_000
    elif container.format.name == "avi":
        promised_s = float(stream.frames * stream.time_base)
    short = round((promised_s - end_s) * (stream.average_rate or 25)) if promised_s - end_s > 0.5 else 0
    return max(0, beyond, unseen, short)


def _zero(container: Any, path: Path, time_base: Fraction) -> int:
    keeps_time = path.suffix.lower() in _FAMILIES
    return 0 if keeps_time else math.floor(Fraction(container.start_time or 0, 1_000_000) / time_base)


def _colour(frame: Any) -> tuple[int, int, int, int]:
    if frame.format.is_rgb:
        primaries, transfer = (1 if c == _UNKNOWN else c for c in (frame.color_primaries, frame.color_trc))
        return 1, primaries, transfer, 1
    return frame.color_range, frame.color_primaries, frame.color_trc, frame.colorspace


def _demuxed(container: Any, path: Path, *streams: Any) -> Iterator[Any]:
    try:
        yield from container.demux(*streams)
    except av.FFmpegError as error:
        raise SourceError(f"{path} cannot be read to its end: {error.strerror}") from error


def _upright_size(width: int, height: int, rotation: int) -> tuple[int, int]:
    return (height, width) if rotation % 180 else (width, height)


def _with_next(items: Iterable[T]) -> Iterator[tuple[T, T | None]]:
    ahead, behind = itertools.tee(items)
    next(ahead, None)
    return itertools.zip_longest(behind, ahead)


# Writing


def _muxer_options(path: Path, clock: Clock) -> dict[str, str]:
    if path.suffix.lower() not in _MP4:
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
        interpolation=_EXACT,
        dst_colorspace=context.colorspace if context.colorspace != _UNKNOWN else None,
        dst_color_range=context.color_range or None,
    )
    frame.pts, frame.duration, frame.time_base = pts, duration, clock.time_base
    return frame


class _Source:
    """The sound packets of a track in file order, shifted to the output's time."""

    def __init__(self, container: Any, track: Soundtrack) -> None:
        self.track = track
        self.container = container
        self.streams = [container.streams[s.index] for s in track.sounds]

    def packets(self) -> Iterator[tuple[Fraction, Any]]:
        """(time in the output in seconds, packet)."""
        track = self.track
        for packet in _demuxed(self.container, track.path, *self.streams):
            if not packet.size or packet.pts is None:
                continue
            base = Fraction(packet.time_base)
            time = packet.pts * base
            if (track.begin is not None and time < track.begin) or (track.end is not None and time >= track.end):
                continue
            shift = round((track.begin or 0) / base)
            packet.pts -= shift
            packet.dts = packet.dts - shift if packet.dts is not None else None
            yield packet.pts * base, packet


@contextmanager
def _sound(track: Soundtrack | None) -> Iterator[_Source | None]:
    if track is None or not track.sounds:
        yield None
        return
    with _opened(track.path) as container:
        yield _Source(container, track)


def _mux_copy(container: Any, copies: dict[int, Any], packet: Any) -> None:
    packet.stream = copies[packet.stream_index]
    container.mux_one(packet)


def _unfit(ending: str, sounds: Sequence[Sound]) -> list[str]:
    with av.open(_Nowhere(), "w", format=_FORMATS[_FAMILIES[ending]]) as container:
        holds = container.supported_codecs
    return sorted({s.codec for s in sounds} - set(holds)) if ending != ".mkv" else []


_FORMATS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}


class _Nowhere:
    """A file that forgets: to ask a muxer what it can hold without writing anything."""

    name = "nowhere"

    def write(self, data: bytes) -> int:
        return len(data)


# Checking


def _same(what: str, is_: object, must: object) -> None:
    if is_ != must:
        raise MediaError(f"the {what} came out as {is_} instead of {must}; please report this with the source's facts")


def _moved(path: Path, by: Fraction) -> Fraction:
    """By how much all times may have moved: Matroska has none before zero, where AAC sound from MP4 begins."""
    return by if path.suffix.lower() in (".mkv", ".webm") and 0 < by < Fraction(1, 10) else Fraction(0)


def _verify_sound(audio: list[list[_Heard]], track: Soundtrack | None, moved: Fraction) -> int:
    wanted: list[list[_Heard]] = []
    with _sound(track) as source:
        if source:
            order = {s.index: i for i, s in enumerate(source.streams)}
            wanted = [[] for _ in order]
            for time, packet in source.packets():
                wanted[order[packet.stream_index]].append((time, _payload(packet)))
    _same("number of audio streams", len(audio), len(wanted))
    for is_, must in zip(audio, wanted, strict=True):
        _same("number of sound packets", len(is_), len(must))
        for number, ((a, heard), (b, meant)) in enumerate(zip(is_, must, strict=True), start=1):
            if abs(a - moved - b) > Fraction(2 if moved else 1, 1000):
                raise MediaError(f"sound meant for {float(b):.4f} s came out at {float(a):.4f} s")
            _same(f"content of sound packet {number}", heard, meant)
    return sum(len(packets) for packets in wanted)


def _payload(packet: Any) -> int:
    """A checksum of a sound packet; AAC in MPEG streams is taken without the ADTS header, which only they have."""
    data = bytes(packet)
    adts = packet.stream.codec_context.name == "aac" and data[0] == 0xFF and data[1] & 0xF6 == 0xF0
    return zlib.crc32(data[7 if data[1] & 1 else 9 :] if adts else data)
