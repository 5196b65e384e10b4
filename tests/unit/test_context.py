"""Waiting for a claim, hashing, and reading ahead."""

import hashlib
import io
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from faceblur import detectors
from faceblur.claims import claim
from faceblur.context import Context
from faceblur.errors import Interrupted, MissingError, SourceError
from faceblur.options import LARGE_PX, PRESETS, SUBSTITUTES, Options
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


def test_what_a_person_must_know_of_detectors_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detectors, "notices", lambda name: ["for research only"] * ("scrfd" in name) + ["no GPU"])
    context = Context(progress=Plain(stream=(stream := io.StringIO())))
    for name in ("null", "scrfd", "scrfd@flip"):
        context.inform(name)
    assert stream.getvalue() == "warning: no GPU\nwarning: for research only\n"


# Detectors that can be had


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for weights that nobody offers anywhere."""
    for name, row in TABLE.items():
        monkeypatch.setitem(TABLE, name, replace(row, urls=(), wheel=""))
    return tmp_path / "weights"


def asking(folder: Path, **settings: object) -> tuple[Context, io.StringIO]:
    """A context with weights from one folder, and where it tells what it has to tell."""
    told = io.StringIO()
    return Context(Options(weights=(folder,), **settings), Plain(stream=told)), told  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "asked"),
    [({"detector": "slow", "photos": True}, "slow.10"), ({"detector": "fast", "photos": True}, "fast.2")],
    ids=["slow", "fast"],
)
def test_a_presets_detector_that_cannot_be_had_is_replaced(bare: Path, settings: dict[str, object], asked: str) -> None:
    equipped, _ = asking(bare, **settings)[0].equipped()
    assert equipped.options.members == (SUBSTITUTES[asked],)


@pytest.mark.parametrize(("side", "member"), [(LARGE_PX - 1, "fast.7"), (LARGE_PX, "fast.8")])
def test_fast_looks_at_three_quarters_of_the_size_of_large_videos(bare: Path, side: int, member: str) -> None:
    equipped, _ = asking(bare, detector="fast")[0].equipped(lambda name: False, side=side)
    assert equipped.options.members == (member,)


def test_what_is_replaced_is_told_with_the_reason_and_noted(bare: Path) -> None:
    context, told = asking(bare, detector="slow", photos=True)
    _, missing = context.equipped()
    assert list(missing) == ["slow.10"]
    assert missing["slow.10"].startswith("centerface@full took its place: the weights of ")
    assert told.getvalue().endswith(f"\nwarning: slow.10 could not be had, {missing['slow.10']}\n")


def test_what_could_not_be_fetched_is_not_tried_again_and_is_told_once(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server(b"no weights", then=404) as server:
        for name in ("centerface", "yunet.n"):
            monkeypatch.setitem(TABLE, name, replace(TABLE[name], urls=(server.url,), wheel=""))
        context, told = asking(bare, detector="slow", photos=True)
        before = [context.equipped()[1] for _ in range(2)]
        asked = len(server.ranges)
        after = context.equipped()[1]
        assert (len(server.ranges), after) == (asked, before[0])
    assert asked > 0
    assert told.getvalue().count("could not be had") == 1


def test_what_was_put_there_meanwhile_is_found(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, _ = asking(bare)
    with pytest.raises(MissingError):
        context.weights("yunet")
    monkeypatch.setattr("faceblur.weights.find", lambda name, folders: bare / name)
    assert context.weights("yunet") == bare / "yunet"


@pytest.mark.parametrize("name", SUBSTITUTES)
def test_what_takes_a_place_needs_weights_from_a_wheel_alone(name: str) -> None:
    assert all(TABLE[file].wheel for file in detectors.needs(SUBSTITUTES[name]))


def test_detectors_beside_the_one_that_is_replaced_stay(bare: Path) -> None:
    equipped, _ = asking(bare, detector="haar+slow+null", photos=True)[0].equipped()
    assert equipped.options.members == ("haar", "centerface@full", "null")


def test_with_strict_nothing_is_replaced(bare: Path) -> None:
    with pytest.raises(MissingError, match="the weights of"):
        asking(bare, detector="slow", photos=True, strict=True)[0].equipped()


@pytest.mark.parametrize("name", ["yunet", "slow.10", "fast.2", "slow+slow.10"])
def test_a_detector_asked_for_by_its_own_name_is_not_replaced(bare: Path, name: str) -> None:
    with pytest.raises(MissingError, match="the weights of"):
        asking(bare, detector=name)[0].equipped()


def test_where_weights_cannot_be_written_the_presets_detector_is_replaced(bare: Path) -> None:
    bare.write_bytes(b"a file where the folder should be")
    equipped, missing = asking(bare, detector="slow", photos=True)[0].equipped()
    assert equipped.options.members == ("centerface@full",)
    assert "cannot write" in missing["slow.10"]


@pytest.mark.parametrize("kind", ["plates", "heads", "persons"])
def test_what_nothing_can_replace_must_be_there(bare: Path, kind: str) -> None:
    with pytest.raises(MissingError, match="the weights of"):
        asking(bare, hide=("faces", kind))[0].equipped(lambda name: name == PRESETS["fast"][kind])


def test_of_what_is_not_due_nothing_is_fetched_and_nothing_is_replaced(bare: Path) -> None:
    context, told = asking(bare, detector="slow+yunet", photos=True)
    equipped, missing = context.equipped(lambda name: False)
    assert (equipped.options.members, missing, told.getvalue()) == (("slow.10", "yunet"), {}, "")
    assert not bare.exists()


def test_each_detector_is_asked_whether_it_is_due_by_its_one_name(bare: Path) -> None:
    asked = []
    asking(bare, detector="yunet@0.50+slow", photos=True)[0].equipped(lambda name: bool(asked.append(name)))
    assert asked == ["yunet@0.5", "slow.10"]


@pytest.mark.parametrize("due", [True, False])
def test_a_wrong_file_is_an_error_and_not_replaced(bare: Path, due: bool) -> None:
    bare.mkdir()
    (bare / TABLE["centerface"].file).write_bytes(b"something else")
    with pytest.raises(MissingError, match="is not the centerface weights"):
        asking(bare, detector="slow", photos=True)[0].equipped(lambda name: due)


def test_a_detector_that_needs_no_weights_is_there(bare: Path) -> None:
    equipped, missing = asking(bare, detector="haar+null")[0].equipped()
    assert (equipped.options.members, missing) == (("haar", "null"), {})


def test_weights_that_can_be_had_are_fetched(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = b"a very small model"
    with Server(data) as server:
        row = Weights("yunet", "y.onnx", len(data), hashlib.sha256(data).hexdigest(), "MIT", (server.url,))
        monkeypatch.setitem(TABLE, "yunet", row)
        assert asking(bare, detector="yunet")[0].equipped()[1] == {}
    assert (bare / "y.onnx").read_bytes() == data


def test_the_views_asked_for_are_in_the_names_and_asked_for_once(bare: Path) -> None:
    once, _ = asking(bare, detector="null", detect_scale="0.5", tta="flip")[0].equipped()
    assert once.options.members == ("null@0.5@flip",)
    assert once.equipped()[0].options.members == ("null@0.5@flip",)
