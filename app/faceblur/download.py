"""Bringing one file from one address: of a known size and SHA-256, going on where an earlier attempt was cut off.

What has come is kept beside the file, in `<name>.<beginning of the SHA-256>.part`, whichever place it came from: the
places offer the same bytes, and if one does not, the SHA-256 tells and the rest is fetched again from the beginning.
"""

import hashlib
import os
import urllib.request
from collections.abc import Callable
from email.message import Message
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

from faceblur import files

Tell = Callable[[int], None]  # called with the number of bytes that are here, again and again; may raise to stop

TIMEOUT_S = 20.0  # for the connection, and for each wait for more bytes
_TRIES = 5  # at one place, as long as each brings something
_BLOCK = 1 << 18
_AGENT = "faceblur"  # some hosts turn away urllib's own name


class Refused(Exception):  # noqa: N818 - one place says no; whoever asked has others
    """A place does not give the file; the message says why."""


def part_of(path: Path, sha256: str) -> Path:
    """Where the beginning of a file is kept until all of it is here."""
    return path.with_name(f"{path.name}.{sha256[:8]}.part")


def length(path: Path) -> int:
    """The bytes in a file, 0 when there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file in hex. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def download(url: str, path: Path, size: int, sha256: str, tell: Tell, *, timeout_s: float = TIMEOUT_S) -> None:
    """Bring the file of `size` bytes to `path`, whole or not at all. Only one process may do so at a time.

    Raises Refused when this place does not give it, OutputError when it cannot be written; what `tell` raises ends it.
    What came until then stays and is not asked for again.
    """
    part, reason = part_of(path, sha256), ""
    for _ in range(_TRIES):
        before = length(part)
        if before > size:
            _remove(part)
            before = 0
        try:
            if before < size:
                _receive(url, part, size, tell, timeout_s)
        except (OSError, HTTPException, Refused) as error:
            reason = _reason(error)
            if length(part) > before:
                continue
            raise Refused(reason) from error
        found = sha256_of(part)
        if found == sha256:
            files.place(part, path)
            return
        _remove(part)
        if not before:
            raise Refused(f"its SHA-256 is {found}")
    raise Refused(f"{reason}; tried {_TRIES} times")


def _receive(url: str, part: Path, size: int, tell: Tell, timeout_s: float) -> None:
    """Append what is missing, never beyond `size`."""
    response, done = _open(url, length(part), timeout_s)
    with response:
        offered = response.headers.get("Content-Length")
        if offered not in (None, str(size - done)):  # before the first byte: a page of HTML must not replace a part
            raise Refused(f"offers {offered} bytes in place of {size - done}")
        with _opened(part, done) as file:
            tell(done)
            while done < size:
                block = response.read1(min(_BLOCK, size - done))
                if not block:
                    raise Refused(f"broke off after {done} of {size} bytes")
                _write(file, block, part)
                done += len(block)
                tell(done)


def _open(url: str, offset: int, timeout_s: float) -> tuple[Any, int]:
    """The answer, and with which byte it begins: 0 from a place that knows no ranges."""
    headers = {"User-Agent": _AGENT} | ({"Range": f"bytes={offset}-"} if offset else {})
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=timeout_s)
    except HTTPError as error:
        error.close()
        if error.code == 416 and offset:
            return _open(url, 0, timeout_s)
        raise
    if response.status != 206 or not offset:
        return response, 0
    if _begins(response.headers) != offset:
        response.close()
        return _open(url, 0, timeout_s)
    return response, offset


def _begins(headers: Message) -> int | None:
    """The first byte of a "Content-Range: bytes 100-199/200"."""
    first = str(headers.get("Content-Range", "")).removeprefix("bytes ").partition("-")[0]
    return int(first) if first.isdecimal() else None


def _opened(part: Path, done: int) -> Any:
    """The first `done` bytes of a part, open for appending without a buffer: what is written survives this process."""
    try:
        if length(part) > done:
            os.truncate(part, done)
        return part.open("ab", buffering=0)
    except OSError as error:
        raise files.output_error(part, error) from error


def _write(file: Any, block: bytes, part: Path) -> None:
    """Write all of a block; without a buffer a disk that is nearly full takes a piece and says nothing."""
    rest = memoryview(block)
    while rest:
        try:
            rest = rest[file.write(rest) :]
        except OSError as error:  # not the network's
            raise files.output_error(part, error) from error


def _remove(part: Path) -> None:
    try:
        part.unlink(missing_ok=True)
    except OSError as error:
        raise files.output_error(part, error) from error


def _reason(error: Exception) -> str:
    """The words of an error; a URLError wraps the one that says what happened, an HTTPError names its code."""
    inner = error if isinstance(error, HTTPError) else getattr(error, "reason", error)
    return str(inner) or repr(error)
