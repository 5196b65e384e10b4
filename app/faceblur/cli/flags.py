"""The options of all commands, in groups, and the types of their values."""

import os
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

import click

from faceblur.options import (
    AUDIO,
    CODECS,
    DAMAGE,
    FRAME_FILES,
    KINDS,
    OVERLAYS,
    PNG,
    SHAPES,
    STYLES,
    SUBTITLES,
    TTA,
    Options,
    processors,
)
from faceblur.progress import KINDS as PROGRESS

F = TypeVar("F", bound=Callable[..., Any])
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
DAMAGED = (option("--damaged", type=click.Choice(DAMAGE), default=DEFAULTS.damaged, help="Damaged sources."),)
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
    option(
        "--agree",
        type=int,
        default=DEFAULTS.agree,
        metavar="N",
        help="Hide only what N detectors see; fewer faces are hidden.",
    ),
)
BLUR = (
    option(
        "--detector",
        default=DEFAULTS.detector,
        metavar="NAME[+NAME...]",
        help="fast, slow, fast+turned, or detectors: see the README.",
    ),
    option("--hide", metavar="KIND[,KIND...]", help=f"What fast and slow look for: {','.join(KINDS)}."),
    option(
        "--detect-scale",
        default=DEFAULTS.detect_scale,
        metavar="auto|F|WxH",
        help="Size of the picture that detectors look at.",
    ),
    option("--tta", type=click.Choice(TTA), default=DEFAULTS.tta, help="Look at mirrored and resized copies, too."),
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
    option("--frames", type=click.Choice(FRAME_FILES), default=DEFAULTS.frames, help="After the video is checked."),
)
