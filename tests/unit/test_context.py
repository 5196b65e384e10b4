"""Waiting for a claim, hashing, and reading ahead."""

import hashlib
import io
import threading
import time
from pathlib import Path

import pytest

from faceblur.claims import claim
from faceblur.context import Context
from faceblur.errors import Interrupted, SourceError
from faceblur.options import Options
from faceblur.progress import Plain
from faceblur.weights import TABLE, Weights
from servers import Server


def test_ahead_keeps_the_order_and_never_holds_many() -> None:
    taken = []

    def numbers():  # type: ignore[no-untyped-def]
        for number in range(100):
            taken.append(number)
            yield number

    results = []
    for item, double in Context().ahead(lambda n: 2 * n, numbers()):
        assert len(taken) - len(results) <= 9
        results.append((item, double))
    assert results == [(n, 2 * n) for n in range(100)]


def test_ahead_passes_on_what_goes_wrong() -> None:
    def fail(number: int) -> int:
        if number == 5:
            raise SourceError("frame 5")
        return number

    with pytest.raises(SourceError, match="frame 5"):
        list(Context().ahead(fail, range(20)))


def test_ahead_ends_when_asked_to_stop() -> None:
    context = Context()
    with pytest.raises(Interrupted):
        for item, _ in context.ahead(lambda n: n, range(1000)):
            if item == 3:
                context.stop.ask()


def test_alone_waits_for_the_other_holder(tmp_path: Path) -> None:
    order = []

    def hold() -> None:
        with claim(tmp_path / "x.lock") as ours:
            assert ours
            order.append("held")
            time.sleep(0.2)
            order.append("released")

    thread = threading.Thread(target=hold)
    thread.start()
    while not order:
        time.sleep(0.001)
    with Context().alone(tmp_path / "x.lock"):
        order.append("mine")
    thread.join()
    assert order == ["held", "released", "mine"]


def test_the_sha256_of_a_missing_file_is_a_source_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="missing"):
        Context().sha256(tmp_path / "missing")


def test_fetching_weights_is_shown_and_ends_with_a_wish_to_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = bytes(200_000)
    stream = io.StringIO()
    context = Context(Options(weights=(tmp_path,)), Plain(stream=stream))
    with Server(data) as server:
        row = Weights("toy", "toy.onnx", len(data), hashlib.sha256(data).hexdigest(), "MIT", (server.url,))
        monkeypatch.setitem(TABLE, "toy", row)
        context.stop.ask()
        with pytest.raises(Interrupted):
            context.weights("toy")
        assert Context(context.options, context.progress).weights("toy") == tmp_path / "toy.onnx"
    assert "fetch    toy.onnx 200/200, " in stream.getvalue()
    assert "kB/s" in stream.getvalue()
