"""Sound and subtitles: copied, or encoded anew where a container asks for it, always in time."""

import json
import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.stream import Disposition

from conftest import moving_face, play, write_clip
from faceblur import media
from faceblur.context import Context
from faceblur.errors import MediaError
from faceblur.pipeline import run, split
from faceblur.progress import Progress

Maker = Callable[..., Context]

SRT = "1\n00:00:00,100 --> 00:00:00,400\nHallo <i>du</i>\n\n2\n00:00:00,600 --> 00:00:00,900\nAnna\n"


def clicks(rate: int, channels: int = 1, seconds: float = 1.2, at: Sequence[float] = (0.5, 0.9)) -> np.ndarray:
    """(channels, N) float32: faint noise with clicks."""
    sound = np.random.default_rng(1).uniform(-0.001, 0.001, (channels, int(seconds * rate))).astype(np.float32)
    for moment in at:
        sound[:, int(moment * rate)] = 0.9
    return sound


def with_sound(path: Path, sound: np.ndarray, rate: int, codec: str, layout: str = "mono", **tags: Any) -> Path:
    """A clip of 30 frames at 25 a second with one audio stream of (channels, N) float32 samples."""
    path.parent.mkdir(parents=True, exist_ok=True)
    video = {".webm": "libvpx-vp9", ".wmv": "wmv2"}.get(path.suffix, "libx264")
    with av.open(str(path), "w") as container:
        stream = container.add_stream(video, rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        options = {"strict": "-2"} if codec == "vorbis" else {}
        audio = container.add_stream(codec, rate=rate, layout=layout, bit_rate=128_000, options=options)
        describe(audio, **tags)
        for number, image in enumerate(moving_face(30)):
            frame = av.VideoFrame.from_ndarray(image, format="bgr24").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        frame = av.AudioFrame.from_ndarray(sound, format="fltp", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        container.mux(audio.encode(frame))
        container.mux(audio.encode(None))
    return path


def describe(stream: Any, language: str | None = None, disposition: int = 0, title: str | None = None) -> None:
    stream.metadata.update({k: v for k, v in (("language", language), ("title", title)) if v})
    stream.disposition = Disposition(disposition)


def heard(path: Path, number: int = 0) -> tuple[float, np.ndarray, Any]:
    """When an audio stream begins, in seconds from the first picture, (channels, N) samples, and its context."""
    with av.open(str(path)) as container:
        first = next(container.decode(video=0))
    with av.open(str(path)) as container:
        stream = container.streams.audio[number]
        frames = list(container.decode(stream))
        context = stream.codec_context
        resampler = av.AudioResampler("fltp", context.layout.name, context.sample_rate)
        parts = [p.to_ndarray() for f in frames for p in resampler.resample(f)]
        parts += [p.to_ndarray() for p in resampler.resample(None)]
        begin = frames[0].pts * frames[0].time_base - first.pts * first.time_base
        return float(begin), np.concatenate(parts, axis=1), (context.name, context.sample_rate, context.layout.name)


def click_times(path: Path, count: int = 2) -> list[float]:
    begin, sound, (_, rate, _) = heard(path)
    loud, found = np.abs(sound).max(axis=0), []
    for _ in range(count):
        at = int(loud.argmax())
        found.append(begin + at / rate)
        loud[max(0, at - rate // 20) : at + rate // 20] = 0
    return sorted(found)


class Listening(Progress):
    def __init__(self) -> None:
        super().__init__()
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)


# What a container cannot hold


@pytest.mark.parametrize(
    ("source", "codec", "rate", "layout", "target", "made"),
    [
        ("clip.mp4", "aac", 48000, "stereo", "out.webm", ("opus", 48000, "stereo")),
        ("clip.mp4", "aac", 44100, "mono", "out.webm", ("opus", 48000, "mono")),
        ("clip.mp4", "aac", 48000, "5.1", "out.webm", ("opus", 48000, "5.1")),
        ("clip.wmv", "wmav2", 44100, "stereo", "out.mp4", ("aac", 44100, "stereo")),
        ("clip.wmv", "wmav2", 22050, "mono", "out.mov", ("aac", 22050, "mono")),
        ("clip.mkv", "vorbis", 48000, "stereo", "out.mov", ("aac", 48000, "stereo")),
        ("clip.mkv", "flac", 96000, "stereo", "out.webm", ("opus", 48000, "stereo")),
    ],
)
def test_sound_that_the_container_cannot_hold_is_encoded_anew_in_time_and_said(
    tmp_path: Path, context: Maker, *, source: str, codec: str, rate: int, layout: str, target: str, made: tuple
) -> None:
    channels = {"mono": 1, "stereo": 2, "5.1": 6}[layout]
    clip = with_sound(tmp_path / source, clicks(rate, channels), rate, codec, layout)
    told = Listening()
    job = split(clip, context())
    out = run(clip, Context(context(out=tmp_path / target).options, told))
    _, sound, facts = heard(out)
    assert facts == made
    assert click_times(out) == pytest.approx(click_times(clip), abs=0.005)
    assert click_times(out) == pytest.approx([0.5, 0.9], abs=0.005)
    assert sound.shape[1] / made[1] == pytest.approx(heard(clip)[1].shape[1] / rate, abs=1024 / made[1] + 0.001)
    assert [w for w in told.warnings if "encoded anew; an output named .mkv keeps it as it is" in w]
    assert job.reports.last()["blurred"]["checks"]["sound"] == ["transcoded"]


def test_only_the_stream_that_cannot_be_copied_is_encoded_anew(tmp_path: Path, context: Maker) -> None:
    clip = write_clip(tmp_path / "clip.mkv", moving_face(10), sounds=["libopus", "aac"])
    out = run(clip, context(out=tmp_path / "out.webm"))
    before, after = play(clip), play(out)
    assert [data for _, data in after.sounds[0]] == [data for _, data in before.sounds[0]]
    assert [heard(out, n)[2][0] for n in (0, 1)] == ["opus", "opus"]


def test_a_part_encoded_anew_begins_and_ends_with_the_picture(tmp_path: Path, context: Maker) -> None:
    clip = with_sound(tmp_path / "clip.mp4", clicks(48000), 48000, "aac")
    part = {"start": Fraction("0.4"), "end": Fraction(1)}
    out = run(clip, context(out=tmp_path / "out.webm", **part))
    begin, sound, _ = heard(out)
    assert begin == pytest.approx(0, abs=0.005)
    assert click_times(out) == pytest.approx([0.1, 0.5], abs=0.005)
    assert sound.shape[1] / 48000 == pytest.approx(0.6, abs=0.021)


def test_a_gap_in_sound_stays_a_gap(tmp_path: Path, context: Maker) -> None:
    whole = with_sound(tmp_path / "whole.mkv", clicks(48000), 48000, "aac")
    clip = tmp_path / "clip.mkv"
    with av.open(str(whole)) as source, av.open(str(clip), "w") as container:
        copies = {s.index: container.add_stream_from_template(s) for s in source.streams}
        for packet in source.demux():
            lost = (
                packet.pts is not None and packet.stream.type == "audio" and 0.2 < packet.pts * packet.time_base < 0.4
            )
            if packet.size and not lost:
                packet.stream = copies[packet.stream_index]
                container.mux(packet)
    out = run(clip, context(out=tmp_path / "out.webm"))
    assert click_times(out) == pytest.approx([0.5, 0.9], abs=0.005)


def test_sound_nobody_can_read_is_an_error_and_never_just_gone(tmp_path: Path, context: Maker) -> None:
    clip = with_sound(tmp_path / "clip.mkv", clicks(48000), 48000, "aac")
    clip.write_bytes(clip.read_bytes().replace(b"A_AAC", b"A_XYZ"))
    assert [s.codec for s in media.probe(clip).sounds] == [""]
    with pytest.raises(MediaError, match=r"unknown here; leave all sound out with --audio drop"):
        run(clip, context())
    assert play(run(clip, context(audio="drop"))).sounds == []


# Language and what a stream is for


@pytest.mark.parametrize(
    ("ending", "codec", "language", "kept"),
    [
        (".mp4", "aac", "deu", "deu"),
        (".mov", "aac", "fra", "fra"),
        (".mkv", "aac", "de-CH", "de-CH"),
        (".webm", "libopus", "spa", "spa"),
        (".mkv", "aac", "Anna Müller speaks", None),
    ],
)
def test_of_all_tags_only_a_language_is_kept(
    tmp_path: Path, context: Maker, *, ending: str, codec: str, language: str, kept: str | None
) -> None:
    tags = {"language": language, "title": "SECRET title"}
    clip = with_sound(tmp_path / f"clip{ending}", clicks(48000), 48000, codec, **tags)
    out = run(clip, context())
    with av.open(str(out)) as container:
        assert container.streams.audio[0].language in ((kept,) if kept else (None, "und"))
    assert b"SECRET" not in out.read_bytes()
    assert b"Anna" not in out.read_bytes()


@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
def test_what_a_stream_is_for_is_kept(tmp_path: Path, context: Maker, ending: str) -> None:
    first = with_sound(tmp_path / f"a{ending}", clicks(48000), 48000, "aac", disposition=Disposition.visual_impaired)
    clip = tmp_path / f"clip{ending}"
    wanted = [Disposition.visual_impaired, Disposition.default]
    with av.open(str(first)) as source, av.open(str(clip), "w") as container:
        video = container.add_stream_from_template(source.streams.video[0])
        copies = [container.add_stream_from_template(source.streams.audio[0]) for _ in wanted]
        for stream, disposition in zip(copies, wanted, strict=True):
            stream.disposition = disposition
        for packet in source.demux():
            for stream in [video] if packet.stream.type == "video" else copies:
                if packet.size:
                    copy = av.Packet(bytes(packet))
                    copy.pts, copy.dts, copy.time_base = packet.pts, packet.dts, packet.time_base
                    copy.duration, copy.is_keyframe, copy.stream = packet.duration, packet.is_keyframe, stream
                    container.mux(copy)
    with av.open(str(run(clip, context()))) as container:
        for stream, disposition in zip(container.streams.audio, wanted, strict=True):
            assert stream.disposition & disposition


# Dropped or distorted


def test_dropped_sound_is_gone(tmp_path: Path, context: Maker) -> None:
    clip = write_clip(tmp_path / "clip.mp4", moving_face(5), sound=True)
    assert play(run(clip, context(audio="drop"))).kinds == ["video"]


@pytest.mark.parametrize(
    ("source", "codec", "target"),
    [("clip.mp4", "aac", "a.mp4"), ("clip.mkv", "flac", "a.mkv"), ("c.mp4", "aac", "a.webm")],
)
def test_distorted_sound_stays_in_time(tmp_path: Path, context: Maker, source: str, codec: str, target: str) -> None:
    clip = with_sound(tmp_path / source, clicks(48000, 2), 48000, codec, "stereo")
    out = run(clip, context(audio="distort", out=tmp_path / target))
    assert click_times(out) == pytest.approx([0.5, 0.9], abs=0.02)
    assert heard(out)[1].shape[1] / 48000 == pytest.approx(1.2, abs=1024 / 48000 + 0.001)
    assert heard(out)[0] == pytest.approx(heard(clip)[0], abs=0.002)


def tone(path: Path, number: int) -> float:
    """The loudest frequency of an audio stream in Hz."""
    _, sound, (_, rate, _) = heard(path, number)
    spectrum = np.abs(np.fft.rfft(sound[0] * np.hanning(sound.shape[1])))
    return float(spectrum.argmax() * rate / sound.shape[1])


def test_every_stream_is_distorted_and_nothing_tells_how(tmp_path: Path, context: Maker) -> None:
    clip = write_clip(tmp_path / "clip.mkv", moving_face(25), sounds=["aac", "ac3", "pcm_s16le"])
    options = {"audio": "distort"}
    job = split(clip, context())
    out = run(clip, context(**options))
    for number in range(3):
        assert abs(tone(out, number) / tone(clip, number) - 1) > 0.15
    report = json.dumps(job.reports.last())
    assert job.reports.last()["blurred"]["checks"]["sound"] == ["distorted"] * 3
    assert "factor" not in report
    assert "seed" not in report
    made = out.stat()
    assert run(clip, context(**options)).stat() == made  # it is there already, and needs no number to know that
    data = out.read_bytes()
    out.unlink()
    assert run(clip, context(**options)).read_bytes() != data


def test_another_wish_for_sound_makes_the_video_again(tmp_path: Path, context: Maker) -> None:
    clip = write_clip(tmp_path / "clip.mp4", moving_face(10), sound=True)
    made = [run(clip, context(audio=audio)).read_bytes() for audio in ("keep", "distort", "drop")]
    assert len(set(made)) == 3


# Subtitles


def subtitled(path: Path, codec: str, clip: Path, **tags: Any) -> Path:
    """The clip with the words of SRT as subtitles of a codec."""
    words = path.with_suffix(".srt")
    words.write_text(SRT)
    with av.open(str(clip)) as source, av.open(str(words)) as text, av.open(str(path), "w") as container:
        copies = {s.index: container.add_stream_from_template(s) for s in source.streams}
        reader, added = text.streams.subtitles[0].codec_context, container.add_stream(codec)
        describe(added, **tags)
        reader.open()
        added.time_base = added.codec_context.time_base = Fraction(1, 1000)
        added.codec_context.subtitle_header = reader.subtitle_header
        for packet in text.demux():
            if packet.size:
                made = added.codec_context.encode_subtitle(reader.decode2(packet))
                made.pts = made.dts = packet.pts
                made.duration, made.time_base, made.stream = packet.duration, packet.time_base, added
                container.mux(made)
        for packet in source.demux():
            if packet.size:
                packet.stream = copies[packet.stream_index]
                container.mux(packet)
    return path


def words(path: Path) -> list[tuple[float, float, str]]:
    """(when, for how long, what) is shown as subtitles; times in seconds."""
    found = []
    with av.open(str(path)) as container:
        stream = container.streams.subtitles[0]
        for packet in container.demux(stream):
            if packet.size and bytes(packet) != b"\0\0":
                text = b"".join(rect.dialogue for rect in packet.decode()).decode()
                text = re.sub(r"\{[^}]*\}", "", text)  # italics, and their end
                found.append((float(packet.pts * packet.time_base), float(packet.duration * packet.time_base), text))
    return found


@pytest.mark.parametrize(
    ("source", "codec", "target", "made"),
    [
        ("clip.mp4", "mov_text", "out.mp4", "mov_text"),
        ("clip.mov", "mov_text", "out.mov", "mov_text"),
        ("clip.mkv", "subrip", "out.mkv", "srt"),
        ("clip.mkv", "ass", "out.mkv", "ssa"),
        ("clip.mkv", "webvtt", "out.mkv", "webvtt"),
        ("clip.webm", "webvtt", "out.webm", "webvtt"),
        ("clip.mp4", "mov_text", "out.mkv", "srt"),
        ("clip.mkv", "subrip", "out.mp4", "mov_text"),
        ("clip.mkv", "ass", "out.webm", "webvtt"),
        ("clip.mkv", "webvtt", "out.mov", "mov_text"),
    ],
)
def test_subtitles_are_kept_where_that_is_asked_for(
    tmp_path: Path, context: Maker, *, source: str, codec: str, target: str, made: str
) -> None:
    video = "libvpx-vp9" if source.endswith("webm") else "libx264"
    silent = write_clip(tmp_path / f"silent{Path(source).suffix}", moving_face(25), codec=video)
    clip = subtitled(tmp_path / source, codec, silent, language="deu", disposition=Disposition.forced)
    out = run(clip, context(subtitles="keep", out=tmp_path / target))
    with av.open(str(out)) as container:
        [stream] = container.streams.subtitles
        assert stream.codec_context.name == made
        assert stream.language == ("deu" if not target.endswith(".mov") else stream.language)
        assert stream.disposition & Disposition.forced or target.endswith(".mov")
    for (a, c, shown), (b, d, meant) in zip(words(out), [(0.1, 0.3, "Hallo du"), (0.6, 0.3, "Anna")], strict=True):
        assert (a, c) == pytest.approx((b, d), abs=0.0015)
        assert shown == meant


def test_subtitles_of_a_part_are_cut_to_it(tmp_path: Path, context: Maker) -> None:
    silent = write_clip(tmp_path / "silent.mkv", moving_face(25))
    clip = subtitled(tmp_path / "clip.mkv", "subrip", silent)
    part = {"start": Fraction("0.2"), "end": Fraction("0.8")}
    for target in ("out.mkv", "out.mp4"):
        out = run(clip, context(subtitles="keep", out=tmp_path / target, **part))
        times = [moment for found in words(out) for moment in found[:2]]
        assert times == pytest.approx([0, 0.2, 0.4, 0.2], abs=0.0015)


def pictured(tmp_path: Path) -> Path:
    """A clip with a subtitle that is a picture, and does not say how long it is shown."""
    clip = write_clip(tmp_path / "clip.mkv", moving_face(10))
    path = tmp_path / "pictured.mkv"
    with av.open(str(clip)) as source, av.open(str(path), "w") as container:
        copy, shown = container.add_stream_from_template(source.streams.video[0]), container.add_stream("dvdsub")
        packet = av.Packet(b"a picture")
        packet.pts = packet.dts = 100
        packet.time_base, packet.stream = Fraction(1, 1000), shown
        container.mux(packet)
        for packet in source.demux():
            if packet.size:
                packet.stream = copy
                container.mux(packet)
    return path


def test_subtitles_of_pictures_are_refused_where_only_text_fits(tmp_path: Path, context: Maker) -> None:
    with pytest.raises(MediaError, match=r"cannot hold the source's dvdsub subtitles; name the output .mkv, or leave"):
        run(pictured(tmp_path), context(subtitles="keep", out=tmp_path / "out.webm"))


@pytest.mark.parametrize(("begin", "kept"), [(None, [0.1]), (Fraction("0.04"), [0.06]), (Fraction("0.2"), [])])
def test_subtitles_of_pictures_are_copied(
    tmp_path: Path, context: Maker, begin: Fraction | None, kept: list[float]
) -> None:
    out = run(pictured(tmp_path), context(subtitles="keep", start=begin))
    with av.open(str(out)) as container:
        words = container.streams.subtitles
        assert len(words) == len(kept), "a stream of which nothing is in the part is left out"
        packets = [p for p in container.demux(*words) if p.size] if words else []
        assert [bytes(p) for p in packets] == [b"a picture"] * len(kept)
        assert [float(p.pts * p.time_base) for p in packets] == pytest.approx(kept)


def test_a_stream_of_which_nothing_is_in_the_part_is_left_out(tmp_path: Path, context: Maker) -> None:
    source = with_sound(tmp_path / "clip.mp4", clicks(48000, seconds=0.3, at=(0.1,)), 48000, "aac")
    assert play(run(source, context(no_frames=True, start=Fraction(1, 2)))).kinds == ["video"]


def test_sound_that_stands_still_for_a_moment_is_copied_all_the_same(tmp_path: Path, context: Maker) -> None:
    source = stamped(tmp_path / "clip.mkv", lambda number: 20 * (number - (number == 5)))
    heard = play(run(source, context(no_frames=True, out=tmp_path / "out.mp4"))).sounds[0]
    assert [data for _, data in heard] == [data for _, data in play(source).sounds[0]]


def test_sound_that_goes_back_in_time_is_an_error_that_says_so(tmp_path: Path, context: Maker) -> None:
    source = stamped(tmp_path / "clip.mkv", lambda number: 20 * number)
    data = source.read_bytes()
    with av.open(str(source)) as container:
        fifth = [packet for packet in container.demux(audio=0) if packet.size][5]
    head = data.index(bytes(fifth)) - 3  # a SimpleBlock's time, two bytes, and its flags
    source.write_bytes(data[:head] + (10).to_bytes(2, "big") + data[head + 2 :])
    with pytest.raises(MediaError, match=r"clip: the source's sound goes back from 0\.\d+ s to 0\.\d+ s"):
        run(source, context(no_frames=True))


def stamped(path: Path, time_ms: Callable[[int], int]) -> Path:
    """A clip in Matroska with ten packets of Opus, whose times are given."""
    write_clip(path.with_name("plain.mkv"), moving_face(12), sounds=["libopus"])
    with av.open(str(path.with_name("plain.mkv"))) as source, av.open(str(path), "w") as container:
        streams = [container.add_stream_from_template(s) for s in source.streams]
        number = 0
        for packet in [packet for packet in source.demux() if packet.size]:
            if packet.stream_index == 1:
                packet.pts = packet.dts = time_ms(number)
                number += 1
            packet.stream = streams[packet.stream_index]
            container.mux_one(packet)
    return path
