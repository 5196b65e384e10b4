"""What the benchmarks share: where they keep things, deface in an environment of its own, clips, and tables."""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from faceblur.errors import FaceblurError

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "quality"), str(ROOT / "tests")]

import hard_clip  # noqa: E402 - of the tests

CACHE = Path.home() / ".cache" / "faceblur" / "bench"
DEFACE = "deface==1.5.0"


def deface() -> Path:
    """The program deface, in an environment that is made where it is not there yet."""
    folder = CACHE / DEFACE.replace("==", "-")
    done = folder / "installed"
    if not done.exists():
        print(f"installing {DEFACE} into {folder}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([folder / "bin" / "pip", "install", "--quiet", DEFACE], check=True)
        done.touch()
    return folder / "bin" / "deface"


def run(main: Callable[[], None]) -> None:
    """Run a program, whose errors that a person can act on are told in one line."""
    try:
        main()
    except FaceblurError as error:
        sys.exit(f"{Path(sys.argv[0]).name}: {error}")


def defaults() -> dict[str, str]:
    """The environment without what would change Faceblur's defaults; where weights are stays."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("FACEBLUR_")}
    if "FACEBLUR_WEIGHTS" in os.environ:
        own["FACEBLUR_WEIGHTS"] = os.environ["FACEBLUR_WEIGHTS"]
    return own


def add_making(parser: argparse.ArgumentParser) -> None:
    """The options that say what clips are made from."""
    parser.add_argument("--make", nargs=2, type=Path, metavar=("PHOTOS", "LABELS"), help="make clips from photographs")
    parser.add_argument("--tool", type=Path, help="the program that makes clips from photographs")


def check_making(parser: argparse.ArgumentParser, asked: argparse.Namespace) -> None:
    """End the program unless what clips are made from is told in full, or not at all."""
    if bool(asked.make) != bool(asked.tool):
        parser.error("--make and --tool go together")


def made(asked: argparse.Namespace, name: str, recipe: Mapping[str, object]) -> Path:
    """A clip from photographs, with its truth beside it; it is kept, as the same recipe gives the same clip."""
    clip = CACHE / "clips" / f"{name}.mp4"
    if not hard_clip.truth_of(clip).exists():
        hard_clip.make(asked.tool, *asked.make, clip, recipe)
    return clip


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines in which the cells of each column stand below each other, to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True)) for cells in rows]
