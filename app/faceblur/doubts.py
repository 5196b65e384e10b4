"""What a person should look at in a job, the most doubtful first: as lines, and as a sheet of pictures."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from faceblur import files, images, overlay
from faceblur.domain import Box, Json
from faceblur.errors import IncompleteError
from faceblur.job import Job

_CELL = (240, 240)  # width and height of a picture in the sheet, without its caption
_COLUMNS = 6
_AROUND = 1.5  # how much of the frame is shown around a doubtful box, as a share of it on each side


def ranked(job: Job, limit: int | None = None) -> list[Json]:
    """The doubts of a solved job: frame, time in seconds, box, reason and weight of each, the weightiest first."""
    solution = job.solution()
    if not solution:
        raise IncompleteError(f"the regions of {job.name} are not solved yet: run blur first")
    return list(islice(solution["doubts"], limit))


def lines(doubts: Sequence[Json]) -> Iterator[str]:
    """One line a doubt, for people."""
    for place, doubt in enumerate(doubts, start=1):
        left, top, right, bottom = (round(value) for value in doubt["box"])
        where = f"frame {doubt['frame']}, {clock(doubt['time_s'])}, {left},{top} to {right},{bottom}"
        yield f"{place:4}  {doubt['weight']:.2f}  {where}: {doubt['reason']}"


def sheet(job: Job, doubts: Sequence[Json], path: Path) -> None:
    """A picture of pictures: the place of each doubt in the untouched frame, in order. It shows the faces."""
    cells = []
    for place, doubt in enumerate(doubts, start=1):
        frame = images.read(job.frame_path(doubt["frame"]))
        caption = (f"{place}  frame {doubt['frame']}  {clock(doubt['time_s'])}", doubt["reason"])
        cells.append(overlay.cell(frame, Box.from_json(doubt["box"]), caption, _CELL, _AROUND))
    picture = overlay.tiled(cells, _COLUMNS)
    files.write(path, images.encode_as(picture, path))


def clock(seconds: float) -> str:
    """A time as minutes and seconds: 1:02.3."""
    return f"{int(seconds // 60)}:{seconds % 60:04.1f}"
