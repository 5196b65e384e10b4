"""Checking what was written: open it again and compare it with what it must be."""

import zlib
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from faceblur.domain import Json
from faceblur.errors import MediaError
from faceblur.media.encoders import Encoding, own_name
from faceblur.media.pixels import FULL, UNKNOWN, Layout
from faceblur.media.sound import Soundtrack, sound_packets
from faceblur.media.source import Video, demuxed, opened, probe, video_stream
from faceblur.media.target import MP4, Clock

_BT601 = {5: 6}  # its matrix has two names, and not every codec knows both
_Heard = tuple[Fraction, int]  # the time of a packet in seconds, and a checksum


def verify(
    path: Path, clock: Clock, size: tuple[int, int], track: Soundtrack | None, encoding: Encoding | None = None
) -> Json:
    """Open a written video again and compare it with what it must be; MediaError at the first difference.

    Compared are codec, depth, chroma, alpha, colour, and the display and light of HDR with the `encoding`, if one is
    given; size, number of frames, every time stamp (within half a tick of the output's clock), the length, and
    for each audio stream the number, times and bytes of its packets. In Matroska all times may come a little later, all
    by as much, where sound began before zero. Returns the figures for the report.
    """
    if encoding:
        _verify_pictures(probe(path), encoding)
    with opened(path) as container:
        stream = video_stream(container, path)
        context = stream.codec_context
        _same("size", (context.width, context.height), size)
        shown: dict[int, list[_Heard]] = {s.index: [] for s in container.streams}
        end = Fraction(0)
        for packet in demuxed(container, path):
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
        if stream.duration and path.suffix.lower() in MP4:
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


def _verify_pictures(made: Video, encoding: Encoding) -> None:
    _same("codec", own_name(made.codec), encoding.codec.name)
    is_, must = made.layout, Layout.of(encoding.pixel_format)
    is_grey, is_rgb = must.chroma == "grey", must.chroma == "rgb"
    if encoding.codec.name == "prores" and must.chroma == "444":  # 4444 is always decoded to 12 bits
        is_ = replace(is_, depth=must.depth)
    if encoding.codec.name == "h264" and is_grey:  # decoded with chroma, all of it neutral
        must = replace(must, chroma="420")
    _same("kind of picture", is_, must)
    names = ("range", "primaries", "transfer", "matrix")
    for name, read, told in zip(names, made.colour, encoding.colour, strict=True):
        if name == "range" and not is_rgb:
            _same("full range", read == FULL, told == FULL)
        elif name in ("primaries", "transfer"):
            _same(name, read or UNKNOWN, told or UNKNOWN)
        elif name == "matrix" and not is_rgb and not is_grey:
            _same(name, _BT601.get(read, read), _BT601.get(told, told))
    _same("brightest light", made.light, encoding.light)
    if (made.mastered is None) != (encoding.mastered is None) or any(
        abs(a - b) > max(2e-4, b / 1000) for a, b in zip(made.mastered or (), encoding.mastered or (), strict=True)
    ):
        _same("mastering display", made.mastered, encoding.mastered)


def _same(what: str, is_: object, must: object) -> None:
    if is_ != must:
        raise MediaError(f"the {what} came out as {is_} instead of {must}; please report this with the source's facts")


def _moved(path: Path, by: Fraction) -> Fraction:
    """By how much all times may have moved: Matroska has none before zero, where AAC sound from MP4 begins."""
    return by if path.suffix.lower() in (".mkv", ".webm") and 0 < by < Fraction(1, 10) else Fraction(0)


def _verify_sound(audio: list[list[_Heard]], track: Soundtrack | None, moved: Fraction) -> int:
    wanted: list[list[_Heard]] = []
    with sound_packets(track) as source:
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
