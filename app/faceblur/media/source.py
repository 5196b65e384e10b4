"""Reading videos: the frames of a file in order of time, upright."""

import itertools
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any, Self, TypeVar

import av
import numpy as np

from faceblur.domain import Json
from faceblur.images import Pixels
from faceblur.media import ffv1
from faceblur.media.fields import deinterlaced
from faceblur.media.pixels import canonical, image_of, planes, upright
from faceblur.media.stream import decoded, opened
from faceblur.media.turn import Turn
from faceblur.media.video import Video

READING = 3  # part of what a frame is: count up when frames come out otherwise

T = TypeVar("T")
Picture = Pixels | av.VideoFrame  # what can be written


@dataclass(frozen=True, slots=True)
class Recipe:
    """Which frames to take from a source: scaled to a width, at another rate, a part from `start` to `end` seconds."""

    scale: int | None = None
    fps: Fraction | None = None
    start: Fraction | None = None
    end: Fraction | None = None

    @classmethod
    def from_json(cls, value: Json) -> Self:
        """The recipe in what split wrote, where everything is text."""
        seconds = {name: Fraction(value[name]) for name in ("fps", "start", "end") if value[name] is not None}
        return cls(scale=int(value["scale"]) if value["scale"] else None, **seconds)


@dataclass(frozen=True)
class Timed:
    """A frame and its time: pts and duration in ticks of the reader's time base.

    `decoded` is as the decoder gave it, `size` width and height before it is turned. What is asked for is made once,
    and only then.
    """

    pts: int
    duration: int
    decoded: av.VideoFrame
    size: tuple[int, int]
    turn: Turn

    @cached_property
    def frame(self) -> av.VideoFrame:
        """The frame in its canonical pixel format, scaled and upright; not to be written to."""
        return upright(canonical(self.decoded, self.size), self.turn)

    @cached_property
    def image(self) -> Pixels:
        """The frame as (H, W, 3) BGR or (H, W, 4) BGRA; uint8, or full-scale uint16 where it has more than 8 bits."""
        return image_of(self.decoded, self.size, self.turn)

    @cached_property
    def checksum(self) -> int:
        """A CRC-32 of every eighth row of `frame`: the same in every pass over the same source."""
        checksum = 0
        for plane in planes(self.frame):
            checksum = zlib.crc32(np.ascontiguousarray(plane[::8]).data, checksum)
        return checksum


class Reader:
    """The frames of a video in order of time, upright, one pass; several passes may be asked for with `again`.

    One thread decodes. With several, FFmpeg hands on a frame of H.264 before it knows what is wrong with it, so that
    now and then a damaged file passes as whole, and what is made up for damaged parts differs from pass to pass.

    After the pass `damaged` counts what could not be decoded, was marked corrupt, has a wrong checksum (with what
    builds on it, and none of that is decoded), or is missing at the end, and
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
    def zero(self) -> Fraction:
        """The time in seconds, as the source counts, at which an output's time begins when the whole of it is taken."""
        return self.video.zero * self.video.time_base

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the frames that come out, in pixels."""
        width, height = self.video.width, self.video.height
        scale = self.recipe.scale
        return (scale, max(2, round(height * scale / width / 2) * 2)) if scale and scale != width else (width, height)

    def again(self) -> "Reader":
        """The same frames, for another pass."""
        return Reader(self.path, self.video, self.recipe)

    def __iter__(self) -> Iterator[Timed]:
        frames, turn = self._timed(), self.video.turn
        size = turn.size(*self.size)
        for pts, duration, frame in self._resampled(frames) if self.recipe.fps else frames:
            yield Timed(pts, duration, frame, size, turn)

    def _timed(self) -> Iterator[tuple[int, int, Any]]:
        """Decoded frames of the part asked for, with rising pts and their durations in the source's time base."""
        first = self._tick(self.recipe.start) if self.recipe.start else None
        last = self._tick(self.recipe.end) if self.recipe.end is not None else None
        step = max(1, round(1 / (self.video.rate * self.video.time_base)))
        frames = deinterlaced((self._rising(f.pts, step), f) for f in self._from(first, step))
        begun = (pair for pair in frames if first is None or pair[0] >= first)
        wanted = itertools.takewhile(lambda pair: last is None or pair[0] < last, begun)
        for (pts, frame), after in _with_next(wanted):
            yield pts, after[0] - pts if after else max(1, frame.duration or step), frame

    def _from(self, first: int | None, step: int) -> Iterator[Any]:
        """All decoded frames, or those from a key frame before `first` on, where the container leads there.

        `step` is how long a frame lasts: to deinterlace one takes the frame before it, too.
        """
        with opened(self.path) as container:
            stream = container.streams[self.video.stream]
            stream.codec_context.thread_count = 1
            seeked = first is not None and _went(container, stream, first - 2 * step * self.video.interlaced)
            frames = self._frames(container, stream, seeked=seeked)
            head = next(frames, None) if seeked else None
            there = head is not None and head.pts is not None and first is not None and head.pts <= first
            if there or not seeked:
                yield from itertools.chain([head] if there else [], frames)
                return
        self.damaged = 0
        yield from self._from(None, step)

    def _frames(self, container: Any, stream: Any, *, seeked: bool) -> Iterator[Any]:
        end, count = Fraction(0), 0
        lead: list[int] = []  # the times of what comes before the first key frame, in a file that begins in the middle
        begun = seeked
        checked = stream.codec_context.name == "ffv1" and ffv1.has_sizes(stream.codec_context.extradata)
        broken = False  # here and up to the next key frame: FFmpeg would show what its memory held before

        def seen(packet: Any) -> bool:
            nonlocal end, count, begun, broken
            if packet.pts is not None:
                end = max(end, (packet.pts + (packet.duration or 0)) * Fraction(packet.time_base))
            if packet.stream_index == stream.index:
                if checked and packet.size:
                    broken = not ffv1.is_whole(bytes(packet)) or (broken and not packet.is_keyframe)
                    self.damaged += broken
                self.damaged += packet.is_corrupt and not broken
                count += packet.size > 0 or packet.dts is not None
                begun = begun or packet.is_keyframe or packet.is_discard
                if not begun and packet.pts is not None:
                    lead.append(packet.pts)
            return not broken

        for frame in decoded(container, stream, seen, self._failed):
            if lead and frame.pts is not None:  # what lies before the first picture could not be decoded
                self.damaged += sum(pts < frame.pts for pts in lead)
                lead.clear()
                begun = True
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


def _with_next(items: Iterable[T]) -> Iterator[tuple[T, T | None]]:
    """Each item with the one after it. Not with tee, which holds on to what was taken, 57 at a time."""
    ahead = iter(items)
    item = next(ahead, None)
    while item is not None:
        following = next(ahead, None)
        yield item, following
        item = following
