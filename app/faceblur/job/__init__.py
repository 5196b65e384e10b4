"""A job: one source, its frames and everything made from it. The only owner of file names and stamps.

Every question "is it there, is it current?" is answered here, by looking at files and the stamps in them. Each part of
a job answers for its own files, and builds on those before it: frames, evidence of them, the watch that says whose
evidence is needed, decisions of people, the solution made from all that, and the pictures drawn by it.
"""

import contextlib
import itertools
from collections.abc import Sequence
from pathlib import Path

from faceblur import files, images
from faceblur.errors import IncompleteError, UsageError
from faceblur.job import records
from faceblur.job.decisions import Decisions
from faceblur.job.evidence import Evidence
from faceblur.job.frames import DirectFrames, Frames
from faceblur.job.pictures import Pictures
from faceblur.job.reports import Reports
from faceblur.job.solution import Solution
from faceblur.job.watch import Watch
from faceblur.job.workers import Workers
from faceblur.plan import Origin, Plan, naming

__all__ = ["DirectJob", "Job"]

_BLOCK = 32
_SHARES = 200  # a job is cut into at least this many blocks, so that many workers end together


class Job:
    """The files of one job: frames in `input`/NAME (or `elsewhere`), everything made from them in `output`/NAME."""

    def __init__(self, name: str, input_folder: Path, output_folder: Path, elsewhere: Path | None = None) -> None:
        self.name = name
        self.input_folder = input_folder
        self.home = str(elsewhere or "")
        self.folder = output_folder / name
        self.frames = self._frames_of(elsewhere or input_folder / name)
        self.evidence = Evidence(self.folder, self.frames)
        self.watch = Watch(self.frames, self.evidence)
        self.decisions = Decisions(self.folder, self.frames)
        self.solution = Solution(self.folder, self.frames, self.watch, self.decisions)
        self.pictures = Pictures(self.folder, self.frames, self.watch, self.solution)
        self.reports = Reports(self.folder)
        self.workers = Workers(self._claims_folder / "workers")

    def _frames_of(self, folder: Path) -> Frames:
        return Frames(self.name, folder)

    # Names

    @property
    def plan_path(self) -> Path:
        return self.folder / "plan.json"

    @property
    def split_claim(self) -> Path:
        """In the folder that split writes, so that split needs no other."""
        return self.frames.folder / "split.lock"

    def claim_path(self, what: str) -> Path:
        return self._claims_folder / f"{what}.lock"

    @property
    def _claims_folder(self) -> Path:
        return self.folder / "claims"

    def source_path(self, origin: Origin) -> Path:
        """The source's file. Inside the input folder it is named from there, so that containers find it too."""
        return self.input_folder / origin.path

    def finished_path(self, kind: str, ending: str) -> Path:
        """The finished file by default; `kind` is "blurred" or "debug"."""
        return self.folder / f"{self.name}-{kind}{ending}"

    # What is there

    def was_worked_on(self) -> bool:
        """Whether something made from the job is there, even if its frames are gone."""
        return self.plan_path.exists() or self.reports.path.exists()

    def extent(self) -> tuple[int, int, int, int]:
        """First and last number, width and height of the frames. IncompleteError when a frame is missing.

        The extent of foreign frames is frozen in the plan, so that frames lost later are missed.
        """
        origin, plan, there = self.frames.origin(), self.plan(), self.frames.numbers()
        if plan and plan.home != self.home:
            homes = (plan.home or "the input folder", self.home or "the input folder")
            raise IncompleteError(
                f"{self.folder} holds what was made from frames in {homes[0]}, not in {homes[1]}; "
                f"rename one of the two folders, or choose another --output"
            )
        if origin:
            extent = (1, len(origin.shown.pts), origin.width, origin.height)
        else:
            if not there:
                raise IncompleteError(
                    f"{self.frames.folder} has no frames (frame_0000000001.png …, ten digits): split a video first"
                )
            extent = (there[0], there[-1], *images.size(self.frames.path(there[0])))
            if plan:
                extent = plan.extent
                new = sorted(set(there) - set(plan.numbers))
                if new:
                    advice = f"to begin anew with all of them: faceblur clean {self.name}"
                    raise IncompleteError(f"{self.name} got {naming(new)} after work on it began; {advice}")
        expected = range(extent[0], extent[1] + 1)
        more = [number for number in there if number not in expected]
        if count := len(expected) - (len(there) - len(more)):
            present = set(there)
            missing = list(itertools.islice((n for n in expected if n not in present), 10_000))
            advice = "run split again" if origin else "put them back"
            raise IncompleteError(f"{self.name} lacks {naming(missing)} of its source, {count} in all; {advice}")
        if more:
            raise IncompleteError(f"{self.frames.folder} holds {naming(more)}, not of its source; move it away")
        return extent

    @property
    def side(self) -> int:
        """The longer side of the frames, in pixels."""
        origin = self.frames.origin()
        return max((origin.width, origin.height) if origin else self.extent()[2:])

    def lacks(self, detector: str) -> bool:
        """Whether there is a frame without evidence of `detector`."""
        return not all(self.evidence.has(detector, number) for number in self.frames.numbers())

    # Plan

    def plan(self) -> Plan | None:
        """What was asked; None before the first `blur`. IncompleteError when it cannot be understood."""
        value = records.read(self.plan_path)
        try:
            return Plan.from_json(value) if value else None
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            advice = f"delete it, and run blur with the options you want: {self.plan_path}"
            raise IncompleteError(f"the plan of {self.name} cannot be understood ({error}); {advice}") from error

    def write_plan(self, plan: Plan) -> None:
        records.write(self.plan_path, plan.to_json())

    def blocks(self, numbers: Sequence[int]) -> list[tuple[int, list[int]]]:
        """Frames to claim together: (name of the block, its numbers among `numbers`). The same for every worker."""
        plan = self.plan()
        size = max(1, min(_BLOCK, len(plan.numbers) // _SHARES)) if plan else 1
        blocks: dict[int, list[int]] = {}
        for number in numbers:
            blocks.setdefault(number - number % size, []).append(number)
        return list(blocks.items())

    # Clean

    def sweep(self) -> None:
        """Remove the leftovers of killed workers. Nobody may be working on the job."""
        for folder in (self.folder, self.reports.kept_folder, self.solution.folder):
            files.sweep(folder)
        self.evidence.sweep()

    def knows(self, detector: str) -> bool:
        """Whether a detector was asked, or said something."""
        plan = self.plan()
        return detector in self.evidence.detectors() or bool(plan and detector in plan.detectors)

    def remove_detections(self, detector: str) -> None:
        """Forget what a detector said, that it was asked, and the pictures made from it, so that all are asked again.

        A picture that a person changed stays.
        """
        plan = self.plan()
        if not self.knows(detector):
            known = sorted(self.evidence.detectors())
            raise UsageError(f"{self.name} has no detections of {detector!r}; it has: {', '.join(known) or 'none'}")
        if plan:
            for number in plan.planned(detector):
                self.pictures.forget(number)
            self.write_plan(plan.without(detector))
        self.evidence.forget(detector)

    def remove_frames(self) -> None:
        """Remove what takes most room: the frames that split made, and the pictures rendered from any."""
        self.frames.remove()
        self.pictures.remove()

    def remove_work(self) -> None:
        """Remove everything that can be made again; finished videos, reports and decisions stay."""
        self.remove_frames()
        self.sweep()
        self.evidence.remove()
        files.remove_folder(self.solution.folder)
        self.plan_path.unlink(missing_ok=True)
        without_files = DirectFrames(self.name, self.frames.folder, self.folder)
        without_files.origin_path.unlink(missing_ok=True)
        if self.frames.origin_path.exists():
            self.frames.origin_path.unlink()
            self.split_claim.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                self.frames.folder.rmdir()
        files.remove_folder(self._claims_folder)  # last: whoever comes now has new ones

    def remove_all(self) -> None:
        """Remove everything that was made, finished videos and decisions too. What somebody else put there stays."""
        self.remove_work()
        told = (self.decisions.path, self.decisions.about_path, self.reports.path)
        for path in (*self.reports.outputs(), *told):
            if path.resolve().parent == self.folder.resolve():
                path.unlink(missing_ok=True)
        files.remove_folder(self.reports.kept_folder)
        with contextlib.suppress(OSError):
            self.folder.rmdir()


class DirectJob(Job):
    """A job without frame files: of its frames it knows times and fingerprints, in output/NAME/source.json.

    What is made from them is stored where that of frames is stored, so that work done the one way counts the other way.
    """

    def _frames_of(self, folder: Path) -> Frames:
        return DirectFrames(self.name, folder, self.folder)

    @property
    def split_claim(self) -> Path:
        return self.claim_path("direct")

    def lacks(self, detector: str) -> bool:
        return not self.frames.numbers() or super().lacks(detector)

    def extent(self) -> tuple[int, int, int, int]:
        """First and last number, width and height of the frames; IncompleteError while they are not known."""
        origin = self.frames.origin()
        if origin is None or origin.state != "complete":
            raise IncompleteError(f"{self.name} was not looked through to its end: run its source again")
        return 1, len(origin.shown.pts), origin.width, origin.height
