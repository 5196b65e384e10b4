"""What a run tells: lines for logs, JSON for programs, bars for people; the same facts in each."""

import io
import json
import sys

import pytest

from faceblur import progress
from faceblur.progress import Bars, Events, Plain, Progress, Step


def events(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def earlier(step: Step, seconds: float) -> Step:
    """The step as if it had begun so long ago."""
    step.began -= seconds
    return step


def test_a_step_counts_what_is_done() -> None:
    step = Step("clip", "detect", 10)
    step.advance(3)
    step.advance()
    assert step.done == 4


def test_a_step_is_never_more_than_done() -> None:
    step = Step("clip", "detect", 10)
    step.advance(30)
    assert step.done == 10


def test_a_step_that_begins_again_has_no_negative_rate() -> None:
    step = earlier(Step("model.onnx", "fetch", 100, done=90, unit="kB"), 10)
    step.reach(20)
    assert (step.done, step.rate) == (20, 0.0)


def test_a_step_in_other_units_says_so() -> None:
    stream = io.StringIO()
    teller = Events(stream=stream)
    with teller.step("model.onnx", "fetch", 100, unit="kB") as step:
        step.reach(100)
    assert "kB_per_s" in events(stream)[-1]


def test_faces_are_unknown_until_somebody_counts() -> None:
    step = Step("clip", "split", 10)
    step.advance()
    assert step.faces is None


def test_faces_add_up() -> None:
    step = Step("clip", "detect", 10)
    step.advance(1, faces=2)
    step.advance(1, faces=0)
    step.advance(1, faces=3)
    assert step.faces == 5


def test_a_step_that_is_taken_twice_is_told_of_together() -> None:
    """As detecting is, once at a pace and once where shots begin and end."""
    progress = Progress()
    for count in (30, 4):
        with progress.step("clip", "detect", 40, 40 - count) as step:
            step.advance(count)
            step.began -= 2
    told = progress.spent["clip"]["detect"]
    assert (told["frames"], told["seconds"]) == (34, pytest.approx(4, abs=0.5))
    assert told["rate"] == pytest.approx(34 / told["seconds"], rel=0.01)


def test_the_rate_counts_what_was_done_since_the_step_began() -> None:
    step = earlier(Step("clip", "detect", 100), 10)
    step.advance(50)
    assert step.rate == pytest.approx(5, rel=0.05)


def test_frames_done_before_the_step_began_make_it_no_faster() -> None:
    step = earlier(Step("clip", "detect", 100, done=90), 10)
    step.advance(1)
    assert step.rate == pytest.approx(0.1, rel=0.05)


def test_the_time_left_follows_from_the_rate() -> None:
    step = earlier(Step("clip", "detect", 100), 10)
    step.advance(50)
    assert step.left_s == pytest.approx(10, rel=0.05)


def test_the_time_left_is_unknown_before_the_first_frame() -> None:
    assert Step("clip", "detect", 100).left_s is None


def test_plain_lines_say_job_step_and_count() -> None:
    stream = io.StringIO()
    with Plain(stream=stream).step("clip", "detect", 12) as step:
        step.advance(12, faces=7)
    line = stream.getvalue()
    assert [word in line for word in ("clip", "detect", "12/12", "7 faces")] == [True] * 4


def test_plain_lines_are_few() -> None:
    stream = io.StringIO()
    plain = Plain(stream=stream)
    with plain.step("clip", "detect", 1000) as step:
        for _ in range(1000):
            step.advance()
            plain.update(step)
    assert len(stream.getvalue().splitlines()) < 5


def test_a_long_step_tells_of_itself_now_and_then() -> None:
    stream = io.StringIO()
    plain = Plain(stream=stream)
    plain.every_s = 0.0
    with plain.step("clip", "detect", 3) as step:
        step.advance()
        plain.update(step)
    assert "1/3" in stream.getvalue().splitlines()[0]


def test_a_step_that_fails_is_ended_too() -> None:
    stream = io.StringIO()
    with pytest.raises(RuntimeError), Events(stream=stream).step("clip", "detect", 3):
        raise RuntimeError
    assert [event["event"] for event in events(stream)] == ["begin", "end"]


def test_a_warning_is_marked_as_one() -> None:
    stream = io.StringIO()
    Plain(stream=stream).warn("look at frame 7")
    assert stream.getvalue() == "warning: look at frame 7\n"


def test_details_are_told_only_when_asked_for() -> None:
    stream = io.StringIO()
    Plain(stream=stream).detail("quiet")
    Plain(stream=stream, verbose=True).detail("loud")
    assert stream.getvalue() == "loud\n"


def test_every_event_is_one_json_object_a_line() -> None:
    stream = io.StringIO()
    teller = Events(stream=stream)
    with teller.step("clip", "detect", 2) as step:
        step.advance(2, faces=1)
    teller.say("two\nlines")
    teller.warn("careful")
    teller.result("done", output="x.mp4")
    assert len(events(stream)) == 5


def test_a_step_tells_programs_where_it_stands() -> None:
    stream = io.StringIO()
    with Events(stream=stream).step("clip", "detect", 2) as step:
        step.advance(2, faces=3)
    end = events(stream)[-1]
    assert {key: end[key] for key in ("event", "job", "step", "done", "total", "faces")} == {
        "event": "end",
        "job": "clip",
        "step": "detect",
        "done": 2,
        "total": 2,
        "faces": 3,
    }


def test_a_result_carries_its_facts_to_programs() -> None:
    stream = io.StringIO()
    Events(stream=stream).result("done", output="x.mp4", frames=12)
    assert (events(stream)[0]["output"], events(stream)[0]["frames"]) == ("x.mp4", 12)


def test_events_go_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    Events().say("hello")
    assert json.loads(capsys.readouterr().out)["text"] == "hello"


def test_plain_lines_leave_standard_output_alone(capsys: pytest.CaptureFixture[str]) -> None:
    Plain().say("hello")
    assert capsys.readouterr() == ("", "hello\n")


def test_none_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    teller = progress.create("none", verbose=True)
    with teller.step("clip", "detect", 2) as step:
        step.advance()
        teller.update(step)
    teller.say("a")
    teller.warn("b")
    teller.result("c")
    assert capsys.readouterr() == ("", "")


def test_bars_show_job_and_count(capsys: pytest.CaptureFixture[str]) -> None:
    teller = progress.create("bar")
    with teller.step("clip", "detect", 12) as step:
        step.advance(12, faces=7)
        teller.update(step)
    told = capsys.readouterr().err
    assert [word in told for word in ("clip", "12/12", "7 faces")] == [True] * 3


def test_a_job_may_be_called_like_markup(capsys: pytest.CaptureFixture[str]) -> None:
    with Bars().step("clip [/one]", "detect", 12) as step:
        step.advance(12)
    assert "clip [/one]" in capsys.readouterr().err


def test_bars_show_a_message_with_brackets_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    Bars().say("see [bold]output[/bold]")
    assert capsys.readouterr().err == "see [bold]output[/bold]\n"


def test_two_steps_can_have_a_bar_one_after_the_other(capsys: pytest.CaptureFixture[str]) -> None:
    teller = Bars()
    for name in ("detect", "render"):
        with teller.step("clip", name, 1) as step:
            step.advance()
    told = capsys.readouterr().err
    assert ("detect" in told, "render" in told) == (True, True)


@pytest.mark.parametrize("kind", progress.KINDS)
def test_every_kind_can_be_made(kind: str) -> None:
    assert isinstance(progress.create(kind), Progress)


def test_where_nobody_watches_the_lines_are_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert type(progress.create("auto")) is Plain
