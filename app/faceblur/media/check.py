"""Checking what was written: open it again, measure it, and compare it with what it must be."""

import hashlib
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceblur.domain import Json
from faceblur.errors import FaceblurError, MediaError
from faceblur.media.containers import MP4
from faceblur.media.encoders import Encoding, own_name
from faceblur.media.pixels import FULL, UNKNOWN, Layout
from faceblur.media.sound import Soundtrack, decoded, language, packets
from faceblur.media.stream import demuxed, opened, video_stream
from faceblur.media.target import Clock
from faceblur.media.video import Sound, Video, probe

_BT601 = {5: 6}  # its matrix has two names, and not every codec knows both
_Heard = tuple[Fraction, int]  # the time of a packet in seconds, and a checksum

# What muxers write by themselves; any other tag would have come from the source.
_TAGS = {
    "major_brand": r"[\w ]{4}",
    "minor_version": r"\d+",
    "compatible_brands": r"[\w ]+",
    "encoder": r"Lav[\w. ]*",
    "handler_name": "VideoHandler|SoundHandler|SubtitleHandler",
    "vendor_id": r"FFMP|\[0\]\[0\]\[0\]\[0\]",
    "duration": r"[\d:.]+",
    "language": r"[A-Za-z0-9-]+",
}
_RATE = 8000  # samples a second in which sound encoded anew is compared with its source
_BIN = 80  # of these samples in a step of loudness: 10 ms
_EARLY = Fraction(1, 200)  # seconds by which such sound may begin beside its time
_BINS = 20  # how far sound that slipped is looked for, in such steps
_LIVELY = 0.3  # standard deviation of loudness over its mean from which its course can be followed
_FIT = 0.6  # correlation from which one course is taken for another


@dataclass(slots=True)
class _Stream:
    """What is in one stream of a file."""

    kind: str
    codec: str
    language: str | None
    disposition: list[str]
    packets: list[_Heard] = field(default_factory=list)
    end: Fraction = Fraction(0)
    content: Any = field(default_factory=hashlib.sha256)

    def to_json(self) -> Json:
        times = sorted(time for time, _ in self.packets)
        return {
            "type": self.kind,
            "codec": self.codec,
            "language": self.language,
            "disposition": self.disposition,
            "packets": len(self.packets),
            "times_sha256": hashlib.sha256(" ".join(map(str, times)).encode()).hexdigest(),
            "content_sha256": self.content.hexdigest(),
        }


@dataclass(slots=True)
class _File:
    """What is in a file: its size in pixels, its length, its tags, and its streams in order."""

    size: tuple[int, int]
    length: Fraction
    time_base: Fraction
    tags: list[str]
    streams: list[_Stream]

    def of(self, kind: str) -> list[_Stream]:
        return [stream for stream in self.streams if stream.kind == kind]

    def to_json(self) -> Json:
        return {
            "frames": len(self.of("video")[0].packets),
            "width": self.size[0],
            "height": self.size[1],
            "duration_s": float(self.length),
            "sound_packets": sum(len(s.packets) for s in self.of("audio")),
            "tags": self.tags,
            "streams": [s.to_json() for s in self.streams],
        }


def measure(path: Path) -> Json:
    """The facts of a finished video, from the file alone.

    They are its size, length, number of frames, tags that no muxer writes, and for each stream codec, language,
    disposition, number of packets, and digests of their times (exact, in seconds) and of their bytes.
    SourceError when the file cannot be read.
    """
    return _read(path).to_json()


def again(path: Path, checks: Json) -> list[str]:
    """How a finished video differs from what `verify` measured when it was made, a line for each; none: it is the same.

    A file that cannot be read differs, too.
    """
    try:
        now = measure(path)
    except FaceblurError as error:
        return [str(error)]
    return list(_differences("", {name: checks.get(name) for name in now}, now))


def verify(
    path: Path, clock: Clock, size: tuple[int, int], track: Soundtrack | None, encoding: Encoding | None = None
) -> Json:
    """Open a written video again and compare it with what it must be; MediaError at the first difference.

    Compared are codec, depth, chroma, alpha, colour, and the display and light of HDR with the `encoding`; size, number
    of frames, every time stamp (within half a tick of the output's clock), the length; for each stream of sound that
    was copied the number, times and bytes of its packets, and for sound encoded anew where it begins and ends and when
    it is loud; times and bytes of subtitles; and that nothing else of the source is there. In Matroska all times may
    come a little later, all by as much, where sound began before zero. Returns the facts for the report: those of
    `measure`, and what became of each stream of sound.
    """
    if encoding:
        _verify_pictures(probe(path), encoding)
    file = _read(path)
    if file.tags:
        raise MediaError(f"the output says {', '.join(file.tags)}, which no video of ours does; please report this")
    _same("size", file.size, size)
    [video] = file.of("video")
    times = sorted(time for time, _ in video.packets)
    tick = file.time_base / 2
    wanted = [pts * clock.time_base for pts in clock.pts]
    _same("number of frames", len(times), len(wanted))
    moved = _moved(path, times[0] - wanted[0]) if track else Fraction(0)
    for number, (is_, must) in enumerate(zip(times, wanted, strict=True), start=1):
        if abs(is_ - moved - must) > (2 * tick if moved else tick):
            raise MediaError(f"frame {number} got the time {float(is_):.6f} s instead of {float(must):.6f} s")
    frame = max(clock.durations()[:-1] or clock.durations()) * clock.time_base
    if abs(file.length - clock.seconds) > frame + 4 * tick:
        raise MediaError(f"the video is {float(file.length):.3f} s long instead of {float(clock.seconds):.3f} s")
    _same("number of audio streams", len(file.of("audio")), len(track.sounds) if track else 0)
    _same("number of subtitle streams", len(file.of("subtitle")), len(track.subtitles) if track else 0)
    _same("number of other streams", len(file.streams), 1 + len(file.of("audio")) + len(file.of("subtitle")))
    became = _verify_sound(path, file, track, moved) if track else []
    if track:
        _verify_subtitles(file, track, moved)
        _verify_languages(file, track)
    return file.to_json() | {"sound": became}


def _read(path: Path) -> _File:
    with opened(path) as container:
        video = video_stream(container, path)
        streams = [
            _Stream(
                s.type,
                s.codec_context.name if s.codec_context else "",
                language(s),
                [d.name or "" for d in type(s.disposition) if d & s.disposition],
            )
            for s in container.streams
        ]
        for packet in demuxed(container, path):
            if packet.size and packet.pts is not None:
                stream, data, base = streams[packet.stream_index], bytes(packet), Fraction(packet.time_base)
                if stream.codec == "mov_text" and data == b"\0\0":
                    continue
                checksum = 0 if stream.kind == "video" else _payload(packet, data)
                stream.packets.append((packet.pts * base, checksum))
                stream.end = max(stream.end, (packet.pts + (packet.duration or 0)) * base)
                stream.content.update(data)
        context = video.codec_context
        shown = streams[video.index]
        length = shown.end - min((time for time, _ in shown.packets), default=Fraction(0))
        if video.duration and path.suffix.lower() in MP4:
            length = video.duration * Fraction(video.time_base)
        tagged = [container.metadata, *(s.metadata for s in container.streams)]
        tags = [f"{k}={v}" for tags in tagged for k, v in tags.items() if not re.fullmatch(_TAGS.get(k.lower(), ""), v)]
        tags += ["chapters"] if container.chapters() else []
        return _File((context.width, context.height), length, Fraction(video.time_base), tags, streams)


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


def _verify_sound(path: Path, file: _File, track: Soundtrack, moved: Fraction) -> list[str]:
    recoded = track.recoded(path)
    copied = _expected(track, [s for s in track.sounds if s not in recoded])
    became = []
    for sound, stream in zip(track.sounds, file.of("audio"), strict=True):
        if sound in recoded:
            _verify_loudness(path, file.streams.index(stream), track, sound, moved)
            became.append("distorted" if track.distort else "transcoded")
        else:
            _verify_packets("sound", stream.packets, copied[sound.index], moved)
            became.append("copied")
    return became


def _expected(track: Soundtrack, streams: Sequence[Sound]) -> dict[int, list[_Heard]]:
    """The packets that streams of the source must have become, by their index in the source."""
    found: dict[int, list[_Heard]] = {s.index: [] for s in streams}
    with opened(track.path) as source:
        for packet in packets(source, track, found) if found else ():
            time = packet.pts * Fraction(packet.time_base)
            found[packet.stream_index].append((time, _payload(packet, bytes(packet))))
    return found


def _verify_packets(what: str, are: list[_Heard], must: list[_Heard], moved: Fraction, *, copied: bool = True) -> None:
    _same(f"number of {what} packets", len(are), len(must))
    for number, ((a, heard), (b, meant)) in enumerate(zip(are, must, strict=True), start=1):
        if abs(a - moved - b) > Fraction(2 if moved else 1, 1000):
            raise MediaError(f"{what} meant for {float(b):.4f} s came out at {float(a):.4f} s")
        if copied:
            _same(f"content of {what} packet {number}", heard, meant)


def _verify_loudness(path: Path, index: int, track: Soundtrack, sound: Sound, moved: Fraction) -> None:
    """Sound encoded anew must begin and end where the source's does, within a packet, and be loud when that is."""
    ours = _loudness(Soundtrack(path, (Sound(index, ""),)), Sound(index, ""))
    theirs = _loudness(track, sound)
    early = theirs.begin - (ours.begin - moved)
    if not -_EARLY <= early <= ours.packet + _EARLY:  # a codec's own first packet, which is silent, may be heard
        raise MediaError(f"sound meant for {float(theirs.begin):.4f} s came out at {float(ours.begin - moved):.4f} s")
    if abs(ours.end - moved - theirs.end) > ours.packet + 2 * _EARLY:
        raise MediaError(f"sound ends at {float(ours.end - moved):.3f} s instead of {float(theirs.end):.3f} s")
    if slipped := _slipped(ours.levels[max(0, round(early * _RATE / _BIN)) :], theirs.levels):
        raise MediaError(f"sound came out {slipped * _BIN / _RATE:.2f} s beside its time")


@dataclass(frozen=True, slots=True)
class _Loudness:
    """When sound begins and ends, how long its packets are (seconds), and how loud it is in steps of 10 ms."""

    begin: Fraction
    end: Fraction
    packet: Fraction
    levels: NDArray[np.float64]


def _loudness(track: Soundtrack, sound: Sound) -> _Loudness:
    begin: int | None = None
    end, parts = 0, []
    for at, samples in decoded(track, sound, _RATE, "mono"):
        begin = at if begin is None else begin
        end = at + samples.shape[1]
        steps = (np.arange(at, end) - begin) // _BIN
        parts.append((int(steps[0]), np.bincount(steps - steps[0], samples[0].astype(np.float64) ** 2)))
    levels = np.zeros(-(-(end - (begin or 0)) // _BIN))
    for first, energy in parts:
        levels[first : first + len(energy)] += energy
    with opened(track.path) as container:
        context = container.streams[sound.index].codec_context
        packet = Fraction(context.frame_size or 1024, context.sample_rate or _RATE)
    return _Loudness(Fraction(begin or 0, _RATE), Fraction(end, _RATE), packet, np.sqrt(levels))


def _slipped(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> int:
    """By how many steps one course of loudness fits the other clearly better than where it is; 0 where none does.

    Sound that is about as loud throughout, a tone or noise, says nothing.
    """
    length = min(len(ours), len(theirs)) - 2 * _BINS
    if length < 2 * _BINS:
        return 0
    middle = theirs[_BINS : _BINS + length]
    if middle.std() < _LIVELY * middle.mean():
        return 0
    fits = {}
    for by in range(-_BINS, _BINS + 1):
        part = ours[_BINS + by : _BINS + by + length]
        scale = float(middle.std() * part.std())
        fits[by] = float(np.mean((middle - middle.mean()) * (part - part.mean()))) / scale if scale else 0.0
    best = max(fits, key=lambda by: fits[by])
    beside = fits[best] > max(_FIT, 0.1 + max(fits[by] for by in (-2, -1, 0, 1, 2)))
    return best if beside else 0


def _verify_subtitles(file: _File, track: Soundtrack, moved: Fraction) -> None:
    wanted = _expected(track, track.subtitles)
    for words, stream in zip(track.subtitles, file.of("subtitle"), strict=True):
        copied = words.codec == stream.codec
        _verify_packets("subtitle", stream.packets, wanted[words.index], moved, copied=copied)


def _verify_languages(file: _File, track: Soundtrack) -> None:
    """A container may know fewer languages, or less of what a stream is for, but nothing else may stand there."""
    with opened(track.path) as source:
        theirs = [language(source.streams[s.index]) for s in (*track.sounds, *track.subtitles)]
    ours = [stream.language for stream in (*file.of("audio"), *file.of("subtitle"))]
    for is_, must in zip(ours, theirs, strict=True):
        if is_ is not None:
            _same("language", is_, must)


def _payload(packet: Any, data: bytes) -> int:
    """A checksum of a packet; AAC in MPEG streams is taken without the ADTS header, which only they have."""
    context = packet.stream.codec_context
    adts = context is not None and context.name == "aac" and data[0] == 0xFF and data[1] & 0xF6 == 0xF0
    return zlib.crc32(data[7 if data[1] & 1 else 9 :] if adts else data)


def _differences(where: str, before: Any, now: Any) -> list[str]:
    """Where two values of JSON differ, a line for each place."""
    if isinstance(before, dict) and isinstance(now, dict):
        pairs = [(f"{where}.{name}".lstrip("."), before.get(name), now.get(name)) for name in before | now]
    elif isinstance(before, list) and isinstance(now, list):
        pairs = [(f"{where} {number}", a, b) for number, (a, b) in enumerate(zip_longest(before, now), start=1)]
    else:
        return [] if before == now else [f"{where}: {now} instead of {before}"]
    return [line for place, a, b in pairs for line in _differences(place, a, b)]
