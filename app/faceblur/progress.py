"""What a run tells about itself while it works: a bar for people, plain lines for logs, JSON lines for programs."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TextIO

KINDS = ("auto", "bar", "plain", "json", "none")


@dataclass
class Step:
    """One step of one job on its way: how many frames (or other units) of how many are done, and the faces found."""

    job: str
    name: str
    total: int
    done: int = 0
    faces: int | None = None
    unit: str = "frames"
    began: float = field(default_factory=time.monotonic)
    first: int = field(init=False)

    def __post_init__(self) -> None:
        self.first = self.done

    @property
    def rate(self) -> float:
        """Units per second since the step began here, others' frames included; 0 when none is done."""
        elapsed = time.monotonic() - self.began
        return (self.done - self.first) / elapsed if elapsed > 0 else 0.0

    @property
    def left_s(self) -> float | None:
        """Seconds left at this rate; None while that is unknown."""
        return (self.total - self.done) / self.rate if self.rate > 0 else None

    def advance(self, frames: int = 1, faces: int | None = None) -> None:
        self.done = min(self.done + frames, self.total)
        if faces is not None:
            self.faces = (self.faces or 0) + faces

    def reach(self, done: int) -> None:
        """So many are done now; fewer than before when something has to begin again."""
        self.done = min(done, self.total)
        self.first = min(self.first, self.done)


class Progress:
    """Says nothing; the base of the others, and what Python callers get."""

    def __init__(self, *, verbose: bool = False) -> None:
        self.verbose = verbose
        self.spent: dict[str, dict[str, dict[str, float]]] = {}

    @contextmanager
    def step(self, job: str, name: str, total: int, done: int = 0, unit: str = "frames") -> Iterator[Step]:
        """A step that is shown while the block runs. Call `advance` or `reach` on what it gives, then `update` here.

        How long it took is kept in `spent`, by job and step: units done here, seconds, units a second; of a step that
        is taken several times all together.
        """
        step = Step(job, name, total, done, unit=unit)
        self.begin(step)
        try:
            yield step
        finally:
            self.end(step)
            spent = self.spent.setdefault(step.job, {})
            before = spent.get(step.name, {})
            count = step.done - step.first + before.get(step.unit, 0)
            seconds = time.monotonic() - step.began + before.get("seconds", 0.0)
            told = {step.unit: count, "seconds": round(seconds, 3), "rate": round(count / max(seconds, 1e-9), 2)}
            spent[step.name] = told

    def begin(self, step: Step) -> None: ...

    def update(self, step: Step) -> None: ...

    def end(self, step: Step) -> None: ...

    def say(self, text: str) -> None:
        """Something worth knowing."""

    def detail(self, text: str) -> None:
        """Something worth knowing with --verbose."""
        if self.verbose:
            self.say(text)

    def warn(self, text: str) -> None:
        """Something a person should look at."""

    def result(self, text: str, **facts: Any) -> None:
        """What came out."""


class Plain(Progress):
    """A line at the beginning and end of each step, and one now and then in between."""

    every_s = 10.0

    def __init__(self, *, verbose: bool = False, stream: TextIO | None = None) -> None:
        super().__init__(verbose=verbose)
        self._stream = stream or sys.stderr
        self._next = 0.0

    def begin(self, step: Step) -> None:
        self._next = time.monotonic() + self.every_s

    def update(self, step: Step) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + self.every_s
            self.say(_line(step))

    def end(self, step: Step) -> None:
        self.say(_line(step))

    def say(self, text: str) -> None:
        self._write(text)

    def warn(self, text: str) -> None:
        self._write(f"warning: {text}")

    def result(self, text: str, **facts: Any) -> None:
        self._write(text)

    def _write(self, text: str) -> None:
        self._stream.write(f"{text}\n")
        self._stream.flush()


class Events(Plain):
    """One JSON object a line, on standard output."""

    every_s = 1.0

    def __init__(self, *, verbose: bool = False, stream: TextIO | None = None) -> None:
        super().__init__(verbose=verbose, stream=stream or sys.stdout)

    def begin(self, step: Step) -> None:
        super().begin(step)
        self._event("begin", **_facts(step))

    def update(self, step: Step) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + self.every_s
            self._event("progress", **_facts(step))

    def end(self, step: Step) -> None:
        self._event("end", **_facts(step))

    def say(self, text: str) -> None:
        self._event("message", text=text)

    def warn(self, text: str) -> None:
        self._event("warning", text=text)

    def result(self, text: str, **facts: Any) -> None:
        self._event("result", text=text, **facts)

    def failure(self, text: str, code: int) -> None:
        """Something failed; the rest of a batch goes on."""
        self._event("error", text=text, code=code)

    def _event(self, event: str, **facts: Any) -> None:
        self._write(json.dumps({"event": event, **facts}))


class Bars(Progress):
    """A bar per step in a terminal, with the rate, time left and faces found."""

    every_s = 0.1

    def __init__(self, *, verbose: bool = False) -> None:
        super().__init__(verbose=verbose)
        from rich.console import Console

        self._console = Console(stderr=True, highlight=False)
        self._next = 0.0
        self._bars: Any = None
        self._task: Any = None

    def begin(self, step: Step) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as RichProgress

        title = TextColumn("{task.description}", markup=False)  # a job may be called [one]
        columns = (title, BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[facts]}", markup=False))
        self._bars = RichProgress(*columns, console=self._console, auto_refresh=False)
        self._task = self._bars.add_task(_title(step), total=step.total, completed=step.done, facts="")
        self._bars.start()

    def update(self, step: Step) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + self.every_s
            self._draw(step)

    def end(self, step: Step) -> None:
        self._draw(step)
        self._bars.stop()
        self._next = 0.0

    def _draw(self, step: Step) -> None:
        self._bars.update(self._task, total=step.total, completed=step.done, facts=_pace(step), refresh=True)

    def say(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)

    def warn(self, text: str) -> None:
        self._console.print(f"warning: {text}", style="yellow", markup=False, soft_wrap=True)

    def result(self, text: str, **facts: Any) -> None:
        self._console.print(text, style="bold", markup=False, soft_wrap=True)


def create(kind: str, *, verbose: bool = False) -> Progress:
    """The teller of this kind; `auto` is a bar in a terminal and plain lines elsewhere."""
    if kind == "auto":
        kind = "bar" if sys.stderr.isatty() else "plain"
    makers: dict[str, type[Progress]] = {"bar": Bars, "plain": Plain, "json": Events, "none": Progress}
    return makers[kind](verbose=verbose)


def _title(step: Step) -> str:
    return f"{step.name:<8} {step.job}"


def _pace(step: Step) -> str:
    parts = [f"{step.rate:.1f} {step.unit}/s"] if step.rate else []
    if step.left_s is not None and step.done < step.total:
        parts.append(f"{_clock(step.left_s)} left")
    if step.faces is not None:
        parts.append(f"{step.faces} faces")
    return ", ".join(parts)


def _line(step: Step) -> str:
    return ", ".join(filter(None, [f"{_title(step)} {step.done}/{step.total}", _pace(step)]))


def _facts(step: Step) -> dict[str, Any]:
    left = None if step.left_s is None else round(step.left_s, 1)
    facts = {"job": step.job, "step": step.name, "done": step.done, "total": step.total}
    return facts | {f"{step.unit}_per_s": round(step.rate, 2), "left_s": left, "faces": step.faces}


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
