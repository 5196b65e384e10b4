"""The wish to stop: heard at once, never lost, and never a hang."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from faceblur.errors import Interrupted
from faceblur.stop import Stop


@pytest.fixture
def listening() -> Iterator[Stop]:
    """A Stop that listens; the signals get their old meaning back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    stop = Stop()
    stop.listen()
    yield stop
    for number, handler in before.items():
        signal.signal(number, handler)


def test_without_a_wish_work_goes_on() -> None:
    Stop().check()


def test_a_wish_interrupts_at_the_next_check() -> None:
    stop = Stop()
    stop.ask()
    with pytest.raises(Interrupted):
        stop.check()


def test_an_interrupted_run_ends_with_130() -> None:
    stop = Stop()
    stop.ask()
    with pytest.raises(Interrupted) as caught:
        stop.check()
    assert caught.value.exit_code == 130


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_a_wish_and_not_an_end(listening: Stop, number: signal.Signals) -> None:
    os.kill(os.getpid(), number)
    with pytest.raises(Interrupted):
        listening.check()


def test_a_second_ctrl_c_stops_at_once(listening: Stop) -> None:
    os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)


def test_a_second_sigterm_is_still_a_wish(listening: Stop) -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(Interrupted):
        listening.check()


def test_waiting_takes_its_time() -> None:
    began = time.monotonic()
    Stop().wait(0.15)
    assert time.monotonic() - began >= 0.15


def test_waiting_ends_early_when_somebody_asks() -> None:
    stop = Stop()
    threading.Timer(0.05, stop.ask).start()
    began = time.monotonic()
    with pytest.raises(Interrupted):
        stop.wait(60)
    assert time.monotonic() - began < 10


def test_waiting_ends_early_at_a_signal(listening: Stop) -> None:
    threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM)).start()
    began = time.monotonic()
    with pytest.raises(Interrupted):
        listening.wait(60)
    assert time.monotonic() - began < 10


def test_a_signal_at_any_moment_of_a_wait_is_heard() -> None:
    """A hang would need SIGKILL, so the waiting is done in a process of its own."""
    code = """
import signal
from faceblur.errors import Interrupted
from faceblur.stop import Stop
for turn in range(300):
    stop = Stop()
    stop.listen()
    signal.signal(signal.SIGALRM, signal.getsignal(signal.SIGTERM))
    signal.setitimer(signal.ITIMER_REAL, 0.0001 + turn * 0.000003)
    try:
        while True:
            stop.wait(0)
    except Interrupted:
        pass
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
