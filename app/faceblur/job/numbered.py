"""Files named by the numbers of frames."""

import os
import re
from pathlib import Path

from faceblur.errors import SourceError


class Numbered:
    """The files of one ending in a folder, one a frame: frame_0000000001.png, say."""

    def __init__(self, folder: Path, ending: str) -> None:
        self.folder = folder
        self._ending = ending

    def path(self, number: int) -> Path:
        return self.folder / f"frame_{number:010}{self._ending}"

    def numbers(self) -> set[int]:
        """The numbers of the files that are there; SourceError where the folder cannot be read."""
        match = re.compile(rf"frame_(\d{{10}}){re.escape(self._ending)}").fullmatch
        try:
            with os.scandir(self.folder) as entries:
                return {int(found[1]) for entry in entries if (found := match(entry.name))}
        except (FileNotFoundError, NotADirectoryError):
            return set()
        except OSError as error:
            raise SourceError(f"cannot read the folder {self.folder}: {error.strerror}") from error
