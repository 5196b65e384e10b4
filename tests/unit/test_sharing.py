"""Work that is shared: each frame is made once, whoever makes it, and one that fails holds up no other."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from faceblur import job as jobs
from faceblur.context import Context
from faceblur.errors import IncompleteError, MissingError, SourceError
from faceblur.job import Job
from faceblur.sharing import Sharing, Task

Make = Callable[..., Context]
NUMBERS = range(1, 13)  # those of the clip


class Work:
    """Frames that are done once they were made; making some of them fails."""

    def __init__(self, **failing: Exception) -> None:
        self.made: Counter[int] = Counter()
        self.done: set[int] = set()
        self.tried: list[int] = []
        self.failing = {int(name.removeprefix("frame_")): error for name, error in failing.items()}
        self.lock = threading.Lock()

    def faces(self, number: int) -> int | None:
        return 1 if number in self.done else None

    def make(self, number: int) -> None:
        with self.lock:
            self.made[number] += 1
        if number in self.failing:
            raise self.failing[number]
        self.done.add(number)

    def task(self, mine: Callable[[], bool] = lambda: True) -> Task:
        return Task("work", self.faces, self.make, mine, written=lambda: self.tried.append(sum(self.made.values())))


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_SHARES", 4)  # blocks of several frames, as long jobs have them


@pytest.mark.usefixtures("few")
def test_workers_make_each_frame_once_together(job: Job, context: Make) -> None:
    work = Work()
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: Sharing(job, context()).until_done(work.task(), NUMBERS), range(3)))
    assert work.made == dict.fromkeys(NUMBERS, 1)


def test_what_is_done_is_not_made_again_and_counts_at_once(job: Job, context: Make) -> None:
    work = Work()
    work.done.update(NUMBERS[:5])
    Sharing(job, context()).until_done(work.task(), NUMBERS)
    assert sorted(work.made) == list(NUMBERS[5:])


@pytest.mark.parametrize("error", [SourceError("torn"), ValueError("a model's own")])
def test_a_frame_that_fails_is_given_up_once_all_others_are_done(job: Job, context: Make, error: Exception) -> None:
    work = Work(frame_3=error)
    with pytest.raises(IncompleteError, match=r"frame 3 failed 3 times: .*(torn|a model's own)"):
        Sharing(job, context()).until_done(work.task(), NUMBERS)
    assert work.made == dict.fromkeys(NUMBERS, 1) | {3: 3}


@pytest.mark.parametrize("error", [MissingError("no weights"), OSError("disk full")])
def test_trouble_that_is_not_the_frames_ends_the_work_at_once(job: Job, context: Make, error: Exception) -> None:
    work = Work(frame_3=error)
    with pytest.raises(type(error)):
        Sharing(job, context()).until_done(work.task(), NUMBERS)
    assert work.made == {1: 1, 2: 1, 3: 1}


def test_a_task_hears_of_each_frame_that_was_tried_also_of_one_that_failed(job: Job, context: Make) -> None:
    work = Work(frame_3=SourceError("torn"))
    with pytest.raises(IncompleteError):
        Sharing(job, context()).until_done(work.task(), NUMBERS)
    assert work.tried == list(range(1, 12 + 3))


def test_who_may_not_do_the_work_waits_until_others_did(job: Job, context: Make) -> None:
    work, asked = Work(), threading.Event()

    def never() -> bool:
        asked.set()
        return False

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(Sharing(job, context()).until_done, work.task(never), NUMBERS)
        assert asked.wait(10)
        assert not waiting.done()
        Sharing(job, context()).until_done(work.task(), NUMBERS)
        waiting.result(timeout=30)
    assert work.made == dict.fromkeys(NUMBERS, 1)
