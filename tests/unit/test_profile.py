"""Where the time went: each step gets its own, and a run that nobody asks about tells nothing."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from faceblur import profile
from faceblur.context import Context
from faceblur.job import DirectJob
from faceblur.pipeline import run
from faceblur.profile import Profile

Make = Callable[..., Context]


def slow(count: int) -> Iterator[int]:
    for number in range(count):
        time.sleep(0.02)
        yield number


def test_a_step_within_a_step_counts_once() -> None:
    made = Profile()
    with made.timed("encode"):
        time.sleep(0.02)
        with made.timed("waiting"):
            time.sleep(0.1)
    steps = made.facts()["steps"]
    assert 0.02 <= steps["encode"] < 0.1 <= steps["waiting"]


def test_items_that_take_long_count_where_they_are_made_and_not_where_they_are_used() -> None:
    made = Profile()
    for _ in made.timing("decode", slow(3)):
        time.sleep(0.04)
    facts = made.facts()
    assert 0.06 <= facts["steps"]["decode"] < 0.12 <= facts["steps"]["rest"] < facts["seconds"]


def test_threads_add_up_and_leave_the_rest_alone() -> None:
    made = Profile()

    def work() -> None:
        with made.timed("detect"):
            time.sleep(0.05)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    facts = made.facts()
    assert facts["steps"]["detect"] >= 8 * 0.05 > facts["seconds"]
    assert facts["steps"]["rest"] == pytest.approx(facts["seconds"], abs=0.01)


def test_what_fails_is_counted_too() -> None:
    made = Profile()
    with pytest.raises(ValueError, match="no"), made.timed("detect"):
        raise ValueError("no")
    assert "detect" in made.facts()["steps"]


def test_the_table_has_a_line_for_each_step_and_one_for_the_whole() -> None:
    lines = profile.lines({"seconds": 2.0, "steps": {"detect": 1.5, "rest": 0.5}})
    assert [line.split() for line in lines[1:]] == [["detect", "1.50", "s", "75.0%"], ["rest", "0.50", "s", "25.0%"]]
    assert "2.00 s" in lines[0]


@pytest.mark.parametrize("bare", [False, True])
def test_a_run_tells_its_profile_only_when_asked(clip: Path, context: Make, bare: bool) -> None:
    options = context(no_frames=bare).options
    job = DirectJob("clip", options.input, options.output)
    run(clip, context(no_frames=bare))
    assert "profile" not in job.reports.last()
    run(clip, context(no_frames=bare, output=options.output / "again", input=options.output / "again", profile=True))
    found = DirectJob("clip", options.output / "again", options.output / "again").reports.last()["profile"]
    own = {"redact"} if bare else {"redact", "PNG read", "PNG write"}
    run(clip, context(no_frames=bare, output=options.output / "again", input=options.output / "again", style="solid"))
    assert "profile" not in DirectJob("clip", options.output / "again", options.output / "again").reports.last()
    usual = {"decode", "convert", "motion", "detect", "solve", "encode", "verify", "waiting", "rest"}
    assert set(found["steps"]) == usual | own
    assert 0 < sum(found["steps"].values()) < 4 * found["seconds"]
