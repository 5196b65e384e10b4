"""Encoders: the output has the depth, chroma, colours and HDR facts of its source, or it is said what can have them."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from conftest import moving_face, picture, write_clip
from faceblur import media
from faceblur.context import Context
from faceblur.errors import MediaError, MissingError, UsageError
from faceblur.media import encoders
from faceblur.media.encoders import CODECS
from faceblur.media.pixels import Layout
from faceblur.pipeline import run

SIZE = (96, 64)
CLOCK = media.Clock(Fraction(1, 25), (0, 1, 2), 3)
PQ, HLG, SDR_2020, BT601, FULL_709 = (1, 9, 16, 9), (1, 9, 18, 9), (1, 9, 14, 9), (1, 6, 6, 6), (2, 1, 1, 1)
BT709 = (1, 1, 1, 1)
MASTERED = (0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.3127, 0.329, 0.005, 1000.0)  # a display of P3
LIGHT = (1000, 400)
QUICK = {"h264": "ultrafast", "hevc": "ultrafast", "av1": "12", "vp9": "8"}


@pytest.fixture
def video(tmp_path: Path) -> media.Video:
    """The facts of a plain source, of which tests change some."""
    return media.probe(write_clip(tmp_path / "plain.mp4", moving_face(2)))


def frames(pixel_format: str, count: int = 3, size: tuple[int, int] = SIZE) -> list[av.VideoFrame]:
    """Frames of a canonical format with noise in every plane."""
    made = []
    for number in range(count):
        blank = av.VideoFrame(*size, pixel_format)
        rng, depth = np.random.default_rng(number), blank.format.components[0].bits
        arrays = [rng.integers(0, 1 << depth, p.shape).astype(p.dtype) for p in media.planes(blank)]
        made.append(media.from_planes(arrays, blank))
    return made


def chosen(video: media.Video, pixel_format: str, ending: str | None = None, **wishes: object) -> media.Encoding:
    """The encoding of a source with the layout of a pixel format."""
    layout = Layout.of(pixel_format)
    facts = replace(video, chroma=layout.chroma, depth=layout.depth, alpha=layout.alpha)
    wish = media.Wish(**wishes)  # type: ignore[arg-type]
    return media.choose(SIZE, ending=ending, wish=wish, video=facts)


# What comes out


@pytest.mark.parametrize("as_images", [True, False], ids=["images", "frames"])
@pytest.mark.parametrize(
    ("codec", "pixels", "colour", "hdr"),
    [
        ("h264", "yuv420p", BT709, False),
        ("h264", "yuv422p", BT601, False),
        ("h264", "yuv444p", FULL_709, False),
        ("h264", "yuv420p10le", PQ, True),
        ("h264", "yuv422p10le", HLG, False),
        ("h264", "gray", BT709, False),
        ("hevc", "yuv420p10le", PQ, True),
        ("hevc", "yuv420p12le", PQ, True),
        ("hevc", "yuv422p10le", HLG, False),
        ("hevc", "yuv444p12le", SDR_2020, False),
        ("hevc", "gray12le", BT709, False),
        ("hevc", "bgr24", BT709, False),
        ("av1", "yuv420p10le", PQ, True),
        ("av1", "yuv420p", FULL_709, False),
        ("vp9", "yuv420p", BT601, False),
        ("vp9", "yuv444p", BT709, False),
        ("prores", "yuv422p10le", HLG, False),
        ("prores", "yuva444p10le", BT709, False),
        ("ffv1", "yuv422p12le", PQ, False),
        ("ffv1", "yuv411p", BT601, False),
        ("ffv1", "gray16le", BT709, False),
        ("ffv1", "bgra64le", BT709, False),
    ],
)
def test_the_output_says_what_the_source_said(
    tmp_path: Path,
    video: media.Video,
    *,
    codec: str,
    pixels: str,
    colour: tuple[int, int, int, int],
    hdr: bool,
    as_images: bool,
) -> None:
    facts = replace(video, codec=codec, colour=colour, mastered=MASTERED if hdr else None, light=LIGHT if hdr else None)
    encoding = chosen(facts, pixels, preset=QUICK.get(codec))
    assert encoding.codec.name == codec
    assert encoding.note == ""
    out = tmp_path / f"out{encoding.codec.endings[0]}"
    source = frames(pixels)
    layout = Layout.of(pixels)
    if as_images:
        shape = (64, 96, 4 if layout.alpha else 3)
        given = [np.full(shape, 9000 if layout.depth > 8 else 90).astype("u2" if layout.depth > 8 else "u1")] * 3
        media.write(out, given, CLOCK, encoding, None)
    else:
        media.write(out, source, CLOCK, encoding, None)
    media.verify(out, CLOCK, SIZE, None, encoding)
    with av.open(str(out)) as container:
        made = next(container.decode(video=0))
    written = Layout.of(made.format.name)
    if codec != "prores":  # whose 4444 is decoded to 12 bits
        assert written.depth == layout.depth
    assert written.alpha == layout.alpha
    assert written.chroma == layout.chroma or (codec, pixels) == ("h264", "gray")
    if layout.chroma != "rgb":
        assert (made.color_range, made.color_primaries, made.color_trc) == colour[:3]
        assert made.colorspace == colour[3] or layout.chroma == "grey"
    again = media.probe(out)
    assert again.light == facts.light
    assert again.mastered == (pytest.approx(MASTERED, rel=1e-3, abs=1e-4) if hdr else None)


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1", "vp9", "prores", "ffv1"])
@pytest.mark.parametrize(
    "colour",
    [(0, 2, 2, 2), (2, 2, 2, 2), (2, 5, 1, 5), (1, 5, 6, 5), (1, 9, 14, 9), (1, 7, 7, 7), (1, 22, 0, 2)],
    ids=str,
)
def test_every_codec_writes_every_colour(
    tmp_path: Path, video: media.Video, codec: str, colour: tuple[int, int, int, int]
) -> None:
    wish = media.Wish(codec, preset=QUICK.get(codec))
    encoding = media.choose(SIZE, wish=wish, video=replace(video, colour=colour))
    out = tmp_path / f"out{encoding.codec.endings[0]}"
    media.write(out, moving_face(3), CLOCK, encoding, None)
    media.verify(out, CLOCK, SIZE, None, encoding)


def test_full_range_frames_look_the_same_in_prores(tmp_path: Path, video: media.Video) -> None:
    grey = np.tile(np.linspace(0, 255, 96).astype(np.uint8), (64, 1))
    neutral = np.full((32, 48), 128, np.uint8)
    frame = media.from_planes([grey, neutral, neutral], av.VideoFrame(*SIZE, "yuv420p"))
    frame.color_range = 2
    encoding = media.choose(SIZE, wish=media.Wish("prores"), video=replace(video, colour=FULL_709))
    media.write(tmp_path / "out.mov", [frame] * 3, CLOCK, encoding, None)
    made = next(iter(media.Reader(tmp_path / "out.mov", media.probe(tmp_path / "out.mov"))))
    assert np.abs(made.image[:, :, 1] / 257 - grey).max() < 2


def test_vp9_refuses_colours_that_it_cannot_tell_of(video: media.Video) -> None:
    with pytest.raises(MediaError, match=r"vp9 cannot tell of the source's colours"):
        media.choose(SIZE, wish=media.Wish("vp9"), video=replace(video, colour=(1, 9, 14, 10)))


@pytest.mark.parametrize("pixels", CODECS["ffv1"].pixel_formats)
def test_frames_come_out_of_ffv1_bit_for_bit(tmp_path: Path, video: media.Video, pixels: str) -> None:
    layout = Layout.of(pixels)
    encoding = chosen(video, pixels, codec="ffv1")
    source = frames(layout.pixel_format)
    if layout.chroma == "rgb" and layout.depth in (10, 12):  # on the scale of 16 bits
        depth = layout.depth
        scaled = [[(p >> (16 - depth)) << (16 - depth) for p in media.planes(frame)] for frame in source]
        wide = [[p | p >> depth for p in arrays] for arrays in scaled]
        source = [media.from_planes(arrays, frame) for arrays, frame in zip(wide, source, strict=True)]
    media.write(tmp_path / "out.mkv", source, CLOCK, encoding, None)
    read = list(media.Reader(tmp_path / "out.mkv", media.probe(tmp_path / "out.mkv")))
    for was, is_ in zip(source, read, strict=True):
        assert is_.frame.format.name == layout.pixel_format
        assert all(map(np.array_equal, media.planes(is_.frame), media.planes(was)))


@pytest.mark.parametrize("clock", [(0, 1, 2, 3, 4, 5), (0, 33, 66, 500, 520, 1000)])
@pytest.mark.parametrize("codec", ["h264", "hevc", "av1", "vp9", "prores", "ffv1"])
def test_times_are_kept_by_every_codec(tmp_path: Path, codec: str, clock: tuple[int, ...]) -> None:
    times = media.Clock(Fraction(1, 25 if clock[-1] == 5 else 1000), clock, clock[-1] + 1)
    encoding = media.choose(SIZE, wish=media.Wish(codec, preset=QUICK.get(codec)))
    for ending in encoding.codec.endings:
        media.write(tmp_path / f"out{ending}", moving_face(6), times, encoding, None)
        media.verify(tmp_path / f"out{ending}", times, SIZE, None, encoding)


def test_a_frame_of_h264_is_one_slice(tmp_path: Path, video: media.Video) -> None:
    """With several processors; in slices a file is larger, and the processors wait for the last of each frame."""
    path, size = tmp_path / "out.mp4", (256, 512)
    media.write(path, frames("yuv420p", 3, size), CLOCK, chosen(video, "yuv420p", ".mp4", preset="ultrafast"), None)
    with av.open(path) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    assert [[kind for kind in units(packet) if kind in (1, 5)] for packet in packets] == [[5], [1], [1]]


def units(packet: bytes) -> Iterator[int]:
    """The kinds of the units of H.264 in a packet of an MP4; 1 and 5 are slices of pictures."""
    at = 0
    while at < len(packet):
        yield packet[at + 4] & 0x1F
        at += 4 + int.from_bytes(packet[at : at + 4], "big")


@pytest.mark.parametrize("size", [(97, 63), (96, 63), (97, 64)])
@pytest.mark.parametrize("pixels", ["yuv420p", "yuv422p10le", "yuv420p12le", "gray"])
def test_odd_sizes_keep_their_size(tmp_path: Path, video: media.Video, size: tuple[int, int], pixels: str) -> None:
    layout = Layout.of(pixels)
    facts = replace(video, chroma=layout.chroma, depth=layout.depth)
    encoding = media.choose(size, video=facts, wish=media.Wish(preset="ultrafast"))
    media.write(tmp_path / "out.mp4", frames(pixels, size=size), CLOCK, encoding, None)
    media.verify(tmp_path / "out.mp4", CLOCK, size, None, encoding)


@pytest.mark.parametrize("size", [(97, 63), (1919, 1079), (1920, 1079), (1919, 1080)])
@pytest.mark.parametrize("pixels", ["yuv420p", "yuv422p"])
def test_ffv1_takes_any_odd_size(tmp_path: Path, video: media.Video, size: tuple[int, int], pixels: str) -> None:
    facts = replace(video, chroma=Layout.of(pixels).chroma)
    encoding, clock = media.choose(size, video=facts, wish=media.Wish("ffv1")), media.Clock(Fraction(1, 25), (0,), 1)
    media.write(tmp_path / "out.mkv", frames(pixels, 1, size), clock, encoding, None)
    media.verify(tmp_path / "out.mkv", clock, size, None, encoding)


def test_nothing_of_the_source_s_side_data_is_encoded(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "turned.mkv", moving_face(3), rotation=90, codec="ffv1")
    decoded = [frame.decoded for frame in media.Reader(path, media.probe(path))]
    assert len(decoded[0].side_data) > 0
    media.write(tmp_path / "out.mp4", decoded, CLOCK, media.choose(SIZE), None)
    assert media.probe(tmp_path / "out.mp4").rotation == 0


@pytest.mark.parametrize(
    "change",
    [
        {"pixel_format": "yuv422p"},
        {"colour": (2, 1, 1, 1)},
        {"colour": (1, 9, 1, 1)},
        {"colour": (1, 1, 16, 1)},
        {"colour": (1, 1, 1, 9)},
        {"mastered": MASTERED},
        {"light": LIGHT},
        {"codec": CODECS["hevc"]},
    ],
    ids=str,
)
def test_verify_notices_another_kind_of_picture(tmp_path: Path, change: dict[str, object]) -> None:
    encoding = media.choose(SIZE, wish=media.Wish(preset="ultrafast"))
    media.write(tmp_path / "out.mp4", moving_face(3), CLOCK, encoding, None)
    with pytest.raises(MediaError, match="came out as"):
        media.verify(tmp_path / "out.mp4", CLOCK, SIZE, None, replace(encoding, **change))  # type: ignore[arg-type]


# Which codec


@pytest.mark.parametrize(
    ("source", "pixels", "ending", "codec", "note"),
    [
        ("h264", "yuv420p10le", None, "h264", ""),
        ("hevc", "yuv420p", None, "hevc", ""),
        ("libdav1d", "yuv420p10le", None, "av1", ""),
        ("vp8", "yuv420p", None, "vp9", ""),
        ("prores", "yuv422p10le", None, "prores", ""),
        ("ffv1", "yuv444p16le", None, "ffv1", ""),
        ("mpeg2video", "yuv422p", None, "h264", ""),
        ("mjpeg", "yuvj420p", None, "h264", ""),
        ("h264", "yuv420p12le", None, "hevc", "h264 cannot hold 4:2:0 of 12 bits here"),
        ("vp9", "yuv420p10le", None, "h264", "vp9 cannot hold 4:2:0 of 10 bits here"),
        ("libdav1d", "yuv444p", None, "h264", "av1 cannot hold 4:4:4 of 8 bits here"),
        ("hevc", "yuv420p16le", None, "ffv1", "hevc cannot hold 4:2:0 of 16 bits here"),
        ("prores", "yuva444p12le", None, "ffv1", "prores cannot hold 4:4:4 of 12 bits with alpha here"),
        ("qtrle", "bgra", None, "ffv1", "h264 cannot hold RGB of 8 bits with alpha here"),
        ("png", "bgr24", None, "ffv1", "h264 cannot hold RGB of 8 bits here"),
        ("h264", "bgr24", None, "h264", ""),
        ("hevc", "bgr24", None, "hevc", ""),
        ("gif", "bgra", None, "h264", "the see-through parts of the GIF become opaque"),
        ("h264", "yuv420p", ".webm", "vp9", ".webm cannot hold h264"),
        ("h264", "yuv420p10le", ".webm", "av1", ".webm cannot hold h264"),
        ("ffv1", "yuv420p", ".mp4", "h264", ".mp4 cannot hold ffv1"),
        ("vp9", "yuv420p", ".mov", "h264", ".mov cannot hold vp9"),
    ],
)
def test_same_takes_the_source_s_codec_or_says_what_takes_its_place(
    video: media.Video, *, source: str, pixels: str, ending: str | None, codec: str, note: str
) -> None:
    encoding = chosen(replace(video, codec=source), pixels, ending)
    assert encoding.codec.name == codec
    assert encoding.note.startswith(note)
    assert bool(encoding.note) == bool(note)


def test_what_cannot_be_told_of_hdr_is_said(video: media.Video) -> None:
    encoding = chosen(replace(video, codec="ffv1", light=LIGHT), "yuv420p10le")
    assert encoding.light is None
    assert "cannot tell of the source's HDR display and light" in encoding.note


@pytest.mark.parametrize(
    ("codec", "pixels", "message"),
    [
        ("h264", "yuv420p12le", r"libx264 cannot hold 4:2:0 of 12 bits; hevc or ffv1 can"),
        ("av1", "yuv422p10le", r"libsvtav1 cannot hold 4:2:2 of 10 bits; h264, hevc, prores or ffv1 can"),
        ("vp9", "yuv420p10le", r"libvpx-vp9 cannot hold 4:2:0 of 10 bits; h264, hevc, av1, prores or ffv1 can"),
        ("hevc", "yuva420p", r"libx265 cannot hold 4:2:0 of 8 bits with alpha; prores or ffv1 can"),
    ],
)
def test_a_codec_that_cannot_hold_the_source_is_refused_with_those_that_can(
    video: media.Video, codec: str, pixels: str, message: str
) -> None:
    with pytest.raises(MediaError, match=message):
        chosen(video, pixels, codec=codec)


@pytest.mark.parametrize(
    ("codec", "ending", "message"),
    [
        ("h264", ".webm", r".webm cannot hold h264; name the output .mp4, .m4v, .mov or .mkv"),
        ("ffv1", ".mp4", r".mp4 cannot hold ffv1; name the output .mkv"),
        ("vp9", ".mov", r".mov cannot hold vp9; name the output .webm, .mkv or .mp4"),
        ("prores", ".mp4", r".mp4 cannot hold prores; name the output .mov or .mkv"),
    ],
)
def test_a_file_that_cannot_hold_the_codec_is_refused(codec: str, ending: str, message: str) -> None:
    with pytest.raises(MediaError, match=message):
        media.choose(SIZE, ending=ending, wish=media.Wish(codec))


def test_a_file_in_which_nothing_keeps_the_source_is_refused(video: media.Video) -> None:
    with pytest.raises(
        MediaError, match=r"nothing that .mp4 holds keeps 4:2:0 of 8 bits with alpha; name the output .mkv"
    ):
        chosen(replace(video, codec="ffv1"), "yuva420p", ".mp4")


def test_a_bad_pair_is_refused_before_anything_is_encoded(
    tmp_path: Path, context: Callable[..., Context], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_clip(tmp_path / "clip.mp4", moving_face(2))
    monkeypatch.setattr(media, "write", lambda *_: pytest.fail("encoded"))
    with pytest.raises(MediaError, match=r".mp4 cannot hold ffv1"):
        run(source, context(codec="ffv1", out=tmp_path / "out.mp4"))


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        (media.Wish(preset="8"), r"--preset '8': libx264 has ultrafast, superfast, .*placebo"),
        (media.Wish("av1", preset="fast"), r"--preset 'fast': libsvtav1 has 0, 1, .*13"),
        (media.Wish("h264", crf=60), r"--crf 60: must be from 0 to 51 for libx264"),
        (media.Wish(encoder="libnothing"), r"--encoder 'libnothing': must be one of libx264, .*h264_nvenc"),
        (media.Wish("hevc", encoder="libx264"), r"--encoder libx264 makes h264, not hevc"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_an_encoder_does_not_have_is_refused(wish: media.Wish, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        media.choose(SIZE, wish=wish)


def test_an_encoder_asked_for_by_name_is_taken() -> None:
    encoding = media.choose(SIZE, wish=media.Wish(encoder="libx265"))
    assert (encoding.codec.encoder, encoding.pixel_format) == ("libx265", "yuv420p")


def test_an_encoder_that_is_not_to_be_had_here_is_missing() -> None:
    with pytest.raises(MissingError, match=r"--encoder hevc_amf cannot be opened here"):
        media.choose(SIZE, wish=media.Wish(encoder="hevc_amf"))


@pytest.mark.parametrize("family", ["h264", "hevc", "av1"])
def test_a_graphics_card_is_told_quality_and_effort_in_its_own_words(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoders, "_open", lambda *_: None)  # there is none here
    encoding = media.choose(SIZE, ending=".mp4", wish=media.Wish(encoder=f"{family}_nvenc", crf=21, preset="p4"))
    assert dict(encoding.options) == {"preset": "p4", "rc": "vbr", "cq": "21", "b": "0"}
    assert (encoding.codec.name, encoding.pixel_format) == (family, "yuv420p")


@pytest.mark.parametrize("name", ["h264_nvenc", "hevc_nvenc", "av1_nvenc"])
def test_an_encoder_of_a_graphics_card_takes_what_it_is_given(name: str) -> None:
    codec = encoders._device(media.Wish(encoder=name))
    takes = {pixel_format.name for pixel_format in av.Codec(name, "w").video_formats or ()}
    assert set(codec.pixel_formats) <= takes


@pytest.mark.parametrize("preset", ["medium", "p8"])
def test_an_effort_that_a_graphics_card_does_not_have_is_refused(preset: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoders, "_open", lambda *_: None)
    with pytest.raises(UsageError, match=f"--preset '{preset}': h264_nvenc has p1, p2, .*p7"):
        media.choose(SIZE, wish=media.Wish(encoder="h264_nvenc", preset=preset))


def test_a_debug_video_can_be_played_anywhere(video: media.Video) -> None:
    own = chosen(replace(video, codec="hevc", colour=PQ, mastered=MASTERED, light=LIGHT), "yuv420p12le")
    debug = own.for_debugging(SIZE, ".mp4")
    assert (debug.codec.name, debug.pixel_format, debug.colour, debug.mastered) == ("h264", "yuv420p", BT709, None)


def test_frames_of_16_bits_from_elsewhere_keep_10(tmp_path: Path, context: Callable[..., Context]) -> None:
    from faceblur import images
    from faceblur.assemble import assemble
    from faceblur.catalog import find_job
    from faceblur.crew import blur

    for number in (1, 2):
        deep = picture(seed=number).astype(np.uint16) * 257
        images.write(tmp_path / "input" / "deep" / f"frame_{number:010}.png", deep)
    made = context(fps=Fraction(25))
    job = find_job("deep", made.options.input, made.options.output)
    blur(job, made)
    assert media.probe(assemble(job, made)).layout == Layout("420", 10)
