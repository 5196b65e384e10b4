"""The whole way, and the order of its steps: split, detect, solve, render, assemble. Each does only what is missing."""

from contextlib import ExitStack
from pathlib import Path

from faceblur import catalog, detectors
from faceblur.assemble import assemble, check_output
from faceblur.claims import claim
from faceblur.context import Context
from faceblur.direct import direct
from faceblur.errors import IncompleteError
from faceblur.job import Job
from faceblur.options import PRESETS, SUBSTITUTES, Options
from faceblur.split import split
from faceblur.worker import blur

__all__ = ["assemble", "blur", "clean", "run", "run_source", "split"]


def run(source: Path, context: Context) -> Path:
    """Everything, from a source or a folder of frames to the finished video. Returns its path."""
    if context.options.no_frames and not source.is_dir():
        return direct(source, context)
    job = open_job(source, context)
    check_output(job, context)
    blur(job, context, every=True)
    return assemble(job, context)


def run_source(source: str | Path, options: Options = Options()) -> Path:  # noqa: B008 - frozen
    """Everything, for callers from Python: quietly, and without touching signals. Returns the finished video's path."""
    return run(Path(source), Context(options))


def open_job(source: Path, context: Context) -> Job:
    """The job of a source, split to its end; a folder of frames is a job as it is."""
    if source.is_dir():
        return catalog.find_job(str(source), context.options.input, context.options.output)
    return split(source, context)


def clean(job: Job, what: str, detector: str | None = None) -> None:
    """Remove a job's "work" (all that can be made again), "all", "frames", or the "detections" of one detector.

    Raises IncompleteError while workers are at work on it.
    """
    with ExitStack() as held:
        claimed = [job.split_claim] if job.origin_path.exists() else []
        claimed += [job.claim_path(name) for name in ("plan", "assemble")] if job.folder.is_dir() else []
        ours = [held.enter_context(claim(path)) for path in claimed]
        if not all(ours) or job.living():
            raise IncompleteError(f"{job.name} is being worked on; stop the workers first")
        _clean(job, what, detector)


def _clean(job: Job, what: str, detector: str | None) -> None:
    if what == "detections" and detector:
        for name in _meant(job, detector):
            job.remove_detections(name)
    elif what == "frames":
        job.remove_source_frames()
        job.remove_rendered_frames()
    elif what == "all":
        job.remove_all()
    else:
        job.remove_work()


def _meant(job: Job, name: str) -> list[str]:
    """The detectors of a job that a person means by a name: one, or those that a preset stood for when it was asked."""
    if job.knows(name):  # also one of an older version, by the name that it had
        return [name]
    if name not in PRESETS:
        return [detectors.resolve(name)]
    stood_for = list(PRESETS[name].values())
    stood_for += [SUBSTITUTES[member] for member in stood_for if member in SUBSTITUTES]
    plan = job.plan()
    return [member for member in stood_for if plan and member in plan.detectors] or stood_for[:1]
