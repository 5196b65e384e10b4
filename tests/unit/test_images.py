"""PNG frames: nothing is lost on the way, stamps come and go, and what is cut or damaged is refused."""

import itertools
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import picture
from faceblur import images
from faceblur.errors import SourceError, UsageError
from faceblur.options import PNG

stamps = st.text("0123456789abcdef", min_size=1, max_size=64)
A_FILE = Path("frame.png")


def with_size(data: bytes, width: int, height: int) -> bytes:
    """The same PNG, lying about its size, with a correct checksum."""
    header = b"IHDR" + struct.pack(">II", width, height) + data[24:29]
    return data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_a_picture_comes_back_bit_for_bit(width: int, height: int, seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    assert np.array_equal(images.decode(images.encode(image), A_FILE), image)


def test_a_written_file_reads_the_same(tmp_path: Path) -> None:
    image = picture(seed=3)
    images.write(tmp_path / "a.png", image)
    assert np.array_equal(images.read(tmp_path / "a.png"), image)


def test_the_same_picture_gives_the_same_bytes() -> None:
    assert images.encode(picture()) == images.encode(picture())


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [3, 4])
def test_alpha_and_16_bits_come_back_bit_for_bit(kind: type, channels: int) -> None:
    image = np.random.default_rng(1).integers(0, np.iinfo(kind).max + 1, (9, 14, channels)).astype(kind)
    found = images.decode(images.encode(image), A_FILE)
    assert found.dtype == kind
    assert np.array_equal(found, image)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_a_grey_png_reads_as_three_equal_channels(kind: type) -> None:
    grey = np.random.default_rng(1).integers(0, np.iinfo(kind).max + 1, (9, 14)).astype(kind)
    data = cv2.imencode(".png", grey)[1].tobytes()
    assert np.array_equal(images.decode(data, A_FILE), np.dstack([grey] * 3))


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def test_a_palette_png_reads_as_its_colours() -> None:
    indices = np.arange(12, dtype=np.uint8).reshape(3, 4)
    colours = np.random.default_rng(1).integers(0, 256, (256, 3), dtype=np.uint8)

    rows = zlib.compress(b"".join(b"\0" + bytes(row) for row in indices))
    header = struct.pack(">IIBBBBB", 4, 3, 8, 3, 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"PLTE", colours.tobytes()), chunk(b"IDAT", rows), chunk(b"IEND", b"")]
    found = images.decode(b"\x89PNG\r\n\x1a\n" + b"".join(parts), A_FILE)
    assert np.array_equal(found, colours[indices][:, :, ::-1])


def test_a_plain_image_is_given_back_as_it_is() -> None:
    image = picture()
    assert np.shares_memory(images.plain(image), image)
    assert np.array_equal(images.plain(image, 16), image)


def test_much_smaller_a_fine_pattern_is_grey() -> None:
    """Where each pixel is made of two by two others alone, it shows the few that it happens to fall on."""
    fine = (np.indices((90, 100)).sum(axis=0) % 2 * 255).astype(np.uint8)
    small = images.resized(np.dstack([fine] * 3), (20, 18))
    assert small.shape == (18, 20, 3)
    assert np.ptp(small) < 10
    assert np.abs(small.mean() - 127) < 2


@pytest.mark.parametrize("size", [(200, 40), (100, 90), (7, 300), (1, 1)])
def test_a_resized_picture_has_the_size_asked_for(size: tuple[int, int]) -> None:
    assert images.resized(picture(100, 90), size).shape == (size[1], size[0], 3)


def test_plain_drops_alpha_and_depth() -> None:
    image = picture()
    deep = image.astype(np.uint16) * 257
    alpha = np.full((*image.shape[:2], 1), 7, np.uint8)
    assert np.array_equal(images.plain(np.concatenate([image, alpha], axis=2)), image)
    assert np.array_equal(images.plain(deep), image)
    assert np.array_equal(images.plain(np.concatenate([deep, alpha], axis=2).astype(np.uint16), 1), image)


@pytest.mark.parametrize(("transfer", "white"), [(16, 0.5807), (18, 0.75)], ids=["pq", "hlg"])
def test_hdr_is_shown_as_bright_as_sdr(transfer: int, white: float) -> None:
    ramp = np.repeat(np.arange(0, 65536, 257, dtype=np.uint16)[None, :, None], 3, axis=2)
    shown = images.plain(ramp, transfer)[0, :, 0].astype(int)
    assert (np.diff(shown) >= 0).all()
    assert (shown[0], shown[-1]) == (0, 255)
    assert 170 < shown[round(white * 255)] < 220  # 203 cd/m², the white of a page
    assert shown[128] > 100


@settings(max_examples=30, deadline=None)
@given(stamps)
def test_a_stamp_is_read_back(tmp_path_factory: pytest.TempPathFactory, stamp: str) -> None:
    path = tmp_path_factory.mktemp("stamps") / "a.png"
    images.write(path, picture(16, 16), stamp)
    assert images.read_stamp(path) == stamp


@given(stamps)
def test_a_stamp_changes_no_pixel(stamp: str) -> None:
    assert np.array_equal(images.decode(images.stamped(images.encode(picture()), stamp), A_FILE), picture())


@given(stamps, stamps)
def test_a_second_stamp_takes_the_place_of_the_first(first: str, second: str) -> None:
    data = images.encode(picture(16, 16))
    assert images.stamped(images.stamped(data, first), second) == images.stamped(data, second)


def test_a_png_without_a_stamp_has_none(tmp_path: Path) -> None:
    images.write(tmp_path / "a.png", picture())
    assert images.read_stamp(tmp_path / "a.png") is None


def test_the_text_of_another_program_is_not_taken_for_a_stamp(tmp_path: Path) -> None:
    data = images.encode(picture())
    text = b"tEXtSoftware\0faceblur"
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    (tmp_path / "a.png").write_bytes(data[:33] + chunk + data[33:])
    assert images.read_stamp(tmp_path / "a.png") is None


def test_a_missing_file_has_no_stamp(tmp_path: Path) -> None:
    assert images.read_stamp(tmp_path / "a.png") is None


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_cut_file_has_no_stamp(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    whole = images.stamped(images.encode(picture(16, 16)), "ab" * 16)
    path = tmp_path_factory.mktemp("cut") / "a.png"
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    assert images.read_stamp(path) is None


def restamp(folder: Path) -> None:
    path = folder / "a.png"
    (folder / "b.png").write_bytes(images.restamped(path.read_bytes(), path, "12" * 16))


def test_restamping_keeps_every_byte_but_the_stamp(tmp_path: Path) -> None:
    images.write(tmp_path / "a.png", picture())
    restamp(tmp_path)
    source, target = (tmp_path / "a.png").read_bytes(), (tmp_path / "b.png").read_bytes()
    chunk = 12 + len("faceblur") + 1 + 32
    assert target[:33] + target[33 + chunk :] == source


@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"tIME", b"abCd"])
def test_restamping_leaves_behind_what_is_no_part_of_the_picture(tmp_path: Path, kind: bytes) -> None:
    whole = images.stamped(images.encode(picture()), "12" * 16)
    (tmp_path / "a.png").write_bytes(whole[:-12] + chunk(kind, b"Author\0Ann") + whole[-12:] + b"Ann, behind the end")
    restamp(tmp_path)
    assert (tmp_path / "b.png").read_bytes() == whole


def animated(default: images.Image, *shown: images.Image) -> bytes:
    """A PNG whose picture is no part of the animation in it."""
    height, width = default.shape[:2]
    parts, count = [], itertools.count()
    for image in shown:
        control = struct.pack(">IIIIIHHBB", next(count), width, height, 0, 0, 1, 10, 0, 0)
        content = struct.pack(">I", next(count)) + pixels_of(images.encode(image))
        parts += [chunk(b"fcTL", control), chunk(b"fdAT", content)]
    head, tail = (part := images.encode(default))[:33], part[33:-12]
    return b"".join([head, chunk(b"acTL", struct.pack(">II", len(shown), 0)), tail, *parts, part[-12:]])


def pixels_of(data: bytes) -> bytes:
    """What the IDAT chunks of a small PNG hold."""
    start = data.index(b"IDAT")
    return data[start + 4 : start + 4 + struct.unpack(">I", data[start - 4 : start])[0]]


def test_of_an_animation_what_was_looked_at_is_kept(tmp_path: Path) -> None:
    faces, none = picture(seed=1), picture(seed=2)
    (tmp_path / "a.png").write_bytes(animated(faces, none, none))
    looked_at = images.read(tmp_path / "a.png")
    restamp(tmp_path)
    assert np.array_equal(images.read(tmp_path / "b.png"), looked_at)
    assert not any(kind in (tmp_path / "b.png").read_bytes() for kind in (b"acTL", b"fcTL", b"fdAT"))


def test_restamping_keeps_what_says_how_the_picture_looks(tmp_path: Path) -> None:
    whole = images.stamped(images.encode(picture()), "12" * 16)
    (tmp_path / "a.png").write_bytes(whole[:-12] + chunk(b"gAMA", struct.pack(">I", 45455)) + whole[-12:])
    restamp(tmp_path)
    assert b"gAMA" in (tmp_path / "b.png").read_bytes()


def test_restamping_refuses_a_damaged_source(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(images.encode(picture())[:-40])
    with pytest.raises(SourceError, match="cut or damaged"):
        restamp(tmp_path)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_png_cut_anywhere_is_refused(data: st.DataObject) -> None:
    whole = images.encode(picture(16, 16))
    with pytest.raises(SourceError):
        images.decode(whole[: data.draw(st.integers(0, len(whole) - 1))], A_FILE)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_png_with_one_flipped_bit_is_refused(data: st.DataObject) -> None:
    whole = bytearray(images.encode(picture(16, 16)))
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(SourceError):
        images.decode(bytes(whole), A_FILE)


@pytest.mark.parametrize("data", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n"])
def test_what_is_not_a_png_is_refused_by_name(data: bytes) -> None:
    with pytest.raises(SourceError, match=r"frame\.png"):
        images.decode(data, A_FILE)


@pytest.mark.parametrize("size", [(0, 4), (100_000, 100_000), (2**31, 4)])
def test_a_png_of_impossible_size_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(SourceError):
        images.decode(with_size(images.encode(picture(4, 4)), *size), A_FILE)


def test_a_png_with_fewer_lines_than_it_promises_is_refused() -> None:
    with pytest.raises(SourceError):
        images.decode(with_size(images.encode(picture(4, 4)), 4, 5), A_FILE)


def test_a_missing_file_is_a_source_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"cannot read .*a\.png"):
        images.read(tmp_path / "a.png")


def test_the_size_is_read_from_the_header(tmp_path: Path) -> None:
    images.write(tmp_path / "a.png", picture(31, 17))
    assert images.size(tmp_path / "a.png") == (31, 17)


def test_the_size_of_a_cut_file_is_not_told(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(images.encode(picture())[:-1])
    with pytest.raises(SourceError, match="not a whole PNG"):
        images.size(tmp_path / "a.png")


def test_one_changed_pixel_changes_the_fingerprint(tmp_path: Path) -> None:
    image = picture()
    images.write(tmp_path / "a.png", image)
    image[30, 40, 1] ^= 1
    images.write(tmp_path / "b.png", image)
    assert images.fingerprint(tmp_path / "a.png") != images.fingerprint(tmp_path / "b.png")


def test_a_copy_has_the_same_fingerprint(tmp_path: Path) -> None:
    images.write(tmp_path / "a.png", picture())
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes())
    assert images.fingerprint(tmp_path / "a.png") == images.fingerprint(tmp_path / "b.png")


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_cut_file_has_no_fingerprint(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    whole = images.encode(picture(16, 16))
    path = tmp_path_factory.mktemp("cut") / "a.png"
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    assert images.fingerprint(path) is None


@pytest.mark.parametrize(
    ("name", "begin"), [("a.png", b"\x89PNG"), ("a.jpg", b"\xff\xd8\xff"), ("a.JPEG", b"\xff\xd8\xff")]
)
def test_a_picture_for_people_is_what_its_name_says(name: str, begin: bytes) -> None:
    assert images.encode_as(picture(), Path(name)).startswith(begin)


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_a_picture_for_people_shows_what_it_should(name: str) -> None:
    image = np.full((64, 96, 3), (200, 90, 30), dtype=np.uint8)
    shown = cv2.imdecode(np.frombuffer(images.encode_as(image, Path(name)), np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None
    assert np.abs(shown.astype(int) - image).max() <= 3


@pytest.mark.parametrize("name", ["a.txt", "a", "a.png.gif"])
def test_a_picture_of_another_kind_is_refused_by_name(name: str) -> None:
    with pytest.raises(UsageError, match=rf"{name}: a picture must end in .jpg or .png"):
        images.encode_as(picture(), Path(name))


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("packing", PNG)
def test_every_packing_holds_the_same_pixels(packing: str, kind: type) -> None:
    image = np.random.default_rng(1).integers(0, np.iinfo(kind).max + 1, (9, 14, 4)).astype(kind)
    assert np.array_equal(images.decode(images.encode(image, packing), A_FILE), image)


@pytest.mark.parametrize("packing", PNG)
def test_a_frame_shows_what_it_was_written_with_however_it_is_packed(tmp_path: Path, packing: str) -> None:
    images.write_frame(tmp_path / "a.png", picture(), "12ab", packing)
    assert images.fingerprint(tmp_path / "a.png") == "12ab"


def test_a_raw_picture_is_the_largest_and_a_small_one_the_smallest() -> None:
    smooth = np.repeat(np.arange(200, dtype=np.uint8)[:, None, None], 300, axis=1).repeat(3, axis=2)
    small, fast, raw = (len(images.encode(smooth, packing)) for packing in PNG)
    assert small < fast < smooth.nbytes < raw
