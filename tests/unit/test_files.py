"""Whole or not at all: what is under a final name is complete, whatever happens while it is written."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceblur import files
from faceblur.errors import OutputError

names = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=60).filter(
    lambda name: name not in {".", ".."} and len(name.encode()) <= 200
)


def leftover(target: Path) -> Path:
    """What a killed write to `target` leaves behind, made by killing one."""
    code = (
        "import os, signal, sys; from pathlib import Path; from faceblur import files\n"
        "with files.atomic(Path(sys.argv[1])) as path:\n"
        "    path.write_bytes(b'half'); print(path, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(target)], capture_output=True, text=True, check=False)
    assert ended.returncode == -signal.SIGKILL
    return Path(ended.stdout.strip())


def test_what_was_written_is_there(tmp_path: Path) -> None:
    files.write(tmp_path / "a.bin", b"data")
    assert (tmp_path / "a.bin").read_bytes() == b"data"


def test_missing_folders_are_made(tmp_path: Path) -> None:
    files.write(tmp_path / "one" / "two" / "a.bin", b"data")
    assert (tmp_path / "one" / "two" / "a.bin").read_bytes() == b"data"


def test_nothing_has_the_final_name_while_it_is_written(tmp_path: Path) -> None:
    with files.atomic(tmp_path / "a.bin") as temporary:
        temporary.write_bytes(b"half")
        assert not (tmp_path / "a.bin").exists()


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    files.write(tmp_path / "a.bin", b"old")
    with pytest.raises(RuntimeError), files.atomic(tmp_path / "a.bin") as temporary:
        temporary.write_bytes(b"ne")
        raise RuntimeError
    assert (tmp_path / "a.bin").read_bytes() == b"old"


def test_a_failed_write_leaves_no_temporary_file(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), files.atomic(tmp_path / "a.bin") as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError
    assert os.listdir(tmp_path) == []


def test_mistake_14_a_killed_write_leaves_nothing_under_the_final_name(tmp_path: Path) -> None:
    leftover(tmp_path / "clip-blurred.mp4")
    assert not (tmp_path / "clip-blurred.mp4").exists()


def test_two_writers_of_one_file_do_not_share_a_temporary_name(tmp_path: Path) -> None:
    with files.atomic(tmp_path / "a.bin") as one, files.atomic(tmp_path / "a.bin") as two:
        one.write_bytes(b"1")
        two.write_bytes(b"2")
        assert one != two


def test_the_temporary_name_ends_like_the_final_one(tmp_path: Path) -> None:
    with files.atomic(tmp_path / "clip.mkv") as temporary:
        temporary.write_bytes(b"")
        assert temporary.suffix == ".mkv"


def test_a_synced_write_is_whole_as_well(tmp_path: Path) -> None:
    files.write(tmp_path / "a.bin", b"data", sync=True)
    assert (tmp_path / "a.bin").read_bytes() == b"data"


@settings(max_examples=40, deadline=None)
@given(names)
def test_any_name_that_fits_can_be_written(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    folder = tmp_path_factory.mktemp("names")
    files.write(folder / name, b"data")
    assert (folder / name).read_bytes() == b"data"


def test_a_long_name_in_a_script_of_three_bytes_a_letter_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / f"{'字' * 80}.mp4"
    files.write(path, b"data")
    assert path.read_bytes() == b"data"


def test_a_full_disk_is_told_with_advice(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="disk is full: free some space"), files.atomic(tmp_path / "a.bin"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_fault_that_is_not_about_writing_is_not_called_one(tmp_path: Path) -> None:
    with pytest.raises(ConnectionResetError), files.atomic(tmp_path / "a.bin"):
        raise ConnectionResetError(errno.ECONNRESET, "not ours")


def test_a_file_in_the_place_of_a_folder_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="cannot write"):
        files.write(tmp_path / "file" / "a.bin", b"data")


def test_a_folder_in_the_place_of_the_file_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "a.bin" / "inside").mkdir(parents=True)
    with pytest.raises(OutputError, match="cannot write"):
        files.write(tmp_path / "a.bin", b"data")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_rights_is_told_with_advice(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="no right to write there"):
        files.write(tmp_path / "a.bin", b"data")


@pytest.mark.parametrize("name", ["a.bin", ".gitkeep", ".tmpl", ".notes.tmp", "frame_0000000001.png", "x.tmp"])
def test_a_persons_file_is_not_swept_away(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    files.sweep(tmp_path)
    assert (tmp_path / name).exists()


def test_sweeping_removes_what_a_killed_write_left(tmp_path: Path) -> None:
    path = leftover(tmp_path / "a.bin")
    files.sweep(tmp_path)
    assert not path.exists()


def test_sweeping_leaves_everything_else(tmp_path: Path) -> None:
    kept = {"a.bin", ".gitkeep", ".notes.tmp"}
    for name in kept:
        (tmp_path / name).write_bytes(b"")
    files.sweep(tmp_path)
    assert set(os.listdir(tmp_path)) == kept


@pytest.mark.parametrize("other", ["clip-debug.mp4", "clip.part.mp4", "clip.json"])
def test_sweeping_for_one_file_leaves_the_writes_of_another(tmp_path: Path, other: str) -> None:
    path = leftover(tmp_path / other)
    files.sweep(tmp_path, tmp_path / "clip.mp4")
    assert path.exists()


def test_sweeping_for_one_file_removes_its_own_leftover(tmp_path: Path) -> None:
    path = leftover(tmp_path / "clip.mp4")
    files.sweep(tmp_path, tmp_path / "clip.mp4")
    assert not path.exists()


def test_sweeping_a_folder_that_is_not_there_does_nothing(tmp_path: Path) -> None:
    files.sweep(tmp_path / "missing")
    assert not (tmp_path / "missing").exists()


def test_an_error_names_the_file_that_was_meant_and_not_a_temporary_one(tmp_path: Path) -> None:
    with files.atomic(tmp_path / "photo.jpg") as temporary:
        error = files.output_error(temporary, OSError(errno.ENOSPC, "full"))
        temporary.write_bytes(b"")
    assert f"cannot write {tmp_path / 'photo.jpg'}: full" in str(error)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (6_240_000, "6.2 MB"),
        (9_960_000, "10 MB"),
        (999_400_000, "999 MB"),
        (999_600_000, "1.0 GB"),
        (320_400_000_000, "320 GB"),
        (2 * 10**15, "2000 TB"),
    ],
)
def test_sizes_are_told_in_the_unit_that_fits(size: int, text: str) -> None:
    assert files.amount(size) == text
