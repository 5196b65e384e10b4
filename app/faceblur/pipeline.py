"""The whole way, and the order of its steps: split, detect, solve, render, assemble. Each does only what is missing."""

import os
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from faceblur import catalog, detectors, files, media, stills
from faceblur.assemble import assemble, check_output
from faceblur.claims import claim
from faceblur.context import Context
from faceblur.crew import blur, threads
from faceblur.direct import direct
from faceblur.errors import IncompleteError, SourceError, UsageError
from faceblur.job import Job
from faceblur.options import PRESETS, SUBSTITUTES, Options, stands_for
from faceblur.profile import Profile
from faceblur.split import split

__all__ = ["assemble", "blur", "clean", "run", "run_each", "run_source", "sources", "split"]


@dataclass(frozen=True, slots=True)
class Source:
    """A video, a photo, or a folder of frames: where it is, what its job is called, where what comes out goes.

    `called` and `out` are empty for what a person named by itself.
    """

    path: Path
    called: str = ""
    out: Path | None = None


def sources(path: Path, context: Context) -> list[Source]:
    """What a person means by a path: itself, or all photos and videos in a folder and the folders in it.

    From a folder everything goes to a folder beside the jobs, by the same name in the same place, or to `options.out`.
    What lies in the input or output folder as part of a job is left out, and so are hidden files. UsageError when
    there is nothing.
    """
    if not path.is_dir() or _holds_frames(path, context.options):
        return [Source(path)]
    name = path.resolve().name
    out = context.options.out or context.options.output / f"{name}-blurred"
    own = {folder.resolve() for folder in (context.options.output, out)}
    own |= {job.frames.folder.resolve() for job in _jobs(context.options)}
    found, others, links = [], 0, 0
    for folder, folders, names in os.walk(path, onerror=_refuse):
        here = Path(folder)
        links += sum((here / f).is_symlink() for f in folders)
        folders[:] = sorted(f for f in folders if not f.startswith(".") and (here / f).resolve() not in own)
        for file in sorted(here / n for n in names if not n.startswith(".")):
            if file.exists() and not file.is_file():
                others += 1
            elif file.suffix.lower() in (*media.ENDINGS, *stills.ENDINGS) or _is_still(file):
                part = file.relative_to(path)
                found.append(Source(file, catalog.job_name(Path("-".join((name, *part.parts)))), out / part))
            else:
                others += 1
    if not found:
        raise UsageError(f"{path} has no frames (frame_0000000001.png …), no photos and no videos in it")
    if others:
        context.progress.say(f"{path}: {others} of its files are neither photos nor videos, and were left alone")
    if links:
        context.progress.warn(
            f"{path}: {links} of the folders in it are links, which are left out: name each by itself"
        )
    return found


def run_each(source: Source, context: Context) -> Path:
    """Everything, for one of `sources`. Returns the path of what came out."""
    if source.out is None:
        return run(source.path, context)
    files.make_folder(source.out.parent)
    options = replace(context.options, out=source.out, mirror=True)
    return run(source.path, replace(context, options=options), source.called)


def run(source: Path, context: Context, called: str = "") -> Path:
    """Everything, from a source or a folder of frames to the finished video or photo. Returns its path."""
    if context.options.profile:
        context = replace(context, profile=Profile())
    catalog.check_source(source)
    if not source.is_dir() and (context.options.no_frames or stills.is_still(source)):
        return direct(source, context, called)
    job = open_job(source, context, called)
    check_output(job, context)
    blur(job, context, every=True)
    return assemble(job, context)


def run_source(source: str | Path, options: Options = Options()) -> Path:  # noqa: B008 - frozen
    """Everything, for callers from Python: quietly, and without touching signals. Returns the finished video's path."""
    return run(Path(source), Context(options))


def _holds_frames(folder: Path, options: Options) -> bool:
    job = Job(folder.resolve().name, options.input, options.output, folder.resolve())
    return job.frames.exist()


def _refuse(error: OSError) -> None:
    raise SourceError(f"cannot read the folder {error.filename}: {error.strerror}") from error


def _jobs(options: Options) -> list[Job]:
    return catalog.all_jobs(options.input, options.output)


def _is_still(path: Path) -> bool:
    try:
        return stills.is_still(path)
    except SourceError:  # one that cannot be read, which is told when it is its turn
        return True


def open_job(source: Path, context: Context, called: str = "") -> Job:
    """The job of a source, which may be `called`, split to its end; a folder of frames is a job as it is.

    What its detectors lack is told before hours of splitting.
    """
    if source.is_dir():
        return catalog.find_job(str(source), context.options.input, context.options.output)

    def able(job: Job, side: int) -> None:
        context.able(lambda name: not job.knows(name), side, threads(context.options))

    return split(source, context, called, before=able)


def clean(job: Job, what: str, detector: str | None = None) -> None:
    """Remove a job's "work" (all that can be made again), "all", "frames", or the "detections" of one detector.

    Raises IncompleteError while workers are at work on it.
    """
    with ExitStack() as held:
        claimed = [job.split_claim] if job.frames.origin_path.exists() else []
        claimed += [job.claim_path(name) for name in ("plan", "assemble")] if job.folder.is_dir() else []
        ours = [held.enter_context(claim(path)) for path in claimed]
        if not all(ours) or job.workers.living():
            raise IncompleteError(f"{job.name} is being worked on; stop the workers first")
        _clean(job, what, detector)


def _clean(job: Job, what: str, detector: str | None) -> None:
    if what == "detections" and detector:
        for name in _meant(job, detector):
            job.remove_detections(name)
    elif what == "frames":
        job.remove_frames()
    elif what == "all":
        job.remove_all()
    else:
        job.remove_work()


def _meant(job: Job, name: str) -> list[str]:
    """The detectors of a job that a person means by a name: one, or those that a preset stood for, in any version."""
    if job.knows(name):  # also one of an older version, by the name that it had
        return [name]
    if name not in PRESETS:
        return [detectors.resolve(name)]
    stood_for = list(stands_for(name))
    stood_for += [SUBSTITUTES[member] for member in stood_for if member in SUBSTITUTES]
    plan = job.plan()
    families = {member.partition(".")[0] for member in stood_for if member in detectors.ENSEMBLES}
    asked = plan.detectors if plan else ()
    return [m for m in asked if m in stood_for or m.partition(".")[0] in families] or stood_for[:1]
