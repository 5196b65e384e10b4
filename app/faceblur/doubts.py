"""What a person should look at in a job, the most doubtful first: as lines, and as a sheet of pictures."""

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path

from faceblur import files, images, overlay
from faceblur.direct import shown
from faceblur.domain import Box, Json
from faceblur.errors import IncompleteError, UsageError
from faceblur.job import DirectJob, Job
from faceblur.media import UNKNOWN
from faceblur.plan import FORMAT, naming

_CELL = (320, 320)  # width and height of a picture in the sheet, without its caption
_COLUMNS = 5
_MOST = 1000  # pictures in a sheet: more rows a .jpg cannot have
_AROUND = 0.25  # how much of the frame is shown around a doubtful box, as a share of it on each side, at least
_LEAST = 0.1  # share of the frame's longer side that is shown at least: a tiny face alone tells nobody what it is


def ranked(job: Job, limit: int | None = None) -> list[Json]:
    """The doubts of a solved job: frame, time in seconds, box, reason and weight of each, the weightiest first."""
    solution = job.solution.summary()
    if solution.get("format") != FORMAT:  # of nobody, or of an older version, whose doubts are others
        raise IncompleteError(f"the regions of {job.name} are not solved yet: run blur first")
    return list(islice(solution["doubts"], limit))


def lines(doubts: Sequence[Json]) -> Iterator[str]:
    """One line a doubt, for people."""
    for place, doubt in enumerate(doubts, start=1):
        left, top, right, bottom = (round(value) for value in doubt["box"])
        where = f"frame {doubt['frame']}, {clock(doubt['time_s'])}, {left},{top} to {right},{bottom}"
        yield f"{place:4}  {doubt['weight']:.2f}  {where}: {' '.join(doubt['reason'].split())}"


def sheet(job: Job, doubts: Sequence[Json], path: Path) -> None:
    """A picture of pictures: the place of each doubt in the untouched frame, in order. It shows the faces.

    The place is outlined red, and what is hidden yellow: a face in the one and in none of the others can be seen. Black
    for a frame that the job does not have, which a decision may name; IncompleteError for one that it lost.
    """
    images.ending(path)
    if len(doubts) > _MOST:
        raise UsageError(f"a sheet holds at most {_MOST} pictures, not {len(doubts)}: give a smaller --limit")
    plan = job.plan()
    numbers = plan.numbers if plan else range(0)
    places: dict[int, list[int]] = {}
    for place, doubt in enumerate(doubts):
        places.setdefault(doubt["frame"], []).append(place)
    cells: dict[int, images.Image] = {}
    absent: list[tuple[int, images.Image | None]] = [(number, None) for number in places if number not in numbers]
    for number, frame in chain(absent, _frames(job, sorted(set(places).intersection(numbers)), path)):
        regions = () if frame is None else job.solution.regions(number)
        for place in places[number]:
            cells[place] = _cell(frame, place + 1, doubts[place], [region.box for region in regions])
    picture = overlay.tiled([cells[place] for place in sorted(cells)], _COLUMNS)
    files.write(path, images.encode_as(picture, path))


def _frames(job: Job, numbers: Sequence[int], path: Path) -> Iterator[tuple[int, images.Image]]:
    """Untouched frames, as people see them: from their files, or decoded again."""
    if isinstance(job, DirectJob):
        yield from shown(job, numbers)
        return
    lost = [number for number in numbers if not job.frames.path(number).exists()]
    origin = job.frames.origin()
    if lost:
        advice = "run split again" if origin else "put them back"
        raise IncompleteError(f"{job.name} lacks {naming(lost)} of its source, to be shown in {path}; {advice}")
    for number in numbers:
        yield number, images.plain(images.read(job.frames.path(number)), origin.video.colour[2] if origin else UNKNOWN)


def _cell(frame: images.Image | None, place: int, doubt: Json, hidden: Sequence[Box]) -> images.Image:
    caption = (f"{place}  frame {doubt['frame']}  {clock(doubt['time_s'])}", doubt["reason"])
    box, around = Box.from_json(doubt["box"]), _AROUND
    if frame is not None and box.area:
        wanted = _LEAST * max(frame.shape[:2]) / max(box.width, box.height)
        around = max(around, (wanted - 1) / 2)
    return overlay.cell(frame, box, caption, _CELL, around, others=hidden)


def clock(seconds: float) -> str:
    """A time as minutes and seconds, with hours from the first on: 1:02.3 or 1:00:02.3."""
    minutes, tenths = divmod(round(seconds * 10), 600)
    hours, minutes = divmod(minutes, 60)
    return (f"{hours}:{minutes:02}" if hours else f"{minutes}") + f":{tenths / 10:04.1f}"
