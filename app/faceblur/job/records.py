"""The JSON files of a job, each of one object."""

import json
from pathlib import Path

from faceblur import files
from faceblur.domain import Json
from faceblur.errors import SourceError


def read(path: Path) -> Json | None:
    """The object in a file; None when it is missing or anything else, which for a stamp means "not current".

    SourceError for a file that is there and cannot be read.
    """
    try:
        value = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}") from error
    return value if isinstance(value, dict) else None


def write(path: Path, value: Json) -> None:
    """Write an object so that people can read it, and have it on the disk for sure."""
    files.write(path, (json.dumps(value, indent=1, sort_keys=True) + "\n").encode(), sync=True)
