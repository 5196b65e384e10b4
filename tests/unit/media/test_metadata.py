"""Nothing that a source says beside its pictures and sound is in the output, wherever it stood."""

import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.stream import Disposition

from conftest import RUN, moving_face, picture, play, write_clip
from faceblur.context import Context
from faceblur.media.headers import bare
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
    out = run(source, context(out=target and tmp_path / f"out{target}"))
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
        out = run(planted(tmp_path / f"clip{ending}"), context(subtitles="keep"))
        assert re.findall(rb"MARKER[ -]\w+", out.read_bytes()) == [b"MARKER words"]


@pytest.mark.parametrize(("name", "codec"), [("clip.mkv", "vorbis"), ("clip.webm", "vorbis"), ("clip.mkv", "flac")])
def test_copied_sound_keeps_no_tags_in_its_header(tmp_path: Path, blurred: RUN, name: str, codec: str) -> None:
    """Vorbis and FLAC have tags of their own, which are in no list of the container's."""
    source = tmp_path / name
    video = VIDEO.get(source.suffix, "libx264")
    with av.open(str(source), "w") as container:
        stream = container.add_stream(video, rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        audio = container.add_stream(codec, rate=48000, layout="stereo", options={"strict": "-2"})
        for number, image in enumerate(moving_face(5)):
            frame = av.VideoFrame.from_ndarray(image, format="bgr24").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        noise = np.random.default_rng(1).uniform(-0.1, 0.1, (2, 9600)).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(noise, format="fltp", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = 48000, 0, Fraction(1, 48000)
        container.mux(audio.encode(frame))
        container.mux(audio.encode(None))
    if codec == "vorbis":
        source = commented(source, tmp_path / f"marked{source.suffix}")
        assert b"MARKER" in source.read_bytes()
    out = blurred(source)
    assert b"MARKER" not in out.read_bytes()
    assert [data for _, data in play(out).sounds[0]] == [data for _, data in play(source).sounds[0]]
    with av.open(str(out)) as container:
        assert sum(frame.samples for frame in container.decode(audio=0)) >= 9000


def commented(path: Path, target: Path) -> Path:
    """The file with a comment in the header of its Vorbis sound."""
    with av.open(str(path)) as one, av.open(str(target), "w") as out:
        copies = {s.index: out.add_stream_from_template(s) for s in one.streams}
        context = copies[1].codec_context
        first, silent, setup = context.extradata.partition(b"\x03vorbis" + bytes(8) + b"\x01")
        assert silent
        comment = b"\x03vorbis" + bytes(4) + b"\1\0\0\0\x0c\0\0\0TITLE=MARKER\x01"
        context.extradata = first[:2] + bytes([len(comment)]) + first[3:] + comment + setup
        for packet in one.demux():
            if packet.size:
                packet.stream = copies[packet.stream_index]
                out.mux(packet)
    return target


ASS = """[Script Info]
; MARKER-program
Title: MARKER-title
Original Script: MARKER-author
ScriptType: v4.00+
PlayResX: 384

[Aegisub Project Garbage]
Video File: MARKER-video.mp4

[V4+ Styles]
Format: Name, Fontname, Fontsize
Style: Default,Arial,16

[Fonts]
fontname: MARKER-font

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


def test_subtitles_keep_their_styles_and_no_title_or_author() -> None:
    header = bare("ass", ASS.encode()).decode()
    assert "MARKER" not in header
    assert [line for line in header.splitlines() if line] == [
        "[Script Info]",
        "ScriptType: v4.00+",
        "PlayResX: 384",
        "[V4+ Styles]",
        "Format: Name, Fontname, Fontsize",
        "Style: Default,Arial,16",
        "[Events]",
        "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text",
    ]


def test_tags_of_flac_are_dropped_and_its_facts_are_kept() -> None:
    facts, tags = bytes(range(34)), b"\x84\0\0\x06MARKER"
    assert bare("flac", b"fLaC\0\0\0\x22" + facts + tags) == facts
    assert bare("flac", facts) == facts


@pytest.mark.parametrize("codec", ["vorbis", "flac"])
def test_a_broken_header_is_an_error(codec: str) -> None:
    with pytest.raises(ValueError, match="header"):
        bare(codec, b"\0\0")
