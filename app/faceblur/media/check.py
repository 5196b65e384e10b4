"""Checking what was written: open it again and compare it with what it must be."""

import zlib
from fractions import Fraction
from pathlib import Path
from typing import Any

from faceblur.domain import Json
from faceblur.errors import MediaError
from faceblur.media.sound import Soundtrack, sound_packets
from faceblur.media.source import demuxed, opened, video_stream
from faceblur.media.target import MP4, Clock

_Heard = tuple[Fraction, int]  # the time of a packet in seconds, and a checksum


def verify(path: Path, clock: Clock, size: tuple[int, int], track: Soundtrack | None) -> Json:
    """Open a written video again and compare it with what it must be; MediaError at the first difference.

    Compared are size, number of frames, every time stamp (within half a tick of the output's clock), the length, and
    for each audio stream the number, times and bytes of its packets. In Matroska all times may come a little later, all
    by as much, where sound began before zero. Returns the figures for the report.
    """
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
