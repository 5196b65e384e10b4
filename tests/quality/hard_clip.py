"""Clips whose faces are known: a shaky camera over labelled photographs, made by a program outside of the project."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


def truth_of(clip: Path) -> Path:
    """Where the truth file of a clip is."""
    return clip.with_suffix(".gt.json")


def make(tool: Path, pictures: Path, labels: Path, clip: Path, recipe: Mapping[str, object]) -> Path:
    """Write a clip and its truth file with `tool`; `recipe` is what it takes besides: photos, frames, size, seed."""
    wishes = [f"--{name.replace('_', '-')}={value}" for name, value in recipe.items()]
    clip.parent.mkdir(parents=True, exist_ok=True)
    with _ffmpeg() as environment:
        command = [sys.executable, tool, f"--images={pictures}", f"--labels={labels}", f"--out={clip}", *wishes]
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return clip


@contextmanager
def _ffmpeg() -> Iterator[dict[str, str]]:
    """An environment in whose PATH there is an ffmpeg program: the one that is there, or that of imageio-ffmpeg."""
    path = os.environ.get("PATH", "")
    if shutil.which("ffmpeg"):
        yield dict(os.environ)
        return
    from imageio_ffmpeg import get_ffmpeg_exe

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "ffmpeg").symlink_to(get_ffmpeg_exe())
        yield {**os.environ, "PATH": os.pathsep.join([folder, path])}
