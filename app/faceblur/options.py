"""How to run: one frozen Options, built once at a door. Nothing below a door reads the environment."""

import os
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from faceblur.errors import UsageError

# For each kind that a preset can hide, the detector that it stands for: see the ensembles in detectors/__init__.py.
PRESETS = {"fast": {"faces": "fast.1"}, "slow": {"faces": "slow.1"}}
# What takes the place of a preset's detector where its weights cannot be had.
SUBSTITUTES = {"fast.1": "centerface", "slow.1": "centerface@full"}
HIDE = ("faces",)
STYLES = ("blur", "pixelate", "solid")
SHAPES = ("ellipse", "box")
OVERLAYS = ("time", "frame")


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0))


def cache_folder() -> Path:
    """Where weights are kept when nobody says otherwise."""
    return Path.home() / ".cache" / "faceblur" / "weights"


@dataclass(frozen=True, slots=True)
class Options:
    """Everything a run can be told. Times are seconds of the source, from its first frame.

    `weights` are the folders to look for model files in; fetched ones go to the first that can be written.
    `out` is a file for one source and a folder for several; None means the job's own folder.
    """

    input: Path = Path("input")
    output: Path = Path("output")
    weights: tuple[Path, ...] = field(default_factory=lambda: (cache_folder(),))

    scale: int | None = None
    fps: Fraction | None = None
    start: Fraction | None = None
    end: Fraction | None = None
    overlay: tuple[str, ...] = ()
    damaged: str = "refuse"

    detector: str = "fast"
    hide: tuple[str, ...] = ("faces",)
    strict: bool = False
    threshold: float = 0.25
    grow: float = 0.15
    look_back: float = 10
    look_ahead: float = 5
    style: str = "blur"
    shape: str = "ellipse"
    debug: bool = False
    workers: int = 1

    out: Path | None = None
    crf: int = 18
    preset: str = "medium"
    frames: str = "keep"

    def __post_init__(self) -> None:
        _one_of("style", self.style, STYLES)
        _one_of("shape", self.shape, SHAPES)
        _one_of("frames", self.frames, ("keep", "delete"))
        _one_of("damaged", self.damaged, ("refuse", "accept"))
        for name in self.overlay:
            _one_of("overlay", name, OVERLAYS)
        for name in self.hide:
            _one_of("hide", name, HIDE)
        _within("threshold", self.threshold, 0, 1)
        _within("grow", self.grow, 0, 3)
        _within("look-back", self.look_back, 0, 1000)
        _within("look-ahead", self.look_ahead, 0, 1000)
        _within("crf", self.crf, 0, 51)
        _within("workers", self.workers, 1, 1024)
        _within("scale", self.scale, 16, 16384)
        _within("fps", self.fps, Fraction(1, 1000), 1000)
        if self.start is not None and self.end is not None and self.start >= self.end:
            raise UsageError(f"--start {float(self.start):g} is not before --end {float(self.end):g}")
        if not self.members:
            raise UsageError("--detector names no detector")

    @property
    def members(self) -> tuple[str, ...]:
        """The detectors asked for, presets taken apart by what they are to hide, each once."""
        names = [name.strip() for name in self.detector.split("+") if name.strip()]
        members = [PRESETS[n][kind] if n in PRESETS else n for n in names for kind in self.hide]
        return tuple(dict.fromkeys(members))


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise UsageError(f"--{name} {value!r}: must be one of {', '.join(allowed)}")


def _within(name: str, value: float | Fraction | None, low: float | Fraction, high: float | Fraction) -> None:
    if value is not None and not low <= value <= high:
        raise UsageError(f"--{name} {float(value):g}: must be from {float(low):g} to {float(high):g}")
