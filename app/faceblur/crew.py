"""The worker processes that one command starts for a job."""

import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager

from faceblur.context import Context
from faceblur.errors import FaceblurError, Interrupted
from faceblur.job import Job
from faceblur.options import Options, processors
from faceblur.stop import Stop
from faceblur.worker import Worker


def blur(job: Job, context: Context, *, every: bool = False) -> None:
    """Detect, solve and render what is missing, with `options.workers` processes, this one among them.

    Planned are the frames without a blurred picture, or with `every` all of them.
    """
    context, missing = context.equipped(job.lacks, job.side)
    worker = Worker(job, context, threads=threads(context.options), missing=missing)
    worker.make()
    with worker.joined(every=every), _helpers(job, context):
        worker.work()


@contextmanager
def _helpers(job: Job, context: Context) -> Iterator[None]:
    """The other worker processes; they end by themselves, or are asked to when this one does not get through."""
    options, spawning = context.options, multiprocessing.get_context("spawn")
    helpers = [spawning.Process(target=_help, args=(job, options)) for _ in range(options.workers - 1)]
    for helper in helpers:
        helper.start()
    try:
        yield
    except BaseException:
        for helper in helpers:
            helper.terminate()
        raise
    finally:
        with context.timed("waiting"):
            for helper in helpers:
                helper.join()
    killed = [-helper.exitcode for helper in helpers if helper.exitcode is not None and helper.exitcode < 0]
    if killed:
        who = "a worker was" if len(killed) == 1 else f"{len(killed)} workers were"
        context.progress.warn(
            f"{job.name}: {who} killed (signal {killed[0]}), and the others did the work; where memory "
            f"is short fewer --workers take less"
        )


def _help(job: Job, options: Options) -> None:
    stop = Stop()
    stop.listen()
    worker = Worker(job, Context(options, stop=stop), threads=threads(options))
    try:
        with job.workers.presence(worker.token, worker.own):
            worker.work()
    except FaceblurError as error:
        # The first process meets the same trouble and tells it; only the code matters here.
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt:
        raise SystemExit(Interrupted.exit_code) from None


def threads(options: Options) -> int:
    """Processor threads for one of the processes, so that together they use the processors there are."""
    return options.threads or max(1, processors() // options.workers)
