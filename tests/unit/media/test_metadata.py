"""Nothing that a source says beside its pictures and sound is in the output, wherever it stood."""

import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from av.stream import Disposition

from conftest import RUN, moving_face, picture, play, write_clip
from faceblur.context import Context
from faceblur.pipeline import run

TAGS = (
    *("title", "artist", "album", "comment", "description", "synopsis", "copyright", "location", "genre", "lyrics"),
    *("make", "model", "software", "encoder", "date", "show", "episode_id", "network", "keywords", "publisher"),
    *("com.apple.quicktime.location.ISO6709", "com.android.version", "service_name", "service_provider"),
)
VIDEO = {".webm": "libvpx-vp9", ".avi": "mpeg4"}
SOUND = {".webm": "libopus", ".avi": "libmp3lame"}
WORDS = {".mp4": "mov_text", ".mov": "mov_text", ".mkv": "subrip", ".webm": "webvtt"}


def planted(path: Path) -> Path:
    """A clip with MARKER in every place that this kind of file has and that PyAV can write."""
    ending = path.suffix
    codec, sound = VIDEO.get(ending, "libx264"), SOUND.get(ending, "aac")
    clean = write_clip(path.with_name(f"clean{ending}"), moving_face(6), codec=codec, sounds=[sound])
    cover = write_clip(path.with_name("cover.mkv"), [picture(40, 40)], codec="mjpeg", pixel_format="yuvj420p")
    options = {"movflags": "use_metadata_tags"} if ending in (".mp4", ".mov") else {}
    with av.open(str(clean)) as one, av.open(str(cover)) as two, av.open(str(path), "w", options=options) as out:
        out.metadata.update({tag: f"MARKER-{tag}" for tag in TAGS} | {"creation_time": "2011-11-11T11:11:11Z"})
        chapter = {"id": 1, "start": 0, "end": 100, "time_base": Fraction(1, 1000)}
        out.set_chapters([chapter | {"metadata": {"title": "MARKER-chapter"}}])
        copies = {s.index: out.add_stream_from_template(s) for s in one.streams}
        for stream in copies.values():
            stream.metadata.update({"title": "MARKER-s", "handler_name": "MARKER-h", "language": "MARKER-l"})
            stream.metadata.update({"comment": "MARKER-c", "timecode": "01:02:03:04"})  # a track of its own in MP4
        packets = []
        if ending in (".mp4", ".mkv"):
            packets.append(covered(out, two))
        if ending == ".mkv":
            out.add_attachment("MARKER.txt", "text/plain", b"MARKER attachment")
        if ending in WORDS:
            packets.append(said(out, WORDS[ending]))
        if ending == ".ts":
            packets.append(measured(out))
        for packet in packets:
            out.mux(packet)
        for packet in one.demux():
            if packet.size:
                packet.stream = copies[packet.stream_index]
                out.mux(packet)
    return path


def covered(out: Any, cover: Any) -> Any:
    stream = out.add_stream_from_template(cover.streams.video[0], opaque=True)
    stream.disposition = Disposition.attached_pic
    stream.metadata.update({"filename": "MARKER.jpg", "mimetype": "image/jpeg", "title": "MARKER-cover"})
    packet = next(p for p in cover.demux() if p.size)
    packet.stream = stream
    return packet


def said(out: Any, codec: str) -> Any:
    stream = out.add_stream(codec)
    stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
    stream.codec_context.subtitle_header = b"[Script Info]\nTitle: MARKER\n[Events]\n"
    shown = av.subtitles.subtitle.SubtitleSet.create(b"0,0,Default,,0,0,0,,MARKER words", 0, 200)
    packet = stream.codec_context.encode_subtitle(shown)
    packet.pts = packet.dts = 0
    packet.duration, packet.time_base, packet.stream = 200, Fraction(1, 1000), stream
    return packet


def measured(out: Any) -> Any:
    """Positions and the like, as drones and action cameras record beside the picture."""
    stream = out.add_data_stream("klv")
    stream.time_base = Fraction(1, 90000)
    packet = av.Packet(b"\x06\x0e\x2b\x34MARKER position")
    packet.pts = packet.dts = 0
    packet.time_base, packet.stream = Fraction(1, 90000), stream
    return packet


@pytest.mark.parametrize(
    ("ending", "places"), [(".mp4", 12), (".mov", 12), (".mkv", 25), (".webm", 20), (".ts", 3), (".avi", 8)]
)
@pytest.mark.parametrize("target", [None, ".mkv", ".mp4"])
def test_no_marker_of_any_place_reaches_the_output(
    tmp_path: Path, context: Callable[..., Context], ending: str, places: int, target: str | None
) -> None:
    source = planted(tmp_path / f"clip{ending}")
    assert source.read_bytes().count(b"MARKER") >= places
    out = run(source, context(preset="ultrafast", out=target and tmp_path / f"out{target}"))
    made = out.read_bytes()
    assert b"MARKER" not in made
    assert b"2011" not in made
    assert b"\xff\xd8\xff" not in made  # of the cover
    assert play(out).kinds == ["video", "audio"]
    with av.open(str(out)) as container:
        assert not container.chapters()
        assert container.streams.audio[0].language in (None, "und")


def test_nothing_of_the_source_s_encoder_is_left(tmp_path: Path, blurred: RUN) -> None:
    """x264 writes its settings into the stream; those of the source must not be in the output."""
    source = write_clip(tmp_path / "clip.mp4", moving_face(4), options={"crf": "37.25"})
    assert b"crf=37.2" in source.read_bytes()
    assert b"crf=37.2" not in blurred(source).read_bytes()


def test_subtitles_that_are_kept_bring_no_more_than_their_words(
    tmp_path: Path, context: Callable[..., Context]
) -> None:
    for ending in (".mp4", ".mkv"):
        out = run(planted(tmp_path / f"clip{ending}"), context(preset="ultrafast", subtitles="keep"))
        assert re.findall(rb"MARKER[ -]\w+", out.read_bytes()) == [b"MARKER words"]
