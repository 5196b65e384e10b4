"""Writing files whole or not at all: under a temporary name in the same folder, then renamed into place."""

import contextlib
import errno
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from faceblur.errors import OutputError

_ADVICE = {
    errno.ENOSPC: "the disk is full: free some space and run again, nothing is lost",
    errno.EDQUOT: "the disk quota is used up: free some space and run again, nothing is lost",
    errno.EACCES: "no right to write there: change the folder's owner or mode, or start the container with --user",
    errno.EPERM: "no right to write there: change the folder's owner or mode, or start the container with --user",
    errno.EROFS: "it is mounted read-only: mount it writable",
    errno.ENAMETOOLONG: "the name is too long: rename the source",
}
_THOUSAND = 1000
_UNITS = ("kB", "MB", "GB", "TB")
_TEMPORARY = re.compile(r"\.(.*)\.[0-9a-f]{32}\.tmp(\..*)?", re.DOTALL)


def output_error(path: Path, error: OSError) -> OutputError:
    """The error a person sees when `path` cannot be written."""
    advice = _ADVICE.get(error.errno or 0, "check the folder and run again")
    found = _TEMPORARY.fullmatch(path.name)
    meant = path.with_name(found[1] + (found[2] or "")) if found else path
    return OutputError(f"cannot write {meant}: {error.strerror or error}; {advice}")


def is_known(error: OSError) -> bool:
    """Whether `error` says that something cannot be written, in a way a person can act on."""
    return error.errno in _ADVICE


@contextlib.contextmanager
def atomic(path: Path, *, sync: bool = False) -> Iterator[Path]:
    """Give a temporary path to write to; rename it to `path` when the block ends well, remove it otherwise.

    The temporary name ends like `path`, for writers that go by the ending. With `sync` the file is on the disk
    before it gets its name. Raises OutputError for what the file system refuses.
    """
    temporary = path.with_name(f".{_start(path)}.{uuid.uuid4().hex}.tmp{path.suffix}")
    make_folder(path.parent)
    try:
        yield temporary
        _finish(temporary, path, sync=sync)
    except OSError as error:
        if is_known(error):
            raise output_error(path, error) from error
        raise
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def amount(size: int) -> str:
    """A number of bytes as people read it: 320 bytes, 6.2 MB, 41 GB."""
    value, unit = float(size), "bytes"
    for larger in _UNITS:
        if value < _THOUSAND - 0.5:  # else it would be rounded to a thousand
            break
        value, unit = value / _THOUSAND, larger
    digits = 1 if unit != "bytes" and round(value, 1) < 10 else 0
    return f"{value:.{digits}f} {unit}"


def check_writable(path: Path) -> None:
    """OutputError when the file system will refuse to write `path`, as far as that can be told without writing."""
    folder = path.parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    code = 0 if folder.is_dir() else errno.ENOTDIR
    if code or not os.access(folder, os.W_OK):
        raise output_error(path, OSError(code or errno.EACCES, os.strerror(code or errno.EACCES)))


def make_folder(path: Path) -> None:
    """Make a folder and those above it, where they are missing. Raises OutputError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(path, error) from error


def remove_folder(path: Path) -> None:
    """Remove a folder with all that is in it, if it is there. Raises OutputError."""
    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise output_error(path, error) from error


def write(path: Path, data: bytes, *, sync: bool = False) -> None:
    """Write `data` to `path`, whole or not at all. Raises OutputError."""
    with atomic(path, sync=sync) as temporary:
        try:
            temporary.write_bytes(data)
        except OSError as error:
            raise output_error(path, error) from error


def place(temporary: Path, path: Path) -> None:
    """Give a finished file its name, once it is on the disk for sure. Raises OutputError."""
    try:
        _finish(temporary, path, sync=True)
    except OSError as error:
        raise output_error(path, error) from error


def sweep(folder: Path, target: Path | None = None) -> None:
    """Remove the leftovers of killed writes from `folder`, or only those of `target`. Nobody may be writing there."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            found = _TEMPORARY.fullmatch(entry.name)
            if found and (target is None or (found[1], found[2] or "") == (_start(target), target.suffix)):
                with contextlib.suppress(OSError):
                    os.unlink(entry.path)


def _start(path: Path) -> str:
    """The beginning of the stem: the temporary name has to fit into the 255 bytes of a name, too."""
    return path.stem.encode(errors="surrogateescape")[:80].decode(errors="ignore")


def _finish(temporary: Path, path: Path, *, sync: bool) -> None:
    if sync:
        _sync(temporary)
    try:
        os.replace(temporary, path)
    except OSError as error:
        raise output_error(path, error) from error
    if sync:
        _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
