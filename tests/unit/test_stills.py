"""Photos: whatever a file hides beside its picture does not get out, and the picture itself comes back as it was."""

import io
import struct
import sys
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageCms, PngImagePlugin

from conftest import picture, write_clip
from faceblur import stills
from faceblur.errors import FaceblurError, MediaError, MissingError, OutputError, SourceError, UsageError
from faceblur.stills import Still

try:
    import pillow_heif
except ImportError:
    pillow_heif = None

MARK = b"SECRET-7391"  # planted wherever a file can hold text, and searched for in what is written
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
ENDINGS = [".jpg", ".png", ".webp", ".tif", ".bmp", ".avif"]
if pillow_heif:
    ENDINGS.append(".heic")
FORMATS = {".jpg": "JPEG", ".png": "PNG", ".webp": "WEBP", ".tif": "TIFF", ".bmp": "BMP", ".avif": "AVIF"}


def photo(width: int = 48, height: int = 32, channels: int = 3, depth: int = 8) -> Any:
    """(H, W, C) pixels of which no two orientations are alike: soft noise with a light corner and a dark edge."""
    soft = cv2.GaussianBlur(picture(width, height, seed=1), (0, 0), 3)
    soft[: height // 3, : width // 3] = (200, 220, 240)
    soft[:, -4:] = (30, 20, 60)
    image = {1: soft[:, :, :1], 3: soft, 4: np.dstack([soft, np.full(soft.shape[:2], 255, np.uint8)])}[channels]
    if channels == 4:
        image[:, : width // 4, 3] = 128
    return image.astype(np.uint16) * 257 + 3 if depth == 16 else np.ascontiguousarray(image)


def pillow(image: Any) -> Image.Image:
    codes = {3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGBA}
    return Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else cv2.cvtColor(image, codes[image.shape[2]]))


def save(path: Path, image: Any, **options: Any) -> Path:
    """Write a photo with Pillow, pillow-heif or, for 16 bits, OpenCV: independently of what is tested."""
    if image.dtype == np.uint16:
        path.write_bytes(cv2.imencode(path.suffix, image)[1].tobytes())
    elif path.suffix == ".heic":
        pillow_heif.from_pillow(pillow(image)).save(path, **{"quality": 95, **options})
    else:
        pillow(image).save(path, FORMATS[path.suffix], **options)
    return path


def psnr(a: Any, b: Any) -> float:
    return float(cv2.PSNR(np.ascontiguousarray(a), np.ascontiguousarray(b), R=np.iinfo(a.dtype).max))


def rewrite(source: Path, target: Path, keep: Sequence[str] = ()) -> Still:
    """Read, write as it is, verify; what is written."""
    still = stills.read(source)
    stills.write(target, still, still.image, keep=keep)
    stills.verify(target, still, still.image, kept=keep)
    return stills.read(target)


def ifd(entries: dict[int, tuple[int, int, bytes]], offset: int, following: int = 0) -> bytes:
    """A TIFF directory, little-endian: tag → (type, count, value)."""
    head, tail, place = struct.pack("<H", len(entries)), b"", offset + 6 + 12 * len(entries)
    for tag, (kind, count, value) in sorted(entries.items()):
        stored = value.ljust(4, b"\0")
        if len(value) > 4:
            stored = struct.pack("<I", place + len(tail))
            tail += value + b"\0" * (len(value) % 2)
        head += struct.pack("<HHI", tag, kind, count) + stored
    return head + struct.pack("<I", following) + tail


def text(value: bytes) -> tuple[int, int, bytes]:
    return 2, len(value) + 1, value + b"\0"


def short(value: int) -> tuple[int, int, bytes]:
    return 3, 1, struct.pack("<H", value)


def ratio(above: int, below: int) -> tuple[int, int, bytes]:
    return 5, 1, struct.pack("<II", above, below)


def long(value: int) -> tuple[int, int, bytes]:
    return 4, 1, struct.pack("<I", value)


def thumbnail() -> bytes:
    """A JPEG of an unredacted face: a picture of its own that nobody blurs."""
    file = io.BytesIO()
    pillow(picture(24, 16, [(4, 4, 16, 14)])).save(file, "JPEG", comment=MARK)
    return file.getvalue()


def exif(orientation: int = 1) -> bytes:
    """An EXIF block with something to hide in every directory, and the groups that may be kept."""
    place = 8
    first = {
        0x010E: text(b"desc " + MARK),
        0x010F: text(b"Acme"),
        0x0110: text(b"Model 5"),
        0x0112: short(orientation),
        0x0131: text(b"soft " + MARK),
        0x0132: text(b"2024:05:06 07:08:09"),
        0x013B: text(b"artist " + MARK),
        0x8298: text(b"copy " + MARK),
        0x9C9D: (1, 2 * len(MARK), b"".join(bytes([c, 0]) for c in MARK)),  # XPAuthor, UTF-16
        0x8769: long(0),
        0x8825: long(0),
    }
    own = {
        0x9003: text(b"2024:05:06 07:08:10"),
        0x9291: text(b"123"),
        0x9011: text(b"+02:00"),
        0x829A: ratio(1, 250),
        0x8827: short(400),
        0x920A: ratio(50, 1),
        0xA434: text(b"Prime 50mm f/1.8"),
        0xA430: text(b"owner " + MARK),
        0xA431: text(b"serial " + MARK),
        0xA435: text(b"lens " + MARK),
        0xA420: text(b"unique " + MARK),
        0x9286: (7, 8 + len(MARK), b"ASCII\0\0\0" + MARK),
        0x927C: (7, 6 + len(MARK), b"maker " + MARK),
    }
    where = {1: text(b"N"), 2: (5, 3, struct.pack("<6I", 52, 1, 31, 1, 7, 1)), 0x1D: text(b"gps " + MARK)}
    small = thumbnail()
    own_at = place + len(ifd(first, place))
    where_at = own_at + len(ifd(own, own_at))
    second_at = where_at + len(ifd(where, where_at))
    second = {0x0103: short(6), 0x0201: long(0), 0x0202: long(len(small))}
    second[0x0201] = long(second_at + len(ifd(second, second_at)))
    first |= {0x8769: long(own_at), 0x8825: long(where_at)}
    body = ifd(first, place, second_at) + ifd(own, own_at) + ifd(where, where_at) + ifd(second, second_at)
    return b"II*\0\x08\0\0\0" + body + small


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


XMP = b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x='adobe:ns:meta/'>" + MARK + b"</x:xmpmeta>"


def loaded_jpeg(path: Path, orientation: int = 1, **options: Any) -> Path:
    """A JPEG with something to hide everywhere: all segments, a second picture, a film behind its end."""
    file = io.BytesIO()
    pillow(photo()).save(file, "JPEG", icc_profile=ICC, dpi=(300, 300), comment=MARK, **{"quality": 90, **options})
    data = file.getvalue()
    jfif = segment(0xE0, b"JFIF\0\1\2\1\x01\x2c\x01\x2c\x04\x04" + (MARK * 5)[:48])  # with a thumbnail of 4 × 4
    rest = data[2 + 2 + struct.unpack(">H", data[4:6])[0] :]
    second = b"MPF\0II*\0\x08\0\0\0" + MARK
    planted = [
        jfif,
        segment(0xE0, b"JFXX\0\x10" + thumbnail()),
        segment(0xE1, b"Exif\0\0" + exif(orientation)),
        segment(0xE1, XMP),
        segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + MARK),
        segment(0xE2, second),
        segment(0xE2, b"FPXR\0" + MARK),
        *[segment(m, b"app" + MARK) for m in (0xE3, 0xE4, 0xE5, 0xEB, 0xEC, 0xEF)],
        segment(0xED, b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0" + struct.pack(">H", len(MARK)) + MARK),
        segment(0xFE, MARK),
        b"\0\0\xff\xff",
    ]
    path.write_bytes(b"\xff\xd8" + b"".join(planted) + rest + thumbnail() + b"\0\0\0\x18ftypmp42" + MARK)
    return path


def loaded_png(path: Path, image: Any = None, orientation: int = 1) -> Path:
    data = cv2.imencode(".png", photo() if image is None else image)[1].tobytes()
    planted = [
        png_chunk(b"iCCP", b"name " + MARK + b"\0\0" + zlib.compress(ICC)),
        png_chunk(b"gAMA", struct.pack(">I", 45455)),
        png_chunk(b"pHYs", struct.pack(">IIB", 11811, 11811, 1)),
        png_chunk(b"tEXt", b"Author\0" + MARK),
        png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(MARK, 0)),
        png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + MARK),
        png_chunk(b"eXIf", exif(orientation)),
        png_chunk(b"tIME", MARK[:7]),
        png_chunk(b"prVt", MARK),
        png_chunk(b"sBIT", MARK),  # longer than it can be
    ]
    path.write_bytes(data[:33] + b"".join(planted) + data[33:-12] + png_chunk(b"zzZt", MARK) + data[-12:] + MARK)
    return path


def loaded_webp(path: Path, *, lossless: bool = False, orientation: int = 1, image: Any = None) -> Path:
    file = io.BytesIO()
    pillow(photo() if image is None else image).save(
        file, "WEBP", lossless=lossless, icc_profile=ICC, exif=b"Exif\0\0" + exif(orientation), xmp=MARK, quality=90
    )
    data = file.getvalue() + b"ABCD" + struct.pack("<I", len(MARK) + 1) + MARK + b"\0"
    path.write_bytes(b"RIFF" + struct.pack("<I", len(data) - 8) + data[8:] + MARK)
    return path


def loaded_tiff(path: Path) -> Path:
    tags = {270: MARK.decode(), 305: MARK.decode(), 315: MARK.decode(), 700: MARK, 33723: MARK, 34377: MARK}
    info = Image.Exif()
    info.update(tags)
    info.get_ifd(0x8825)[0x1D] = MARK.decode()
    pillow(photo()).save(path, "TIFF", exif=info, icc_profile=ICC, dpi=(300, 300))
    return path


def loaded(path: Path) -> Path:
    if path.suffix in (".avif", ".heic"):
        return save(path, photo(), exif=b"Exif\0\0" + exif(), xmp=MARK, icc_profile=ICC)
    if path.suffix == ".bmp":
        save(path, photo())
        path.write_bytes(path.read_bytes() + MARK)
        return path
    makers: dict[str, Callable[[Path], Path]] = {
        ".jpg": loaded_jpeg,
        ".png": loaded_png,
        ".webp": loaded_webp,
        ".tif": loaded_tiff,
    }
    return makers[path.suffix](path)


# ---- what is a photo


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_photo_is_known_by_its_content(tmp_path: Path, ending: str) -> None:
    path = save(tmp_path / f"a{ending}", photo())
    assert stills.is_still(path.rename(tmp_path / "a.mp4"))


def test_a_video_or_a_text_is_no_photo(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("hello")
    assert not stills.is_still(tmp_path / "a.jpg")
    assert not stills.is_still(write_clip(tmp_path / "a.mp4", [picture()] * 2))
    (tmp_path / "b.jpg").write_bytes(b"")
    assert not stills.is_still(tmp_path / "b.jpg")


@pytest.mark.parametrize(("ending", "format"), [(".gif", "GIF"), (".png", "PNG"), (".webp", "WEBP")])
def test_an_animation_is_a_video_and_one_picture_is_a_photo(tmp_path: Path, ending: str, format: str) -> None:
    frames = [pillow(picture(seed=n)) for n in range(3)]
    frames[0].save(tmp_path / f"moving{ending}", format, save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / f"one{ending}", format)
    assert not stills.is_still(tmp_path / f"moving{ending}")
    assert stills.is_still(tmp_path / f"one{ending}")


def test_an_animation_that_no_decoder_reads_is_refused_by_name(tmp_path: Path) -> None:
    frames = [pillow(picture(seed=n)) for n in range(3)]
    path = tmp_path / "moving.avif"
    frames[0].save(path, "AVIF", save_all=True, append_images=frames[1:])
    with pytest.raises(SourceError, match="animation"):
        stills.is_still(path)


def test_a_gif_of_one_picture_becomes_a_png(tmp_path: Path) -> None:
    pillow(picture()).save(tmp_path / "a.gif", "GIF")
    still = stills.read(tmp_path / "a.gif")
    assert (still.kind, still.ending) == ("gif", ".png")
    assert np.array_equal(rewrite(tmp_path / "a.gif", tmp_path / "b.png").image, still.image)


# ---- nothing but the picture gets out


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("way", ["write", "strip"])
def test_nothing_planted_in_a_file_gets_out(tmp_path: Path, ending: str, way: str) -> None:
    source, target = loaded(tmp_path / f"a{ending}"), tmp_path / f"b{ending}"
    assert MARK in source.read_bytes()
    still = stills.read(source)
    if way == "write":
        stills.write(target, still, still.image)
        stills.verify(target, still, still.image)
    else:
        stripped = stills.strip(source, still, target)
        assert stripped == (ending in (".jpg", ".png", ".webp"))
        stills.verify(target, still, still.image, stripped=stripped)
    data = target.read_bytes()
    for secret in (MARK, MARK[:7], bytes(MARK.hex(), "ascii"), b"Exif", b"Acme", b"2024:05", b"GPS", b"MPF", b"xmp"):
        assert secret not in data, secret
    assert not any(m in zlib_streams(data) for m in (MARK,))
    assert stills.read(target).icc == (b"" if ending == ".bmp" else ICC)


def zlib_streams(data: bytes) -> bytes:
    """What is in the PNG chunks of a file that are compressed, in the plain."""
    found, position = b"", 8
    while data.startswith(b"\x89PNG") and position < len(data):
        length, kind = struct.unpack(">I4s", data[position : position + 8])
        content = data[position + 8 : position + 8 + length]
        if kind in (b"zTXt", b"iCCP", b"iTXt"):
            found += zlib.decompress(content.partition(b"\0")[2][1:])
        position += 12 + length
    return found


@pytest.mark.parametrize("way", ["write", "strip"])
def test_no_thumbnail_of_the_unredacted_picture_stays(tmp_path: Path, way: str) -> None:
    """A blurred photo whose EXIF block still shows the face is the mistake that other tools make."""
    source, target = loaded_jpeg(tmp_path / "a.jpg"), tmp_path / "b.jpg"
    assert source.read_bytes().count(b"\xff\xd8\xff") >= 4
    still = stills.read(source)
    if way == "write":
        stills.write(target, still, still.image, keep=stills.GROUPS)
    else:
        stills.strip(source, still, target, keep=stills.GROUPS)
    data = target.read_bytes()
    assert data.count(b"\xff\xd8") == 1
    assert data.count(b"\xff\xd9") == 1
    assert data.endswith(b"\xff\xd9")
    with Image.open(target) as written:
        assert written.getexif().get_ifd(ExifTags.IFD.IFD1) == {}


def test_only_the_first_picture_of_several_gets_out(tmp_path: Path) -> None:
    others = [pillow(picture(seed=n)) for n in (7, 8)]
    pillow(photo()).save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=others)
    with Image.open(tmp_path / "a.jpg") as made:
        assert getattr(made, "n_frames", 1) == 3
    still = stills.read(tmp_path / "a.jpg")
    stills.strip(tmp_path / "a.jpg", still, tmp_path / "b.jpg")
    with Image.open(tmp_path / "b.jpg") as written:
        assert (written.format, getattr(written, "n_frames", 1)) == ("JPEG", 1)
    assert psnr(still.image, photo()) > 30


def test_a_tiff_of_several_pages_is_refused(tmp_path: Path) -> None:
    pillow(photo()).save(tmp_path / "a.tif", save_all=True, append_images=[pillow(photo())])
    with pytest.raises(SourceError, match="holds 2 pictures"):
        stills.read(tmp_path / "a.tif")


def test_a_raw_photo_is_refused(tmp_path: Path) -> None:
    info = Image.Exif()
    info[50706] = b"\1\4\0\0"
    pillow(photo()).save(tmp_path / "a.dng", "TIFF", exif=info)
    with pytest.raises(SourceError, match="raw"):
        stills.read(tmp_path / "a.dng")


@pytest.mark.skipif(pillow_heif is None, reason="needs pillow-heif")
def test_only_the_primary_picture_of_a_heic_gets_out(tmp_path: Path) -> None:
    file = pillow_heif.from_pillow(pillow(picture(64, 48, seed=9)))
    file.add_from_pillow(pillow(photo()))
    file.save(tmp_path / "a.heic", primary_index=1, quality=95)
    still = stills.read(tmp_path / "a.heic")
    assert psnr(still.image, photo()) > 35
    stills.write(tmp_path / "b.heic", still, still.image)
    stills.verify(tmp_path / "b.heic", still, still.image)
    assert len(pillow_heif.open_heif(tmp_path / "b.heic")) == 1


@pytest.mark.parametrize("ending", [".png", ".webp", ".tif", ".avif"])
def test_what_lies_under_transparency_is_gone(tmp_path: Path, ending: str) -> None:
    image = photo(channels=4)
    image[8:22, 8:22, :3] = picture(14, 14)
    image[8:22, 8:22, 3] = 0
    options = {".webp": {"lossless": True, "exact": True}, ".avif": {"quality": 100}}.get(ending, {})
    source = save(tmp_path / f"a{ending}", image, **options)
    still = stills.read(source)
    assert still.cleared
    assert not still.strippable
    assert not still.image[12:18, 12:18].any()
    assert not stills.strip(source, still, tmp_path / f"b{ending}")
    stills.verify(tmp_path / f"b{ending}", still, still.image)
    with Image.open(tmp_path / f"b{ending}") as written:
        under = np.asarray(written)[12:18, 12:18]
    assert under.max() <= (8 if ending == ".avif" else 0)


@pytest.mark.parametrize("ending", [".png", ".webp", ".tif"])
def test_what_a_blur_carries_under_transparency_is_gone(tmp_path: Path, ending: str) -> None:
    image = photo(channels=4)
    image[8:22, 8:22] = 0
    still = stills.read(save(tmp_path / f"a{ending}", image, **({"lossless": True} if ending == ".webp" else {})))
    carried = still.image.copy()
    carried[:, :, :3] = cv2.blur(carried[:, :, :3], (9, 9))
    stills.write(tmp_path / f"b{ending}", still, carried)
    assert stills.verify(tmp_path / f"b{ending}", still, carried)["exact"]
    with Image.open(tmp_path / f"b{ending}") as written:
        assert not np.asarray(written)[8:22, 8:22].any()


# ---- what may be kept


@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp", ".tif", ".avif"])
@pytest.mark.parametrize("keep", [("date",), ("camera",), ("camera", "date")])
def test_kept_groups_are_written_anew_and_nothing_else_with_them(
    tmp_path: Path, ending: str, keep: tuple[str, ...]
) -> None:
    written = rewrite(loaded_jpeg(tmp_path / "a.jpg"), tmp_path / f"b{ending}", keep)
    data = (tmp_path / f"b{ending}").read_bytes()
    assert MARK not in data
    with Image.open(tmp_path / f"b{ending}") as found:
        tags = found.getexif()
        own, where = tags.get_ifd(0x8769), tags.get_ifd(0x8825)
    assert not where
    assert (tags.get(0x0132) == "2024:05:06 07:08:09") == ("date" in keep)
    assert (own.get(0x9003) == "2024:05:06 07:08:10") == ("date" in keep)
    assert (own.get(0x9011) == "+02:00") == ("date" in keep)
    assert (tags.get(0x010F) == "Acme") == ("camera" in keep)
    assert (own.get(0x8827) == 400) == ("camera" in keep)
    assert (own.get(0x829A) == 1 / 250) == ("camera" in keep)
    assert {k for k, v in written.groups.items() if v} == set(keep)
    assert tags.get(0x0112, 1) == 1


@pytest.mark.skipif(pillow_heif is None, reason="needs pillow-heif")
def test_kept_groups_are_written_into_heic(tmp_path: Path) -> None:
    written = rewrite(loaded_jpeg(tmp_path / "a.jpg"), tmp_path / "b.heic", ("date",))
    assert written.groups["date"][0x9003] == "2024:05:06 07:08:10"


def test_a_stripped_photo_keeps_what_is_asked(tmp_path: Path) -> None:
    still = stills.read(loaded_jpeg(tmp_path / "a.jpg"))
    assert stills.strip(tmp_path / "a.jpg", still, tmp_path / "b.jpg", keep=["date"])
    stills.verify(tmp_path / "b.jpg", still, still.image, kept=["date"], stripped=True)
    with pytest.raises(MediaError, match="metadata"):
        stills.verify(tmp_path / "b.jpg", still, still.image, stripped=True)


def test_a_date_that_is_no_date_is_not_kept(tmp_path: Path) -> None:
    block = exif().replace(b"2024:05:06 07:08:10", MARK.ljust(19, b"!"))
    save(tmp_path / "a.jpg", photo(), exif=b"Exif\0\0" + block)
    assert 0x9003 not in rewrite(tmp_path / "a.jpg", tmp_path / "b.jpg", ["date"]).groups["date"]
    assert MARK not in (tmp_path / "b.jpg").read_bytes()


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1200), st.integers(0, 255)), min_size=1, max_size=12))
def test_what_is_kept_of_a_damaged_block_has_its_form(changes: list[tuple[int, int]]) -> None:
    data = bytearray(exif())
    for place, value in changes:
        data[place % len(data)] = value
    found = stills.exif.groups(bytes(data))
    block = stills.exif.block(found, stills.GROUPS)
    assert MARK not in block
    assert stills.exif.groups(block) == found


def test_colours_that_only_exif_explains_are_said(tmp_path: Path) -> None:
    block = b"II*\0\x08\0\0\0" + ifd({0x8769: long(26)}, 8) + ifd({0xA001: short(2)}, 26)
    save(tmp_path / "a.jpg", photo(), exif=b"Exif\0\0" + block)
    assert stills.read(tmp_path / "a.jpg").changes == ("Adobe RGB without a profile to sRGB",)


def test_an_unknown_group_is_refused(tmp_path: Path) -> None:
    still = stills.read(save(tmp_path / "a.jpg", photo()))
    with pytest.raises(UsageError, match="there are date, camera"):
        stills.write(tmp_path / "b.jpg", still, still.image, keep=["place"])


# ---- the picture is the source's


TURNS: dict[int, Callable[[Any], Any]] = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: np.rot90,
}


def turned(path: Path, orientation: int, image: Any) -> Path:
    """A photo that says it is to be shown in another orientation than it is stored in."""
    if path.suffix == ".tif":
        samples = image if image.shape[2] == 1 else image[:, :, ::-1]
        tags = {
            256: long(image.shape[1]),
            257: long(image.shape[0]),
            258: (3, image.shape[2], struct.pack("<H", image.dtype.itemsize * 8) * image.shape[2]),
            259: short(1),
            262: short(1 if image.shape[2] == 1 else 2),
            273: long(8),
            274: short(orientation),
            277: short(image.shape[2]),
            278: long(image.shape[0]),
            279: long(image.nbytes),
        }
        path.write_bytes(
            struct.pack("<2sHI", b"II", 42, 8 + image.nbytes) + samples.tobytes() + ifd(tags, 8 + image.nbytes)
        )
    elif path.suffix == ".png":
        loaded_png(path, image, orientation)
    else:
        save(path, image, exif=b"Exif\0\0" + exif(orientation))
    return path


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("ending", "channels", "depth"),
    [
        (".jpg", 1, 8),
        (".jpg", 3, 8),
        (".png", 1, 8),
        (".png", 3, 8),
        (".png", 4, 8),
        (".png", 1, 16),
        (".png", 3, 16),
        (".png", 4, 16),
        (".webp", 3, 8),
        (".webp", 4, 8),
        (".tif", 1, 8),
        (".tif", 3, 8),
        (".tif", 1, 16),
        (".tif", 3, 16),
        (".avif", 1, 8),
        (".avif", 3, 8),
        (".avif", 4, 8),
        (".heic", 1, 8),
        (".heic", 3, 8),
        (".heic", 4, 8),
    ],
)
def test_every_orientation_of_every_kind_comes_out_upright(
    tmp_path: Path, ending: str, channels: int, depth: int, orientation: int
) -> None:
    if ending == ".heic" and pillow_heif is None:
        pytest.skip("needs pillow-heif")
    image = photo(channels=channels, depth=depth)
    still = stills.read(turned(tmp_path / f"a{ending}", orientation, image))
    want = np.ascontiguousarray(TURNS[orientation](image))
    assert still.image.shape == want.shape
    assert still.depth == depth
    if still.lossless:
        assert np.array_equal(still.image, want)
    assert psnr(still.image, want) > 30
    written = rewrite(tmp_path / f"a{ending}", tmp_path / f"b{ending}")
    assert (written.kind, written.orientation, written.depth) == (still.kind, 1, depth)
    assert written.image.shape == want.shape
    assert psnr(written.image, still.image) > 38


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "PA"])
def test_a_png_of_every_kind_of_sample_comes_back(tmp_path: Path, mode: str) -> None:
    base = pillow(photo(channels=4 if "A" in mode else 3))
    made = base.convert("LA") if mode == "LA" else base.quantize(16) if mode in ("P", "PA") else base.convert(mode)
    made.save(tmp_path / "a.png")
    still = stills.read(tmp_path / "a.png")
    want = np.asarray(made.convert("RGBA"))
    got = np.asarray(pillow(rewrite(tmp_path / "a.png", tmp_path / "b.png").image).convert("RGBA"))
    assert np.array_equal(got, want)
    assert still.grey == (mode in ("1", "L"))


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("ending", [".png", ".webp", ".tif", ".avif", ".heic"])
def test_an_alpha_channel_that_hides_nothing_is_no_trouble(tmp_path: Path, ending: str, depth: int) -> None:
    if (ending == ".heic" and pillow_heif is None) or (depth == 16 and ending not in (".png", ".tif")):
        pytest.skip("needs pillow-heif, or a kind of 16 bits")
    image = photo(channels=4, depth=depth)
    image[:, :, 3] = np.iinfo(image.dtype).max
    written = rewrite(save(tmp_path / "a.png", image), tmp_path / f"b{ending}")
    assert psnr(written.image[:, :, :3], image[:, :, :3]) > 35


def test_a_transparent_colour_of_a_png_is_transparent(tmp_path: Path) -> None:
    info = PngImagePlugin.PngInfo()
    pillow(photo()).save(tmp_path / "a.png", pnginfo=info, transparency=(240, 220, 200))
    image = rewrite(tmp_path / "a.png", tmp_path / "b.png").image
    assert image.shape[2] == 4
    assert not image[2, 2].any()
    assert image[-2, 2, 3] == 255


@pytest.mark.parametrize("sampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("quality", [40, 90, 100])
def test_a_jpeg_keeps_its_compression(tmp_path: Path, sampling: str, progressive: bool, quality: int) -> None:
    source = save(tmp_path / "a.jpg", photo(), subsampling=sampling, progressive=progressive, quality=quality)
    still = stills.read(source)
    assert still.jpeg
    assert (still.jpeg.sampling, still.jpeg.progressive) == (sampling, progressive)
    written = rewrite(source, tmp_path / "b.jpg")
    assert written.jpeg == still.jpeg
    assert psnr(written.image, still.image) > 40
    assert (tmp_path / "b.jpg").stat().st_size < 1.3 * source.stat().st_size


def test_the_tables_of_a_turned_jpeg_turn_with_it(tmp_path: Path) -> None:
    source = save(tmp_path / "a.jpg", photo(), quality=60, exif=b"Exif\0\0" + exif(6))
    written = rewrite(source, tmp_path / "b.jpg")
    before, after = stills.read(source).jpeg, written.jpeg
    assert before
    assert after
    assert np.array_equal(np.reshape(after.tables[0], (8, 8)), np.reshape(before.tables[0], (8, 8)).T)


def test_a_jpeg_of_noise_at_full_quality_can_be_written(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (600, 800, 3), dtype=np.uint8)
    for progressive in (False, True):
        form = [cv2.IMWRITE_JPEG_QUALITY, 100, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
        made = cv2.imencode(".jpg", noise, [*form, cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive)])[1]
        (tmp_path / "a.jpg").write_bytes(made.tobytes())
        assert psnr(rewrite(tmp_path / "a.jpg", tmp_path / "b.jpg").image, noise) > 40


@pytest.mark.parametrize("lossless", [False, True])
def test_a_webp_keeps_its_compression(tmp_path: Path, lossless: bool) -> None:
    source = loaded_webp(tmp_path / "a.webp", lossless=lossless)
    still, written = stills.read(source), rewrite(source, tmp_path / "b.webp")
    assert (still.lossless, written.lossless) == (lossless, lossless)


@pytest.mark.parametrize("ending", [".jpg", ".png", ".tif", ".bmp"])
def test_resolution_stays(tmp_path: Path, ending: str) -> None:
    written = rewrite(save(tmp_path / f"a{ending}", photo(), dpi=(300, 150)), tmp_path / f"b{ending}")
    assert written.dpi == pytest.approx((300, 150), rel=0.01)


@pytest.mark.parametrize("ending", [".png", ".bmp", ".jpg"])
def test_a_resolution_that_nobody_meant_is_none(tmp_path: Path, ending: str) -> None:
    rewrite(save(tmp_path / "a.tif", photo()), tmp_path / f"b{ending}")
    assert stills.read(tmp_path / "a.tif").dpi is None


@pytest.mark.parametrize("ending", [".png", ".jpg"])
def test_resolution_turns_with_the_picture(tmp_path: Path, ending: str) -> None:
    save(tmp_path / "a.png", photo(), dpi=(300, 150), exif=b"Exif\0\0" + exif(6))
    assert rewrite(tmp_path / "a.png", tmp_path / f"b{ending}").dpi == pytest.approx((150, 300), rel=0.01)


def test_print_colours_become_rgb_and_say_so(tmp_path: Path) -> None:
    pillow(photo()).convert("CMYK").save(tmp_path / "a.jpg", quality=95)
    still = stills.read(tmp_path / "a.jpg")
    assert still.changes == ("CMYK to RGB",)
    assert psnr(still.image, photo()) > 30
    rewrite(tmp_path / "a.jpg", tmp_path / "b.jpg")
    assert stills.strip(tmp_path / "a.jpg", still, tmp_path / "c.jpg")
    with Image.open(tmp_path / "c.jpg") as stripped:
        assert stripped.mode == "CMYK"
    stills.verify(tmp_path / "c.jpg", still, still.image, stripped=True)


@pytest.mark.parametrize("sampling", ["411", "420", "422", "440", "444"])
def test_a_jpeg_of_any_chroma_sampling_is_whole(tmp_path: Path, sampling: str) -> None:
    factor = getattr(cv2, f"IMWRITE_JPEG_SAMPLING_FACTOR_{sampling}")
    made = cv2.imencode(".jpg", photo(), [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, factor])[1]
    (tmp_path / "a.jpg").write_bytes(made.tobytes())
    assert psnr(rewrite(tmp_path / "a.jpg", tmp_path / "b.jpg").image, photo()) > 25


def test_a_very_rough_jpeg_shows_what_is_drawn_into_it(tmp_path: Path) -> None:
    still = stills.read(save(tmp_path / "a.jpg", photo(), quality=3))
    image = still.image.copy()
    image[5:27, 5:43] = (90, 140, 120)
    stills.write(tmp_path / "b.jpg", still, image)
    stills.verify(tmp_path / "b.jpg", still, image)


def test_a_transparent_entry_of_a_palette_does_not_keep_from_stripping(tmp_path: Path) -> None:
    made = pillow(photo()).quantize(16)
    made.save(tmp_path / "a.png", transparency=int(np.asarray(made)[2, 2]))
    still = stills.read(tmp_path / "a.png")
    assert stills.strip(tmp_path / "a.png", still, tmp_path / "b.png")
    stills.verify(tmp_path / "b.png", still, still.image, stripped=True)


def test_an_hdr_photo_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.avif", photo())
    data = path.read_bytes()
    place = data.index(b"colrnclx") + 8
    path.write_bytes(data[:place] + struct.pack(">HHH", 9, 16, 9) + data[place + 6 :])
    with pytest.raises(SourceError, match="HDR"):
        stills.read(path)


@pytest.mark.skipif(pillow_heif is None, reason="needs pillow-heif")
def test_what_is_lost_of_a_heic_is_said(tmp_path: Path) -> None:
    deep = photo(64, 48, depth=16)
    pillow_heif.from_bytes("BGR;16", (64, 48), deep.tobytes()).save(tmp_path / "a.heic")
    still = stills.read(tmp_path / "a.heic")
    assert (still.changes, still.depth) == (("10 bits to 8",), 8)


def test_without_its_package_a_heic_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    still = stills.read(save(tmp_path / "a.jpg", photo()))
    (tmp_path / "a.heic").write_bytes(struct.pack(">I", 24) + b"ftypheic\0\0\0\0mif1heic")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    assert not stills.can_write("heic")
    with pytest.raises(MissingError, match=r"pip install 'faceblur\[heic\]'"):
        stills.read(tmp_path / "a.heic")
    with pytest.raises(MissingError, match="pip install"):
        stills.write(tmp_path / "b.heic", still, still.image)


def test_a_profile_that_is_none_is_dropped(tmp_path: Path) -> None:
    still = stills.read(save(tmp_path / "a.jpg", photo(), icc_profile=MARK * 40))
    assert still.icc == b""
    stills.strip(tmp_path / "a.jpg", still, tmp_path / "b.jpg")
    assert MARK not in (tmp_path / "b.jpg").read_bytes()


def test_a_long_profile_is_kept_whole(tmp_path: Path) -> None:
    long_profile = struct.pack(">I", 200_000) + ICC[4:] + bytes(200_000 - len(ICC))
    for name in ("a.jpg", "a.png", "a.webp", "a.tif"):
        path = save(tmp_path / name, photo(), icc_profile=long_profile)
        assert rewrite(path, tmp_path / f"b{path.suffix}").icc == long_profile


@pytest.mark.filterwarnings("ignore:Image appears to be a malformed MPO")
@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp"])
def test_stripping_leaves_the_picture_data_as_they_are(tmp_path: Path, ending: str) -> None:
    source, target = loaded(tmp_path / f"a{ending}"), tmp_path / f"b{ending}"
    still = stills.read(source)
    assert stills.strip(source, still, target)
    facts = stills.verify(target, still, still.image, stripped=True)
    assert facts["exact"]
    with Image.open(source, formats=[FORMATS[ending]]) as before, Image.open(target) as after:
        assert np.array_equal(np.asarray(before), np.asarray(after))
    once = target.read_bytes()
    stills.strip(target, stills.read(target), target)
    assert target.read_bytes() == once


def test_a_turned_photo_is_not_stripped_but_written(tmp_path: Path) -> None:
    still = stills.read(loaded_jpeg(tmp_path / "a.jpg", orientation=6))
    assert not stills.strip(tmp_path / "a.jpg", still, tmp_path / "b.jpg")
    assert (still.width, still.height) == (32, 48)
    stills.verify(tmp_path / "b.jpg", still, still.image)


# ---- what cannot be


@pytest.mark.parametrize(
    ("name", "channels", "depth", "says"),
    [
        ("b.jpg", 4, 8, "JPEG cannot hold transparency; name it .png"),
        ("b.jpg", 3, 16, "JPEG cannot hold 16 bits a sample; name it .png or .tif"),
        ("b.webp", 3, 16, "name it .png or .tif"),
        ("b.bmp", 4, 8, "BMP cannot hold transparency"),
        ("b.gif", 3, 8, "cannot write a photo of this kind; name it .jpg, .png"),
        ("b.mp4", 3, 8, "cannot write a photo of this kind"),
    ],
)
def test_a_kind_that_cannot_hold_the_photo_is_refused(
    tmp_path: Path, name: str, channels: int, depth: int, says: str
) -> None:
    still = stills.read(save(tmp_path / "a.png", photo(channels=channels, depth=depth)))
    with pytest.raises(UsageError, match=says):
        stills.write(tmp_path / name, still, still.image)
    assert not (tmp_path / name).exists()


def test_a_photo_too_large_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", photo())
    data = path.read_bytes()
    path.write_bytes(data[:8] + png_chunk(b"IHDR", struct.pack(">II", 30000, 30000) + data[24:29]) + data[33:])
    with pytest.raises(SourceError, match="30000 × 30000 pixels"):
        stills.read(path)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.97, 1])
def test_a_cut_photo_is_refused(tmp_path: Path, ending: str, share: float) -> None:
    path = save(tmp_path / f"a{ending}", photo(160, 120))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share) - 4])
    with pytest.raises(SourceError, match="is damaged, or of a form"):
        stills.read(path)


@pytest.mark.parametrize("ending", [".jpg", ".png", ".bmp"])
def test_of_a_cut_photo_comes_what_can_be_had_if_that_is_accepted(tmp_path: Path, ending: str) -> None:
    path = save(tmp_path / f"a{ending}", picture(160, 120))
    whole = stills.read(path).image
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    still = stills.read(path, accept_damaged=True)
    assert still.damaged > 0
    assert still.image.shape == whole.shape
    rows = slice(60, 118) if ending == ".bmp" else slice(2, 40)  # a BMP begins at its last row
    assert np.array_equal(still.image[rows], whole[rows])
    assert not still.strippable


def test_a_jpeg_that_ends_too_early_in_good_order_is_damaged(tmp_path: Path) -> None:
    path = save(tmp_path / "a.jpg", photo(160, 120))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3] + b"\xff\xd9")
    with pytest.raises(SourceError, match="end too early"):
        stills.read(path)


def test_what_is_not_there_or_no_photo_is_said(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot read"):
        stills.read(tmp_path / "none.jpg")
    with pytest.raises(SourceError, match="cannot read"):
        stills.is_still(tmp_path / "none.jpg")
    (tmp_path / "a.jpg").write_text("hello")
    with pytest.raises(SourceError, match="not a photo"):
        stills.read(tmp_path / "a.jpg")


def test_a_folder_that_cannot_be_is_an_output_error(tmp_path: Path) -> None:
    still = stills.read(save(tmp_path / "a.png", photo()))
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        stills.write(tmp_path / "file" / "b.png", still, still.image)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_photo_that_shows_something_else_is_found_out(tmp_path: Path, ending: str) -> None:
    still = stills.read(save(tmp_path / f"a{ending}", photo()))
    target = tmp_path / f"b{ending}"
    stills.write(target, still, still.image)
    meant = still.image.copy()
    meant[8:24, 8:24] = 0  # the caller meant to hide this
    with pytest.raises(MediaError, match=r"shows? something else|not show"):
        stills.verify(target, still, meant)


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_was_hidden_is_hidden_and_all_else_is_as_it_was(tmp_path: Path, ending: str) -> None:
    still = stills.read(loaded(tmp_path / f"a{ending}"))
    image = still.image.copy()
    image[8:24, 16:32] = 0
    target = tmp_path / f"b{ending}"
    stills.write(target, still, image)
    facts = stills.verify(target, still, image)
    found = stills.read(target).image
    assert found[10:22, 18:30].max() < 24
    beside = np.ones(image.shape[:2], bool)
    beside[:, 8:40] = False  # a coded block reaches over the region's border
    assert np.abs(found[beside].astype(int) - still.image[beside]).max() <= (0 if facts["exact"] else 12)
    assert facts["kind"] == still.kind


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_file_that_holds_something_else_is_found_out(tmp_path: Path, ending: str) -> None:
    source = loaded(tmp_path / f"a{ending}")
    still = stills.read(source)
    with pytest.raises(MediaError, match="metadata"):
        stills.verify(source, still, still.image)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(ENDINGS), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6), st.floats(0, 1))
def test_damaged_bytes_give_a_photo_or_one_clear_line(
    tmp_path_factory: pytest.TempPathFactory, ending: str, changes: list[tuple[float, int]], cut: float
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    data = bytearray(loaded(folder / f"a{ending}").read_bytes())
    for place, value in changes:
        data[int(place * (len(data) - 1))] = value
    (folder / f"a{ending}").write_bytes(bytes(data[: len(data) - int(cut * cut * cut * len(data))]))
    target = folder / f"b{ending}"
    for accept in (False, True):
        try:
            if not stills.is_still(folder / f"a{ending}"):
                continue
            still = stills.read(folder / f"a{ending}", accept_damaged=accept)
            stills.strip(folder / f"a{ending}", still, target)
        except FaceblurError:
            continue
        assert MARK not in target.read_bytes()
