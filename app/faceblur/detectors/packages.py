"""Packages of others in which detectors come: imported when needed, quiet, and with their model files from our folders.

None of them may fetch anything by itself: what it wants is looked for in the folders for weights, or told as missing.
"""

import importlib
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from faceblur import weights as weights_table
from faceblur.errors import MissingError


def load(module: str, install: str, threads: int = 0) -> ModuleType:
    """A module of such a package; MissingError says that `pip install INSTALL` brings it.

    `threads` is the number of processor threads of TensorFlow, 0 for all; the first call in a process decides.
    """
    _prepare_tensorflow(threads)
    try:
        with quiet():
            return importlib.import_module(module)
    except ImportError as error:
        raise MissingError(f"this detector needs more packages: pip install {install} ({error})") from error


def find(file: str, folders: Sequence[Path], urls: Sequence[str]) -> Path:
    """A model file by its name, checked if the table of weights knows it; MissingError says where it can be had."""
    row = next((row for row in weights_table.TABLE.values() if row.file == file), None)
    if row:
        return weights_table.fetch(row.name, folders)
    path = next((folder / file for folder in folders if (folder / file).is_file()), None)
    if path is None:
        raise MissingError(
            f"the weights {file} are missing, whose size and SHA-256 Faceblur does not know, so that it fetches them "
            f"from nowhere: put the file from {' or '.join(urls)} into {folders[0]}, "
            f"or point FACEBLUR_WEIGHTS at a folder that has it"
        )
    return path


@contextmanager
def ours(weight_utils: ModuleType, folders: Sequence[Path]) -> Iterator[None]:
    """Meanwhile deepface or retina-face, whose module that is, finds model files in these folders and fetches none.

    By themselves both would download what is missing, unchecked, into a folder in the home of the user.
    """

    def find_ours(
        file_name: str, source_url: str | Sequence[str] = (), source_urls: Sequence[str] = (), compress_type: str = ""
    ) -> str:
        urls = [source_url] if isinstance(source_url, str) else [*source_url, *source_urls]
        unpacked = [f"{url} (unpacked)" if compress_type else url for url in urls]
        return str(find(file_name, folders, unpacked))

    theirs = weight_utils.download_weights_if_necessary
    weight_utils.__dict__["download_weights_if_necessary"] = find_ours
    try:
        yield
    finally:
        weight_utils.__dict__["download_weights_if_necessary"] = theirs


@contextmanager
def quiet() -> Iterator[None]:
    """No warnings; nor what TensorFlow's libraries write to the standard error while they load, whatever one sets."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _prepare_tensorflow(threads: int) -> None:
    """TensorFlow reads these when it is imported; so they must be there before, whichever package imports it."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # workers share a GPU
    if find_spec("tf_keras"):  # deepface and retina-face want Keras 2, which one process has for all or for none
        os.environ["TF_USE_LEGACY_KERAS"] = "1"
    if threads:
        os.environ["TF_NUM_INTRAOP_THREADS"] = os.environ["TF_NUM_INTEROP_THREADS"] = str(threads)
