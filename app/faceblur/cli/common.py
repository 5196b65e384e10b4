"""What the commands share: types and groups of options, and the way from options to a context, jobs and messages."""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from faceblur.errors import FaceblurError, Interrupted, UsageError
from faceblur.options import AUDIO, CODECS, KINDS, OVERLAYS, PNG, SHAPES, STYLES, SUBTITLES, TTA, Options, processors
from faceblur.progress import KINDS as PROGRESS
from faceblur.progress import Progress, create
from faceblur.stop import Stop

if TYPE_CHECKING:
    from faceblur.context import Context
    from faceblur.job import Job

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")
DEFAULTS = Options()
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


class Every(click.ParamType[int]):
    """Look at one frame in so many: a number from 1, or auto for what the preset says, which is 0 in Options."""

    name = "every"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if value == "auto":
            return 0
        try:
            every = int(value)
        except ValueError:
            every = 0
        if every < 1:
            self.fail(f"{value!r} is not a number from 1, or auto", param, ctx)
        return every


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
        (
            ("--progress",),
            {"type": click.Choice(PROGRESS), "help": "How to show progress; auto is a bar in a terminal."},
        ),
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
PACKING = (option("--png", type=click.Choice(PNG), default=DEFAULTS.png, help="How frame files are packed: README."),)
SOLVE = (
    option(
        "--threshold",
        type=float,
        default=DEFAULTS.threshold,
        help="How likely a small face must be to be hidden, 0 to 1.",
    ),
    option("--shape", type=click.Choice(SHAPES), default=DEFAULTS.shape, help="In which shape."),
    option("--grow", type=float, default=DEFAULTS.grow, help="Margin on each side, as a share of the face."),
    option("--look-back", type=float, default=DEFAULTS.look_back, help="Frames hidden before a face is first seen."),
    option("--look-ahead", type=float, default=DEFAULTS.look_ahead, help="Frames hidden after it was last seen."),
    option("--agree", type=int, default=1, metavar="N", help="Hide only what N detectors see; fewer faces are hidden."),
)
BLUR = (
    option(
        "--detector",
        default="fast",
        metavar="NAME[+NAME...]",
        help="fast, slow, fast+turned, or detectors: see the README.",
    ),
    option("--hide", metavar="KIND[,KIND...]", help=f"What fast and slow look for: {','.join(KINDS)}."),
    option("--detect-scale", default="auto", metavar="auto|F|WxH", help="Size of the picture that detectors look at."),
    option("--tta", type=click.Choice(TTA), default="none", help="Look at mirrored and resized copies, too."),
    option(
        "--every",
        type=Every(),
        show_default="auto: by the preset",
        metavar="K|auto",
        help="Look at one frame in K only; 1 looks at all.",
    ),
    option("--strict", is_flag=True, help="Fail where a preset's detector cannot be had."),
    option("--style", type=click.Choice(STYLES), default=DEFAULTS.style, help="How faces are hidden."),
    *SOLVE,
    option(
        "--workers",
        type=int,
        default=min(processors(), _MOST_WORKERS),
        show_default=f"processors, at most {_MOST_WORKERS}",
        help="Processes at work here.",
    ),
    option("--threads", type=int, default=0, show_default="shared out", help="Processor threads of each process."),
)
DEBUG = (option("--debug", is_flag=True, help="Debug pictures and video; they show the faces."),)
OUT = (
    option("-o", "--out", type=click.Path(path_type=Path), help="Output file; a folder for several."),
    option(
        "--codec", type=click.Choice(CODECS), default=DEFAULTS.codec, help="Codec of the output; same: the source's."
    ),
    option("--encoder", metavar="NAME", help="FFmpeg encoder, such as h264_nvenc, in place of the codec's usual one."),
    option("--crf", type=int, show_default="the codec's", help="Quality: lower is better and larger."),
    option(
        "--preset", metavar="NAME", show_default="the encoder's", help="Effort: medium for x264, 8 for AV1: README."
    ),
    option("--audio", type=click.Choice(AUDIO), default=DEFAULTS.audio, help="The sound; distort changes voices."),
    option("--subtitles", type=click.Choice(SUBTITLES), default=DEFAULTS.subtitles, help="They may name people."),
)
METADATA = (option("--keep-metadata", metavar="WHAT", help="Keep in photos: date,camera. All else is always dropped."),)
FPS = (option("--fps", type=Rate(), help="Frames per second of frames from elsewhere."),)
DIRECT = (option("--no-frames", is_flag=True, help="Write no frame files: quicker, and nothing to review by hand."),)
PROFILE = (option("--profile", is_flag=True, help="Tell where the time of this process went."),)
FRAMES = (
    option("--frames", type=click.Choice(["keep", "delete"]), default="keep", help="After the video is checked."),
)


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


class Failures:
    """Failures that do not keep the rest: each is told at once, and its code is the exit code (1 where they differ)."""

    def __init__(self) -> None:
        self._codes: set[int] = set()

    def tell(self, error: FaceblurError) -> None:
        self._codes.add(error.exit_code)
        complain(error)

    def each(self, items: Iterable[T], do: Callable[[T], Any]) -> None:
        """Do something for each, whatever fails."""
        for item in items:
            try:
                do(item)
            except Interrupted:
                raise
            except FaceblurError as error:
                self.tell(error)
            except Exception as error:  # whatever goes wrong with one of a thousand photos
                if isinstance(error, BrokenPipeError) or _told().get("traceback"):
                    raise
                self.tell(unexpected(error))

    def leave(self) -> None:
        """End the command, if anything failed."""
        if self._codes:
            raise click.exceptions.Exit(self._codes.pop() if len(self._codes) == 1 else 1)


def each(items: Iterable[T], do: Callable[[T], Any]) -> None:
    """Do something for each; a failure does not keep the rest, and its code is the exit code (1 where they differ)."""
    failures = Failures()
    failures.each(items, do)
    failures.leave()


def unexpected(error: Exception) -> FaceblurError:
    """An error of the program itself, as people are told of it."""
    return FaceblurError(
        f"unexpected {type(error).__name__}: {error}; run again with --traceback and report what it prints"
    )


def _told() -> dict[str, Any]:
    """How this command is to tell things."""
    told: dict[str, Any] = click.get_current_context().find_root().ensure_object(dict)
    return told


def complain(error: FaceblurError, told: dict[str, Any] | None = None) -> None:
    if told is None:
        told = _told()
    if told.get("traceback"):
        import traceback

        traceback.print_exception(error)
    if told.get("progress") == "json":
        from faceblur.progress import Events

        Events().failure(str(error), error.exit_code)
    click.echo(f"faceblur: {error}", err=True)
