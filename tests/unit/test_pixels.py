"""Pixels: every layout has a canonical format without loss, turned sample by sample, and images that hold its depth."""

import itertools
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.sidedata.sidedata import Type
from av.video.reformatter import VideoReformatter

from conftest import moving_face, picture, write_clip
from faceblur import media
from faceblur.media.pixels import EXACT, Layout, canonical, frame_of, image_of, upright
from faceblur.media.turn import Turn

SIZE = (98, 66)
LIMITED_709 = (1, 1, 1, 1)
DEEP_AND_FLAT = (
    *("yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p12le", "yuv420p12le"),
    *("yuva420p", "yuva444p10le", "gray", "gray10le", "gray12le", "gray16le"),
)


def noise(pixel_format: str, size: tuple[int, int] = SIZE, seed: int = 0) -> av.VideoFrame:
    """A frame of a canonical format with noise in every plane."""
    frame = av.VideoFrame(*size, pixel_format)
    rng = np.random.default_rng(seed)
    depth = frame.format.components[0].bits
    return media.from_planes(
        [rng.integers(0, 1 << depth, plane.shape).astype(plane.dtype) for plane in media.planes(frame)], frame
    )


def smooth(pixel_format: str, size: tuple[int, int] = SIZE) -> av.VideoFrame:
    """A frame of a canonical format of YUV or grey with ramps in legal colours."""
    frame = av.VideoFrame(*size, pixel_format)
    frame.color_range, frame.color_primaries, frame.color_trc, frame.colorspace = LIMITED_709
    depth, arrays = frame.format.components[0].bits, []
    for number, plane in enumerate(media.planes(frame)):
        low, high = ((60, 200), (118, 138), (120, 136), (0, 255))[number]
        across = np.linspace(low, high, plane.shape[1]) * (1 << (depth - 8))
        arrays.append(np.tile(across, (plane.shape[0], 1)).astype(plane.dtype))
    return media.from_planes(arrays, frame)


def equal(a: av.VideoFrame, b: av.VideoFrame) -> bool:
    return a.format.name == b.format.name and all(
        np.array_equal(p, q) for p, q in zip(media.planes(a), media.planes(b), strict=True)
    )


@pytest.mark.parametrize(
    ("layout", "format_"),
    [
        ("nv12", "yuv420p"),
        ("nv21", "yuv420p"),
        ("nv16", "yuv422p"),
        ("yuyv422", "yuv422p"),
        ("uyvy422", "yuv422p"),
        ("nv24", "yuv444p"),
        ("p010le", "yuv420p10le"),
        ("p012le", "yuv420p12le"),
        ("p016le", "yuv420p16le"),
        ("p210le", "yuv422p10le"),
        ("y210le", "yuv422p10le"),
        ("yuv420p10be", "yuv420p10le"),
        ("gray10be", "gray10le"),
        ("gbrp", "bgr24"),
        ("rgb24", "bgr24"),
        ("bgr0", "bgr24"),
        ("argb", "bgra"),
        ("gbrap", "bgra"),
        ("gbrp16le", "bgr48le"),
        ("rgb48le", "bgr48le"),
        ("rgba64le", "bgra64le"),
        ("vuya", "yuva444p"),
    ],
)
def test_every_layout_is_brought_to_its_canonical_format_without_loss(layout: str, format_: str) -> None:
    whole = noise(format_)
    if layout == "rgba64le":  # which swscale cannot make without loss
        [pixels] = media.planes(whole)
        other = media.from_planes([pixels[:, :, [2, 1, 0, 3]]], whole, layout)
    else:
        other = VideoReformatter().reformat(whole, *SIZE, layout, interpolation=EXACT, threads=1)
    assert other.format.name == layout
    assert equal(canonical(other, SIZE), whole)


@pytest.mark.parametrize("chroma", ["420", "422", "444"])
def test_full_range_stays_full_range(chroma: str) -> None:
    whole = noise(f"yuv{chroma}p")
    old = media.from_planes(media.planes(whole), whole, f"yuvj{chroma}p")
    old.color_range = 2
    found = canonical(old, SIZE)
    assert found.color_range == 2
    assert equal(found, whole)


@pytest.mark.parametrize(
    ("pixel_format", "layout"),
    [
        ("yuv420p", Layout("420", 8)),
        ("yuvj422p", Layout("422", 8)),
        ("yuv440p", Layout("440", 8)),
        ("yuv411p", Layout("411", 8)),
        ("yuva444p10le", Layout("444", 10, True)),
        ("yuv420p9le", Layout("420", 10)),
        ("yuv422p14le", Layout("422", 16)),
        ("gray", Layout("grey", 8)),
        ("gray12le", Layout("grey", 12)),
        ("monow", Layout("grey", 8)),
        ("ya8", Layout("rgb", 8, True)),
        ("pal8", Layout("rgb", 8, True)),
        ("gbrp12le", Layout("rgb", 12)),
        ("rgb565le", Layout("rgb", 8)),
        ("xyz12le", Layout("rgb", 12)),
    ],
)
def test_the_layout_of_a_format(pixel_format: str, layout: Layout) -> None:
    assert Layout.of(pixel_format) == layout
    assert av.VideoFormat(layout.pixel_format)


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p", "yuv444p", "yuv440p", "yuv411p", "nv12", "gray"])
@pytest.mark.parametrize("size", [(98, 66), (49, 33)])
def test_images_of_8_bits_are_what_one_exact_conversion_gives(pixel_format: str, size: tuple[int, int]) -> None:
    frame = VideoReformatter().reformat(smooth("yuv444p"), *SIZE, pixel_format, interpolation=EXACT)
    once = VideoReformatter().reformat(frame, *size, "bgr24", interpolation=EXACT).to_ndarray()
    assert np.array_equal(image_of(frame, size, Turn()), once)
    assert np.array_equal(image_of(frame, size, Turn(90)), np.rot90(once))


@pytest.mark.parametrize(
    "pixel_format",
    DEEP_AND_FLAT,
)
def test_an_image_and_back_moves_samples_by_a_step_at_most(pixel_format: str) -> None:
    frame = smooth(pixel_format)
    layout = Layout.of(pixel_format)
    image = image_of(frame, SIZE, Turn())
    assert image.dtype == (np.uint8 if layout.depth == 8 else np.uint16)
    assert image.shape == (66, 98, 4 if layout.alpha else 3)
    back = frame_of(image, pixel_format, LIMITED_709)
    assert (back.color_range, back.color_primaries, back.color_trc, back.colorspace) == LIMITED_709
    for number, (a, b) in enumerate(zip(media.planes(frame), media.planes(back), strict=True)):
        exact = number == 3 or (layout.chroma == "grey" and layout.depth > 8)
        assert np.abs(a.astype(int) - b).max() <= (0 if exact else 1), number


@pytest.mark.parametrize(
    ("codec", "pixels"), [("libx264", "yuv420p10le"), ("libx264", "yuv422p10le"), ("libx265", "yuv420p10le")]
)
def test_colours_stay_where_they_are_whatever_a_source_says_of_the_place_of_chroma(
    tmp_path: Path, codec: str, pixels: str
) -> None:
    """H.264 says that samples of chroma lie to the left; a ramp shows colours that move by steps up or down."""
    lossless = {"libx264": {"qp": "0"}, "libx265": {"x265-params": "lossless=1:log-level=none"}}[codec]
    with av.open(str(tmp_path / "clip.mkv"), "w") as container:
        stream = container.add_stream(codec, rate=25, options=lossless)
        stream.width, stream.height, stream.pix_fmt = *SIZE, pixels
        context = stream.codec_context
        context.color_range, context.color_primaries, context.color_trc, context.colorspace = LIMITED_709
        container.mux(stream.encode(smooth(pixels)))
        container.mux(stream.encode(None))
    with av.open(str(tmp_path / "clip.mkv")) as container:
        frame = next(container.decode(video=0))
    back = frame_of(image_of(frame, SIZE, Turn()), pixels, LIMITED_709)
    for was, is_ in zip(media.planes(frame), media.planes(back), strict=True):
        assert abs((is_.astype(float) - was)[:, 4:-4].mean()) < 0.05


@pytest.mark.parametrize("pixel_format", ["bgr24", "bgra", "bgr48le", "bgra64le", "gbrp", "gbrp10le", "gbrap12le"])
def test_rgb_comes_back_bit_for_bit(pixel_format: str) -> None:
    layout = Layout.of(pixel_format)
    depth = layout.depth
    packed = noise(layout.packed)
    if depth in (10, 12):  # samples that are so many bits deep
        [pixels] = media.planes(packed)
        few = pixels >> (16 - depth)
        packed = media.from_planes([few << (16 - depth) | few >> (2 * depth - 16)], packed)
    frame = VideoReformatter().reformat(packed, *SIZE, pixel_format, interpolation=EXACT)
    image = image_of(frame, SIZE, Turn())
    assert equal(frame_of(image, pixel_format, (2, 1, 1, 0)), frame)


@pytest.mark.parametrize(("degrees", "mirrored"), [(90, False), (180, False), (270, False), (0, True), (90, True)])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv444p10le", "yuva420p", "gray", "bgr24", "bgra64le"])
def test_planes_are_turned_and_mirrored_sample_by_sample(pixel_format: str, degrees: int, mirrored: bool) -> None:
    frame = noise(pixel_format)
    turned = upright(frame, Turn(degrees, mirrored))
    assert turned.format.name == pixel_format
    for was, is_ in zip(media.planes(frame), media.planes(turned), strict=True):
        whole = np.rot90(was, degrees // 90)
        assert np.array_equal(is_, whole[:, ::-1] if mirrored else whole)


def test_chroma_that_cannot_be_mirrored_is_repeated() -> None:
    assert Layout.of(upright(noise("yuv420p", (97, 66)), Turn(mirrored=True)).format.name).chroma == "444"


@pytest.mark.parametrize(
    ("pixel_format", "size", "degrees", "spans"),
    [
        ("yuv422p10le", (98, 66), 90, (2, 1)),
        ("yuv440p", (98, 66), 270, (1, 2)),
        ("yuv411p", (96, 66), 90, (4, 1)),
        ("yuva422p", (98, 66), 90, (2, 1)),
        ("yuv420p", (97, 66), 90, (2, 2)),
        ("yuv420p", (97, 63), 180, (2, 2)),
    ],
)
def test_chroma_that_cannot_be_turned_is_repeated(
    pixel_format: str, size: tuple[int, int], degrees: int, spans: tuple[int, int]
) -> None:
    frame = noise(pixel_format, size)
    turned = upright(frame, Turn(degrees))
    assert Layout.of(turned.format.name).chroma == "444"
    assert Layout.of(turned.format.name).depth == Layout.of(pixel_format).depth
    for number, (was, is_) in enumerate(zip(media.planes(frame), media.planes(turned), strict=True)):
        whole: Any = was
        if number in (1, 2):
            whole = np.repeat(np.repeat(was, spans[1], 0), spans[0], 1)[: size[1], : size[0]]
        assert np.array_equal(is_, np.rot90(whole, degrees // 90))


def test_a_frame_from_planes_has_the_time_and_colours_and_no_side_data(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "turned.mp4", moving_face(2), rotation=90)
    decoded = next(iter(media.Reader(path, media.probe(path)))).decoded
    assert [data.type for data in decoded.side_data if data.type == Type.DISPLAYMATRIX]
    copy = media.from_planes(media.planes(decoded), decoded)
    assert equal(copy, decoded)
    assert len(copy.side_data) == 0
    assert (copy.pts, copy.time_base) == (decoded.pts, decoded.time_base)


def test_planes_cannot_be_written_to() -> None:
    with pytest.raises(ValueError, match="read-only"):
        media.planes(noise("yuv420p"))[0][0, 0] = 1


def test_a_frame_costs_no_image_and_has_one_checksum_in_every_pass(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mkv", [picture(seed=n) for n in range(6)], codec="ffv1")
    first, second = (list(media.Reader(path, media.probe(path))) for _ in range(2))
    assert [frame.checksum for frame in first] == [frame.checksum for frame in second]
    assert len({frame.checksum for frame in first}) == 6
    assert "image" not in vars(first[0])


def test_raw_video_stored_upside_down_is_read_upright(tmp_path: Path) -> None:
    image = picture(seed=4)
    path = write_clip(tmp_path / "raw.avi", [image] * 2, codec="rawvideo", pixel_format="bgr24")
    [frame, _] = list(media.Reader(path, media.probe(path)))
    assert np.array_equal(frame.image, image)
    assert np.array_equal(media.planes(frame.frame)[0], image)


@pytest.mark.parametrize(
    ("codec", "pixels", "facts"),
    [
        ("ffv1", "yuv422p10le", ("422", 10, False)),
        ("ffv1", "yuva420p", ("420", 8, True)),
        ("ffv1", "gray12le", ("grey", 12, False)),
        ("ffv1", "gbrp10le", ("rgb", 10, False)),
        ("libx264", "yuv420p", ("420", 8, False)),
    ],
)
def test_probe_tells_chroma_depth_and_alpha(
    tmp_path: Path, codec: str, pixels: str, facts: tuple[str, int, bool]
) -> None:
    video = media.probe(write_clip(tmp_path / "clip.mkv", moving_face(2), codec=codec, pixel_format=pixels))
    assert (video.chroma, video.depth, video.alpha) == facts
    assert media.Video.from_json(video.to_json()) == video


def test_facts_written_by_older_versions_are_of_8_bits(tmp_path: Path) -> None:
    video = media.probe(write_clip(tmp_path / "clip.mp4", moving_face(2)))
    older = {k: v for k, v in video.to_json().items() if k not in ("chroma", "depth", "alpha", "interlaced")}
    del older["mastered"], older["light"]
    assert media.Video.from_json(older) == video
    assert video.time_base == Fraction(1, 12800)


@pytest.mark.shared
def test_few_samples_of_camera_clips_move_on_the_way_through_images(shared: Path) -> None:
    for path in sorted((shared / "data/videos").glob("*.m[pk][4v]")):
        video, moved, count = media.probe(path), 0, 0
        for frame in itertools.islice(media.Reader(path, video), 12):
            back = frame_of(frame.image, frame.frame.format.name, video.colour)
            for was, is_ in zip(media.planes(frame.frame), media.planes(back), strict=True):
                moved += int((np.abs(was.astype(int) - is_) > 1).sum())
                count += was.size
        assert count, path
        assert moved / count <= 0.03, path
