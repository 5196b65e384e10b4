"""Which jobs there are, and which one a source or a person's word means."""

import contextlib
import os
from pathlib import Path
from typing import TypeVar

from faceblur.domain import Json, digest
from faceblur.errors import IncompleteError, SourceError, UsageError
from faceblur.job import DirectJob, Job

J = TypeVar("J", bound=Job)


def all_jobs(input_folder: Path, output_folder: Path) -> list[Job]:
    """Every job there is, in order of name: those with frames in `input_folder`, and those that never had any."""
    names = {*_folders(input_folder), *_folders(output_folder)}
    found = (_existing(name, input_folder, output_folder) for name in sorted(names))
    return [jobs[0] for jobs in found if jobs]


def all_reports(output_folder: Path) -> list[Json]:
    """What is told of every output of every job, also of those of which only that is left."""
    names = sorted(_folders(output_folder))
    return [report for name in names for report in Job(name, output_folder, output_folder).reports.all()]


def find_job(argument: str, input_folder: Path, output_folder: Path) -> Job:
    """The job that a person means by a name, a folder of frames anywhere, or the source it was split from."""
    path = Path(argument)
    homes = (input_folder.resolve(), output_folder.resolve())
    name = path.resolve().name if path.is_dir() and path.resolve().parent in homes else argument
    for job in all_jobs(input_folder, output_folder):
        if job.name == name or (path.is_file() and _is_from(job, path)):
            return job
    elsewhere = Job(path.resolve().name, input_folder, output_folder, path.resolve())
    if path.is_dir() and elsewhere.frames.exist():
        return elsewhere
    if name == Path(name).name != ".." and (left := Job(name, input_folder, output_folder)).was_worked_on():
        return left
    names = ", ".join(job.name for job in all_jobs(input_folder, output_folder)) or "none yet; split a video first"
    raise UsageError(f"no job is called {argument!r} in {input_folder}; there are: {names}")


def job_for(
    source: Path, sha256: str, input_folder: Path, output_folder: Path, *, make: type[J], called: str = ""
) -> J:
    """The job of a source: one that is `called` so, one that is named after it, else a new one that is called so.

    Where the name is that of another source part of the SHA-256 is added. `make` says of what kind the job is to be,
    with frame files or without.
    """

    def names(stem: str) -> tuple[str, str]:
        return stem, f"{stem}-{sha256[:8]}"

    stems = [called, job_name(source)] if called else [job_name(source)]
    stem = next((s for s in stems if any(_holds(n, sha256, input_folder, output_folder) for n in names(s))), stems[0])
    for name in names(stem):
        job = make(name, input_folder, output_folder)
        if job.frames.folder.is_file():  # a source without an ending, say
            continue
        origins = [other.frames.origin() for other in _existing(name, input_folder, output_folder)]
        if all(origin and origin.sha256 == sha256 for origin in origins):
            return job
        if any(origin and _same_file(job.source_path(origin), source) for origin in origins):
            raise IncompleteError(
                f"{source} is not the file that job {name} was made from: its content changed. "
                f"Run `faceblur clean {name}` and start again, or give the new file another name"
            )
    raise UsageError(f"{source}: the names {stem} and {stem}-{sha256[:8]} are taken; rename it")


def check_source(source: Path) -> None:
    """SourceError for a pipe, a device or a socket: it can be read once at most, and may never end."""
    if source.exists() and not (source.is_file() or source.is_dir()):
        raise SourceError(f"{source} is no file but a pipe, a device or a socket; save what comes from it as a file")


def relative_source(source: Path, input_folder: Path) -> str:
    """How source.json names a source: from the input folder when it is inside, else by its full path."""
    full, base = source.resolve(), input_folder.resolve()
    return str(full.relative_to(base)) if full.is_relative_to(base) else str(full)


def job_name(source: Path) -> str:
    """A safe folder name after a source: no leading dots, and short enough for the names made from it."""
    name = source.stem.lstrip(".") or "video"
    encoded = os.fsencode(name)
    return name if len(encoded) <= 150 else f"{encoded[:120].decode(errors='ignore')}-{digest(name)[:8]}"


def _holds(name: str, sha256: str, input_folder: Path, output_folder: Path) -> bool:
    """Whether there is a job of that name made from a source of that content."""
    with contextlib.suppress(IncompleteError):  # one that cannot be understood
        origins = [job.frames.origin() for job in _existing(name, input_folder, output_folder)]
        return any(origin and origin.sha256 == sha256 for origin in origins)
    return False


def _is_from(job: Job, source: Path) -> bool:
    with contextlib.suppress(IncompleteError):  # what cannot be understood
        origin = job.frames.origin()
        return bool(origin and _same_file(job.source_path(origin), source))
    return False


def _folders(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if entry.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise SourceError(f"cannot read the folder {folder}: {error.strerror}") from error


def _existing(name: str, input_folder: Path, output_folder: Path) -> list[Job]:
    """The job of that name with frames, and the one without, as far as there are such."""
    return [job for kind in (Job, DirectJob) if (job := kind(name, input_folder, output_folder)).frames.exist()]


def _same_file(a: Path, b: Path) -> bool:
    try:
        return a.samefile(b)
    except OSError:
        return False
