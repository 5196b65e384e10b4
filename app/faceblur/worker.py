"""What one worker does for a job: detect, solve and render what is missing, until all is rendered.

Any number of workers, in any number of processes and containers, share a job through its files alone.
"""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice, pairwise

from faceblur import detectors, files, images, motion, overlay, temporal
from faceblur.claims import claim
from faceblur.context import Context
from faceblur.detectors.base import Detector
from faceblur.domain import Detection, Region
from faceblur.errors import FaceblurError, IncompleteError, MissingError, SourceError, UsageError
from faceblur.job import Job
from faceblur.media import UNKNOWN
from faceblur.options import SUBSTITUTES
from faceblur.plan import LOOK, Plan
from faceblur.redaction import redact
from faceblur.sharing import Sharing, Task

_NEAR = 12  # frames to either side of which small pictures are kept: from one look to the next, up to 120 a second
LIKELY = 0.3  # score from which a detection is counted as a face while nothing is solved yet
_READERS = 4  # threads that read frames for a detector that looks at several at once


_Frame = tuple[str, images.Image]  # its fingerprint, and the picture as detectors see it
_Look = tuple[_Frame, list[Detection]]  # and what one of them says about it


@dataclass
class Worker:
    """One worker in one process. `detect`, `solve` and `render` return once nothing of that step is left to do."""

    job: Job
    context: Context
    token: str = field(default_factory=lambda: uuid.uuid4().hex)
    threads: int = 0
    missing: dict[str, str] = field(default_factory=dict)
    _made: dict[str, Detector] = field(default_factory=dict)
    _views: dict[int, tuple[str, images.Image]] = field(default_factory=dict)
    _looked: dict[tuple[str, int], _Look] = field(default_factory=dict)  # before their turn, by detector and number
    _sharing: Sharing = field(init=False)
    _solves: int = field(init=False)  # that had begun when this worker last wrote evidence, or saw to the solve

    def __post_init__(self) -> None:
        self._sharing = Sharing(self.job, self.context)
        self._wrote()

    def _wrote(self) -> None:
        self._solves = self.job.solution.begun()

    @property
    def own(self) -> tuple[str, ...]:
        """The detectors this worker was started for."""
        return tuple(dict.fromkeys(detectors.resolve(name) for name in self.context.options.members))

    @contextmanager
    def joined(self, *, every: bool = False) -> Iterator[Plan]:
        """Count among the living and write into the plan what is asked; with `every`, of all frames."""
        with ExitStack() as until_the_end:
            with self.context.alone(self.job.claim_path("plan")):
                others, before = self.job.workers.living(), self.job.plan()
                if not others:
                    with claim(self.job.claim_path("assemble")) as nobody_writes:
                        if nobody_writes:
                            self.job.sweep()
                    before = before and self._without_unknown(before)
                plan = self._asked(before, every=every, alone=not others)
                until_the_end.enter_context(self.job.workers.presence(self.token, self.own))
                self.job.write_plan(plan)
            yield plan

    def make(self) -> None:
        """Load the own detectors that have something to do: what cannot run is told before it is planned."""
        for name in self.own:
            if self.job.lacks(name):
                self._detector(name)

    def work(self) -> None:
        """Take part in detect, solve and render until the job is rendered. Raises IncompleteError when it cannot be."""
        while True:
            plan = self._plan()
            self.detect(plan)
            self.solve(plan)
            if self._plan() == plan:
                self.render(plan)
                if self._plan() == plan and self.job.solution.begun() == self._solves:
                    return

    def detect(self, plan: Plan) -> None:
        """Make the evidence that is planned and missing: first with the own detectors, then what nobody else makes.

        A frame that fails is told before waiting for others, who may be waiting for it.
        """
        names = sorted(plan.detectors, key=lambda name: name not in self.own)
        for name in names:
            self._sharing.until_done(self._detecting(plan, name), self.job.watch.sees(plan, name))
        self._sharing.until_done(self._moving(), plan.numbers[1:])
        ends = self.job.watch.ends(plan)  # only now is known where shots begin and end
        for name in (name for name in names if name in plan.paces):
            self._sharing.until_done(self._detecting(plan, name), self.job.watch.sees(plan, name, ends))

    def solve(self, plan: Plan) -> None:
        """Make the regions, or wait for the worker that does. Nothing is done for a plan that is no longer in force."""
        with self.context.timed("solve"), self.context.alone(self.job.claim_path("solve")):
            since, self._solves = self._solves, self.job.solution.begun()
            if self.job.solution.answers(plan, since):
                return  # another did it, with all that we wrote: spares that each looks at all evidence in turn
            self.job.decisions.bind(plan)
            if not self.job.solution.is_current(plan):
                if self._plan() != plan:
                    return  # whoever asked for more may have solved already, and hides what is not in this plan
                text, self._solves = self.job.decisions.text(plan), self.job.solution.begin()
                inputs, decisions = self.job.solution.inputs(plan, text), self.job.decisions.read(text)
                size = (plan.width, plan.height)
                evidence, tick = self.job.watch.evidence(plan), self.job.frames.clock(plan).time_base
                solution = self._checked(temporal.solve(evidence, decisions, plan.settings, size, tick))
                unheard, asked = temporal.unheard(decisions, plan.numbers), self.job.solution.asked(plan, text)
                changed = self.job.solution.write(plan, solution, inputs, unheard, asked=asked, solve=self._solves)
                self.context.progress.detail(f"{self.job.name}: the regions of {changed} frames changed")

    def render(self, plan: Plan) -> None:
        """Make the blurred pictures, and debug pictures if asked for, that are missing or not current."""
        self._sharing.until_done(self._rendering(plan), plan.numbers)

    def _detecting(self, plan: Plan, name: str) -> Task:
        begins = {first for first, _ in plan.detectors[name]}  # before these it may be far to the last look
        before = {b: a for a, b in pairwise(self.job.watch.sees(plan, name)) if b not in begins}
        return Task(
            name=f"detect-{name}",
            faces=lambda number: _likely(self.job.evidence.heard(name, number)),
            make=lambda number: self._detect(name, number, before.get(number, max(plan.first, number - 1))),
            mine=lambda: name in self.own or self._orphaned(name),
            turns=lambda numbers: self._turns(name, numbers, self._detector(name).at_once(plan.width, plan.height)),
            written=self._wrote,
        )

    def _moving(self) -> Task:
        """What detecting left over: most motion is measured there, where the pictures are at hand."""
        return Task(
            name="motion",
            faces=lambda number: None if self.job.evidence.motion(number) is None else 0,
            make=self._move,
            written=self._wrote,
        )

    def _rendering(self, plan: Plan) -> Task:
        return Task(
            name="render",
            faces=lambda number: None if (hidden := self.job.pictures.rendered(plan, number)) is None else len(hidden),
            make=lambda number: self._render(plan, number),
        )

    # One frame

    def _detect(self, name: str, number: int, before: int) -> None:
        """Look at a frame, and measure how the camera moved since `before`, where the pictures are at hand."""
        (of, image), found = self._looked.pop((name, number), None) or self._seen(name, [self._frame(number)])[0]
        self.job.evidence.write(name, number, found, of)
        self._view(number, of, image)
        for passed in range(before + 1, number + 1):
            with suppress(SourceError):  # of the frame before, which is told where that one is detected
                self._move(passed)

    def _frame(self, number: int) -> _Frame:
        with self.context.timed("PNG read"):
            of, data = self.job.frames.read(number)
            return of, images.plain(images.decode(data, self.job.frames.path(number)), self._transfer)

    def _seen(self, name: str, frames: Sequence[_Frame]) -> list[_Look]:
        """Some frames, given to a detector at once, each with what that says."""
        with self.context.timed("detect"):
            found = self._detector(name).detect([image for _, image in frames])
        return list(zip(frames, found, strict=True))

    @cached_property
    def _transfer(self) -> int:
        """How the source's values stand for light."""
        origin = self.job.frames.origin()
        return origin.video.colour[2] if origin else UNKNOWN

    def _move(self, number: int) -> None:
        """Measure how the camera moved since the frame before, unless that is known."""
        of = (self.job.frames.fingerprint(number - 1), self.job.frames.fingerprint(number))
        if self.job.evidence.motion(number, of) is None:
            before, after = self._view(number - 1, of[0]), self._view(number, of[1])
            width = images.size(self.job.frames.path(number))[0]
            with self.context.timed("motion"):
                moved = motion.between(before, after, width)
            self.job.evidence.write_motion(number, moved, of)

    def _view(self, number: int, of: str, image: images.Image | None = None) -> images.Image:
        """The small picture of a frame whose fingerprint is `of`; it is kept, as frames after it need it too."""
        if self._views.get(number, ("",))[0] != of:
            shows, whole = self._frame(number) if image is None else (of, image)
            if shows != of:
                raise SourceError(f"{self.job.frames.path(number)} was replaced while it was looked at: run blur again")
            near = {n: view for n, view in self._views.items() if abs(n - number) <= _NEAR}
            with self.context.timed("motion"):
                self._views = near | {number: (of, motion.small(whole))}
        return self._views[number][1]

    def _render(self, plan: Plan, number: int) -> None:
        if self.job.pictures.is_retouched(number):
            path = self.job.pictures.blurred_path(number)
            raise SourceError(f"{path} was changed by hand; move it away to have it made again (hide by hand: README)")
        source, regions = self.job.frames.path(number), self.job.solution.regions(number)
        with self.context.timed("PNG read"):
            of, data = self.job.frames.read(number)
            image = images.decode(data, source) if regions or plan.debug else None
        if not self.job.watch.is_seen(plan, number, of):
            raise IncompleteError(f"{source} was replaced while {self.job.name} was worked on: run blur again")
        stamp = self.job.pictures.blurred_stamp(plan, number, regions, of)
        if image is not None and regions:
            with self.context.timed("redact"):
                hidden = redact(image, regions, plan.look)
            with self.context.timed("PNG write"):
                images.write(self.job.pictures.blurred_path(number), hidden, stamp, self.context.options.png)
        else:
            with self.context.timed("PNG write"):
                files.write(self.job.pictures.blurred_path(number), images.restamped(data, source, stamp))
        if image is not None and plan.debug:
            self._render_debug(plan, number, image, regions)

    def _render_debug(self, plan: Plan, number: int, image: images.Pixels, regions: Sequence[Region]) -> None:
        stamp, seen = self.job.pictures.debug_stamp(plan, number), self.job.watch.detections(plan, number)
        picture = overlay.debug(images.plain(image, self._transfer), number, seen, regions)
        images.write(self.job.pictures.debug_path(number), picture, stamp, self.context.options.png)

    def _detector(self, name: str) -> Detector:
        if name not in self._made:
            self.context.inform(name)
            self._made[name] = detectors.create(name, self.context.options.weights, self.threads)
        return self._made[name]

    # Several frames at once

    def _turns(self, name: str, numbers: Sequence[int], together: int) -> Iterator[int]:
        """The numbers; with `together` above 1 so many frames are looked at before their turn, while others are read.

        What goes wrong here is left to the turn of the frame, which meets it alone.
        """
        if together == 1:
            yield from numbers
            return
        reading = self.context.ahead(lambda n: self._readable(name, n), numbers, threads=_READERS, most=2 * together)
        while batch := list(islice(reading, together)):
            frames = {(name, number): frame for number, frame in batch if frame}
            try:
                self._looked = dict(zip(frames, self._seen(name, list(frames.values())), strict=True))
            except FaceblurError:
                raise
            except Exception:  # whatever a model throws
                self._looked = {}
            yield from (number for number, _ in batch)

    def _readable(self, name: str, number: int) -> _Frame | None:
        """A frame that a detector has to look at; None for one that cannot be read, or that another worker made."""
        try:
            return self._frame(number) if self.job.evidence.heard(name, number) is None else None
        except (SourceError, OSError):
            return None

    # Others

    def _plan(self) -> Plan:
        plan = self.job.plan()
        if plan is None:
            raise IncompleteError(f"the plan of {self.job.name} was removed meanwhile: run blur again")
        return plan

    def _asked(self, before: Plan | None, *, every: bool, alone: bool) -> Plan:
        """The plan with this worker's wishes in it."""
        o = self.context.options
        fresh = Plan(self.job.home, *self.job.extent())
        plan = before if before and before.extent == fresh.extent else fresh
        look = {name: getattr(o, name) for name in LOOK}
        asked = replace(plan, **look)
        if before is not None and not alone and asked != before:
            different = ", ".join(k for k in look if getattr(before, k) != getattr(asked, k)) or "frames"
            raise IncompleteError(
                f"another worker is at work on {self.job.name} with another {different}; "
                f"wait for it to end, or use the same options"
            )
        wanted = plan.numbers if every else self.job.pictures.unrendered(plan.numbers)
        for name in self.own:
            replaced = plan.planned(SUBSTITUTES.get(name, "")) if name in plan.missing else ()
            frames = plan.uncovered(detectors.kind(name)).union(wanted, replaced)
            asked = asked.adding(name, frames, o.pace)
        still = {name: why for name, why in asked.missing.items() if name not in self.own}
        return replace(asked, missing=still | self.missing)

    def _without_unknown(self, plan: Plan) -> Plan:
        """The plan without detectors of other versions that did not see all they should, which is told loudly.

        Nobody can run them any more. Their frames are uncovered then, and whoever is started looks at them. What is
        complete counts as it did.
        """
        unknown = [name for name in plan.detectors if not detectors.exists(name)]
        if unknown:
            self.job.extent()  # frames that are missing, or of another folder, are told before anything is forgotten
        for name in unknown:
            if not self.job.watch.is_through(plan, name):
                self.context.progress.warn(
                    f"{self.job.name} was begun with {name}, which this version does not have: what it said is given "
                    f"up, and its frames are looked at again"
                )
                self.job.remove_detections(name)
                plan = plan.without(name)
        return plan

    def _orphaned(self, name: str) -> bool:
        """Whether nobody alive was started for a detector, so that this one has to. IncompleteError if it cannot."""
        if self.job.workers.living(besides=self.token, running=name):
            return False
        try:
            self._detector(name)
        except (MissingError, UsageError) as error:  # one that this version does not have
            raise IncompleteError(
                f"{self.job.name} waits for {name}, which nobody runs and which cannot run here ({error}); start one "
                f"with --detector {name}, or give it up: faceblur clean {self.job.name} --detections {name}"
            ) from error
        return True

    def _checked(self, solution: Iterator[temporal.Solved]) -> Iterator[temporal.Solved]:
        for solved in solution:
            self.context.stop.check()
            yield solved


def _likely(seen: Sequence[Detection] | None) -> int | None:
    """How many faces a frame is taken to show while nothing is solved; None when it was not seen yet."""
    return None if seen is None else sum(d.score >= LIKELY for d in seen)
