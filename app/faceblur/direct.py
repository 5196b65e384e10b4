"""The same steps without frame files: one pass over the source makes the evidence, a second one the finished video."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from itertools import chain, islice, pairwise, tee
from pathlib import Path

from faceblur import detectors, images, media, motion, overlay, stills, temporal
from faceblur.assemble import Output, Rendition, finish
from faceblur.context import Context
from faceblur.detectors import network
from faceblur.domain import Motion, Region
from faceblur.errors import FaceblurError, IncompleteError, SourceError, UsageError
from faceblur.film import Film
from faceblur.job import DirectJob
from faceblur.options import processors
from faceblur.pace import Pace
from faceblur.photos import Photo, Print
from faceblur.plan import Origin, Plan, naming
from faceblur.redaction import redact_planes
from faceblur.split import Footage, Log, Shown, begun, claimed, recipe
from faceblur.worker import LIKELY, Worker

_USUAL_PX = 1280 * 720  # of a frame
_FARTHEST = 6  # frames from one look to the next for which frames are read ahead; they take memory


def direct(source: Path, context: Context, called: str = "") -> Path:
    """Everything, from a source to the finished video or photo, without frame files. Returns its path.

    The job is named `called`, by default after the source. What is stopped goes on where it was: what was detected is
    stored as with frames, and for them too.
    """
    if context.options.overlay:
        raise UsageError("--overlay draws into frame files: photos and --no-frames have none; leave it out")
    sha256 = context.sha256(source)
    footage = _opened(source, recipe(context.options), accept_damaged=context.options.damaged == "accept")
    origin = begun(source, sha256, footage, context.options)
    with claimed(source, sha256, context, DirectJob, called) as job:
        return _direct(job, origin, footage, context)


def _opened(path: Path, wanted: media.Recipe, *, accept_damaged: bool) -> Photo | media.Reader:
    if stills.is_still(path):
        return Photo(path, wanted, accept_damaged=accept_damaged)
    return media.Reader(path, media.probe(path), wanted)


def _direct(job: DirectJob, origin: Origin, footage: Photo | media.Reader, context: Context) -> Path:
    before = job.frames.origin()
    if before and before.identity == origin.identity and before.state == "complete":
        origin = before
    else:
        job.frames.write_origin(origin)
    if isinstance(footage, Photo):
        context = replace(context, options=replace(context.options, photos=True))
    rendition = _rendition(job, footage, context)
    Output(job, context, rendition).target()  # what is wrong with it is told now, and not after hours
    context, missing = context.equipped(job.lacks, job.side)
    worker = Worker(job, context, missing=missing)
    first = _Pass(job, origin, footage, context, worker.own, job.plan())
    if first.is_due:
        with job.workers.presence(worker.token, worker.own):  # who shares the job leaves alone what is being written
            first.run()
    with worker.joined(every=True) as plan:
        worker.solve(plan)
    if isinstance(footage, media.Reader):  # photos come by the thousand, and are small
        context.unload()
    return finish(job, rendition, context)


def _rendition(job: DirectJob, footage: Photo | media.Reader, context: Context) -> Rendition:
    return Print(job, footage, context) if isinstance(footage, Photo) else DirectFilm(job, footage, context)


@dataclass(frozen=True)
class _Seen:
    """A frame on its way through the first pass: its fingerprint, and what the next steps want to see of it."""

    number: int
    frame: Shown
    shows: str
    transfer: int

    @cached_property
    def plain(self) -> images.Image:
        return images.plain(self.frame.image, self.transfer)

    @cached_property
    def small(self) -> images.Image:
        return motion.small(self.plain)


_Due = tuple[_Seen, list[str]]  # a frame, and the detectors that have to look at it


@dataclass(frozen=True, slots=True)
class _Pass:
    """The first pass: times, fingerprints, detections and the camera's motion of every frame, in order."""

    job: DirectJob
    origin: Origin
    footage: Footage
    context: Context
    own: Sequence[str]
    plan: Plan | None

    @property
    def is_due(self) -> bool:
        """Whether anything is to be found out that only pictures tell."""
        if self.origin.state != "complete":
            return True
        moved = [None, *map(self.job.evidence.motion, self.job.frames.numbers()[1:])]
        if not all(moved[1:]):
            return True
        clock = self.origin.shown
        begins = [found is None or found.support < temporal.CUT for found in moved]
        looks = self._looks(zip(clock.pts, begins, strict=True), clock.time_base)
        return any(self._due(number, *look) for number, look in enumerate(looks, start=1))

    @property
    def _at_once(self) -> int:
        """How many frames are looked at at once: as many as there are to be workers, fewer of large ones.

        A network works in 290 MB for a frame of 1080p; one of two workers has all processors for itself there.
        """
        width, height = self.footage.size
        workers = self.context.options.workers
        return max(1, min(workers, round(workers * _USUAL_PX / (width * height))))

    def run(self) -> None:
        """Decode everything once, detect in threads."""
        log, together = Log(self.origin, self.footage), self._together
        batches = _batches(self._moved(log), together)
        # Of those ahead about `_at_once` are looked at: a batch of several holds the frames between two looks itself.
        ahead = self._at_once * (self._stride if together == 1 else 1) + 1
        with self.context.progress.step(self.job.name, "detect", log.expected) as step:
            for batch, faces in self.context.ahead(self._detect, batches, self._at_once, ahead):
                step.total = max(step.total, len(log.pts))
                step.advance(len(batch), faces)
                self.context.progress.update(step)
            step.total = max(len(log.pts), 1)
        self.job.frames.write_origin(log.complete(self.job, self.context))

    @property
    def _stride(self) -> int:
        """About how many frames it is from one look to the next, and no more than are read ahead for that."""
        pace = self.context.options.pace
        return min(max(pace.every, round(pace.apart * self.origin.video.rate), 1), _FARTHEST)

    @property
    def _together(self) -> int:
        """How many frames are to be given to a detector at once."""
        most = 1
        for name in self.own if not network.no_gpu() else ():
            with self.context.detector(name, self._threads) as detector:
                most = max(most, detector.at_once(*self.footage.size))
        return most

    @property
    def _threads(self) -> int:
        return self.context.options.threads or max(1, processors() // self._at_once)

    def _moved(self, log: Log) -> Iterator[_Due]:
        """Frames and the detectors that have to look at them, once it is known whether a shot begins or ends there."""
        waiting: deque[_Seen] = deque()  # and no tee of frames: it holds on to what was taken, 57 at a time

        def times() -> Iterator[tuple[int, bool]]:
            for seen, begins in self._measured(log):
                waiting.append(seen)
                yield seen.frame.pts, begins

        for look in self._looks(times(), self.footage.time_base):
            seen = waiting.popleft()
            yield seen, self._due(seen.number, *look, seen.shows)

    def _measured(self, log: Log) -> Iterator[tuple[_Seen, bool]]:
        """Frames, each with whether a shot begins there."""
        before: _Seen | None = None
        footage = self.context.timing("decode", self.footage)
        for _, seen in self.context.ahead(self._look, enumerate(footage, start=1), 1, 2):
            log.add(seen.frame, seen.frame.checksum)
            yield seen, before is None or self._motion(before, seen).support < temporal.CUT
            before = seen

    def _looks(self, frames: Iterable[tuple[int, bool]], tick: Fraction) -> Iterator[tuple[bool, set[Pace]]]:
        """For each frame whether it begins or ends a shot, and the paces that choose it.

        `frames` tell of each its time in ticks, and whether a shot begins there; one more than is told of was taken.
        """
        paces = {self._pace(name) for name in self._names}
        shots, *times = tee(frames, 1 + len(paces))
        choices = [pace.chosen((time for time, _ in copy), tick) for pace, copy in zip(paces, times, strict=True)]
        ends = ((a or b) for (_, a), (_, b) in pairwise(chain(shots, [(0, True)])))
        for end, *chosen in zip(ends, *choices, strict=True):
            yield end, {pace for pace, wanted in zip(paces, chosen, strict=True) if wanted}

    def _look(self, item: tuple[int, Shown]) -> _Seen:
        number, frame = item
        with self.context.timed("convert"):
            seen = _Seen(number, frame, self.origin.shows(number, frame.checksum), self.origin.video.colour[2])
            seen.plain  # noqa: B018 - made here, in another thread, and so is what is small
        with self.context.timed("motion"):
            seen.small  # noqa: B018
        return seen

    def _motion(self, before: _Seen, seen: _Seen) -> Motion:
        """How the camera moved from one frame to the next: what is stored, or measured and stored now."""
        of = (before.shows, seen.shows)
        found = self.job.evidence.motion(seen.number, of)
        if found is None:
            with self.context.timed("motion"):
                found = motion.between(before.small, seen.small, self.footage.size[0])
            self.job.evidence.write_motion(seen.number, found, of)
        return found

    @property
    def _names(self) -> tuple[str, ...]:
        """The detectors that were to look before, as far as this version has them, and those asked for now."""
        before = self.plan.detectors if self.plan else ()
        return tuple(dict.fromkeys([*filter(detectors.exists, before), *self.own]))

    def _pace(self, name: str) -> Pace:
        """How often a detector looks, once what is asked now is in the plan."""
        asked = [self.plan.pace(name)] if self.plan and name in self.plan.detectors else []
        asked += [self.context.options.pace] if name in self.own else []
        return asked[0].joined(asked[-1])

    def _due(self, number: int, end: bool, paces: set[Pace], shows: str | None = None) -> list[str]:
        """The detectors that have to look at a frame which begins or ends a shot, or not, and which `paces` choose."""
        due = []
        for name in self._names:
            chosen = end or self._pace(name) in paces
            planned = self.plan is not None and self.plan.covers(name, number, chosen=chosen)
            if (planned or (chosen and name in self.own)) and not self.job.evidence.has(name, number, shows):
                due.append(name)
        return due

    def _detect(self, batch: Sequence[_Due]) -> int:
        """What the detectors say about some frames is stored; how many faces they are rather sure of."""
        faces = 0
        for name in dict.fromkeys(name for _, due in batch for name in due):
            looked = [seen for seen, due in batch if name in due]
            with self.context.timed("detect"), self.context.detector(name, self._threads) as detector:
                try:
                    found = detector.detect([seen.plain for seen in looked])
                except FaceblurError:
                    raise
                except Exception as error:  # whatever a model throws
                    frames = naming([seen.number for seen in looked])
                    raise IncompleteError(
                        f"{self.job.name}: {name} failed on {frames}: {type(error).__name__}: {error}"
                    ) from error
            for seen, said in zip(looked, found, strict=True):
                self.job.evidence.write(name, seen.number, said, seen.shows)
                faces += sum(d.score >= LIKELY for d in said)
        return faces


def _batches(frames: Iterator[_Due], together: int) -> Iterator[list[_Due]]:
    """Frames in order, in batches that hold `together` to look at and those in between, unless these are too many."""
    batch: list[_Due] = []
    for frame in frames:
        batch.append(frame)
        if together == 1 or sum(bool(due) for _, due in batch) == together or len(batch) == together * _FARTHEST:
            yield batch
            batch = []
    if batch:
        yield batch


def shown(job: DirectJob, numbers: Sequence[int]) -> Iterator[tuple[int, images.Image]]:
    """(number, (H, W, 3) uint8 BGR) of some frames in order, decoded again; SourceError when they are others now."""
    origin = job.frames.origin()
    if origin is None or not numbers:
        return
    source, wanted = job.source_path(origin), set(numbers)
    footage: Footage = _opened(source, media.Recipe.from_json(origin.recipe), accept_damaged=True)
    for number, frame in islice(enumerate(footage, start=1), max(wanted)):
        if number in wanted:
            if number > len(origin.checksums) or frame.checksum != origin.checksums[number - 1]:
                raise SourceError(f"{source} is no longer what {job.name} was made from; put it back")
            yield number, images.plain(frame.image, origin.video.colour[2])


class DirectFilm(Film):
    """The finished video of a job without frame files: its pictures are decoded again, and redacted on the way."""

    def __init__(self, job: DirectJob, reader: media.Reader, context: Context) -> None:
        super().__init__(job, context)
        self.reader = reader

    def pictures(self, plan: Plan, kind: str, stamps: Sequence[str]) -> Iterator[media.Picture]:
        """The frames, each redacted; SourceError when this pass gives other frames than the one before."""
        made = {"blurred": self._blurred, "debug": self._debug}[kind]

        def redacted(item: tuple[int, media.Timed]) -> media.Picture:
            number, frame = item
            with self.context.timed("convert"):
                self._check(number, frame)
            regions = self.job.solution.regions(number)
            with self.context.timed("redact"):
                picture, stamp = made(plan, number, frame, regions)
            if stamp != stamps[number - 1]:
                raise IncompleteError(f"the regions of {self.job.name} changed meanwhile: run again")
            return picture

        name = "encode" if kind == "blurred" else "encode debug"
        frames = self.context.timing("decode", self.reader.again())
        with self.context.progress.step(self.job.name, name, len(plan.numbers)) as step:
            for _, picture in self.context.ahead(redacted, enumerate(frames, start=1), most=3):
                yield picture
                step.advance()
                self.context.progress.update(step)
        if step.done < len(plan.numbers):
            raise self._other(step.done + 1)

    def _check(self, number: int, frame: media.Timed) -> None:
        """SourceError unless this is the frame that was looked at under this number."""
        origin = self.job.frames.origin()
        expected = None
        if origin and number <= len(origin.checksums):
            expected = (origin.shown.pts[number - 1] + origin.offset, origin.checksums[number - 1])
        if (frame.pts, frame.checksum) != expected:
            raise self._other(number)

    def _other(self, number: int) -> SourceError:
        return SourceError(
            f"{self.reader.path}: frame {number} is another than when faces were looked for; "
            f"run `faceblur clean {self.job.name}` and start again, or without --no-frames where a damaged file "
            f"looks different each time"
        )

    def _blurred(
        self, plan: Plan, number: int, frame: media.Timed, regions: tuple[Region, ...]
    ) -> tuple[media.Picture, str]:
        picture = frame.frame
        if regions:
            depth, limited = self.reader.video.depth, picture.color_range != media.FULL
            hidden = redact_planes(media.planes(picture), regions, plan.look, depth=depth, limited=limited)
            picture = media.from_planes(hidden, picture)
        return picture, self.job.pictures.blurred_stamp(plan, number, regions)

    def _debug(
        self, plan: Plan, number: int, frame: media.Timed, regions: tuple[Region, ...]
    ) -> tuple[media.Picture, str]:
        seen, shown = self.job.watch.detections(plan, number), images.plain(frame.image, self.reader.video.colour[2])
        return overlay.debug(shown, number, seen, regions), self.job.pictures.debug_stamp(plan, number)
