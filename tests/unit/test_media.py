"""Video in and out: what goes in must come out, read back with PyAV alone."""

import io
import struct
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Pillow

from conftest import GREEN, RUN, moving_face, picture, pictures, play, write_clip
from faceblur import media
from faceblur.context import Context
from faceblur.errors import MediaError, SourceError
from faceblur.images import Image
from faceblur.media.source import _with_next
from faceblur.pipeline import run

NTSC = Fraction(1001, 30000)
QUICK = media.choose((96, 64), wish=media.Wish(crf=20, preset="ultrafast"))
PHONE_90 = (0, 1, -1, 0)  # QuickTime's matrix a, b, c, d of a phone held upright: turn clockwise to show it


def read(path: Path, recipe: media.Recipe | None = None) -> tuple[list[media.Timed], media.Reader]:
    reader = media.Reader(path, media.probe(path), recipe or media.Recipe())
    return list(reader), reader


def still(tmp_path: Path, count: int = 3, **changes: object) -> tuple[Path, media.Clock]:
    """A small written video and its clock."""
    clock = media.Clock(Fraction(1, 25), tuple(range(count)), count)
    path = tmp_path / "still.mp4"
    media.write(path, moving_face(count), clock, QUICK, None)
    return path, clock


# Times


CLOCKS = {
    "constant": (Fraction(1, 25), range(10)),
    "ntsc": (NTSC, range(10)),
    "variable": (Fraction(1, 1000), [0, 33, 66, 500, 520, 1000, 1001, 2950]),
    "starts-later": (Fraction(1, 600), [200, 220, 240, 260]),
    "last-frame-long": (Fraction(1, 25), [0, 1, 2, 3, 4, 5, 6, 7, 8, 200]),
    "odd-ticks": (Fraction(1, 90000), [30, 3033, 6037, 9999]),
}


@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".mov"])
@pytest.mark.parametrize("clock", CLOCKS)
def test_every_frame_keeps_its_time(tmp_path: Path, blurred: RUN, clock: str, ending: str) -> None:
    time_base, pts = CLOCKS[clock]
    images = moving_face(len(pts))
    source = write_clip(tmp_path / f"clip{ending}", images, pts=list(pts), time_base=time_base, sound=True)
    before, after = play(source), play(blurred(source))
    assert after.times == before.times
    assert len(after.times) == len(images)
    assert after.sounds == before.sounds


def test_b_frames_are_put_in_order_of_time(tmp_path: Path) -> None:
    marks = [np.full((32, 48, 3), 20 * n, np.uint8) for n in range(10)]
    options = {"bf": "3", "b_strategy": "0", "sc_threshold": "0"}
    source = write_clip(tmp_path / "clip.mp4", marks, options=options)
    with av.open(str(source)) as container:
        order = [packet.pts for packet in container.demux(video=0) if packet.size]
    frames, _ = read(source)
    assert order != sorted(order)
    assert [round(frame.image.mean() / 20) for frame in frames] == list(range(10))


def test_time_of_a_transport_stream_begins_at_zero(tmp_path: Path, blurred: RUN) -> None:
    clip = write_clip(tmp_path / "clip.mp4", moving_face(8), pts=range(2, 10), sound=True)
    source = remuxed(clip, tmp_path / "clip.ts", output_ts_offset="100")
    before, after = play(source), play(blurred(source))
    assert min(before.times[0], before.sounds[0][0][0]) > 99
    assert [t - after.times[0] for t in after.times] == [t - before.times[0] for t in before.times]
    assert float(after.times[0] - after.sounds[0][0][0]) == pytest.approx(
        float(before.times[0] - before.sounds[0][0][0]), abs=0.0005
    )
    assert min(after.times[0], after.sounds[0][0][0]) < Fraction(1, 1000)


# Sound


@pytest.mark.parametrize(
    ("name", "codecs", "ending"),
    [
        ("two.mp4", "aac aac", ".mp4"),
        ("mixed.mkv", "aac ac3 libopus", ".mkv"),
        ("flac.mkv", "flac", ".mkv"),
        ("pcm.mkv", "pcm_s16le", ".mkv"),
        ("pcm.mov", "pcm_s16le", ".mov"),
        ("pcm.avi", "pcm_s16le", ".mkv"),
        ("mp3.avi", "libmp3lame", ".mp4"),
        ("opus.webm", "libopus", ".webm"),
        ("mp2.mpg", "mp2", ".mp4"),
        ("aac.ts", "aac", ".mp4"),
    ],
)
def test_sound_is_copied_into_the_usual_container(
    tmp_path: Path, blurred: RUN, name: str, codecs: str, ending: str
) -> None:
    video = {".avi": "mpeg4", ".webm": "libvpx-vp9", ".mpg": "mpeg2video"}.get(Path(name).suffix, "libx264")
    source = write_clip(tmp_path / name, moving_face(6), codec=video, sounds=codecs.split())
    out = blurred(source)
    before, after = play(source), play(out)
    assert out.suffix == ending
    assert len(after.sounds) == len(codecs.split())
    for ours, theirs in zip(after.sounds, before.sounds, strict=True):
        adts = 7 if name == "aac.ts" else 0  # a header that only MPEG streams have
        assert [data for _, data in ours] == [data[adts:] for _, data in theirs]


def test_a_gif_becomes_an_mp4_without_sound(tmp_path: Path, blurred: RUN) -> None:
    source = write_clip(tmp_path / "anim.gif", moving_face(5), codec="gif", pixel_format="rgb8")
    out = blurred(source)
    assert out.suffix == ".mp4"
    assert play(out).times == play(source).times
    assert play(out).sounds == []


def test_an_unknown_ending_is_refused() -> None:
    with pytest.raises(MediaError, match=r"cannot write this kind of file"):
        media.check_target(Path("out.xyz"), None)


# Pictures


@pytest.mark.parametrize(("width", "height"), [(97, 63), (96, 63), (97, 64), (16, 16)])
@pytest.mark.parametrize("ending", [".mkv", ".webm"])
def test_odd_sizes_stay(tmp_path: Path, blurred: RUN, width: int, height: int, ending: str) -> None:
    images = [picture(width, height, seed=n) for n in range(3)]
    source = write_clip(tmp_path / "odd.mkv", images, codec="ffv1", pixel_format="bgr0")
    clock = media.Clock(Fraction(1, 25), (0, 1, 2), 3)
    out = tmp_path / f"out{ending}"
    chosen = media.choose((width, height), ending=ending, wish=media.Wish(crf=5))
    media.write(out, (frame.image for frame in read(source)[0]), clock, chosen, None)
    media.verify(out, clock, (width, height), None, chosen)
    assert play(out).size == (width, height)
    assert play(blurred(source)).size == (width, height)


def marked() -> Image:
    """Grey, with a red upper left corner and a blue upper right one."""
    image = np.full((64, 96, 3), 128, np.uint8)
    image[:24, :24] = (0, 0, 255)
    image[:24, -24:] = (255, 0, 0)
    return image


def has_marks_of(image: Image, upright: Image) -> bool:
    return image.shape == upright.shape and bool(np.abs(image.astype(int) - upright).mean() < 12)


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_mistake_07_a_turned_clip_comes_out_upright_and_whole(tmp_path: Path, blurred: RUN, degrees: int) -> None:
    stored = np.ascontiguousarray(np.rot90(marked(), -degrees // 90))  # turned clockwise; to be turned back
    source = write_clip(tmp_path / "turned.mp4", [stored] * 3, rotation=degrees)
    out = blurred(source)
    assert play(out).rotation == 0
    assert play(out).size == (96, 64)
    assert has_marks_of(pictures(out)[1], marked())


def with_matrix(source: Path, a: int, b: int, c: int, d: int) -> Path:
    """The same MP4 with another display matrix."""
    data = source.read_bytes()
    plain, other = (
        struct.pack(">9i", *(v << 16 for v in (p, q)), 0, *(v << 16 for v in (r, s)), 0, 0, 0, 1 << 30)
        for p, q, r, s in ((1, 0, 0, 1), (a, b, c, d))
    )
    track = data.index(plain, data.index(b"tkhd"))
    source.write_bytes(data[:track] + other + data[track + len(plain) :])
    return source


def test_mistake_07_the_matrix_of_a_phone_means_turn_clockwise(tmp_path: Path, blurred: RUN) -> None:
    stored = np.ascontiguousarray(np.rot90(marked(), 1))
    source = with_matrix(write_clip(tmp_path / "phone.mp4", [stored] * 3), *PHONE_90)
    assert has_marks_of(pictures(blurred(source))[1], marked())


@pytest.mark.parametrize(
    ("matrix", "stored"),
    [
        ((-1, 0, 0, 1), lambda picture: picture[:, ::-1]),
        ((1, 0, 0, -1), lambda picture: picture[::-1]),
        ((0, 1, 1, 0), lambda picture: picture.transpose(1, 0, 2)),
        ((0, -1, -1, 0), lambda picture: picture[::-1, ::-1].transpose(1, 0, 2)),
    ],
    ids=["left to right", "upside down", "along a diagonal", "along the other"],
)
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv444p"])
def test_a_mirrored_clip_comes_out_as_it_is_shown(
    tmp_path: Path,
    blurred: RUN,
    matrix: tuple[int, int, int, int],
    stored: Callable[[Image], Image],
    pixel_format: str,
) -> None:
    odd = pixel_format == "yuv444p"
    picture = marked()[odd:, odd:]
    images = [np.ascontiguousarray(stored(picture))] * 3
    clip = write_clip(tmp_path / "mirrored.mp4", images, pixel_format=pixel_format)
    out = blurred(with_matrix(clip, *matrix))
    assert play(out).rotation == 0
    assert has_marks_of(pictures(out)[1], picture)


@pytest.mark.parametrize("pixel_format", ["ya8", "ya16be"])
def test_grey_with_alpha_passes_for_rgb(tmp_path: Path, blurred: RUN, pixel_format: str) -> None:
    made = write_clip(tmp_path / "grey.mov", [picture(96, 64)] * 3, codec="png", pixel_format=pixel_format)
    assert media.probe(made).pixel_format == pixel_format
    assert play(blurred(made)).size == (96, 64)


def test_a_slightly_tilted_matrix_is_no_turn(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "tilted.mp4", [marked()] * 2, rotation=10)
    video = media.probe(source)
    assert (video.rotation, video.width, video.height) == (0, 96, 64)


def planes(path: Path) -> np.ndarray:
    """The samples of the second frame as stored, Y, U and V below each other, 8 bit."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    return frames[1].reformat(format="yuv420p").to_ndarray().astype(int)


def coloured(path: Path, colour: tuple[int, int, int, int], low: int, high: int) -> Path:
    """A lossless clip whose Y is a ramp from `low` to `high` and whose U and V are those of mild colours."""
    y = np.tile(np.linspace(low, high, 96).astype(np.uint8), (64, 1))
    u = np.repeat(np.repeat(np.array([[128, 118, 140, 110]], np.uint8), 12, 1), 32, 0)
    v = np.repeat(np.repeat(np.array([[128, 140, 116, 112]], np.uint8), 12, 1), 32, 0)
    data = np.concatenate([y, u.reshape(16, 96), v.reshape(16, 96)])
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"qp": "0"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        context = stream.codec_context
        context.color_range, context.color_primaries, context.color_trc, context.colorspace = colour
        for number in range(3):
            frame = av.VideoFrame.from_ndarray(data, format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            frame.color_range, frame.colorspace = colour[0], colour[3]
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    "colour",
    [(1, 1, 1, 1), (1, 6, 6, 6), (1, 5, 6, 5), (2, 1, 1, 1), (2, 6, 6, 6), (1, 9, 14, 9), (0, 2, 2, 2)],
    ids=["bt709", "ntsc", "pal", "full-bt709", "full-bt601", "bt2020", "untagged"],
)
@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
def test_colours_and_their_tags_stay(
    tmp_path: Path, context: Callable[..., Context], colour: tuple[int, int, int, int], ending: str
) -> None:
    low, high = (8, 248) if colour[0] == 2 else (40, 210)
    source = coloured(tmp_path / f"colours{ending}", colour, low, high)
    out = run(source, context(crf=1, preset="ultrafast"))
    error = np.abs(planes(out) - planes(source))
    assert error[8:56, 16:80].mean() < 1  # the ramp
    assert error[64:].mean() < 2  # colours; their edges are filtered
    with av.open(str(out)) as container:
        made = next(container.decode(video=0))
        assert (made.color_range, made.color_primaries, made.color_trc, made.colorspace) == colour


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        ("grey.mkv", "ffv1", "gray"),
        ("grey10.mkv", "ffv1", "gray10le"),
        ("422.mkv", "libx264", "yuv422p"),
        ("444.mp4", "libx264", "yuv444p"),
        ("ten.mp4", "libx264", "yuv420p10le"),
        ("prores.mov", "prores_ks", "yuv422p10le"),
        ("rgb.mkv", "ffv1", "bgr0"),
        ("rgb264.mp4", "libx264rgb", "rgb24"),
        ("rgb10.mkv", "ffv1", "gbrp10le"),
        ("png.mov", "png", "rgb24"),
        ("alpha.mkv", "ffv1", "yuva420p"),
        ("full.avi", "mjpeg", "yuvj420p"),
        ("raw.avi", "rawvideo", "bgr24"),
        ("hevc.mkv", "libx265", "yuv420p"),
    ],
)
def test_pictures_of_any_pixel_format_come_out_alike(
    tmp_path: Path, context: Callable[..., Context], name: str, codec: str, pixels: str
) -> None:
    options = {"x265-params": "log-level=none"} if codec == "libx265" else None
    ramp = np.repeat(np.tile(np.linspace(30, 220, 96), (64, 1))[:, :, None], 3, axis=2)
    ramp[32:, :48] = (60, 90, 200)
    ramp[32:, 48:] = (190, 80, 50)
    source = write_clip(tmp_path / name, [ramp.astype(np.uint8)] * 3, codec=codec, pixel_format=pixels, options=options)
    out = run(source, context(crf=1, preset="ultrafast"))
    before, after = pictures(source)[1].astype(int), pictures(out)[1].astype(int)
    assert np.abs(before - after).mean() < 4
    if name == "rgb264.mp4":
        with av.open(str(out)) as container:
            made = next(container.decode(video=0))
            assert (made.color_range, made.colorspace) == (1, 1)


# Nothing of the source but pictures and sound


def test_mistake_12_no_metadata_cover_or_data_reaches_the_output(tmp_path: Path, blurred: RUN) -> None:
    secret = {"title": "SECRET-t", "comment": "SECRET-c", "location": "SECRET+12.5-034.5/", "artist": "SECRET-a"}
    source = tmp_path / "source.mp4"
    clean = write_clip(tmp_path / "clean.mp4", moving_face(4), sound=True)
    cover = write_clip(tmp_path / "cover.mkv", [picture(40, 40)], codec="mjpeg", pixel_format="yuvj420p")
    with av.open(str(clean)) as one, av.open(str(cover)) as two, av.open(str(source), "w") as container:
        container.metadata.update(secret | {"creation_time": "2011-11-11T11:11:11Z"})
        picture_stream = container.add_stream_from_template(two.streams.video[0], opaque=True)
        picture_stream.disposition = av.stream.Disposition.attached_pic
        copies = {s.index: container.add_stream_from_template(s) for s in one.streams}
        for stream in copies.values():
            stream.metadata.update({"handler_name": "SECRET-h", "language": "fra", "title": "SECRET-s"})
        thumbnail = next(p for p in two.demux() if p.size)
        thumbnail.stream = picture_stream
        container.mux(thumbnail)
        for packet in one.demux():
            if packet.size:
                packet.stream = copies[packet.stream_index]
                container.mux(packet)
    data = source.read_bytes()
    assert b"SECRET" in data
    assert b"\xff\xd8\xff" in data
    out = blurred(source)
    made = out.read_bytes()
    assert b"SECRET" not in made
    assert b"2011" not in made
    assert b"\xff\xd8\xff" not in made
    assert play(out).kinds == ["video", "audio"]
    with av.open(str(out)) as container:
        assert not set(container.metadata) & (set(secret) | {"creation_time"})
        assert container.streams.audio[0].language == "fra"


def test_subtitles_and_attachments_are_left_out(tmp_path: Path, blurred: RUN) -> None:
    source = tmp_path / "subtitled.mkv"
    clean = write_clip(tmp_path / "clean.mkv", moving_face(4), sound=True)
    subtitle = tmp_path / "words.srt"
    subtitle.write_text("1\n00:00:00,000 --> 00:00:00,100\nSECRET words\n")
    with av.open(str(clean)) as one, av.open(str(subtitle)) as two, av.open(str(source), "w") as container:
        container.add_attachment("SECRET.txt", "text/plain", b"SECRET attachment")
        copies = {s.index: container.add_stream_from_template(s) for s in one.streams}
        words = container.add_stream_from_template(two.streams.subtitles[0])
        for packet in two.demux():
            if packet.size:
                packet.stream = words
                container.mux(packet)
        for packet in one.demux():
            if packet.size:
                packet.stream = copies[packet.stream_index]
                container.mux(packet)
    assert source.read_bytes().count(b"SECRET") == 3
    out = blurred(source)
    assert b"SECRET" not in out.read_bytes()
    assert play(out).kinds == ["video", "audio"]


# Damage


def cut(path: Path, share: float = 0.6) -> Path:
    data = path.read_bytes()
    damaged = path.with_name(f"cut-{path.name}")
    damaged.write_bytes(data[: int(len(data) * share)])
    return damaged


def remuxed(path: Path, target: Path, **options: str) -> Path:
    with av.open(str(path)) as source, av.open(str(target), "w", options=options) as container:
        copies = {s.index: container.add_stream_from_template(s) for s in source.streams}
        for packet in source.demux():
            if packet.size:
                packet.stream = copies[packet.stream_index]
                container.mux(packet)
    return target


def damage(path: Path) -> int:
    return read(path)[1].damaged


@pytest.mark.parametrize("name", ["clip.mkv", "clip.webm", "clip.avi", "fast.mp4", "clip.flv"])
def test_a_cut_file_is_damaged_and_a_whole_one_is_not(tmp_path: Path, name: str) -> None:
    codec = {".webm": "libvpx-vp9", ".avi": "mpeg4"}.get(Path(name).suffix, "libx264")
    whole = write_clip(tmp_path / "whole" / name, moving_face(50), codec=codec, sound=name not in ("clip.webm",))
    if name == "fast.mp4":
        whole = remuxed(whole, tmp_path / name, movflags="+faststart")
    assert damage(whole) == 0
    assert damage(cut(whole)) > 0


def test_a_part_that_is_there_can_be_read_from_a_cut_file(tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "whole.mp4", moving_face(50), options={"g": "10"})
    damaged = cut(remuxed(whole, tmp_path / "fast.mp4", movflags="+faststart"))
    there, reader = read(damaged, media.Recipe(end=Fraction(1, 2)))
    assert (len(there), reader.damaged) == (13, 0)
    _, reader = read(damaged, media.Recipe(start=Fraction(1)))
    assert reader.damaged > 0


def test_leaving_a_damaged_file_early_never_hangs(tmp_path: Path) -> None:
    """With PyAV's logging on, threads that report errors and the one that closes the decoder wait for each other."""
    path = write_clip(tmp_path / "damaged.mkv", moving_face(40), options={"g": "5"})
    data = bytearray(path.read_bytes())
    for position in range(len(data) // 4, len(data), 40):
        data[position] ^= 0x5A
    path.write_bytes(data)
    video = media.probe(path)
    for count in range(40):
        for _ in zip(range(count % 12), media.Reader(path, video), strict=False):
            pass


@pytest.mark.parametrize("name", ["flipped.ts", "flipped.mkv", "flipped.mp4"])
def test_scrambled_bytes_in_the_middle_are_damage(tmp_path: Path, name: str) -> None:
    path = write_clip(tmp_path / name, moving_face(40))
    data = bytearray(path.read_bytes())
    for position in range(len(data) // 3, len(data) // 2):
        data[position] ^= 0x5A
    path.write_bytes(data)
    assert damage(path) > 0


@pytest.mark.parametrize("tenth", [1, 3])
def test_damage_is_counted_alike_in_every_pass(tmp_path: Path, tenth: int) -> None:
    """With several threads, FFmpeg hands on a frame of H.264 now and then before it knows that it is damaged.

    That is so for what is decoded last: with two threads in a sixth of the passes, in fewer where pictures are tiny.
    """
    flipped = write_clip(tmp_path / "flipped.mp4", moving_face(8, 320, 240), options={"bf": "2", "g": "8"})
    with av.open(str(flipped)) as container:
        last = [packet.pos + packet.size * tenth // 10 for packet in container.demux(video=0) if packet.size][-1]
    data = bytearray(flipped.read_bytes())
    data[last] ^= 0x10
    flipped.write_bytes(data)
    assert {damage(flipped) for _ in range(60)} == {1}


def test_a_clip_trimmed_by_an_edit_list_is_not_damaged(tmp_path: Path) -> None:
    """The edit list of `elst` skips the first frames, which stay in the file; phones trim like this."""
    path = write_clip(tmp_path / "trimmed.mp4", moving_face(30), options={"bf": "2", "g": "30"})
    data = path.read_bytes()
    at = data.index(b"elst") + 12  # type, version and flags, count
    duration, start = struct.unpack(">Ii", data[at : at + 8])
    ticks = 512  # of a frame at 1/12800
    trimmed = struct.pack(">Ii", duration - 400, start + 10 * ticks)
    path.write_bytes(data[:at] + trimmed + data[at + 8 :])
    frames, reader = read(path)
    assert reader.damaged == 0
    assert len(frames) == len(play(path).times) == 20


@pytest.mark.parametrize("kind", ["text", "empty", "folder", "missing", "sound", "no-picture"])
def test_what_is_no_video_is_a_source_error_in_one_line(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "clip.mp4"
    if kind == "text":
        path.write_text("not a video\n" * 50)
    elif kind == "empty":
        path.touch()
    elif kind == "folder":
        path.mkdir()
    elif kind == "sound":
        media.write_sound(path, np.zeros(48000, np.float32), 48000)
    elif kind == "no-picture":
        write_clip(tmp_path / "whole.ts", moving_face(3))
        path.write_bytes((tmp_path / "whole.ts").read_bytes()[-188 * 2 :])
    with pytest.raises(SourceError) as caught:
        media.probe(path)
    assert "clip.mp4" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.shared
def test_frames_that_carry_what_pyav_does_not_know_are_read(tmp_path: Path) -> None:
    """EXIF beside the frames of a camera's motion JPEG, say."""
    tags, photo = Pillow.Exif(), io.BytesIO()
    tags[0x010F] = "Maker"
    Pillow.fromarray(picture(64, 48)).save(photo, "JPEG", exif=tags)
    with av.open(str(tmp_path / "clip.mkv"), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for number in range(3):
            packet = av.Packet(photo.getvalue())
            packet.pts = packet.dts = number
            packet.time_base, packet.stream, packet.is_keyframe = Fraction(1, 25), stream, True
            container.mux_one(packet)
    assert len(list(media.Reader(tmp_path / "clip.mkv", media.probe(tmp_path / "clip.mkv")))) == 3


def test_the_labelled_clips_are_not_damaged(shared: Path) -> None:
    for path in sorted((shared / "data/videos").glob("*.m[pk][4v]")):
        video = media.probe(path)
        reader = media.Reader(path, video)
        count = sum(1 for _ in reader._timed())
        assert (reader.damaged, reader.moved) == (0, 0), path
        assert count == len(play(path).times), path


# Recipes


def test_scale_keeps_the_shape_with_an_even_height(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "clip.mp4", moving_face(2, 96, 54))
    frames, reader = read(source, media.Recipe(scale=48))
    assert reader.size == (48, 28)
    assert {frame.image.shape for frame in frames} == {(28, 48, 3)}


def test_scale_is_of_the_upright_width(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "clip.mp4", moving_face(2), rotation=90)
    frames, _ = read(source, media.Recipe(scale=32))
    assert frames[0].image.shape == (48, 32, 3)


@pytest.mark.parametrize("fps", [10, 25, 50, Fraction(30000, 1001)])
def test_another_rate_keeps_the_length(tmp_path: Path, fps: Fraction) -> None:
    source = write_clip(tmp_path / "clip.mp4", moving_face(50))
    frames, reader = read(source, media.Recipe(fps=Fraction(fps)))
    assert reader.time_base == 1 / Fraction(fps)
    assert [frame.pts for frame in frames] == list(range(len(frames)))
    assert abs(len(frames) - 2 * fps) < 1


def test_another_rate_shows_what_a_variable_source_showed_at_that_moment(tmp_path: Path) -> None:
    marks = [np.full((32, 48, 3), 40 * n, np.uint8) for n in range(5)]
    times = [0, 100, 1000, 1100, 1900]
    source = write_clip(tmp_path / "clip.mp4", marks, pts=times, time_base=Fraction(1, 1000))
    frames, _ = read(source, media.Recipe(fps=Fraction(10)))
    shown = [round(frame.image.mean() / 40) for frame in frames]
    assert shown[:19] == [0, *[1] * 9, 2, *[3] * 8]
    assert shown[19] == 4


@pytest.mark.parametrize("offset", [0, 15])
@pytest.mark.parametrize(("start", "end"), [("0.8", "1.2"), ("1", None), (None, "0.4"), ("0.81", "0.89")])
def test_a_part_has_exactly_the_frames_between_its_times(
    tmp_path: Path, start: str | None, end: str | None, offset: int
) -> None:
    marks = [np.full((32, 48, 3), 6 * n, np.uint8) for n in range(40)]
    options = {"bf": "3", "g": "250", "b_strategy": "0", "sc_threshold": "0", "qp": "1"}
    source = write_clip(tmp_path / "clip.mp4", marks, pts=range(offset, offset + 40), options=options)
    bounds = [None if t is None else Fraction(t) for t in (start, end)]
    frames, reader = read(source, media.Recipe(start=bounds[0], end=bounds[1]))
    times = [Fraction(n, 25) for n in range(40)]
    wanted = [n for n, t in enumerate(times) if (bounds[0] or 0) <= t < (bounds[1] or 99)]
    assert [round(frame.image.mean() / 6) for frame in frames] == wanted
    assert [frame.pts * reader.time_base - Fraction(offset, 25) for frame in frames] == [times[n] for n in wanted]


OPEN = {"bf": "3", "g": "10", "x264-params": "open-gop=1:scenecut=0:b-adapt=0"}
HEVC = {"x265-params": "log-level=none:keyint=10:bframes=3:open-gop=1:scenecut=0"}
MPEG2 = {"bf": "2", "g": "10", "sc_threshold": "1000000000"}


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("open.mp4", "libx264", OPEN),
        ("open.ts", "libx264", OPEN),
        ("hevc.mkv", "libx265", HEVC),
        ("two.mpg", "mpeg2video", MPEG2),
        ("four.avi", "mpeg4", {"bf": "2", "g": "20"}),
        ("rolling.mkv", "libx264", {"x264-params": "intra-refresh=1:keyint=20:bframes=0"}),
    ],
)
def test_a_part_equals_that_part_of_the_whole(tmp_path: Path, name: str, codec: str, options: dict[str, str]) -> None:
    marks = [np.full((64, 96, 3), 4 * n, np.uint8) for n in range(50)]
    path = write_clip(tmp_path / name, marks, codec=codec, options=options)
    whole, _ = read(path)
    for start in (Fraction("0.2"), Fraction("0.84"), Fraction("1.6")):
        part, reader = read(path, media.Recipe(start=start, end=start + Fraction("0.3")))
        bounds = [reader.video.start + round(t / reader.time_base) for t in (start, start + Fraction("0.3"))]
        wanted = [frame for frame in whole if bounds[0] <= frame.pts < bounds[1]]
        assert [frame.pts for frame in part] == [frame.pts for frame in wanted]
        assert all(np.array_equal(a.image, b.image) for a, b in zip(part, wanted, strict=True))
        assert reader.damaged == 0


# Verify


def test_verify_accepts_what_was_written(tmp_path: Path) -> None:
    path, clock = still(tmp_path)
    assert media.verify(path, clock, (96, 64), None)["frames"] == 3


@pytest.mark.parametrize(
    ("doctored", "size", "message"),
    [
        ({"pts": (0, 1), "end": 2}, (96, 64), "number of frames"),
        ({"pts": (0, 1, 2, 3), "end": 4}, (96, 64), "number of frames"),
        ({"pts": (0, 1, 3), "end": 4}, (96, 64), "frame 3 got the time"),
        ({"end": 5}, (96, 64), "long instead of"),
        ({}, (64, 96), "size"),
    ],
)
def test_verify_notices(tmp_path: Path, doctored: dict[str, object], size: tuple[int, int], message: str) -> None:
    path, clock = still(tmp_path)
    with pytest.raises(MediaError, match=message):
        media.verify(path, replace(clock, **doctored), size, None)


@pytest.mark.parametrize("change", ["none", "shorter", "other", "moved"])
def test_verify_notices_sound_that_is_not_the_source_s(tmp_path: Path, change: str) -> None:
    noise = np.random.default_rng(1).uniform(-0.5, 0.5, 24000).astype(np.float32)
    first = media.write_sound(tmp_path / "first.m4a", noise, 48000)
    other = media.write_sound(tmp_path / "other.m4a", noise[::-1].copy(), 48000)
    clock = media.Clock(Fraction(1, 25), (0, 1, 2), 3)
    path = tmp_path / "clip.mp4"
    media.write(path, moving_face(3), clock, QUICK, first)
    media.verify(path, clock, (96, 64), first)
    expected = {
        "none": None,
        "shorter": replace(first, begin=Fraction(1, 10)),
        "other": other,
        "moved": replace(first, begin=Fraction(-1, 10)),
    }[change]
    with pytest.raises(MediaError, match=r"sound|audio"):
        media.verify(path, clock, (96, 64), expected)


def test_too_few_pictures_are_an_error(tmp_path: Path) -> None:
    clock = media.Clock(Fraction(1, 25), tuple(range(5)), 5)
    with pytest.raises(ValueError, match="shorter"):
        media.write(tmp_path / "x.mp4", moving_face(4), clock, QUICK, None)


def test_samples_beyond_their_depth_are_encoded_as_the_highest(tmp_path: Path) -> None:
    """A damaged source of 10 bits gives such; x264 would end the process."""
    rng = np.random.default_rng(0)
    blank = av.VideoFrame(64, 48, "yuv422p10le")
    shapes = [plane.shape for plane in media.planes(blank)]
    frames = [
        media.from_planes([rng.choice((0, 65535), shape).astype("u2") for shape in shapes], blank) for _ in range(4)
    ]
    clock, layout = media.Clock(Fraction(1, 25), (0, 1, 2, 3), 4), media.Layout("422", 10)
    encoding = media.choose((64, 48), ending=".mkv", wish=media.Wish("ffv1", None, None, None), layout=layout)
    media.write(tmp_path / "out.mkv", frames, clock, encoding, None)
    with av.open(str(tmp_path / "out.mkv")) as container:
        written = [media.planes(frame) for frame in container.decode(video=0)]
    for made, given in zip(written, frames, strict=True):
        for is_, was in zip(made, media.planes(given), strict=True):
            assert np.array_equal(is_, np.minimum(was, 1023))


def test_the_facts_of_a_video_survive_json(tmp_path: Path) -> None:
    video = media.probe(write_clip(tmp_path / "clip.mp4", moving_face(2), sound=True, aspect=Fraction(4, 3)))
    assert media.Video.from_json(video.to_json()) == video


# Interlaced sources


@pytest.mark.parametrize("bare", [False, True])
def test_an_animated_webp_is_a_video(tmp_path: Path, context: Callable[..., Context], bare: bool) -> None:
    source, times_ms = tmp_path / "moving.webp", [100, 40, 300, 40, 70]
    first, *rest = (Pillow.fromarray(p[:, :, ::-1]) for p in moving_face(5))
    first.save(source, save_all=True, append_images=rest, duration=times_ms, lossless=True)
    out = run(source, context(no_frames=bare, style="solid", out=tmp_path / "out.mkv"))
    assert play(out).times == [Fraction(sum(times_ms[:i]), 1000) for i in range(5)]
    assert not any(np.all(shown == GREEN, axis=2).any() for shown in pictures(out))


@pytest.mark.parametrize("length", [16, 20, 21, 40])
def test_a_cut_animated_webp_is_a_source_error(tmp_path: Path, length: int) -> None:
    source = tmp_path / "moving.webp"
    first, *rest = (Pillow.fromarray(p) for p in moving_face(3))
    first.save(source, save_all=True, append_images=rest)
    source.write_bytes(source.read_bytes()[:length])
    with pytest.raises(SourceError, match=r"moving\.webp"):
        media.probe(source)


BAR = 16  # pixels that a bar of light is wide; it moves by four from field to field


def interlaced(path: Path, codec: str, options: dict[str, str], count: int = 12) -> Path:
    """A clip whose frames show two moments: a bar in the even rows, and a bit further in the odd ones."""
    images = []
    for number in range(count):
        image = np.full((96, 128, 3), 40, np.uint8)
        for field in range(2):
            left = 4 * (2 * number + field)
            image[field::2, left : left + BAR] = 200
        images.append(image)
    return write_clip(path, images, codec=codec, options=options)


def comb(plane: NDArray[np.uint8]) -> float:
    """How much each row differs from the mean of its neighbours, on average."""
    rows = plane.astype(float)
    return float(np.abs(rows[1:-1] - (rows[:-2] + rows[2:]) / 2).mean())


INTERLACED = pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("clip.mp4", "libx264", {"x264-params": "tff=1", "crf": "10"}),
        ("clip.mpg", "mpeg2video", {"flags": "+ildct+ilme", "qscale": "2"}),
    ],
)


@INTERLACED
def test_no_comb_is_ever_shown(tmp_path: Path, name: str, codec: str, options: dict[str, str]) -> None:
    path = interlaced(tmp_path / name, codec, options)
    video = media.probe(path)
    frames, _ = read(path)
    with av.open(str(path)) as container:
        decoded = list(container.decode(video=0))
    assert video.interlaced
    assert len(frames) == 12
    for frame, raw in zip(frames, decoded, strict=True):
        assert comb(media.planes(raw)[0]) > 8
        assert comb(media.planes(frame.frame)[0]) < 1
        assert comb(frame.image[:, :, 1].astype(np.uint8)) < 1
        assert frame.pts == raw.pts
    assert frames[-1].duration == frames[0].duration


def test_the_output_of_an_interlaced_source_is_progressive(tmp_path: Path, blurred: RUN) -> None:
    source = interlaced(tmp_path / "clip.mp4", "libx264", {"x264-params": "tff=1", "crf": "10"})
    out = blurred(source)
    assert play(out).times == play(source).times
    with av.open(str(out)) as container:
        for frame in container.decode(video=0):
            assert not frame.interlaced_frame
            assert comb(media.planes(frame)[0]) < 1.5


@INTERLACED
def test_a_part_of_an_interlaced_source_equals_that_part_of_the_whole(
    tmp_path: Path, name: str, codec: str, options: dict[str, str]
) -> None:
    path = interlaced(tmp_path / name, codec, options | {"g": "4"})
    whole, _ = read(path)
    for number in (4, 5, 8):
        part, _ = read(path, media.Recipe(start=Fraction(number, 25), end=Fraction(number + 2, 25)))
        assert [frame.checksum for frame in part] == [frame.checksum for frame in whole[number : number + 2]]


def test_progressive_frames_are_not_touched(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mkv", [picture(seed=n) for n in range(3)], codec="ffv1")
    with av.open(str(path)) as container:
        for frame, raw in zip(read(path)[0], container.decode(video=0), strict=True):
            assert all(map(np.array_equal, media.planes(frame.frame), media.planes(raw)))


def test_frames_are_let_go_once_the_next_was_read() -> None:
    alive: weakref.WeakSet[Thing] = weakref.WeakSet()

    def read() -> Iterator[Thing]:
        for _ in range(100):
            thing = Thing()
            alive.add(thing)
            yield thing

    assert max(len(alive) for _ in _with_next(read())) <= 3


class Thing:
    """What can be counted."""
