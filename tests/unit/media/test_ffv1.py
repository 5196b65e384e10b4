"""Checksums of FFV1: every changed bit is found, and nothing that is whole is called damaged."""

from pathlib import Path

import av
import pytest

from conftest import moving_face, write_clip
from faceblur import media
from faceblur.media import ffv1

KINDS: list[dict[str, str]] = [
    {},
    {"g": "5"},
    {"coder": "2", "context": "1"},
    {"slices": "24"},
    {"level": "4", "strict": "-2"},
    {"level": "4", "strict": "-2", "slicecrc": "2"},
]
UNCHECKED: list[dict[str, str]] = [
    {"slicecrc": "0"},
    {"level": "0"},
    {"level": "1"},
    {"level": "2", "strict": "-2", "slicecrc": "0"},
    {"level": "2", "strict": "-2", "slicecrc": "0", "slices": "4"},
]


def encoded(path: Path, **options: str) -> list[bytes]:
    write_clip(path, moving_face(6, 320, 240), codec="ffv1", pixel_format="bgr0", options=options)
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_one_changed_bit_anywhere_is_damage(tmp_path: Path, options: dict[str, str]) -> None:
    for packet in encoded(tmp_path / "clip.mkv", **options):
        assert ffv1.is_whole(packet)
        for position in {*range(0, len(packet), len(packet) // 20), *range(len(packet) - 8, len(packet))}:
            changed = bytearray(packet)
            changed[position] ^= 4
            assert not ffv1.is_whole(bytes(changed))


def test_without_checksums_the_sizes_must_add_up(tmp_path: Path) -> None:
    for packet in encoded(tmp_path / "clip.mkv", slicecrc="0"):
        assert ffv1.is_whole(packet)
        assert not ffv1.is_whole(packet[1:])
        assert not ffv1.is_whole(packet[:-1] + bytes([packet[-1] ^ 1]))


def test_nothing_is_no_frame() -> None:
    assert not ffv1.is_whole(b"")


@pytest.mark.parametrize("options", [*KINDS, *UNCHECKED], ids=str)
def test_a_whole_clip_has_no_damage(tmp_path: Path, options: dict[str, str]) -> None:
    path = tmp_path / "clip.mkv"
    encoded(path, **options)
    reader = media.Reader(path, media.probe(path))
    assert len(list(reader)) == 6
    assert reader.damaged == 0


def flipped(path: Path, *numbers: int, **options: str) -> media.Reader:
    """A reader of a clip with one changed bit in each of the frames of these numbers, from 0."""
    packets = encoded(path, **options)
    data = bytearray(path.read_bytes())
    for packet in (packets[number] for number in numbers):
        data[data.index(packet) + len(packet) // 2] ^= 1
    path.write_bytes(data)
    return media.Reader(path, media.probe(path))


def test_a_frame_with_a_wrong_checksum_is_damaged_and_not_shown(tmp_path: Path) -> None:
    reader = flipped(tmp_path / "clip.mkv", 1, 3, g="1")
    assert [round(frame.pts * reader.time_base * 25) for frame in reader] == [0, 2, 4, 5]
    assert reader.damaged == 2


def test_what_builds_on_a_wrong_frame_is_damaged_up_to_the_next_key_frame(tmp_path: Path) -> None:
    reader = flipped(tmp_path / "clip.mkv", 1, g="4")
    assert [round(frame.pts * reader.time_base * 25) for frame in reader] == [0, 4, 5]
    assert reader.damaged == 3
