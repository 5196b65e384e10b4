"""Where the time of a run went: the seconds that each of its steps took in this process."""

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar, cast

from faceblur.domain import Json

T = TypeVar("T")
_END = object()


class Profile:
    """Seconds by step, summed over all threads. Of a step within a step each gets its own time, without the other's.

    It belongs to the thread that made it: what that one did outside of all steps is the rest.
    """

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._thread = threading.get_ident()
        self._seconds: dict[str, float] = {}
        self._here = 0.0  # seconds of steps in the thread that this belongs to
        self._lock = threading.Lock()
        self._local = threading.local()

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Count the time of the block for a step. Nothing in it may yield to code outside of the step."""
        before: float = getattr(self._local, "inner", 0.0)
        self._local.inner = 0.0  # seconds of the steps within this one
        began = time.perf_counter()
        try:
            yield
        finally:
            took = time.perf_counter() - began
            own = took - self._local.inner
            self._local.inner = before + took
            with self._lock:
                self._seconds[step] = self._seconds.get(step, 0.0) + own
                self._here += own if threading.get_ident() == self._thread else 0.0

    def timing(self, step: str, items: Iterable[T]) -> Iterator[T]:
        """The items; the time until each of them is there counts for a step."""
        iterator = iter(items)
        while True:
            with self.timed(step):
                item = next(iterator, _END)
            if item is _END:
                return
            yield cast("T", item)

    def facts(self) -> Json:
        """Seconds since the beginning, and of each step, the longest first, and of the rest."""
        wall = time.perf_counter() - self._began
        with self._lock:
            steps = sorted(self._seconds.items(), key=lambda step: -step[1])
            rest = max(0.0, wall - self._here)
        return {"seconds": round(wall, 3), "steps": {name: round(s, 3) for name, s in (*steps, ("rest", rest))}}


def lines(facts: Json) -> list[str]:
    """What `Profile.facts` tells, as a table. Threads work side by side: shares may add up to more than the whole."""
    wall = facts["seconds"]
    rows = [f"{name:<9} {seconds:9.2f} s {seconds / max(wall, 1e-9):6.1%}" for name, seconds in facts["steps"].items()]
    return [f"this process, all its threads: {wall:.2f} s", *rows]
