"""The command line: options in, exit code out. Heavy modules are imported inside the commands, so that help is fast."""

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

import faceblur
from faceblur.cli.begin import begin, jobs_named
from faceblur.cli.evaluate import evaluate
from faceblur.cli.failures import complain, each, unexpected
from faceblur.cli.flags import (
    BLUR,
    DAMAGED,
    DEBUG,
    DEFAULTS,
    DIRECT,
    FPS,
    FRAMES,
    METADATA,
    OUT,
    PACKING,
    PROFILE,
    SPLIT,
    common,
    option,
    options,
)
from faceblur.cli.weights import weights
from faceblur.errors import FaceblurError, Interrupted, UsageError
from faceblur.options import cache_folder


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@option("--input", "input_", type=click.Path(path_type=Path), default=Path("input"), help="Sources and their frames.")
@option(
    "--output", "output_", type=click.Path(path_type=Path), default=Path("output"), help="Everything made from them."
)
@click.version_option(faceblur.__version__, prog_name="faceblur")
@common
@click.pass_context
def cli(ctx: click.Context, input_: Path, output_: Path) -> None:
    """Hide faces in videos, frame by frame, on your own machine.

    `faceblur run clip.mp4` does everything. The stages one by one are split, blur and assemble: look at the frames in
    output/clip, delete what is not good enough, and run blur again.
    """
    told = ctx.ensure_object(dict)
    weights = [Path(p) for p in os.environ.get("FACEBLUR_WEIGHTS", "").split(os.pathsep) if p]
    told["base"] = replace(DEFAULTS, input=input_, output=output_, weights=(*weights, cache_folder()))


@cli.command()
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@options(SPLIT, DAMAGED, PACKING, BLUR, DEBUG, OUT, FRAMES, DIRECT, METADATA, PROFILE)
@click.pass_context
def run(ctx: click.Context, /, sources: Sequence[str], **given: Any) -> None:
    """Everything: split, blur, assemble. SOURCE is a video, a photo, or a folder of photos and videos.

    A folder of numbered frames is one, too (with --fps).
    """
    from faceblur import pipeline

    context = begin(ctx, given, len(sources))
    found = [part for source in sources for part in pipeline.sources(Path(source), context)]
    each(found, lambda source: pipeline.run_each(source, context))


@cli.command()
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@options(SPLIT, DAMAGED, PACKING)
@click.pass_context
def split(ctx: click.Context, /, sources: Sequence[str], **given: Any) -> None:
    """Split videos into numbered frames."""
    from faceblur.pipeline import split

    context = begin(ctx, given)

    def one(source: str) -> None:
        job = split(Path(source), context)
        context.progress.result(f"{job.frames.folder}: {len(job.frames.numbers())} frames", job=job.name)

    each(sources, one)


@cli.command()
@click.argument("jobs", nargs=-1, metavar="[JOB]...")
@options(PACKING, BLUR, DEBUG)
@click.pass_context
def blur(ctx: click.Context, /, jobs: Sequence[str], **given: Any) -> None:
    """Find and blur faces in frames, together with whoever else does. Without JOB: every job there is."""
    from faceblur.pipeline import blur

    context = begin(ctx, given)
    each(jobs_named(context, jobs, frames=True), lambda job: blur(job, context))


@cli.command()
@click.argument("jobs", nargs=-1, metavar="[JOB]...")
@options(OUT, DEBUG, FPS, FRAMES)
@click.pass_context
def assemble(ctx: click.Context, /, jobs: Sequence[str], **given: Any) -> None:
    """Make the finished videos from blurred frames. Without JOB: of every job there is."""
    from faceblur.pipeline import assemble

    context = begin(ctx, given, len(jobs) or 2)
    each(jobs_named(context, jobs, frames=True), lambda job: assemble(job, context))


@cli.command()
@click.argument("jobs", nargs=-1, metavar="[JOB]...")
@option("--watch", is_flag=True, help="Look again every two seconds, until Ctrl-C.")
@option("--json", "json_", is_flag=True, help="One JSON object a job and line.")
@common
@click.pass_context
def status(ctx: click.Context, jobs: Sequence[str], watch: bool, json_: bool) -> None:
    """How far the jobs are."""
    import json

    from faceblur import status as state

    context = begin(ctx, {})
    while True:
        states = [state.facts(job) for job in jobs_named(context, jobs, empty=True)]
        text = [json.dumps(facts) for facts in states] if json_ else state.lines(states)
        if watch and not json_:
            click.clear()
        click.echo("\n".join(text))
        if not watch:
            return
        context.stop.wait(2)


@cli.command()
@click.argument("job")
@option("--limit", type=click.IntRange(1), default=60, help="How many.")
@option("--sheet", type=click.Path(path_type=Path), help="Draw them into this .jpg or .png; it shows the faces.")
@option("--json", "json_", is_flag=True, help="One JSON object a line.")
@common
@click.pass_context
def doubts(ctx: click.Context, job: str, limit: int, sheet: Path | None, json_: bool) -> None:
    """The moments of JOB that are most likely to be wrong, the most doubtful first."""
    import json

    from faceblur import doubts, images

    if sheet:
        images.ending(sheet)
    context = begin(ctx, {})
    [found] = jobs_named(context, [job])
    ranked = doubts.ranked(found, limit)
    if sheet and ranked:
        doubts.sheet(found, ranked, sheet)
    if ranked:
        click.echo("\n".join(map(json.dumps, ranked) if json_ else doubts.lines(ranked)))
    else:
        unwritten = f", and {sheet} was not written" if sheet else ""
        click.echo(f"there are no doubts about {found.name}{unwritten}", err=json_)


@cli.command()
@click.argument("outputs", nargs=-1, required=True, metavar="OUTPUT...", type=click.Path(path_type=Path))
@option("--report", type=click.Path(path_type=Path), help="The report that was written with it.")
@option("--json", "json_", is_flag=True, help="One JSON object a file and line.")
@common
@click.pass_context
def verify(ctx: click.Context, outputs: Sequence[Path], report: Path | None, json_: bool) -> None:
    """Check finished files again, against the report of the job that made them."""
    import json

    from faceblur import catalog
    from faceblur.verify import verify

    context = begin(ctx, {})
    reports = [] if report else catalog.all_reports(context.options.output)

    def one(path: Path) -> None:
        made = verify(path, context, report, reports)
        click.echo(json.dumps(made) if json_ else f"{path}: as it was made, SHA-256 {made['sha256']}")

    each(outputs, one)


@cli.command()
@click.argument("jobs", nargs=-1, required=True, metavar="JOB...")
@click.option("--all", "all_", is_flag=True, help="Also finished videos, the report and decisions.")
@click.option("--frames", is_flag=True, help="Only the frames: the source's and the rendered ones.")
@click.option("--detections", metavar="NAME", help="Only what this detector said.")
@common
@click.pass_context
def clean(ctx: click.Context, jobs: Sequence[str], all_: bool, frames: bool, detections: str | None) -> None:
    """Remove what can be made again; finished videos, report and decisions stay. Sources are never touched."""
    from faceblur.pipeline import clean

    if all_ + frames + bool(detections) > 1:
        raise UsageError("--all, --frames and --detections exclude each other")
    what = "all" if all_ else "frames" if frames else "detections" if detections else "work"
    context = begin(ctx, {})
    each(jobs_named(context, jobs), lambda job: clean(job, what, detections))


@cli.command()
@common
@click.pass_context
def sample(ctx: click.Context) -> None:
    """Make input/sample.mp4, a clip to try things with: a moving view of a public-domain portrait."""
    from faceblur.sample import sample

    context = begin(ctx, {})
    path = context.options.input / "sample.mp4"
    if path.exists():
        context.progress.result(f"{path} is there already", path=str(path))
    else:
        context.progress.result(f"{sample(path)}: a clip of five seconds; now: faceblur run {path}", path=str(path))


cli.add_command(weights)
cli.add_command(evaluate)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and end the process with its exit code."""
    sys.exit(_code(sys.argv[1:] if arguments is None else list(arguments)))


def _code(arguments: list[str]) -> int:  # noqa: PLR0911 - the one mapper from errors to exit codes
    told: dict[str, Any] = {}
    try:
        with cli.make_context("faceblur", arguments, obj=told) as ctx:
            cli.invoke(ctx)
        return 0
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        complain(Interrupted("stopped"), told)
        return Interrupted.exit_code
    except FaceblurError as error:
        complain(error, told)
        return error.exit_code
    except BrokenPipeError:
        return 1
    except Exception as error:
        if told.get("traceback"):
            raise
        complain(unexpected(error), told)
        return 1
