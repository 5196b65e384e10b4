"""Who is alive."""

from collections.abc import Callable

from faceblur.context import Context
from faceblur.job import Job

Make = Callable[..., Context]


def test_dead_workers_do_not_count_as_living(job: Job) -> None:
    dead = job.claim_path("workers/dead")
    dead.parent.mkdir(parents=True)
    dead.touch()
    with job.workers.presence("alive", ["null"]):
        assert job.workers.living() == {"alive": ["null"]}
    assert job.workers.living() == {}
    assert not dead.exists()
