"""Work on the frames of a job that any number of processes share: claim a block, look again, make it, release."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from faceblur.claims import claim
from faceblur.context import Context
from faceblur.errors import FaceblurError, IncompleteError, SourceError
from faceblur.job import Job
from faceblur.plan import naming
from faceblur.progress import Step

_TRIES = 3
_NAP_S = 0.05
_LONGEST_NAP_S = 5.0


@dataclass(frozen=True, slots=True)
class Task:
    """One kind of work on frames: how many faces one that is done shows, make it, and may this worker do it now.

    `faces` gives None while a frame is due: to look costs several files, so it tells both at once. `turns` gives the
    numbers of a block again, each when it is to be made; `written` is called after each that was tried.
    """

    name: str
    faces: Callable[[int], int | None]
    make: Callable[[int], None]
    mine: Callable[[], bool] = lambda: True
    turns: Callable[[Sequence[int]], Iterator[int]] = iter
    written: Callable[[], None] = lambda: None


@dataclass
class Sharing:
    """One worker's share of the work on a job, and the frames it failed on."""

    job: Job
    context: Context
    _tries: Counter[tuple[str, int]] = field(default_factory=Counter)  # in vain, by task and number
    _problems: dict[int, str] = field(default_factory=dict)

    def until_done(self, task: Task, numbers: Sequence[int]) -> None:
        """Until nothing of `numbers` is due: claim a block that is, look again, make its frames, release.

        Blocks that others hold are looked at again after each of ours, so that the count includes their work.
        IncompleteError once all is done but for frames that were given up; nobody is to wait for those.
        """
        left, faces = [], 0
        for number in numbers:
            shown = task.faces(number)
            if shown is None:
                left.append(number)
            else:
                faces += shown
        if left:
            with self.context.progress.step(self.job.name, task.name, len(numbers), len(numbers) - len(left)) as step:
                step.faces = faces
                self._share(task, dict(self.job.blocks(left)), step)
        failed = sorted({number for (_, number), tries in self._tries.items() if tries >= _TRIES})
        if failed:
            problem = self._problems[failed[0]]
            raise IncompleteError(f"{self.job.name}: {naming(failed)} failed {_TRIES} times: {problem}")

    def _share(self, task: Task, pending: dict[int, list[int]], step: Step) -> None:
        while pending:
            began = time.monotonic()
            if not self._take(task, pending, step):  # others are at it: look again, but do not do only that
                with self.context.timed("waiting"):
                    self.context.stop.wait(min(_LONGEST_NAP_S, max(_NAP_S, 5 * (time.monotonic() - began))))

    def _take(self, task: Task, pending: dict[int, list[int]], step: Step) -> bool:
        """Cross out what others finished and do one block; False when there is none to be had."""
        may = task.mine()
        finished = []
        try:
            for key, block in pending.items():
                self.context.stop.check()
                self._cross_out(task, block, list(block), step)
                if not block:
                    finished.append(key)
                elif may:
                    with claim(self.job.claim_path(f"{task.name}-{key:010}")) as ours:
                        if ours:
                            self._do(task, block, step)
                            return True
            return False
        finally:
            for key in finished:
                del pending[key]

    def _do(self, task: Task, block: list[int], step: Step) -> None:
        for number in task.turns(list(block)):
            self._attempt(task, number)
            self._cross_out(task, block, [number], step)
            self.context.stop.check()

    def _cross_out(self, task: Task, block: list[int], numbers: Sequence[int], step: Step) -> None:
        """Take those of `numbers` out of `block` that are done or given up; count the done ones.

        Ends at the first that is due: frames are made in order, so that looking at those behind it is in vain.
        """
        for number in numbers:
            faces = task.faces(number)
            if faces is not None:
                step.advance(1, faces)
                self.context.progress.update(step)
            elif self._tries[task.name, number] < _TRIES:
                return
            block.remove(number)

    def _attempt(self, task: Task, number: int) -> None:
        """Make one frame if it is still due. What goes wrong with this frame alone is noted and tried again later."""
        if task.faces(number) is not None:
            return
        try:
            task.make(number)
        except SourceError as error:
            self._note(task, number, str(error))
        except (FaceblurError, OSError):
            raise
        except Exception as error:  # whatever a model throws at one picture must not lose the others
            self._note(task, number, f"{type(error).__name__}: {error}")
        finally:
            task.written()

    def _note(self, task: Task, number: int, problem: str) -> None:
        self._tries[task.name, number] += 1
        self._problems[number] = problem
        attempt = self._tries[task.name, number]
        self.context.progress.detail(f"{self.job.name}: frame {number}, {task.name}, attempt {attempt}: {problem}")
