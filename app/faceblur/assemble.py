"""Assemble: the blurred frames become a video again, with the source's times and sound."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from faceblur import files, images, media
from faceblur.context import Context
from faceblur.domain import Json, digest
from faceblur.errors import IncompleteError, SourceError, UsageError
from faceblur.job import Job
from faceblur.plan import Origin, Plan, naming

_WORTH_A_LOOK = 0.1  # weight of a doubt from which people are told of it unasked


def assemble(job: Job, context: Context) -> Path:
    """Make the finished video from the blurred frames, check it, and only then give it its name. Returns its path.

    With `options.debug` the debug video is made too. Raises IncompleteError, naming the frames, unless every one of
    them is there, whole and current.
    """
    assembly = _open(job, context)
    with context.alone(job.claim_path("assemble"), f"{job.name} is being assembled by another process; waiting"):
        target = assembly.make("blurred", assembly.output.target())
        if context.options.debug:
            assembly.make("debug", assembly.output.usual("debug"))
        assembly.tell(target)
        if context.options.frames == "delete":
            job.remove_source_frames()
            job.remove_rendered_frames()
    return target


def check_output(job: Job, context: Context) -> None:
    """Raise now what `assemble` would raise about the output asked for, before hours of blurring."""
    _output(job, context).target()


def _open(job: Job, context: Context) -> "_Assembly":
    extent, plan, output = job.extent(), job.plan(), _output(job, context)
    if plan is None or extent != plan.extent:
        raise IncompleteError(f"the frames of {job.name} are not blurred yet: run blur")
    if context.options.debug and not plan.debug:
        raise IncompleteError(f"{job.name} has no debug pictures: run blur --debug first")
    return _Assembly(job, context, plan, output, job.clock(plan, context.options.fps))


def _output(job: Job, context: Context) -> "_Output":
    origin, fps = job.origin(), context.options.fps
    if origin is None and fps is None:
        raise UsageError(f"{job.name} is a folder of frames without times: say how many a second with --fps")
    if origin and fps and str(fps) != origin.recipe["fps"]:
        raise UsageError(f"{job.name} has its source's times and --fps would change its speed; split it with --fps")
    return _Output(job, context, origin, _soundtrack(job, origin, context))


@dataclass(frozen=True, slots=True)
class _Output:
    """Where the videos of a job go, and what may be there already."""

    job: Job
    context: Context
    origin: Origin | None
    soundtrack: media.Soundtrack | None

    def target(self) -> Path:
        """Where the finished video goes; UsageError where something is that this job did not make."""
        usual = self.usual("blurred")
        target = self.context.options.out or usual
        target = target / usual.name if target.is_dir() else target
        media.check_target(target, self.soundtrack.sounds if self.soundtrack else ())
        self.encoding("blurred", target.suffix.lower())
        source = self.job.source_path(self.origin) if self.origin else None
        if source and source.exists() and target.exists() and target.samefile(source):
            raise UsageError(f"{target} is the source itself; name another output with -o")
        if target.resolve() == self.usual("debug").resolve():
            raise UsageError(f"{target} is the name of the debug video; name another output with -o")
        if target.exists() and self.known_sha256("blurred", target) is None:
            raise UsageError(f"{target} is there already and {self.job.name} did not make it; move it, or name another")
        return target

    def usual(self, kind: str) -> Path:
        """The name that the "blurred" or "debug" video gets by default."""
        source = self.job.source_path(self.origin) if self.origin else None
        sounds = self.soundtrack.sounds if self.soundtrack else ()
        return self.job.video_path(kind, media.family(source, sounds, self.encoding(kind).codec.endings))

    def encoding(self, kind: str, ending: str | None = None) -> media.Encoding:
        """How the "blurred" or "debug" video is encoded into a file with that ending, or with None into any that fits.

        A debug video is for looking at it: of 8 bits, and of the usual codec.
        """
        o, origin = self.context.options, self.origin
        wish = media.Wish(o.codec, o.encoder, o.crf, o.preset)
        if origin is None:
            first, _, width, height = self.job.extent()
            layout = _layout(self.job.frame_path(first), o.codec)
            own = media.choose((width, height), ending=ending, wish=wish, layout=layout)
        else:
            width, height = origin.width, origin.height
            own = media.choose((width, height), ending=ending, wish=wish, video=origin.video)
        return own if kind == "blurred" else own.for_debugging((width, height), ending)

    @property
    def source_sha256(self) -> str | None:
        return self.origin.sha256 if self.origin else None

    def is_made(self, kind: str, target: Path) -> bool:
        """Whether `target` is what the report says was made there, and nobody touched it since."""
        return target.is_file() and self.known_sha256(kind, target) == self.job.report()[kind]["sha256"]

    def known_sha256(self, kind: str, target: Path) -> str | None:
        """The SHA-256 of what is at `target` if this job made it from this source; None when somebody else did."""
        made = self.job.report().get(kind, {})
        if made.get("path") != str(target) or made.get("source") != self.source_sha256 or not target.is_file():
            return None
        found = self.context.sha256(target)
        return found if found in (made.get("sha256"), made.get("replaces")) else None


@dataclass(frozen=True, slots=True)
class _Assembly:
    job: Job
    context: Context
    plan: Plan
    output: _Output
    clock: media.Clock

    @property
    def origin(self) -> Origin | None:
        return self.output.origin

    @property
    def soundtrack(self) -> media.Soundtrack | None:
        return self.output.soundtrack

    def _check_rendered(self) -> None:
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
        self._check_rendered()  # after the stamps were taken, so that they are those of this plan
        request = self._request(stamps, self._encoding(kind, target))
        made = self.job.report().get(kind, {})
        if made.get("request") == request and self.output.is_made(kind, target):
            self.job.write_report(self.job.report() | self._facts())
        else:
            self._encode(kind, stamps, request, target)
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
        unfollowed = sum(doubt["weight"] >= 1 for doubt in facts["doubts"])
        if unfollowed:
            self.context.progress.warn(
                f"{unfollowed} decisions could not be followed; see doubts in {self.job.report_path}"
            )
        likely = sum(doubt["weight"] >= _WORTH_A_LOOK for doubt in facts["doubts"]) - unfollowed
        if likely:
            moments = "1 moment is" if likely == 1 else f"{likely} moments are"
            self.context.progress.say(f"{moments} worth a look: faceblur doubts {self.job.name}")
        text = f"{target}: {frames} frames, {facts['regions']} regions hidden"
        self.context.progress.result(text, output=str(target), frames=frames, regions=facts["regions"])

    def _encode(self, kind: str, stamps: Sequence[str], request: str, target: Path) -> None:
        """Write a video to a temporary name, check it, write the report, rename it.

        The report goes first and names what it replaces, so that after a crash between the two the file that is there
        is still known to be ours.
        """
        began, before = time.monotonic(), self.job.report()
        note = self._encoding(kind, target).note
        if note and kind == "blurred":
            self.context.progress.warn(f"{self.job.name}: {note}")
        files.sweep(target.parent, target)
        with files.atomic(target, sync=True) as temporary:
            size, encoding = (self.plan.width, self.plan.height), self._encoding(kind, target)
            media.write(temporary, self._pictures(kind, stamps), self.clock, encoding, self.soundtrack)
            checks = media.verify(temporary, self.clock, size, self.soundtrack, encoding)
            facts = {"path": str(target), "sha256": self.context.sha256(temporary), "size": temporary.stat().st_size}
            facts |= {"replaces": self.output.known_sha256(kind, target), "source": self.output.source_sha256}
            facts |= {"request": request, "checks": checks, "seconds": round(time.monotonic() - began, 3)}
            self.job.write_report(before | self._facts() | {kind: facts})

    def _pictures(self, kind: str, stamps: Sequence[str]) -> Iterator[images.Pixels]:
        """The rendered frames, each with the stamp it must have, also if somebody works on them right now."""
        path_of = self.job.blurred_path if kind == "blurred" else self.job.debug_path
        name = "assemble" if kind == "blurred" else "assemble debug"

        def read(wanted: tuple[int, str]) -> images.Pixels:
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

    def _encoding(self, kind: str, target: Path) -> media.Encoding:
        average = (len(self.clock.pts) / self.clock.seconds).limit_denominator(60000)
        rate = average if self.origin is None or self.origin.recipe["fps"] else self.origin.video.rate
        return replace(self.output.encoding(kind, target.suffix.lower()), rate=rate)

    def _stamps(self, kind: str) -> list[str]:
        """The stamps that the frames of a video must have, in order."""
        stamp_of = self.job.blurred_stamp if kind == "blurred" else self.job.debug_stamp
        return [stamp_of(self.plan, number) for number in self.plan.numbers]

    def _request(self, made: Sequence[str], encoding: media.Encoding) -> str:
        """The digest of everything a video is made from."""
        times = [str(self.clock.time_base), list(self.clock.pts), self.clock.end]
        origin, sound = self.origin, self.soundtrack
        source = [origin.sha256, origin.video.to_json(), origin.recipe] if origin else []
        part = [str(sound.begin), str(sound.end)] if sound else []
        return digest("video", media.VERSION, list(made), times, source, part, repr(encoding))

    def _facts(self) -> Json:
        origin, solution = self.origin, self.job.solution()
        source = {"path": origin.path, "sha256": origin.sha256, "size": origin.size} if origin else None
        damaged = origin.damaged if origin else 0
        regions, doubts = solution["regions"], solution["doubts"]
        return {"source": source, "damaged": damaged, "plan": self.plan.to_json(), "regions": regions, "doubts": doubts}


def _layout(frame: Path, codec: str) -> media.Layout:
    """How frames from elsewhere, which are RGB of 8 or 16 bits, are encoded: so that everybody can play them."""
    depth, alpha = images.samples(frame)
    if codec in ("ffv1", "prores"):
        return media.Layout("rgb", depth, alpha) if codec == "ffv1" else media.Layout("444", 10, alpha)
    return media.Layout("420", min(depth, 10))


def _soundtrack(job: Job, origin: Origin | None, context: Context) -> media.Soundtrack | None:
    """The source's sound, or the part of it that belongs to the part of the picture that was split."""
    if origin is None or not origin.video.sounds:
        return None
    path = job.source_path(origin)
    if not path.is_file():
        raise SourceError(f"the sound of {job.name} is in {path}, which is not there; put it back and assemble again")
    if path.stat().st_size != origin.size or context.sha256(path) != origin.sha256:
        raise IncompleteError(
            f"{path} is no longer what {job.name} was split from; run `faceblur clean {job.name}` and start again"
        )
    begin = origin.offset * origin.shown.time_base
    end = begin + origin.shown.end * origin.shown.time_base
    return media.Soundtrack(path, origin.video.sounds, begin or None, end if origin.is_part else None)
