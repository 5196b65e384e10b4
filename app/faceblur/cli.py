"""The command line: options in, exit code out. Heavy modules are imported inside the commands, so that help is fast."""

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

import faceblur
from faceblur.errors import FaceblurError, Interrupted, UsageError
from faceblur.options import OVERLAYS, SHAPES, STYLES, Options, cache_folder, processors
from faceblur.progress import KINDS, Progress, create
from faceblur.stop import Stop

if TYPE_CHECKING:
    from faceblur.context import Context
    from faceblur.job import Job

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")
_DEFAULTS = Options()
_MOST_WORKERS = 4  # by default: each holds a model and a few frames, up to 1 GB for the largest


class Seconds(click.ParamType[Fraction]):
    """A time: seconds, minutes:seconds or hours:minutes:seconds, with decimals."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Fraction:
        try:
            parts = [Fraction(part) for part in str(value).split(":")]
        except (ValueError, ZeroDivisionError):
            self.fail(f"{value!r} is not a time such as 12.5 or 1:30", param, ctx)
        if len(parts) > 3 or any(part < 0 for part in parts):
            self.fail(f"{value!r} is not a time such as 12.5 or 1:30", param, ctx)
        return sum((part * 60**i for i, part in enumerate(reversed(parts))), Fraction(0))


class Rate(click.ParamType[Fraction]):
    """Frames per second: 25, 29.97 or 30000/1001."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Fraction:
        try:
            return Fraction(str(value))
        except (ValueError, ZeroDivisionError):
            self.fail(f"{value!r} is not a rate such as 25 or 30000/1001", param, ctx)


def option(*names: str, **settings: Any) -> Callable[[F], F]:
    """An option that is also the environment variable FACEBLUR_<OPTION>, the same for every command.

    Inside the images, which set FACEBLUR_IMAGE, the bare name works too, as in `docker run -e DEBUG=1`.
    """
    bare = max(names[0].split("/")[0].split(), key=len) if len(names) == 1 else max(names, key=len)
    bare = bare.lstrip("-").replace("-", "_").upper()
    variables = [f"FACEBLUR_{bare}"] + ([bare] if os.environ.get("FACEBLUR_IMAGE") else [])
    settings.setdefault("show_default", settings.get("default") is not None and not settings.get("is_flag"))
    return click.option(*names, envvar=variables, **settings)


def _tell(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Keep how to tell things; given before or after the command, the nearer one wins."""
    if value is not None:
        ctx.find_root().ensure_object(dict)[param.name] = value


def common(command: F) -> F:
    """The options that every command takes."""
    for names, settings in (
        (("--progress",), {"type": click.Choice(KINDS), "help": "How to show progress; auto is a bar in a terminal."}),
        (("--verbose",), {"is_flag": True, "default": None, "help": "Tell more."}),
        (("--traceback",), {"is_flag": True, "default": None, "help": "On errors show where in the code they arose."}),
    ):
        command = option(*names, callback=_tell, expose_value=False, is_eager=True, **settings)(command)
    return command


def options(*groups: Sequence[Callable[[F], F]]) -> Callable[[F], F]:
    """All options of some groups, and the common ones."""

    def add(command: F) -> F:
        for decorate in reversed([o for group in groups for o in group]):
            command = decorate(command)
        return common(command)

    return add


SPLIT = (
    option("--scale", type=int, metavar="WIDTH", help="Scale the frames to this width."),
    option("--fps", type=Rate(), help="Frames per second, other than the source's."),
    option("--start", type=Seconds(), help="Begin at this time: 90, 1:30 or 0:01:30.5."),
    option("--end", type=Seconds(), help="End at this time."),
    option("--overlay", metavar="WHAT", help=f"Draw in the corner: {','.join(OVERLAYS)}."),
)
DAMAGED = (option("--damaged", type=click.Choice(["refuse", "accept"]), default="refuse", help="Damaged sources."),)
SOLVE = (
    option(
        "--threshold",
        type=float,
        default=_DEFAULTS.threshold,
        help="How likely a small face must be to be hidden, 0 to 1.",
    ),
    option("--shape", type=click.Choice(SHAPES), default=_DEFAULTS.shape, help="In which shape."),
    option("--grow", type=float, default=_DEFAULTS.grow, help="Margin on each side, as a share of the face."),
    option("--look-back", type=float, default=_DEFAULTS.look_back, help="Frames hidden before a face is first seen."),
    option("--look-ahead", type=float, default=_DEFAULTS.look_ahead, help="Frames hidden after it was last seen."),
)
BLUR = (
    option("--detector", default="fast", metavar="NAME[+NAME...]", help="fast, slow, centerface, yunet, haar."),
    option("--style", type=click.Choice(STYLES), default=_DEFAULTS.style, help="How faces are hidden."),
    *SOLVE,
    option(
        "--workers",
        type=int,
        default=min(processors(), _MOST_WORKERS),
        show_default=f"processors, at most {_MOST_WORKERS}",
        help="Processes at work here.",
    ),
)
DEBUG = (option("--debug", is_flag=True, help="Debug pictures and video; they show the faces."),)
OUT = (
    option("-o", "--out", type=click.Path(path_type=Path), help="Output file; a folder for several."),
    option("--crf", type=int, default=_DEFAULTS.crf, help="Quality: lower is better and larger."),
    option("--preset", default=_DEFAULTS.preset, metavar="PRESET", help="x264 preset: ultrafast to veryslow."),
)
FPS = (option("--fps", type=Rate(), help="Frames per second of frames from elsewhere."),)
FRAMES = (
    option("--frames", type=click.Choice(["keep", "delete"]), default="keep", help="After the video is checked."),
)


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
    told["base"] = replace(_DEFAULTS, input=input_, output=output_, weights=(*weights, cache_folder()))


@cli.command()
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@options(SPLIT, DAMAGED, BLUR, DEBUG, OUT, FRAMES)
@click.pass_context
def run(ctx: click.Context, /, sources: Sequence[str], **given: Any) -> None:
    """Everything: split, blur, assemble. SOURCE is a video, or a folder of numbered frames (with --fps)."""
    from faceblur.pipeline import run

    context = _context(ctx, given, len(sources))
    _each(context, sources, lambda source: run(Path(source), context))


@cli.command()
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@options(SPLIT, DAMAGED)
@click.pass_context
def split(ctx: click.Context, /, sources: Sequence[str], **given: Any) -> None:
    """Split videos into numbered frames."""
    from faceblur.pipeline import split

    context = _context(ctx, given)

    def one(source: str) -> None:
        job = split(Path(source), context)
        context.progress.result(f"{job.frames_folder}: {len(job.frame_numbers())} frames", job=job.name)

    _each(context, sources, one)


@cli.command()
@click.argument("jobs", nargs=-1, metavar="[JOB]...")
@options(BLUR, DEBUG)
@click.pass_context
def blur(ctx: click.Context, /, jobs: Sequence[str], **given: Any) -> None:
    """Find and blur faces in frames, together with whoever else does. Without JOB: every job there is."""
    from faceblur.pipeline import blur

    context = _context(ctx, given)
    _each(context, _jobs(context, jobs), lambda job: blur(job, context))


@cli.command()
@click.argument("jobs", nargs=-1, metavar="[JOB]...")
@options(OUT, DEBUG, FPS, FRAMES)
@click.pass_context
def assemble(ctx: click.Context, /, jobs: Sequence[str], **given: Any) -> None:
    """Make the finished videos from blurred frames. Without JOB: of every job there is."""
    from faceblur.pipeline import assemble

    context = _context(ctx, given, len(jobs) or 2)
    _each(context, _jobs(context, jobs), lambda job: assemble(job, context))


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

    context = _context(ctx, {})
    while True:
        states = [state.facts(job) for job in _jobs(context, jobs, empty=True)]
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
    context = _context(ctx, {})
    [found] = _jobs(context, [job])
    ranked = doubts.ranked(found, limit)
    if sheet and ranked:
        doubts.sheet(found, ranked, sheet)
    if ranked:
        click.echo("\n".join(map(json.dumps, ranked) if json_ else doubts.lines(ranked)))
    else:
        unwritten = f", and {sheet} was not written" if sheet else ""
        click.echo(f"there are no doubts about {found.name}{unwritten}", err=json_)


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
    context = _context(ctx, {})
    _each(context, _jobs(context, jobs), lambda job: clean(job, what, detections))


@cli.group()
def weights() -> None:
    """The model files."""


@weights.command("list")
@common
@click.pass_context
def weights_list(ctx: click.Context) -> None:
    """Every model file: size, licence, SHA-256, and where it was found."""
    from faceblur import weights as table

    folders = _context(ctx, {}).options.weights
    for row in table.TABLE.values():
        click.echo(f"{row.name}: {row.file}, {row.size} bytes, {row.licence}")
        click.echo(f"  SHA-256 {row.sha256}")
        click.echo(f"  {table.find(row.name, folders) or 'not here yet'}")


@weights.command("fetch")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@common
@click.pass_context
def weights_fetch(ctx: click.Context, names: Sequence[str]) -> None:
    """Bring model files here; without NAME those of the presets."""
    from faceblur import detectors, weights
    from faceblur.options import PRESETS

    members = [member for preset in PRESETS.values() for member in preset]
    context = _context(ctx, {})
    wanted = names or sorted({detectors.TABLE[member].weights for member in members})
    _each(context, wanted, lambda name: click.echo(weights.fetch(name, context.options.weights)))


@weights.command("path")
@click.argument("name")
@common
@click.pass_context
def weights_path(ctx: click.Context, name: str) -> None:
    """Where a model file is."""
    from faceblur import weights
    from faceblur.errors import MissingError

    path = weights.find(name, _context(ctx, {}).options.weights)
    if path is None:
        raise MissingError(f"{name} is not here yet: faceblur weights fetch {name}")
    click.echo(path)


@cli.group()
def evaluate() -> None:
    """How well faces are hidden, where it is known where they are."""


@evaluate.command("video")
@click.argument("source", type=click.Path(path_type=Path))
@option("--truth", type=click.Path(path_type=Path), required=True, help="Where the faces are, as JSON.")
@option("--detector", multiple=True, default=("fast",), metavar="NAME[+NAME...][,...]", help="Any number of them.")
@option("--redacted", type=click.Path(path_type=Path), help="Measure this finished video, made with a solid fill.")
@option("--json", "json_", is_flag=True, help="One JSON object.")
@option("--plot", type=click.Path(path_type=Path), help="Draw the figures over time into this PNG file.")
@options(SOLVE)
@click.pass_context
def evaluate_video(
    ctx: click.Context,
    /,
    *,
    source: Path,
    truth: Path,
    detector: Sequence[str],
    redacted: Path | None,
    json_: bool,
    plot: Path | None,
    **given: Any,
) -> None:
    """Faces of SOURCE that stay visible with some detectors, or in a finished video. Redoes no detection."""
    import json

    from faceblur import evaluation

    names = list(dict.fromkeys(name.strip() for names in detector for name in names.split(",") if name.strip()))
    context = _context(ctx, given | {"detector": "+".join(names)})
    labels = evaluation.Truth.read(truth)
    found = (
        [evaluation.leaks(source, redacted, labels)] if redacted else evaluation.video(source, labels, context, names)
    )
    results = list(found)
    if plot:
        evaluation.plot(plot, results)
    facts = {"source": str(source), "truth": str(truth), "results": [figures.to_json() for figures in results]}
    click.echo(json.dumps(facts) if json_ else "\n".join(evaluation.lines(results)))


@cli.command()
@common
@click.pass_context
def sample(ctx: click.Context) -> None:
    """Make input/sample.mp4, a clip to try things with: a moving view of a public-domain portrait."""
    from faceblur.sample import sample

    context = _context(ctx, {})
    path = context.options.input / "sample.mp4"
    if path.exists():
        context.progress.result(f"{path} is there already", path=str(path))
    else:
        context.progress.result(f"{sample(path)}: a clip of five seconds; now: faceblur run {path}", path=str(path))


def _context(ctx: click.Context, given: dict[str, Any], outputs: int = 1) -> "Context":
    """Everything the steps need, from the options given and the environment."""
    from faceblur.context import Context

    told = ctx.find_root().ensure_object(dict)
    overlay = given.get("overlay")
    if overlay is not None:
        given = given | {"overlay": tuple(part.strip() for part in overlay.split(",") if part.strip())}
    known = {f.name for f in fields(Options)}
    chosen = replace(told["base"], **{k: v for k, v in given.items() if k in known and v is not None})
    if "null" in chosen.members and not os.environ.get("FACEBLUR_TESTING"):
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
    from faceblur.files import output_error

    if path.exists() and not path.is_dir():
        raise UsageError(f"-o {path} is a file; for several sources it must be a folder")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(path, error) from error


def _jobs(context: "Context", names: Sequence[str], *, empty: bool = False) -> list["Job"]:
    """The jobs that are named, or all there are."""
    from faceblur import catalog

    o = context.options
    found = [catalog.find_job(n, o.input, o.output) for n in names] if names else catalog.all_jobs(o.input, o.output)
    if not found and not empty:
        raise UsageError(f"there are no jobs in {o.input}: split a video first")
    return found


def _each(context: "Context", items: Iterable[T], do: Callable[[T], Any]) -> None:
    """Do something for each; a failure does not keep the rest, and its code is the exit code (1 where they differ)."""
    failures: list[FaceblurError] = []
    for item in items:
        try:
            do(item)
        except Interrupted:
            raise
        except FaceblurError as error:
            failures.append(error)
            _complain(error)
    if failures:
        codes = {error.exit_code for error in failures}
        raise click.exceptions.Exit(codes.pop() if len(codes) == 1 else 1)


def _complain(error: FaceblurError, told: dict[str, Any] | None = None) -> None:
    if told is None:
        told = click.get_current_context().find_root().ensure_object(dict)
    if told.get("traceback"):
        import traceback

        traceback.print_exception(error)
    if told.get("progress") == "json":
        from faceblur.progress import Events

        Events().failure(str(error), error.exit_code)
    click.echo(f"faceblur: {error}", err=True)


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
        _complain(Interrupted("stopped"), told)
        return Interrupted.exit_code
    except FaceblurError as error:
        _complain(error, told)
        return error.exit_code
    except BrokenPipeError:
        return 1
    except Exception as error:
        if told.get("traceback"):
            raise
        text = f"unexpected {type(error).__name__}: {error}; run again with --traceback and report what it prints"
        _complain(FaceblurError(text), told)
        return 1
