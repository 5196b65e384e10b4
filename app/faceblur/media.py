"""Video in and out, on PyAV: probe, read frames with their time, write a video, check what was written.

Time is an integer pts and a Fraction time base, never a float. Frames are upright (H, W, 3) uint8 BGR.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

import av
import cv2
import numpy as np
from av.video.reformatter import Interpolation
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
_FAMILIES = {".mp4": ".mp4", ".m4v": ".mp4", ".mov": ".mov", ".mkv": ".mkv", ".webm": ".webm"}

T = TypeVar("T")

av.logging.set_level(av.logging.PANIC)  # what matters is raised, counted and reported


@dataclass(frozen=True, slots=True)
class Sound:
    """One audio stream of a source: its index in the file and its codec."""

    index: int
    codec: str


@dataclass(frozen=True, slots=True)
class Video:
    """The facts of a video stream: what a reader needs, and what an output must repeat.

    `width` and `height` are those of the upright picture, `rotation` the degrees (counterclockwise) that make it so;
    `start` is the pts of the first frame and `frames` the number of frames that the container promises (0: unknown).
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
    frames: int
    duration_s: float
    aspect: Fraction
    colour: tuple[int, int, int, int]  # range, primaries, transfer, matrix, as in FFmpeg
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
        upright = _upright_size(frame.width, frame.height, frame.rotation)
        rate = stream.average_rate or stream.guessed_rate or stream.base_rate or Fraction(25)
        context = stream.codec_context
        time_base = stream.time_base or Fraction(1, 1000)
        length = stream.duration * time_base if stream.duration else Fraction(container.duration or 0, 1_000_000)
        aspect = stream.sample_aspect_ratio or Fraction(1)
        return Video(
            stream=stream.index,
            width=upright[0],
            height=upright[1],
            rotation=frame.rotation % 360,
            codec=context.name,
            pixel_format=str(context.pix_fmt),
            rate=Fraction(rate),
            time_base=Fraction(time_base),
            start=frame.pts or 0,
            frames=stream.frames,
            duration_s=float(length),
            aspect=1 / Fraction(aspect) if frame.rotation % 180 else Fraction(aspect),
            colour=(int(context.color_range), context.color_primaries, context.color_trc, int(context.colorspace)),
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

    @property
    def time_base(self) -> Fraction:
        """Seconds in a tick of the pts that come out."""
        return 1 / self.recipe.fps if self.recipe.fps else self.video.time_base

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
        with _opened(self.path) as container:
            stream = container.streams[self.video.stream]
            stream.thread_type = "AUTO"
            if first is not None:
                container.seek(first, stream=stream, backward=True)
            frames = ((self._rising(f.pts, step), f) for f in self._frames(container, stream, seeked=first is not None))
            begun = (pair for pair in frames if first is None or pair[0] >= first)
            wanted = itertools.takewhile(lambda pair: last is None or pair[0] < last, begun)
            for (pts, frame), after in _with_next(wanted):
                yield pts, after[0] - pts if after else max(1, frame.duration or step), frame

    def _frames(self, container: Any, stream: Any, *, seeked: bool) -> Iterator[Any]:
        packets = 0

        def seen(packet: Any) -> None:
            nonlocal packets
            packets += packet.size > 0
            self.damaged += packet.is_corrupt

        for frame in _decoded(container, stream, seen, self._failed):
            self.damaged += frame.is_corrupt
            yield frame
        if not seeked:
            self.damaged += max(0, stream.frames - packets)

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
        frame = frame.reformat(width=width, height=height, format="bgr24", interpolation=_EXACT)
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
    colour: tuple[int, int, int, int] = (0, _UNKNOWN, _UNKNOWN, _UNKNOWN)


def family(source: Path | None, sounds: Sequence[Sound]) -> str:
    """The ending that an output gets by default: the source's own where we can write it, else .mp4 or .mkv."""
    own = _FAMILIES.get(source.suffix.lower()) if source else None
    if own:
        return own
    return ".mp4" if not _unfit(".mp4", sounds) else ".mkv"


def check_target(target: Path, sounds: Sequence[Sound]) -> None:
    """MediaError unless the container that `target` names can hold an encoded picture and this sound."""
    if target.suffix.lower() not in _FAMILIES:
        raise MediaError(f"{target.name}: cannot write this kind of file; name it .mp4, .mov, .mkv or .webm")
    unfit = _unfit(target.suffix.lower(), sounds)
    if unfit:
        advice = "name the output .mkv, which holds any sound"
        raise MediaError(f"{target.name}: {target.suffix} cannot hold the source's {', '.join(unfit)} sound; {advice}")


def write(path: Path, images: Iterable[Image], clock: Clock, encoding: Encoding, track: Soundtrack | None) -> None:
    """Encode (H, W, 3) uint8 BGR images, one for each pts, and copy the sound packet by packet.

    Nothing of the source's metadata is written. Raises MediaError when encoding fails; the file is then to be thrown
    away. The caller gives a temporary path and checks the result with `verify` before it gets its name.
    """
    pictures = iter(images)
    first = next(pictures)
    try:
        with av.open(path, "w", options=_muxer_options(path)) as container, _sound(track) as source:
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
    for each audio stream the number, time and bytes of its packets. Returns the figures for the report.
    """
    with _opened(path) as container:
        stream = _video_stream(container, path)
        context = stream.codec_context
        _same("size", (context.width, context.height), size)
        shown: dict[int, list[tuple[Fraction, int]]] = {s.index: [] for s in container.streams}
        for packet in _demuxed(container, path):
            if packet.size and packet.pts is not None:
                shown[packet.stream_index].append((packet.pts * Fraction(packet.time_base), packet.size))
        times = sorted(t for t, _ in shown[stream.index])
        tick = Fraction(stream.time_base) / 2
        _same("number of frames", len(times), len(clock.pts))
        for number, (is_, must) in enumerate(zip(times, clock.pts, strict=True), start=1):
            if abs(is_ - must * clock.time_base) > tick:
                raise MediaError(
                    f"frame {number} got the time {float(is_):.6f} s instead of {float(must * clock.time_base):.6f} s"
                )
        length = Fraction(stream.duration or 0) * Fraction(stream.time_base) or clock.seconds
        if abs(length - clock.seconds) > max(Fraction(clock.durations()[-1]) * clock.time_base, 2 * tick) + 2 * tick:
            raise MediaError(f"the video is {float(length):.3f} s long instead of {float(clock.seconds):.3f} s")
        audio = [shown[s.index] for s in container.streams.audio]
    packets = _verify_sound(audio, track)
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
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except av.FFmpegError:
            failed()
            packet = None
        if packet is None:
            return
        seen(packet)
        try:
            frames = packet.decode()
        except av.FFmpegError:
            failed()
            continue
        yield from frames


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


def _muxer_options(path: Path) -> dict[str, str]:
    return {"movflags": "+faststart"} if path.suffix.lower() in (".mp4", ".m4v", ".mov") else {}


def _add_video(container: Any, path: Path, image: Image, clock: Clock, encoding: Encoding) -> Any:
    height, width = image.shape[:2]
    if path.suffix.lower() == ".webm":
        codec, options = "libvpx-vp9", {"crf": str(encoding.crf), "b": "0", "row-mt": "1", "cpu-used": "4"}
    else:
        codec, options = "libx264", {"crf": str(encoding.crf), "preset": encoding.preset}
    stream = container.add_stream(codec, rate=encoding.rate, options=options)
    stream.time_base = clock.time_base
    context = stream.codec_context
    context.time_base = clock.time_base
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
            if track.begin is not None:
                if time < track.begin or (track.end is not None and time >= track.end):
                    continue
                shift = round(track.begin / base)
                packet.pts -= shift
                packet.dts = packet.dts - shift if packet.dts is not None else None
                time = packet.pts * base
            yield time, packet


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


def _verify_sound(audio: list[list[tuple[Fraction, int]]], track: Soundtrack | None) -> int:
    wanted: list[list[tuple[Fraction, int]]] = []
    with _sound(track) as source:
        if source:
            order = {s.index: i for i, s in enumerate(source.streams)}
            wanted = [[] for _ in order]
            for time, packet in source.packets():
                wanted[order[packet.stream_index]].append((time, packet.size))
    _same("number of audio streams", len(audio), len(wanted))
    for is_, must in zip(audio, wanted, strict=True):
        _same("number of sound packets", len(is_), len(must))
        _same("size of the sound", sum(s for _, s in is_), sum(s for _, s in must))
        for (a, _), (b, _) in zip(is_, must, strict=True):
            if abs(a - b) > Fraction(1, 1000):
                raise MediaError(f"sound meant for {float(b):.4f} s came out at {float(a):.4f} s")
    return sum(len(packets) for packets in wanted)
