"""Pictures packed as PNG by us: every reader sees them, and of others' files nothing is guessed."""

import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

from faceblur import images, png
from faceblur.errors import SourceError
from faceblur.images import Pixels

PACKINGS = ("small", "fast", "raw")
BAND = 32


def noise(height: int, width: int, channels: int = 3, kind: type = np.uint8) -> Pixels:
    top = int(np.iinfo(kind).max)
    return np.random.default_rng(height * width).integers(0, top, (height, width, channels), dtype=kind, endpoint=True)


def contents(data: bytes, kind: bytes) -> bytes:
    """All chunks of a kind together."""
    found, start = b"", len(png.SIGNATURE)
    while start < len(data):
        length = struct.unpack(">I", data[start : start + 4])[0]
        if data[start + 4 : start + 8] == kind:
            found += data[start + 8 : start + 8 + length]
        start += 12 + length
    return found


def repacked(data: bytes, lines: bytes) -> bytes:
    """A PNG with the header of `data` and other lines."""
    parts = ((b"IHDR", contents(data, b"IHDR")), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    return png.SIGNATURE + b"".join(png.chunk(kind, content) for kind, content in parts)


def unpacked(data: bytes) -> Pixels | None:
    return png.unpack(contents(data, b"IHDR"), contents(data, b"IDAT"))


@given(st.integers(1, 3 * BAND + 2), st.integers(1, 9), st.sampled_from([3, 4]), st.sampled_from([np.uint8, np.uint16]))
def test_opencv_reads_what_is_packed(height: int, width: int, channels: int, kind: type) -> None:
    image = noise(height, width, channels, kind)
    for packing in PACKINGS:
        seen = cv2.imdecode(np.frombuffer(png.pack(image, packing), np.uint8), cv2.IMREAD_UNCHANGED)
        assert seen.dtype == kind
        assert np.array_equal(seen, image)


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("channels", [3, 4])
def test_pillow_reads_what_is_packed(packing: str, channels: int) -> None:
    image = noise(70, 33, channels)
    with Pillow.open(io.BytesIO(png.pack(image, packing))) as seen:
        seen.load()
        assert seen.mode == ("RGB" if channels == 3 else "RGBA")
        assert np.array_equal(np.asarray(seen), image[:, :, [2, 1, 0, 3][:channels]])


@given(st.integers(1, 3 * BAND + 2), st.integers(1, 9), st.sampled_from([3, 4]), st.sampled_from([np.uint8, np.uint16]))
def test_what_is_packed_is_unpacked_bit_for_bit(height: int, width: int, channels: int, kind: type) -> None:
    image = noise(height, width, channels, kind)
    for packing in PACKINGS:
        seen = unpacked(png.pack(image, packing))
        assert seen is not None
        assert seen.dtype == kind
        assert np.array_equal(seen, image)


def test_a_view_is_packed_like_its_copy() -> None:
    image = noise(50, 40)
    view = image[3:40:2, ::-1]
    assert png.pack(view, "fast") == png.pack(view.copy(), "fast")


def test_a_picture_without_pixels_is_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        png.pack(np.zeros((0, 5, 3), np.uint8), "fast")


@pytest.mark.parametrize("packing", PACKINGS)
def test_large_pictures_are_packed_and_unpacked_in_steps(packing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    image = noise(5 * BAND + 3, 40)
    whole = png.pack(image, packing)
    monkeypatch.setattr(png, "_AT_ONCE", 2 * BAND * 120)
    data = png.pack(image, packing)
    assert np.array_equal(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED), image)
    for other in (data, whole):
        seen = unpacked(other)
        assert np.array_equal(seen, image)  # type: ignore[arg-type]


@pytest.mark.parametrize("change", [-1, 1, 10_000])
def test_more_or_fewer_lines_than_promised_are_not_unpacked(change: int) -> None:
    data = png.pack(noise(40, 20), "fast")
    lines = zlib.decompress(contents(data, b"IDAT"))
    assert unpacked(repacked(data, lines)) is not None
    other = lines[:change] if change < 0 else lines + bytes(change)
    assert unpacked(repacked(data, other)) is None


def test_what_is_not_compressed_whole_is_not_unpacked() -> None:
    data = png.pack(noise(40, 20), "fast")
    header, packed = contents(data, b"IHDR"), contents(data, b"IDAT")
    for cut in (packed[:-1], packed[:-4], packed[:100], b"", b"\0" + packed):
        assert png.unpack(header, cut) is None


@pytest.mark.parametrize("used", range(5))
def test_lines_filtered_otherwise_are_left_to_others(used: int) -> None:
    data = png.pack(noise(40, 20), "fast")
    lines = np.frombuffer(zlib.decompress(contents(data, b"IDAT")), np.uint8).reshape(40, -1).copy()
    lines[:, 0] = used
    other = repacked(data, lines.tobytes())
    assert unpacked(other) is None
    with Pillow.open(io.BytesIO(other)) as seen:
        assert np.array_equal(images.decode(other, Path("x.png"))[:, :, ::-1], np.asarray(seen))


@pytest.mark.parametrize(("place", "value"), [(8, 4), (9, 0), (9, 3), (9, 4), (10, 1), (11, 1), (12, 1)])
def test_other_kinds_of_png_are_left_to_others(place: int, value: int) -> None:
    data = png.pack(noise(40, 20), "fast")
    header = bytearray(contents(data, b"IHDR"))
    header[place] = value
    assert png.unpack(bytes(header), contents(data, b"IDAT")) is None


@pytest.mark.parametrize("size", [(0, 1), (1, 0), (1_000_001, 1), (1, 1_000_001), (1 << 16, 1 << 15)])
def test_an_impossible_size_is_not_unpacked(size: tuple[int, int]) -> None:
    data = png.pack(noise(2, 2), "fast")
    header = struct.pack(">II", *size) + contents(data, b"IHDR")[8:]
    assert png.unpack(header, contents(data, b"IDAT")) is None


def test_a_small_file_that_promises_a_huge_picture_is_refused() -> None:
    header = struct.pack(">IIBBBBB", 1 << 15, 1 << 15, 16, 6, 0, 0, 0)
    data = framed((b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b""))
    with pytest.raises(SourceError, match=r"x\.png"):
        images.decode(data, Path("x.png"))


def test_a_colour_to_be_seen_through_is_left_to_others() -> None:
    image = np.full((4, 4, 3), 7, np.uint8)
    data = png.pack(image, "fast")
    seen_through = png.chunk(b"tRNS", struct.pack(">HHH", 7, 7, 7))
    other = data[:33] + seen_through + data[33:]
    assert np.array_equal(
        images.decode(other, Path("x.png")),
        cv2.imdecode(np.frombuffer(other, np.uint8), cv2.IMREAD_UNCHANGED),
    )


def framed(*parts: tuple[bytes, bytes]) -> bytes:
    return png.SIGNATURE + b"".join(png.chunk(kind, content) for kind, content in parts)


def test_a_picture_with_two_headers_is_refused() -> None:
    """Others would show another picture than the one that was looked at."""
    data = png.pack(noise(4, 4), "fast")
    header, packed = (b"IHDR", contents(data, b"IHDR")), (b"IDAT", contents(data, b"IDAT"))
    end = (b"IEND", b"")
    assert images.decode(framed(header, packed, end), Path("x.png")).shape == (4, 4, 3)
    for parts in ((header, header, packed, end), (packed, header, end), (header, packed, header, end)):
        with pytest.raises(SourceError, match=r"x\.png"):
            images.decode(framed(*parts), Path("x.png"))


@pytest.mark.parametrize("between", [(b"tEXt", b"a\0b"), (b"ABCD", b"")])
def test_what_opencv_refuses_is_refused(between: tuple[bytes, bytes]) -> None:
    data = png.pack(noise(4, 4), "fast")
    packed = contents(data, b"IDAT")
    parts = [(b"IHDR", contents(data, b"IHDR")), (b"IDAT", packed[:9]), between, (b"IDAT", packed[9:]), (b"IEND", b"")]
    with pytest.raises(SourceError, match=r"x\.png"):
        images.decode(framed(*parts), Path("x.png"))
