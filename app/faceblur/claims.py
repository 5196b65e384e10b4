"""Claims: the temporary right to make some files, held as a lock on a file that stays.

A claim is a hint that spares double work; the finished file is the truth. The lock goes with the process that holds
it, so a killed worker blocks nobody. Lock files are never removed while somebody may hold them: that would let two
workers own one frame.
"""

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from faceblur import files
from faceblur.errors import OutputError

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


@contextlib.contextmanager
def claim(path: Path, timeout_s: float = 0.0) -> Iterator[bool]:
    """Try to hold the lock on `path`; gives whether it is ours. Released when the block ends.

    Raises OutputError where the file system knows no locks, rather than pretending.
    """
    lock = FileLock(path, timeout=timeout_s, fallback_to_soft=False, mode=0o666, poll_interval=0.01)
    try:
        try:
            lock.acquire()
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire()
    except Timeout:
        yield False
        return
    except NotImplementedError as error:
        raise _no_locks(path) from error
    except OSError as error:
        raise (_no_locks(path) if error.errno in _NO_LOCKS else files.output_error(path, error)) from error
    try:
        yield True
    finally:
        lock.release()


def _no_locks(path: Path) -> OutputError:
    return OutputError(
        f"{path.parent} is on a file system without locks (flock); use a local disk, or mount the share with locking"
    )
