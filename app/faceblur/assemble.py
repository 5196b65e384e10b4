"""Assemble: the blurred frames become a video again, with the source's times and sound."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from faceblur import files, images, media
from faceblur.context import Context
from faceblur.domain import Json, digest
from faceblur.errors import IncompleteError, SourceError, UsageError
from faceblur.job import Job
from faceblur.plan import Origin, Plan, naming


def assemble(job: Job, context: Context) -> Path:
    """Make the finished video from the blurred frames, check it, and only then give it its name. Returns its path.

    With `options.debug` the debug video is made too. Raises IncompleteError, naming the frames, unless every one of
    them is there, whole and current.
    """
    assembly = _open(job, context)
    with context.alone(job.claim_path("assemble"), f"{job.name} is being assembled by another process; waiting"):
        assembly.check_rendered()
        target = assembly.make("blurred", assembly.target())
        if context.options.debug:
            assembly.make("debug", job.video_path("debug", assembly.family))
        assembly.tell(target)
        if context.options.frames == "delete":
            job.remove_source_frames()
            job.remove_rendered_frames()
    return target


def _open(job: Job, context: Context) -> "_Assembly":
    extent, plan, origin = job.extent(), job.plan(), job.origin()
    if plan is None or extent != plan.extent:
        raise IncompleteError(f"the frames of {job.name} are not blurred yet: run blur")
    if context.options.debug and not plan.debug:
        raise IncompleteError(f"{job.name} has no debug pictures: run blur --debug first")
    if origin is None and context.options.fps is None:
        raise UsageError(f"{job.name} is a folder of frames without times: say how many a second with --fps")
    if origin and context.options.fps and str(context.options.fps) != origin.recipe["fps"]:
        raise UsageError(
            f"{job.name} has the times of its source and --fps would change its speed; split it with --fps"
        )
    return _Assembly(
        job, context, plan, origin, job.clock(plan, context.options.fps), _soundtrack(job, origin, context)
    )


@dataclass(frozen=True, slots=True)
class _Assembly:
    job: Job
    context: Context
    plan: Plan
    origin: Origin | None
    clock: media.Clock
    soundtrack: media.Soundtrack | None

    @property
    def source(self) -> Path | None:
        return self.job.source_path(self.origin) if self.origin else None

    @property
    def family(self) -> str:
        """The ending that outputs get by default."""
        return media.family(self.source, self.soundtrack.sounds if self.soundtrack else ())

    def target(self) -> Path:
        """Where the finished video goes."""
        usual = self.job.video_path("blurred", self.family)
        target = self.context.options.out or usual
        target = target / usual.name if target.is_dir() else target
        media.check_target(target, self.soundtrack.sounds if self.soundtrack else ())
        if self.source and target.exists() and self.source.exists() and target.samefile(self.source):
            raise UsageError(f"{target} is the source itself; name another output with -o")
        return target

    def check_rendered(self) -> None:
        """IncompleteError unless every frame is rendered from the regions of now."""
        if not self.job.is_solved(self.plan):
            raise IncompleteError(f"the regions of {self.job.name} are not those of its evidence and options: run blur")
        due = []
        for number in self.plan.numbers:
            self.context.stop.check()
            if not self.job.is_rendered(self.plan, number):
                due.append(number)
        if due:
            raise IncompleteError(f"{self.job.name}: not blurred, cut or outdated: {naming(due)}; run blur again")

    def make(self, kind: str, target: Path) -> Path:
        """The "blurred" or "debug" video, unless the one that is there is what would be made again."""
        stamps = self._stamps(kind)
        request = self._request(stamps)
        report = self.job.report()
        if not self._is_current(report.get(kind, {}), target, request):
            began = time.monotonic()
            checks = self._encode(kind, stamps, target)
            facts = {"path": str(target), "sha256": self.context.sha256(target), "size": target.stat().st_size}
            facts |= {"request": request, "checks": checks, "seconds": round(time.monotonic() - began, 3)}
            self.job.write_report(report | self._facts() | {kind: facts})
        if kind == "debug":
            self.context.progress.result(f"{target}: for checking only, it shows the faces", debug=str(target))
        return target

    def tell(self, target: Path) -> None:
        """Say what came out, and loudly when nothing was hidden."""
        facts, frames = self._facts(), len(self.plan.numbers)
        if not facts["regions"]:
            self.context.progress.warn(
                f"nothing was hidden in {self.job.name}: no face was found. Look at it before you use it"
            )
        if facts["doubts"]:
            count = len(facts["doubts"])
            self.context.progress.warn(f"{count} decisions could not be followed; see doubts in {self.job.report_path}")
        text = f"{target}: {frames} frames, {facts['regions']} regions hidden"
        self.context.progress.result(text, output=str(target), frames=frames, regions=facts["regions"])

    def _encode(self, kind: str, stamps: Sequence[str], target: Path) -> Json:
        """Write a video to a temporary name, check it, rename it. Returns the figures of the check."""
        files.sweep(target.parent, target)
        with files.atomic(target, sync=True) as temporary:
            media.write(temporary, self._pictures(kind, stamps), self.clock, self._encoding(), self.soundtrack)
            return media.verify(temporary, self.clock, (self.plan.width, self.plan.height), self.soundtrack)

    def _pictures(self, kind: str, stamps: Sequence[str]) -> Iterator[images.Image]:
        """The rendered frames, each with the stamp it must have, also if somebody works on them right now."""
        path_of = self.job.blurred_path if kind == "blurred" else self.job.debug_path
        name = "assemble" if kind == "blurred" else "assemble debug"

        def read(wanted: tuple[int, str]) -> images.Image:
            number, stamp = wanted
            data = images.read_bytes(path_of(number))
            if images.stamp_of(data) != stamp:
                raise IncompleteError(f"{path_of(number)} changed meanwhile: let the workers end and assemble again")
            return images.decode(data, path_of(number))

        with self.context.progress.step(self.job.name, name, len(self.plan.numbers)) as step:
            for (number, _), image in self.context.ahead(read, zip(self.plan.numbers, stamps, strict=True)):
                if image.shape[:2] != (self.plan.height, self.plan.width):
                    size = f"{image.shape[1]}x{image.shape[0]} instead of {self.plan.width}x{self.plan.height}"
                    raise IncompleteError(f"{path_of(number)} is {size}: all frames must have one size")
                yield image
                step.advance()
                self.context.progress.update(step)

    def _encoding(self) -> media.Encoding:
        crf, preset = self.context.options.crf, self.context.options.preset
        average = (len(self.clock.pts) / self.clock.seconds).limit_denominator(60000)
        if self.origin is None:
            return media.Encoding(crf, preset, average)
        video = self.origin.video
        rate = average if self.origin.recipe["fps"] else video.rate
        return media.Encoding(crf, preset, rate, video.aspect, video.colour)

    def _stamps(self, kind: str) -> list[str]:
        """The stamps that the frames of a video must have, in order."""
        stamp_of = self.job.blurred_stamp if kind == "blurred" else self.job.debug_stamp
        return [stamp_of(self.plan, number) for number in self.plan.numbers]

    def _request(self, made: Sequence[str]) -> str:
        """The digest of everything a video is made from."""
        times = [str(self.clock.time_base), list(self.clock.pts), self.clock.end]
        return digest("video", media.VERSION, list(made), times, self.context.options.crf, self.context.options.preset)

    def _is_current(self, made: Json, target: Path, request: str) -> bool:
        """Whether `target` is what would be made again, and nobody touched it since."""
        same = made.get("request") == request and made.get("path") == str(target)
        return bool(same and target.is_file() and self.context.sha256(target) == made.get("sha256"))

    def _facts(self) -> Json:
        origin, solution = self.origin, self.job.solution()
        source = {"path": origin.path, "sha256": origin.sha256, "size": origin.size} if origin else None
        damaged = origin.damaged if origin else 0
        regions, doubts = solution["regions"], solution["doubts"]
        return {"source": source, "damaged": damaged, "plan": self.plan.to_json(), "regions": regions, "doubts": doubts}


def _soundtrack(job: Job, origin: Origin | None, context: Context) -> media.Soundtrack | None:
    """The source's sound, or the part of it that belongs to the part of the picture that was split."""
    if origin is None or not origin.video.sounds:
        return None
    path = job.source_path(origin)
    if not path.is_file():
        raise SourceError(f"the sound of {job.name} is in {path}, which is not there; put it back and assemble again")
    if path.stat().st_size != origin.size or context.sha256(path) != origin.sha256:
        raise IncompleteError(f"{path} is no longer what {job.name} was split from; clean {job.name} and run again")
    begin = origin.offset * origin.shown.time_base
    end = begin + origin.shown.end * origin.shown.time_base
    return media.Soundtrack(path, origin.video.sounds, begin or None, end if origin.is_part else None)
