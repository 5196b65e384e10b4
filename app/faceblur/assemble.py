"""Assemble: what was blurred becomes a finished file, which is checked before it gets its name."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from faceblur import files, images, profile, report
from faceblur.context import Context
from faceblur.domain import Json, digest
from faceblur.errors import IncompleteError, MediaError, UsageError
from faceblur.film import Film
from faceblur.job import Job
from faceblur.plan import Plan, naming

_WORTH_A_LOOK = 0.3  # weight of a doubt from which people are told of it unasked


class Rendition(Protocol):
    """How the finished files of a job are made; `kind` is "blurred" or "debug"."""

    def ending(self, kind: str) -> str:
        """The ending that a file gets by default."""
        ...

    def check(self, target: Path) -> None:
        """MediaError or UsageError unless `target` names a kind of file that this can become."""

    def about(self, plan: Plan, kind: str, target: Path) -> list[object]:
        """All that the file at `target` is made from besides its pictures."""
        ...

    def stamps(self, plan: Plan, kind: str) -> list[str]:
        """What each picture must be made from; IncompleteError unless all of them can be had."""
        ...

    def write(self, path: Path, plan: Plan, kind: str, stamps: Sequence[str]) -> Json:
        """Write a temporary file and check it: the figures of that check. Raises MediaError."""
        ...


def assemble(job: Job, context: Context) -> Path:
    """Make the finished video from the blurred frames, check it, and only then give it its name. Returns its path.

    With `options.debug` the debug video is made too. Raises IncompleteError, naming the frames, unless every one of
    them is there, whole and current.
    """
    target = finish(job, FrameFilm(job, context), context)
    if context.options.frames == "delete":
        job.remove_frames()
    return target


def finish(job: Job, rendition: Rendition, context: Context) -> Path:
    """Make the finished files of a job, check them, tell what came out. Returns the path of the blurred one."""
    extent, plan, output = job.extent(), job.plan(), Output(job, context, rendition)
    if plan is None or extent != plan.extent:
        raise IncompleteError(f"the frames of {job.name} are not blurred yet: run blur")
    if context.options.debug and not plan.debug:
        raise IncompleteError(f"{job.name} has no debug pictures: run blur --debug first")
    with context.alone(job.claim_path("assemble"), f"{job.name} is being assembled by another process; waiting"):
        assembly = _Assembly(job, context, plan, output, report.facts(job, plan, context.options.weights))
        target = assembly.make("blurred", output.target())
        if context.options.debug:
            assembly.make("debug", output.usual("debug"))
        assembly.tell(target)
        if context.profile:
            spent = context.profile.facts()
            job.reports.write(job.reports.last() | {"profile": spent})
            context.progress.say("\n".join(profile.lines(spent)))
    return target


def check_output(job: Job, context: Context) -> None:
    """Raise now what `assemble` would raise about the output asked for, before hours of blurring."""
    film = FrameFilm(job, context)
    Output(job, context, film).target()
    _ = film.soundtrack


@dataclass(frozen=True, slots=True)
class Output:
    """Where the finished files of a job go, and what may be there already."""

    job: Job
    context: Context
    rendition: Rendition

    def target(self) -> Path:
        """Where the finished file goes; UsageError where something is that this job did not make."""
        usual = self.usual("blurred")
        target = self.context.options.out or usual
        target = target / usual.name if target.is_dir() else target
        if self.context.options.mirror and not self._fits(target):
            target = target.with_name(target.name + usual.suffix)
        self.rendition.check(target)
        origin = self.job.frames.origin()
        source = self.job.source_path(origin) if origin else None
        if source and source.exists() and target.exists() and target.samefile(source):
            raise UsageError(f"{target} is the source itself; name another output with -o")
        if target.resolve() == self.usual("debug").resolve():
            raise UsageError(f"{target} is the name of the debug video; name another output with -o")
        if target.exists() and not self.made("blurred", target):
            raise UsageError(f"{target} is there already and {self.job.name} did not make it; move it, or name another")
        return target

    def _fits(self, target: Path) -> bool:
        try:
            self.rendition.check(target)
        except (MediaError, UsageError):
            return False
        return True

    def usual(self, kind: str) -> Path:
        """The name that the "blurred" or "debug" file gets by default."""
        return self.job.finished_path(kind, self.rendition.ending(kind))

    @property
    def source_sha256(self) -> str | None:
        origin = self.job.frames.origin()
        return origin.sha256 if origin else None

    def made(self, kind: str, target: Path) -> Json:
        """What the reports tell of the file at `target`; empty unless this job made it from this source."""
        if not target.is_file():
            return {}
        made = self.job.reports.made(kind, target, self.context.sha256(target))
        return made if made.get("source") == self.source_sha256 else {}


@dataclass(frozen=True, slots=True)
class _Assembly:
    job: Job
    context: Context
    plan: Plan
    output: Output
    facts: Json

    @property
    def rendition(self) -> Rendition:
        return self.output.rendition

    def make(self, kind: str, target: Path) -> Path:
        """The "blurred" or "debug" file, unless the one that is there is what would be made again."""
        stamps = self.rendition.stamps(self.plan, kind)
        request = digest(stamps, self.rendition.about(self.plan, kind, target))
        made = self.output.made(kind, target)
        if made.get("request") == request:
            made |= {"path": self.job.reports.told(target)}
            self.job.reports.write(self._before | self.facts | {kind: made})
        else:
            self._write(kind, stamps, request, target)
        if kind == "debug":
            self.context.progress.result(f"{target}: for checking only, it shows the faces", debug=str(target))
        return target

    @property
    def _before(self) -> Json:
        """What was told of the last output, less where the time of that run went."""
        return {name: value for name, value in self.job.reports.last().items() if name != "profile"}

    def tell(self, target: Path) -> None:
        """Say what came out, and loudly when nothing was hidden."""
        facts = self.facts
        if not facts["regions"]:
            self.context.progress.warn(f"nothing was hidden in {self.job.name}. Look at it before you use it")
        unfollowed = sum(doubt["weight"] >= 1 for doubt in facts["doubts"])
        if unfollowed:
            self.context.progress.warn(
                f"{unfollowed} decisions could not be followed; see doubts in {self.job.reports.path}"
            )
        likely = sum(doubt["weight"] >= _WORTH_A_LOOK for doubt in facts["doubts"]) - unfollowed
        if likely:
            moments = "1 moment is" if likely == 1 else f"{likely} moments are"
            self.context.progress.say(f"{moments} worth a look: faceblur doubts {self.job.name}")
        frames, regions = facts["frames"], facts["regions"]
        text = f"{target}: {f'{frames} frames, ' if frames > 1 else ''}{report.summary(facts)}"
        self.context.progress.result(text, output=str(target), frames=frames, regions=regions)

    def _write(self, kind: str, stamps: Sequence[str], request: str, target: Path) -> None:
        """Write a file to a temporary name, check it, write the report, rename it.

        The report goes first and names what it replaces, so that after a crash between the two the file that is there
        is still known to be ours.
        """
        began, before = time.monotonic(), self._before
        files.sweep(target.parent, target)
        with files.atomic(target, sync=True) as temporary:
            try:
                checks = self.rendition.write(temporary, self.plan, kind, stamps)
            except MediaError as error:
                raise MediaError(f"{self.job.name}: {error}") from error
            facts = {"path": self.job.reports.told(target), "size": temporary.stat().st_size}
            facts |= {"sha256": self.context.sha256(temporary)}
            facts |= {"replaces": self.output.made(kind, target).get("sha256"), "source": self.output.source_sha256}
            facts |= {"request": request, "checks": checks, "seconds": round(time.monotonic() - began, 3)}
            steps = before.get("steps", {}) | self.context.progress.spent.get(self.job.name, {})
            self.job.reports.write(before | self.facts | {kind: facts, "steps": steps})


class FrameFilm(Film):
    """The finished video of a job with rendered frames."""

    def stamps(self, plan: Plan, kind: str) -> list[str]:
        """The stamps that the frames must have, in order; IncompleteError unless all of them are there and have it."""
        stamps = super().stamps(plan, kind)
        due = []
        for number in plan.numbers:
            self.context.stop.check()
            if not self.job.pictures.is_rendered(plan, number):
                due.append(number)
        if due:
            raise IncompleteError(f"{self.job.name}: not blurred, cut or outdated: {naming(due)}; run blur again")
        return stamps

    def pictures(self, plan: Plan, kind: str, stamps: Sequence[str]) -> Iterator[images.Pixels]:
        """The rendered frames, each with the stamp it must have, also if somebody works on them right now."""
        path_of = self.job.pictures.blurred_path if kind == "blurred" else self.job.pictures.debug_path
        name = "assemble" if kind == "blurred" else "assemble debug"

        def read(wanted: tuple[int, str]) -> images.Pixels:
            number, stamp = wanted
            with self.context.timed("PNG read"):
                data = images.read_bytes(path_of(number))
                if images.stamp_of(data) != stamp:
                    raise IncompleteError(
                        f"{path_of(number)} changed meanwhile: let the workers end and assemble again"
                    )
                return images.decode(data, path_of(number))

        with self.context.progress.step(self.job.name, name, len(plan.numbers)) as step:
            for (number, _), image in self.context.ahead(read, zip(plan.numbers, stamps, strict=True)):
                if image.shape[:2] != (plan.height, plan.width):
                    size = f"{image.shape[1]}x{image.shape[0]} instead of {plan.width}x{plan.height}"
                    raise IncompleteError(f"{path_of(number)} is {size}: all frames must have one size")
                yield image
                step.advance()
                self.context.progress.update(step)
