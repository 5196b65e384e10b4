"""What every step shares: how to run, whom to tell, when to stop; and waiting, hashing and reading ahead."""

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Any, Self, TypeVar

from faceblur import detectors, weights
from faceblur.claims import claim
from faceblur.detectors import network
from faceblur.detectors.base import Detector
from faceblur.errors import FaceblurError, MissingError, OutputError, SourceError
from faceblur.options import LARGE_PX, SUBSTITUTES, Options
from faceblur.profile import Profile
from faceblur.progress import Progress
from faceblur.stop import Stop

T = TypeVar("T")
R = TypeVar("R")
_AHEAD = 8  # frames read ahead or written behind in threads
_THREADS = 2
_NAP_S = 0.05
_KB = 1000  # bytes


@dataclass
class _Loaded:
    """The detectors that nobody is using at the moment, by name and number of processor threads.

    `told` is what a person was warned of, `weights` are the files that were found and checked, `absent` those that
    could not be had, with the reason.
    """

    idle: dict[tuple[str, int], list[Detector]] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)
    weights: dict[str, Path] = field(default_factory=dict)
    absent: dict[str, FaceblurError] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)


@dataclass(frozen=True, slots=True)
class Context:
    """What a step needs besides its job."""

    options: Options = field(default_factory=Options)
    progress: Progress = field(default_factory=Progress)
    stop: Stop = field(default_factory=Stop)
    profile: Profile | None = None
    _loaded: _Loaded = field(default_factory=_Loaded)

    def timed(self, step: str) -> AbstractContextManager[None]:
        """Count the time of the block for a step, if anybody wants to know."""
        return self.profile.timed(step) if self.profile else nullcontext()

    def timing(self, step: str, items: Iterable[T]) -> Iterable[T]:
        """The items; the time until each of them is there counts for a step."""
        return self.profile.timing(step, items) if self.profile else items

    @contextmanager
    def alone(self, path: Path, waiting: str = "") -> Iterator[None]:
        """Hold a claim; while another process holds it, say `waiting` and wait."""
        told = False
        while True:
            with claim(path) as ours:
                if ours:
                    yield
                    return
            if not told and waiting:
                self.progress.say(waiting)
                told = True
            with self.timed("waiting"):
                self.stop.wait(_NAP_S)

    def weights(self, name: str) -> Path:
        """The checked file of a model, fetched when no folder has it: shown, and ended by a wish to stop.

        Raises MissingError when it cannot be had, OutputError when it cannot be written. What could not be fetched once
        is not tried again: of a thousand photos each would wait for a network that does not answer.
        """
        path = self._found(name)
        if path:
            return path
        if name in self._loaded.absent:
            raise self._loaded.absent[name]
        try:
            return self._fetched(name)
        except (MissingError, OutputError) as error:
            self._loaded.absent[name] = error
            raise

    def _found(self, name: str) -> Path | None:
        """As `weights.find`, once for each model: to check the largest takes longer than to look at a photo."""
        path = self._loaded.weights.get(name) or weights.find(name, self.options.weights)
        if path:
            self._loaded.weights[name] = path
        return path

    def _fetched(self, name: str) -> Path:
        row, folders = weights.entry(name), self.options.weights
        begun = weights.begun(name, folders) // _KB
        with self.progress.step(row.file, "fetch", row.size // _KB, begun, unit="kB") as step:

            def tell(done: int) -> None:
                self.stop.check()
                step.reach(done // _KB)
                self.progress.update(step)

            return weights.fetch(name, folders, tell)

    def equipped(self, due: Callable[[str], bool] = lambda name: True, side: int = 0) -> tuple[Self, dict[str, str]]:
        """This context with detectors that can be had, and why others cannot, which is told loudly.

        Weights are fetched for the detectors that are `due`. What a preset stands for is replaced where its weights are
        missing; what was asked for by its own name must be there, or MissingError is raised; with `strict` both must.
        It is settled what presets stand for in frames whose longer side has `side` pixels, and how often they look.
        """
        asked = replace(self.options, large=side >= LARGE_PX)
        members: list[str] = []
        missing: dict[str, str] = {}
        for name in dict.fromkeys(map(detectors.resolve, asked.members)):
            absent = [file for file in detectors.needs(name) if self._found(file) is None]
            try:
                for file in absent if absent and due(name) else ():
                    self.weights(file)
                members.append(name)
            except (MissingError, OutputError) as error:  # nowhere to be had, or no place to put it
                if self.options.strict or name not in SUBSTITUTES or name in self.options.named:
                    raise
                members.append(SUBSTITUTES[name])
                missing[name] = f"{members[-1]} took its place: {error}"
                self._warn_once(f"{name} could not be had, {missing[name]}")
        plain: dict[str, Any] = {
            "hide": ("faces",),
            "detect_scale": "auto",
            "tta": "none",
            "apart": self.options.pace.apart,
        }  # their names hold this already
        return replace(self, options=replace(self.options, detector="+".join(members), **plain)), missing

    def able(self, due: Callable[[str], bool], side: int, threads: int) -> None:
        """Raise now what would be raised once the detectors that are `due` look at frames of that longer side.

        `threads` is what they will be given then: in TensorFlow the first in a process decides for all.
        """
        context, _ = self.equipped(due, side)
        for name in context.options.members:
            if due(name):
                with context.detector(name, threads):
                    pass
        context.unload()

    @contextmanager
    def detector(self, name: str, threads: int = 0) -> Iterator[Detector]:
        """A detector for the time of the block, which nobody else uses meanwhile; it stays loaded for the next one."""
        loaded, key = self._loaded, (name, threads)
        with loaded.lock:  # also while one is loaded: that takes memory and processors, and may end in an error
            idle = loaded.idle.setdefault(key, [])
            self.inform(name)
            detector = idle.pop() if idle else detectors.create(name, self.options.weights, threads)
        try:
            yield detector
        finally:
            with loaded.lock:
                idle.append(detector)

    def inform(self, name: str) -> None:
        """Tell what a person must know of a detector, each thing once."""
        for notice in detectors.notices(name):
            self._warn_once(notice)

    def _warn_once(self, text: str) -> None:
        if text not in self._loaded.told:
            self._loaded.told.add(text)
            self.progress.warn(text)

    def unload(self) -> None:
        """Let go of the detectors that nobody uses, and of the memory they hold."""
        with self._loaded.lock:
            self._loaded.idle.clear()
        network.release()

    def sha256(self, path: Path) -> str:
        """The SHA-256 of a file, in hex; SourceError when it cannot be read."""
        sha256 = hashlib.sha256()
        try:
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    self.stop.check()
                    sha256.update(block)
        except OSError as error:
            raise SourceError(f"cannot read {path}: {error.strerror or error}") from error
        return sha256.hexdigest()

    def ahead(
        self, do: Callable[[T], R], items: Iterable[T], threads: int = _THREADS, most: int = _AHEAD
    ) -> Iterator[tuple[T, R]]:
        """(item, do(item)) in order, up to `most` done ahead in threads. Ends early when somebody wants to stop."""
        with ThreadPoolExecutor(threads) as pool:
            waiting: deque[tuple[T, Future[R]]] = deque()
            try:
                for item in items:
                    self.stop.check()
                    waiting.append((item, pool.submit(do, item)))
                    if len(waiting) >= most:
                        yield self._first(waiting)
                while waiting:
                    self.stop.check()
                    yield self._first(waiting)
            finally:
                for _, future in waiting:
                    future.cancel()

    def _first(self, waiting: deque[tuple[T, Future[R]]]) -> tuple[T, R]:
        item, future = waiting.popleft()
        with self.timed("waiting"):
            return item, future.result()
