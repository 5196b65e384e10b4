"""The JSON files of a job, each of one object."""

import json
from pathlib import Path

from faceblur import files
from faceblur.domain import Json


def read(path: Path) -> Json | None:
    """The object in a file; None when it is missing or anything else, which for a stamp means "not current"."""
    try:
        value = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def write(path: Path, value: Json) -> None:
    """Write an object so that people can read it, and have it on the disk for sure."""
    files.write(path, (json.dumps(value, indent=1, sort_keys=True) + "\n").encode(), sync=True)
