"""Split: a source becomes a folder of numbered frames, each with its time."""

import math
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Protocol, TypeVar

from faceblur import catalog, files, images, media, overlay
from faceblur.context import Context
from faceblur.errors import OutputError, SourceError
from faceblur.job import Job
from faceblur.options import Options
from faceblur.plan import Origin

J = TypeVar("J", bound=Job)
_BYTES_A_DEEP_PIXEL = 5.0  # of one of 16 bits; measured 4.5
_BYTES_A_PIXEL = 1.6  # of a PNG frame of 8 bits; measured 0.9 and 1.4 on two camera clips


def _nothing(job: Job, side: int) -> None: ...


def split(source: Path, context: Context, called: str = "", *, before: Callable[[Job, int], None] = _nothing) -> Job:
    """Write the frames of a source that are not there yet, and their times. Returns the job, which may be `called`.

    `before` is called with the job and the longer side of its frames, in pixels, before the first of them is written.
    """
    catalog.check_source(source)
    sha256 = context.sha256(source)
    reader = media.Reader(source, media.probe(source), recipe(context.options))
    with claimed(source, sha256, context, Job, called) as job:
        _split(job, begun(source, sha256, reader, context.options), reader, context, before)
        return job


@contextmanager
def claimed(source: Path, sha256: str, context: Context, make: type[J], called: str = "") -> Iterator[J]:
    """The job of a source, of the kind `make` and `called` so if a name is given: nobody else's during the block."""

    def now() -> J:
        return catalog.job_for(source, sha256, context.options.input, context.options.output, make=make, called=called)

    while True:
        job = now()
        with context.alone(job.split_claim, f"{job.name} is being worked on by another process; waiting"):
            if now().name == job.name:  # else another source took the name meanwhile
                yield job
                return


def recipe(options: Options) -> media.Recipe:
    """Which frames of a source are asked for."""
    return media.Recipe(options.scale, options.fps, options.start, options.end)


def _split(
    job: Job, origin: Origin, reader: media.Reader, context: Context, before: Callable[[Job, int], None]
) -> None:
    known = job.frames.origin()
    if known and known.identity == origin.identity and known.state == "complete":
        origin = known
        if not set(range(1, len(known.shown.pts) + 1)) - job.frames.whole():
            context.progress.detail(f"{job.name} is split already")
            return
    else:
        before(job, max(origin.width, origin.height))
        _clear(job, known, origin)
    _check_space(job, origin, reader, context.options.png)
    _write_frames(job, origin, reader, context)


class Shown(Protocol):
    """A frame as it is read: its time in ticks, its picture, and a checksum of what was decoded."""

    @property
    def pts(self) -> int: ...

    @property
    def duration(self) -> int: ...

    @property
    def image(self) -> images.Pixels: ...

    @property
    def checksum(self) -> int: ...


class Footage(Protocol):
    """The frames of a source in order of time, and what is to be known of them; one pass."""

    path: Path
    recipe: media.Recipe
    damaged: int
    moved: int

    @property
    def video(self) -> media.Video:
        """The facts of the source."""
        ...

    @property
    def time_base(self) -> Fraction:
        """Seconds in a tick of the pts."""
        ...

    @property
    def zero(self) -> Fraction:
        """The time in seconds, as the source counts, at which an output's time begins."""
        ...

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the frames in pixels."""
        ...

    def __iter__(self) -> Iterator[Shown]: ...


def begun(source: Path, sha256: str, reader: Footage, options: Options) -> Origin:
    """What is known of a source before its frames are read."""
    o = options
    width, height = reader.size
    recipe = {
        name: str(v) if (v := getattr(o, name)) is not None else None for name in ("scale", "fps", "start", "end")
    }
    return Origin(
        path=catalog.relative_source(source, o.input),
        sha256=sha256,
        size=source.stat().st_size,
        video=reader.video,
        recipe=recipe | {"overlay": list(o.overlay)},
        width=width,
        height=height,
        state="splitting",
    )


def _clear(job: Job, before: Origin | None, origin: Origin) -> None:
    """Start anew, unless an unfinished split of the very same frames can go on. Killed here, the next run clears on."""
    files.sweep(job.frames.folder)
    if not (before and before.identity == origin.identity and before.state == "splitting"):
        job.frames.write_origin(replace(origin, state="clearing"))
        job.frames.remove()
        job.frames.write_origin(origin)


def _write_frames(job: Job, origin: Origin, reader: media.Reader, context: Context) -> None:
    """One pass over the source: write each frame that is missing, note every time stamp, then mark the job complete."""
    there = job.frames.whole()

    def write(item: tuple[int, media.Timed]) -> int:
        number, frame = item
        if number not in there:
            with context.timed("convert"):
                picture = _captioned(frame, number, reader, origin.recipe["overlay"])
                shows = origin.shows(number, frame.checksum)
            with context.timed("PNG write"):
                images.write_frame(job.frames.path(number), picture, shows, context.options.png)
        return frame.checksum

    log = Log(origin, reader)
    with context.progress.step(job.name, "split", log.expected) as step:
        for (_, frame), checksum in context.ahead(write, enumerate(context.timing("decode", reader), start=1)):
            log.add(frame, checksum)
            step.total = max(step.total, len(log.pts))
            step.advance()
            context.progress.update(step)
        step.total = max(len(log.pts), 1)
    job.frames.write_origin(log.complete(job, context))


@dataclass
class Log:
    """What a pass over a source finds out about its frames, one after the other."""

    origin: Origin
    reader: Footage
    pts: list[int] = field(default_factory=list)
    checksums: list[int] = field(default_factory=list)
    end: int = 0

    @property
    def expected(self) -> int:
        """About how many frames there will be; exactly, where an earlier pass counted them."""
        return len(self.origin.clock.pts) if self.origin.clock else _expected(self.reader)

    def add(self, frame: Shown, checksum: int) -> None:
        """Note the next frame."""
        self.pts.append(frame.pts)
        self.checksums.append(checksum)
        self.end = frame.pts + frame.duration

    def complete(self, job: Job, context: Context) -> Origin:
        """What is known after the pass; SourceError for damage, or for other frames than in a pass before."""
        reader, pts = self.reader, self.pts
        _check_damage(reader, len(pts), context)
        offset = pts[0] if reader.recipe.start is not None else math.floor(reader.zero / reader.time_base)
        clock = media.Clock(reader.time_base, tuple(p - offset for p in pts), self.end - offset)
        if self.origin.clock and (self.origin.clock, self.origin.checksums) != (clock, tuple(self.checksums)):
            raise SourceError(
                f"{reader.path} gives other frames than before; run `faceblur clean {job.name}` and start again"
            )
        found = replace(self.origin, clock=clock, offset=offset, checksums=tuple(self.checksums))
        return replace(found, state="complete", damaged=reader.damaged, moved=reader.moved)


def _check_damage(reader: Footage, count: int, context: Context) -> None:
    if count == 0:
        raise SourceError(f"{reader.path} has no frame in the part asked for")
    if reader.damaged:
        what = f"{reader.path} is damaged: {reader.damaged} of its packets or frames are missing or cannot be decoded"
        if context.options.damaged != "accept":
            raise SourceError(f"{what}; to go on with the {count} frames there are, add --damaged accept")
        context.progress.warn(f"{what}; going on with the {count} frames there are")
    if reader.moved:
        context.progress.warn(f"{reader.path}: {reader.moved} time stamps were missing or did not rise, and were moved")


def _check_space(job: Job, origin: Origin, reader: media.Reader, packing: str) -> None:
    left, video = max(0, _expected(reader) - len(job.frames.numbers())), origin.video
    a_pixel = _BYTES_A_PIXEL if video.depth == 8 else _BYTES_A_DEEP_PIXEL
    if packing == "raw":
        a_pixel = (4 if video.alpha else 3) * (1 if video.depth == 8 else 2)
    need = int(left * origin.width * origin.height * a_pixel)
    folder = next(p for p in (job.frames.folder, *job.frames.folder.parents) if p.exists())
    free = shutil.disk_usage(folder).free
    if need > free:
        raise OutputError(
            f"the frames of {job.name} need about {files.amount(need)} and {folder} has {files.amount(free)} free; "
            f"free some space, or split it smaller (--scale) or in parts (--start, --end)"
        )


def _expected(reader: Footage) -> int:
    """About how many frames a reader will give."""
    video, recipe = reader.video, reader.recipe
    begin = float(recipe.start or 0)
    end = float(recipe.end) if recipe.end is not None else video.duration_s
    whole = begin == 0 and recipe.end is None and recipe.fps is None
    return video.frames if whole and video.frames else max(1, round((end - begin) * (recipe.fps or video.rate)))


def _captioned(frame: media.Timed, number: int, reader: media.Reader, wanted: Iterable[str]) -> images.Pixels:
    seconds = float((frame.pts - (0 if reader.recipe.fps else reader.video.start)) * reader.time_base)
    minutes, rest = divmod(max(0.0, seconds), 60)
    texts = {"time": f"{int(minutes // 60):02}:{int(minutes % 60):02}:{rest:06.3f}", "frame": f"frame {number}"}
    text = "  ".join(texts[name] for name in wanted)
    return overlay.caption(frame.image, text) if text else frame.image
