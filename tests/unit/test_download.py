"""One file from one address: resumed, bounded, checked, and whole or not there."""

import hashlib
import os
import socket
import urllib.request
from pathlib import Path

import pytest

from faceblur.download import Refused, download, part_of
from faceblur.errors import Interrupted, OutputError
from servers import Server

DATA = bytes(range(256)) * 20
DIGEST = hashlib.sha256(DATA).hexdigest()


def bring(url: str, folder: Path, timeout_s: float = 10.0) -> Path:
    path = folder / "toy.onnx"
    download(url, path, len(DATA), DIGEST, lambda done: None, timeout_s=timeout_s)
    return path


def leave(folder: Path, data: bytes) -> Path:
    """What an earlier attempt got."""
    part = part_of(folder / "toy.onnx", DIGEST)
    part.write_bytes(data)
    return part


def test_a_file_comes_whole_and_nothing_else_stays(tmp_path: Path) -> None:
    with Server(DATA) as server:
        assert bring(server.url, tmp_path).read_bytes() == DATA
    assert [p.name for p in tmp_path.iterdir()] == ["toy.onnx"]


def test_only_the_rest_of_a_file_is_asked_for(tmp_path: Path) -> None:
    leave(tmp_path, DATA[:2000])
    with Server(DATA) as server:
        assert bring(server.url, tmp_path).read_bytes() == DATA
        assert (server.ranges, server.sent) == (["bytes=2000-"], 3200)


def test_a_cut_connection_is_taken_up_again_where_it_broke(tmp_path: Path) -> None:
    with Server(DATA, cut=2000, cuts=2) as server:
        assert bring(server.url, tmp_path).read_bytes() == DATA
        assert server.ranges == [None, "bytes=2000-", "bytes=4000-"]


def test_a_server_without_ranges_is_asked_from_the_beginning(tmp_path: Path) -> None:
    with Server(DATA, resumes=False, cut=2000, cuts=1) as server:
        assert bring(server.url, tmp_path).read_bytes() == DATA
        assert len(server.ranges) == 2


def test_an_answer_that_begins_elsewhere_is_not_appended(tmp_path: Path) -> None:
    leave(tmp_path, DATA[:2000])
    with Server(DATA, wrong_range=True) as server:
        assert bring(server.url, tmp_path).read_bytes() == DATA
        assert server.ranges == ["bytes=2000-", None]


def test_a_range_that_cannot_be_had_is_asked_for_from_the_beginning(tmp_path: Path) -> None:
    leave(tmp_path, DATA[:2000])
    with Server(DATA[:1000]) as server, pytest.raises(Refused, match="offers 1000 bytes in place of 5120"):
        bring(server.url, tmp_path)
    assert server.ranges == ["bytes=2000-", None]


def test_a_server_that_always_cuts_is_given_up_with_what_came_kept(tmp_path: Path) -> None:
    with Server(DATA, cut=100, cuts=99) as server, pytest.raises(Refused, match="broke off after 500 of 5120 bytes"):
        bring(server.url, tmp_path)
    assert len(server.ranges) == 5
    assert part_of(tmp_path / "toy.onnx", DIGEST).read_bytes() == DATA[:500]


def test_a_file_that_is_declared_too_large_is_refused_before_a_byte_is_kept(tmp_path: Path) -> None:
    with Server(DATA * 2) as server, pytest.raises(Refused, match="offers 10240 bytes in place of 5120"):
        bring(server.url, tmp_path)
    assert not list(tmp_path.iterdir())


def test_no_more_than_the_size_is_taken_of_an_endless_answer(tmp_path: Path) -> None:
    seen: list[int] = []
    wrong = DATA[::-1] * 4000
    with Server(wrong, declared=-1) as server, pytest.raises(Refused, match="SHA-256"):
        download(server.url, tmp_path / "toy.onnx", len(DATA), DIGEST, seen.append, timeout_s=10)
    assert max(seen) == len(DATA)
    assert not list(tmp_path.iterdir())


def test_a_page_of_html_does_not_replace_what_came(tmp_path: Path) -> None:
    part = leave(tmp_path, DATA[:2000])
    with (
        Server(b"<html>please log in</html>", resumes=False) as server,
        pytest.raises(Refused, match="offers 26 bytes"),
    ):
        bring(server.url, tmp_path)
    assert part.read_bytes() == DATA[:2000]


def test_a_wrong_beginning_is_thrown_away_and_all_fetched_again(tmp_path: Path) -> None:
    leave(tmp_path, b"x" * 2000)
    with Server(DATA) as server:
        assert bring(server.url, tmp_path).read_bytes() == DATA
        assert server.ranges == ["bytes=2000-", None]


@pytest.mark.parametrize("left", [DATA, DATA + b"x"], ids=["whole", "too long"])
def test_a_part_that_is_whole_is_not_fetched_and_a_longer_one_is_all(tmp_path: Path, left: bytes) -> None:
    leave(tmp_path, left)
    with Server(DATA) as server:
        assert bring(server.url, tmp_path).read_bytes() == DATA
        assert server.ranges == [None] * (len(left) - len(DATA))


def test_wrong_content_is_refused_with_its_sha256(tmp_path: Path) -> None:
    with Server(DATA[::-1]) as server, pytest.raises(Refused, match=hashlib.sha256(DATA[::-1]).hexdigest()):
        bring(server.url, tmp_path)
    assert len(server.ranges) == 1
    assert not list(tmp_path.iterdir())


def test_a_missing_page_is_asked_for_once_and_keeps_what_came(tmp_path: Path) -> None:
    part = leave(tmp_path, DATA[:2000])
    with Server(DATA, then=404) as server, pytest.raises(Refused, match="HTTP Error 404"):
        bring(server.url, tmp_path)
    assert len(server.ranges) == 1
    assert part.read_bytes() == DATA[:2000]


def test_a_server_that_says_nothing_is_given_up_after_the_timeout(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(Refused, match="timed out"):
        bring(f"http://127.0.0.1:{silent.getsockname()[1]}/", tmp_path, timeout_s=0.2)


def test_a_slow_server_is_waited_for_while_it_sends(tmp_path: Path) -> None:
    with Server(DATA, pause_s=0.01) as server:
        assert bring(server.url, tmp_path, timeout_s=0.4).read_bytes() == DATA
        assert server.ranges == [None]


def test_a_server_that_stalls_is_asked_again_for_the_rest(tmp_path: Path) -> None:
    with Server(DATA, pause_s=0.6) as server, pytest.raises(Refused, match=r"timed out; tried 5 times"):
        bring(server.url, tmp_path, timeout_s=0.2)
    assert server.ranges == [None, *[f"bytes={n}-" for n in (100, 200, 300, 400)]]


def test_nobody_listening_is_told(tmp_path: Path) -> None:
    with Server(DATA) as server:
        pass
    with pytest.raises(Refused, match="refused"):
        bring(server.url, tmp_path)


def test_a_wish_to_stop_keeps_what_came(tmp_path: Path) -> None:
    def stop(done: int) -> None:
        if done >= 1000:
            raise Interrupted("stopped")

    with Server(DATA, pause_s=0.01) as server:
        with pytest.raises(Interrupted):
            download(server.url, tmp_path / "toy.onnx", len(DATA), DIGEST, stop)
        came = part_of(tmp_path / "toy.onnx", DIGEST).stat().st_size
        assert came >= 1000
        assert bring(server.url, tmp_path).read_bytes() == DATA
        assert server.ranges == [None, f"bytes={came}-"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the kernel's full disk")
def test_a_full_disk_is_told_as_such(tmp_path: Path) -> None:
    part_of(tmp_path / "toy.onnx", DIGEST).symlink_to("/dev/full")
    with Server(DATA) as server, pytest.raises(OutputError, match="the disk is full"):
        bring(server.url, tmp_path)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with Server(DATA) as server, pytest.raises(OutputError, match="cannot write"):
        bring(server.url, tmp_path / "missing")


def test_the_proxy_of_the_environment_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(DATA) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.removesuffix("/toy.onnx"))
        monkeypatch.setenv("no_proxy", "")
        monkeypatch.setattr(urllib.request, "_opener", None)  # it keeps the proxies it saw first
        assert bring("http://models.invalid/toy.onnx", tmp_path).read_bytes() == DATA
        assert len(proxy.ranges) == 1
