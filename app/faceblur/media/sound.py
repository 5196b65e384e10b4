"""The sound and the subtitles of a source, packet by packet, in the time of an output.

A stream is copied where the output's container holds its codec. Else it is decoded and encoded anew, and so is sound
that is to be distorted.
"""

import heapq
import itertools
import math
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from faceblur.errors import MediaError, SourceError
from faceblur.media.containers import holds, sound_encoder, subtitle_encoder
from faceblur.media.distortion import Samples, distorted
from faceblur.media.headers import bare
from faceblur.media.stream import opened
from faceblur.media.video import Sound

Carried = Iterator[tuple[Fraction, Any]]  # (time in the output in seconds, packet)

_BIT_RATE = 96_000  # of each channel that is encoded anew, in bits a second: more than anybody hears
_TRIFLE_S = Fraction(1, 2000)  # more than a sample, and less than anybody hears
_SLACK_S = Fraction(1, 50)  # by which sound may come early or late before some is left out, or silence put in
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")  # ISO 639 or BCP 47; anything else may say anything
_EMPTY = b"\0\0"  # what MP4 has for subtitles where nobody speaks; the muxer puts it in by itself


@dataclass(frozen=True, slots=True)
class Soundtrack:
    """What goes along with an output's pictures: from which file and streams, and which part (the source's seconds).

    The part begins at the output's time zero; without `begin` everything keeps the source's own time. `subtitles` are
    streams of the same file. With `distort` no voice comes out as it was.
    """

    path: Path
    sounds: tuple[Sound, ...]
    begin: Fraction | None = None
    end: Fraction | None = None
    subtitles: tuple[Sound, ...] = ()
    distort: bool = False

    def recoded(self, target: Path) -> tuple[Sound, ...]:
        """The audio streams that cannot be copied into `target`, or must not be."""
        return tuple(s for s in self.sounds if self.distort or s.codec not in holds(target))


def subtitles(path: Path) -> tuple[Sound, ...]:
    """The subtitle streams of a file; those that nothing here can read have no codec's name."""
    with opened(path) as container:
        return tuple(Sound(s.index, _codec(s)) for s in container.streams.subtitles)


@contextmanager
def carried(track: Soundtrack | None, container: Any, target: Path) -> Iterator[Carried]:
    """Add the streams of a track to the output `container`; gives the packets for them, about in order of time."""
    if track is None:
        yield iter(())
        return
    with opened(track.path) as source:
        flows: list[Carried] = []
        changed: dict[int, Callable[[Any], Carried]] = {}
        recoded = track.recoded(target)
        for sound in track.sounds:
            stream = source.streams[sound.index]
            if sound in recoded:
                rate, layout = _settings(sound_encoder(target), stream.codec_context)
                added = container.add_stream(sound_encoder(target), rate=rate, layout=layout)
                added.codec_context.bit_rate = _BIT_RATE * added.codec_context.layout.nb_channels
                flows.append(_encoded(added, track, sound))
            else:
                added = _copied(container, stream)
                changed[sound.index] = _onto(added)
            _describe(added, stream)
        for words in track.subtitles:
            stream = source.streams[words.index]
            if words.codec in holds(target):
                added = _copied(container, stream)
                changed[words.index] = _onto(added)
            else:
                added = container.add_stream(subtitle_encoder(target))
                changed[words.index] = _rewritten(added, stream)
            _describe(added, stream)
        flows.append(
            item for packet in packets(source, track, changed) for item in changed[packet.stream_index](packet)
        )
        yield heapq.merge(*flows, key=lambda item: item[0])


def packets(container: Any, track: Soundtrack, indices: Iterable[int]) -> Iterator[Any]:
    """The packets of some sound and subtitle streams in file order, shifted to the output's time.

    Of sound at the ends of a part only packets that begin in it are taken; subtitles are cut to it. The times of sound
    rise, for which a packet may be moved by less than a millisecond; MediaError where they go back further.
    """
    shown = {s.index for s in track.subtitles}
    before: dict[int, int] = {}
    for packet in _demuxed(container, track.path, *(container.streams[i] for i in indices)):
        if not packet.size or packet.pts is None:
            continue
        base = Fraction(packet.time_base)
        begin, end = (round(t / base) if t is not None else None for t in (track.begin, track.end))
        if packet.stream_index in shown:
            if bytes(packet) == _EMPTY:
                continue
            if not _cut(packet, begin, end):
                continue
        elif (track.begin is not None and packet.pts * base < track.begin) or (
            track.end is not None and packet.pts * base >= track.end
        ):
            continue
        packet.pts -= begin or 0
        packet.dts = packet.dts - (begin or 0) if packet.dts is not None else None
        if packet.stream_index not in shown and packet.dts is not None:
            _raise_time(packet, before.get(packet.stream_index))
            before[packet.stream_index] = packet.dts
        yield packet


def present(track: Soundtrack) -> Soundtrack:
    """The track without the streams of which nothing is in the part: no MP4 can hold them."""
    missing = {s.index for s in (*track.sounds, *track.subtitles)}
    with opened(track.path) as source:
        for packet in packets(source, track, missing.copy()):
            missing.discard(packet.stream_index)
            if not missing:
                break
    sounds, words = (tuple(s for s in ss if s.index not in missing) for ss in (track.sounds, track.subtitles))
    return replace(track, sounds=sounds, subtitles=words)


def decoded(track: Soundtrack, sound: Sound, rate: int, layout: str) -> Iterator[tuple[int, Samples]]:
    """Sound as (time in the output in samples, (channels, N) float32 samples), each chunk where the last one ended.

    Where the source has a gap, or cannot be decoded, there is silence, so that the rest stays in time.
    """
    shift = round((track.begin or 0) * rate)
    low = 0 if track.begin is not None else None
    high = round(track.end * rate) - shift if track.end is not None else None
    at: int | None = None
    for frame in _uniform(_frames(track, sound), rate, layout):
        samples: Samples = frame.to_ndarray()
        meant = round(frame.pts * Fraction(frame.time_base) * rate) - shift if frame.pts is not None else at or 0
        at = meant if at is None else at
        late = meant - at
        if late > _SLACK_S * rate:
            samples = np.concatenate([np.zeros((len(samples), late), np.float32), samples], axis=1)
        elif late < -_SLACK_S * rate:
            samples = samples[:, -late:]
        begin, at = at, at + samples.shape[1]
        skipped = max(0, low - begin) if low is not None else 0
        samples = samples[:, skipped : None if high is None else max(0, high - begin)]
        if samples.size:
            yield begin + skipped, samples


def _encoded(added: Any, track: Soundtrack, sound: Sound) -> Carried:
    context = added.codec_context
    rate, layout = context.sample_rate, context.layout.name
    pieces = decoded(track, sound, rate, layout)
    first = next(pieces, None)
    at = first[0] if first else 0
    chunks = (samples for _, samples in itertools.chain([first] if first else [], pieces))
    for samples in distorted(chunks, rate) if track.distort else chunks:
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, at, Fraction(1, rate)
        at += samples.shape[1]
        for packet in added.encode(frame):
            yield packet.pts * Fraction(packet.time_base), packet
    for packet in added.encode(None) if first else ():
        yield packet.pts * Fraction(packet.time_base), packet


def _settings(encoder: str, source: Any) -> tuple[int, str]:
    """Sample rate and channel layout to encode with: those of the source, or the nearest that lose least."""
    codec: Any = av.Codec(encoder, "w")
    own: int = source.sample_rate
    rates: list[int] = codec.audio_rates or [own]
    rate = min((r for r in rates if r >= own), default=max(rates))
    for layout in (source.layout.name, {1: "mono", 6: "5.1", 8: "7.1"}.get(source.layout.nb_channels, "stereo")):
        with suppress(av.FFmpegError, ValueError):
            trial: Any = av.CodecContext.create(encoder, "w")
            trial.sample_rate, trial.layout, trial.format = rate, layout, codec.audio_formats[0]
            trial.open()
            return rate, layout
    return rate, "stereo"


def _frames(track: Soundtrack, sound: Sound) -> Iterator[Any]:
    with opened(track.path) as container:
        stream = container.streams[sound.index]
        for packet in itertools.chain(_demuxed(container, track.path, stream), [None]):
            if packet is None or packet.size:
                with suppress(av.FFmpegError):  # silence takes its place
                    yield from stream.decode(packet)


def _uniform(frames: Iterable[Any], rate: int, layout: str) -> Iterator[Any]:
    """Frames as planes of floats at one rate and layout, also where those change on the way, as in television."""
    resampler, before = None, None
    for frame in frames:
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if resampler is None or kind != before:
            yield from resampler.resample(None) if resampler else ()
            resampler, before = av.AudioResampler("fltp", layout, rate), kind
        yield from resampler.resample(frame)
    yield from resampler.resample(None) if resampler else ()


def _copied(container: Any, source: Any) -> Any:
    added = container.add_stream_from_template(source)
    if header := source.codec_context.extradata:
        try:
            added.codec_context.extradata = bare(source.codec_context.name, bytes(header))
        except (ValueError, IndexError) as error:
            advice = "leave all sound out with --audio drop"
            raise MediaError(
                f"a stream cannot be copied: its {source.codec_context.name} header is broken; {advice}"
            ) from error
    return added


def _onto(added: Any) -> Callable[[Any], Carried]:
    def put(packet: Any) -> Carried:
        packet.stream = added
        yield packet.pts * Fraction(packet.time_base), packet

    return put


def _rewritten(added: Any, source: Any) -> Callable[[Any], Carried]:
    """Subtitles in another text format: styles that it does not know are lost, words and times are not."""
    reader, writer = source.codec_context, added.codec_context
    reader.open(strict=False)
    added.time_base = writer.time_base = Fraction(1, 1000)
    writer.subtitle_header = reader.subtitle_header

    def put(packet: Any) -> Carried:
        shown = reader.decode2(packet)
        if shown is not None and len(shown):
            made = writer.encode_subtitle(shown)
            made.pts = made.dts = packet.pts
            made.duration, made.time_base, made.stream = packet.duration, packet.time_base, added
            yield made.pts * Fraction(made.time_base), made

    return put


def _describe(added: Any, source: Any) -> None:
    """Keep a stream's language and what it is for (default, forced, for the hard of hearing), and no other word."""
    if spoken := language(source):
        added.metadata["language"] = spoken
    added.disposition = source.disposition


def language(stream: Any) -> str | None:
    """The language of a stream, if what stands there is the code of one."""
    code = stream.language
    return code if code and code != "und" and _LANGUAGE.fullmatch(code) else None


def _raise_time(packet: Any, before: int | None) -> None:
    """Put a packet of sound behind the one before, if it is there but for a trifle; MediaError if it is not."""
    trifle = math.ceil(_TRIFLE_S / packet.time_base)
    if before is None or packet.dts > before:
        return
    if before - packet.dts > trifle:
        at, back = (float(t * packet.time_base) for t in (before, packet.dts))
        raise MediaError(
            f"the source's sound goes back from {at:.3f} s to {back:.3f} s, which no file can hold; "
            f"leave it out with --audio drop"
        )
    packet.dts = before + trifle
    packet.pts = max(packet.pts, packet.dts)


def _cut(packet: Any, begin: int | None, end: int | None) -> bool:
    """Cut a subtitle to a part; whether any of it is left. Some say only when they begin."""
    first, last = packet.pts, packet.pts + (packet.duration or 0)
    inside = (begin is None or last > begin or first == last == begin) and (end is None or first < end)
    packet.pts = packet.dts = first if begin is None else max(first, begin)
    if packet.duration:
        packet.duration = (last if end is None else min(last, end)) - packet.pts
    return inside


def _codec(stream: Any) -> str:
    return stream.codec_context.name if stream.codec_context else ""


def _demuxed(container: Any, path: Path, *streams: Any) -> Iterator[Any]:
    """The packets of some streams. A damaged file ends where it cannot be read on: split has counted that."""
    try:
        yield from container.demux(*streams) if streams else ()
    except OSError as error:
        raise SourceError(f"{path} cannot be read to its end: {error.strerror}") from error
    except av.FFmpegError:
        return
