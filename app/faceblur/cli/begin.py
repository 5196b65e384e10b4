"""The way from options to what the steps ask for: a context, and jobs."""

import os
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from faceblur.errors import UsageError
from faceblur.options import Options
from faceblur.progress import Progress, create
from faceblur.stop import Stop

if TYPE_CHECKING:
    from faceblur.context import Context
    from faceblur.job import Job


def begin(ctx: click.Context, given: dict[str, Any], outputs: int = 1) -> "Context":
    """Everything the steps need, from the options given and the environment."""
    from faceblur.context import Context

    told = ctx.find_root().ensure_object(dict)
    for name in ("overlay", "hide", "keep_metadata"):
        if given.get(name) is not None:
            given = given | {name: tuple(part.strip() for part in given[name].split(",") if part.strip())}
    known = {f.name for f in fields(Options)}
    chosen = replace(told["base"], **{k: v for k, v in given.items() if k in known and v is not None})
    if any(name.partition("@")[0] == "null" for name in chosen.members) and not os.environ.get("FACEBLUR_TESTING"):
        raise UsageError("the detector null finds no faces; it is for Faceblur's own tests")
    if "detector" in given:
        from faceblur import detectors

        for member in chosen.members:  # a wrong name is told before hours of splitting
            detectors.resolve(member)
    if chosen.out and outputs > 1:
        _make_folder(chosen.out)
    stop = Stop()
    stop.listen()
    return Context(chosen, _progress(told), stop)


def _progress(told: dict[str, Any]) -> Progress:
    return create(told.get("progress", "auto"), verbose=bool(told.get("verbose")))


def _make_folder(path: Path) -> None:
    from faceblur.files import make_folder

    if path.exists() and not path.is_dir():
        raise UsageError(f"-o {path} is a file; for several sources it must be a folder")
    make_folder(path)


def jobs_named(context: "Context", names: Sequence[str], *, empty: bool = False, frames: bool = False) -> list["Job"]:
    """The jobs that are named, or all there are; with `frames` only those that have frame files."""
    from faceblur import catalog
    from faceblur.job import DirectJob

    o = context.options
    found = [catalog.find_job(n, o.input, o.output) for n in names] if names else catalog.all_jobs(o.input, o.output)
    if frames:
        bare = [job.name for job in found if isinstance(job, DirectJob)]
        if names and bare:
            raise UsageError(f"{bare[0]} has no frame files: run its source again, or split it first")
        found = [job for job in found if not isinstance(job, DirectJob)]
    if not found and not empty:
        raise UsageError(f"there are no jobs in {o.input}: split a video first")
    return found
