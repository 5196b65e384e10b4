"""A job: one source, its frames and everything made from it. The only owner of file names and stamps.

Every question "is it there, is it current?" is answered here, by looking at files and the stamps in them.
"""

import contextlib
import copy
import hashlib
import itertools
import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Self

from faceblur import claims, detectors, files, images, media, motion, overlay, redaction, review, temporal
from faceblur.domain import Decision, Detection, Doubt, Json, Motion, Region, canonical, digest
from faceblur.errors import IncompleteError, SourceError, UsageError
from faceblur.plan import FORMAT, Origin, Plan, naming

_FRAME = r"frame_(\d{10})\.png"
_BLURRED = r"frame_(\d{10})\.png\.blurred\.png"
_REGIONS = r"frame_(\d{10})\.json"
_BLOCK = 32
_DOUBTS = 500  # more than this nobody looks through
_SHARES = 200  # a job is cut into at least this many blocks, so that many workers end together


class Job:
    """The files of one job: frames in `input`/NAME (or `elsewhere`), everything made from them in `output`/NAME."""

    _known: dict[int, str | None] | None = None  # what frames show, in a glance

    def __init__(self, name: str, input_folder: Path, output_folder: Path, elsewhere: Path | None = None) -> None:
        self.name = name
        self.input_folder = input_folder
        self.frames_folder = elsewhere or input_folder / name
        self.home = str(elsewhere or "")
        self.folder = output_folder / name
        self._chosen: dict[tuple[object, ...], Container[int]] = {}

    # Names

    @property
    def origin_path(self) -> Path:
        return self.frames_folder / "source.json"

    @property
    def plan_path(self) -> Path:
        return self.folder / "plan.json"

    @property
    def decisions_path(self) -> Path:
        return self.folder / "decisions.jsonl"

    @property
    def decisions_about_path(self) -> Path:
        return self.folder / "decisions-about.json"

    @property
    def report_path(self) -> Path:
        return self.folder / "report.json"

    @property
    def reports_folder(self) -> Path:
        """Reports of outputs at other places than the last one."""
        return self.folder / "reports"

    @property
    def solved_path(self) -> Path:
        return self.folder / "regions" / "solve.json"

    @property
    def solves_path(self) -> Path:
        return self.folder / "regions" / "begun.json"

    @property
    def split_claim(self) -> Path:
        """In the folder that split writes, so that split needs no other."""
        return self.frames_folder / "split.lock"

    def frame_path(self, number: int) -> Path:
        return self.frames_folder / f"frame_{number:010}.png"

    def blurred_path(self, number: int) -> Path:
        return self.folder / f"frame_{number:010}.png.blurred.png"

    def debug_path(self, number: int) -> Path:
        return self.folder / f"frame_{number:010}.png.debug.png"

    def evidence_path(self, detector: str, number: int) -> Path:
        return self.folder / "detections" / detector / f"frame_{number:010}.json"

    def motion_path(self, number: int) -> Path:
        return self.folder / "motion" / f"frame_{number:010}.json"

    def regions_path(self, number: int) -> Path:
        return self.folder / "regions" / f"frame_{number:010}.json"

    def claim_path(self, what: str) -> Path:
        return self.folder / "claims" / f"{what}.lock"

    def finished_path(self, kind: str, ending: str) -> Path:
        """The finished file by default; `kind` is "blurred" or "debug"."""
        return self.folder / f"{self.name}-{kind}{ending}"

    def glance(self) -> Self:
        """The same job as it is at one moment: what a frame shows is read once, however often it is asked for."""
        job = copy.copy(self)
        job._known = {}
        return job

    # Frames

    def exists(self) -> bool:
        """Whether there is anything here to work on: split has begun, or somebody put frames into the folder."""
        return self.origin_path.exists() or bool(_numbers(self.frames_folder, _FRAME))

    def was_worked_on(self) -> bool:
        """Whether something made from the job is there, even if its frames are gone."""
        return self.plan_path.exists() or self.report_path.exists()

    def origin(self) -> Origin | None:
        """What split wrote; None for frames from elsewhere. IncompleteError when it cannot be understood."""
        value = _read_json(self.origin_path)
        try:
            return Origin.from_json(value) if value else None
        except (KeyError, TypeError, ValueError) as error:
            advice = f"run `faceblur clean {self.name}` and split again"
            raise IncompleteError(f"{self.origin_path} cannot be understood ({error}); {advice}") from error

    def source_path(self, origin: Origin) -> Path:
        """The source's file. Inside the input folder it is named from there, so that containers find it too."""
        return self.input_folder / origin.path

    def write_origin(self, origin: Origin) -> None:
        files.write(self.origin_path, _pretty(origin.to_json()), sync=True)

    def frame_numbers(self) -> list[int]:
        """The numbers of the frame files that are there, in order."""
        return sorted(_numbers(self.frames_folder, _FRAME))

    def extent(self) -> tuple[int, int, int, int]:
        """First and last number, width and height of the frames. IncompleteError when a frame is missing.

        The extent of foreign frames is frozen in the plan, so that frames lost later are missed.
        """
        origin, plan, there = self.origin(), self.plan(), self.frame_numbers()
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
                    f"{self.frames_folder} has no frames (frame_0000000001.png …, ten digits): split a video first"
                )
            extent = (there[0], there[-1], *images.size(self.frame_path(there[0])))
            if plan:
                extent = plan.extent
                new = sorted(set(there) - set(plan.numbers))
                if new:
                    advice = f"to begin anew with all of them: faceblur clean {self.name}"
                    raise IncompleteError(f"{self.name} got {naming(new)} after work on it began; {advice}")
        if len(there) != extent[1] + 1 - extent[0] or there[0] != extent[0]:
            present = set(there)
            missing = list(itertools.islice((n for n in range(extent[0], extent[1] + 1) if n not in present), 10_000))
            advice = "run split again" if origin else "put them back"
            count = extent[1] + 1 - extent[0] - len(there)
            raise IncompleteError(f"{self.name} lacks {naming(missing)} of its source, {count} in all; {advice}")
        return extent

    # Plan

    def plan(self) -> Plan | None:
        """What was asked; None before the first `blur`. IncompleteError when it cannot be understood."""
        value = _read_json(self.plan_path)
        try:
            return Plan.from_json(value) if value else None
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            advice = f"delete it, and run blur with the options you want: {self.plan_path}"
            raise IncompleteError(f"the plan of {self.name} cannot be understood ({error}); {advice}") from error

    def write_plan(self, plan: Plan) -> None:
        files.write(self.plan_path, _pretty(plan.to_json()), sync=True)

    def decisions_text(self, plan: Plan) -> str:
        """What people decided; IncompleteError when that was about other frames, as numbers and boxes would not fit."""
        try:
            text = self.decisions_path.read_bytes().decode()
        except FileNotFoundError:
            return ""
        except UnicodeDecodeError as error:
            raise IncompleteError(f"{self.decisions_path} is not UTF-8 text ({error}); mend it") from error
        noted = _read_json(self.decisions_about_path)
        if noted and noted.get("about") != self._about(plan):
            raise IncompleteError(
                f"{self.decisions_path} was made for other frames (another source, or split otherwise); move it away, "
                f"or delete {self.decisions_about_path.name} beside it if its numbers and boxes fit these frames too"
            )
        return text

    def bind_decisions(self, plan: Plan) -> None:
        """Note beside the decisions which frames they are about, where that is not noted yet."""
        if self.decisions_path.exists() and not self.decisions_about_path.exists():
            files.write(self.decisions_about_path, _pretty({"about": self._about(plan)}), sync=True)

    def _about(self, plan: Plan) -> str:
        origin = self.origin()
        return digest(origin.identity if origin else [plan.home, *plan.extent])

    def decisions(self, text: str) -> tuple[Decision, ...]:
        return review.read(text, str(self.decisions_path))

    # Evidence

    def has_evidence(self, detector: str, number: int, of: str | None = None) -> bool:
        """Whether what `detector` said about the frame is stored: as it is now, or when its fingerprint was `of`."""
        return self._evidence(detector, number, of) is not None

    def lacks(self, detector: str) -> bool:
        """Whether there is a frame without evidence of `detector`."""
        return not all(self.has_evidence(detector, number) for number in self.frame_numbers())

    def write_evidence(self, detector: str, number: int, detections: Sequence[Detection], of: str) -> None:
        """Store what `detector` said about the frame whose fingerprint was `of`."""
        said = [d.to_json() for d in detections]
        value = {"frame": number, "stamp": digest("evidence", of, detector, said), "detections": said}
        files.write(self.evidence_path(detector, number), canonical(value).encode())

    @property
    def side(self) -> int:
        """The longer side of the frames, in pixels."""
        origin = self.origin()
        return max((origin.width, origin.height) if origin else self.extent()[2:])

    def fingerprint(self, number: int) -> str:
        """The digest of what the source frame shows; SourceError when it is missing or cut."""
        found = self._shows(number)
        if found is None:
            raise SourceError(f"{self.frame_path(number)} is missing or cut; split the source again")
        return found

    def _shows(self, number: int) -> str | None:
        """What the source frame shows, as long as it is there and whole."""
        known = {} if self._known is None else self._known
        if number not in known:
            known[number] = images.fingerprint(self.frame_path(number))
        return known[number]

    def _evidence(self, detector: str, number: int, of: str | None = None) -> Json | None:
        value = _read_json(self.evidence_path(detector, number))
        if not value:  # which spares looking at the frame
            return None
        of = of or self._shows(number)
        if not of or value.get("stamp") != digest("evidence", of, detector, value.get("detections")):
            return None
        return value

    def motion(self, number: int, of: Sequence[str | None] = ()) -> Motion | None:
        """How the camera moved from the frame before to this one; None when that is not known for these two frames.

        They are as they are now, or had the fingerprints `of`.
        """
        value = _read_json(self.motion_path(number))
        if not value:
            return None
        of = of or [self._shows(n) for n in (number - 1, number)]
        if not all(of) or value.get("stamp") != self._motion_stamp(of, value.get("motion")):
            return None
        return Motion.from_json(value["motion"])

    def write_motion(self, number: int, found: Motion, of: tuple[str, str]) -> None:
        """Store how the camera moved between the two frames whose fingerprints were `of`."""
        value = {"frame": number, "stamp": self._motion_stamp(of, found.to_json()), "motion": found.to_json()}
        files.write(self.motion_path(number), canonical(value).encode())

    def _motion_stamp(self, of: Sequence[str | None], moved: object) -> str:
        """Of the two frames and of what is stored, so that a file that somebody changed counts for nothing."""
        return digest("motion", motion.VERSION, list(of), moved)

    def detections(self, plan: Plan, number: int) -> list[Detection]:
        """All that was said about a frame by the detectors that had to see it; IncompleteError unless all of them did.

        A frame for which no detector was asked is never taken for one without faces.
        """
        return self._seen(plan, number, self.looking(plan, number))

    def _seen(self, plan: Plan, number: int, names: Sequence[str], of: str | None = None) -> list[Detection]:
        if not any(plan.covers(name, number) for name in plan.detectors):
            raise IncompleteError(f"{self.name}: no detector has seen frame {number}: run blur again")
        return [detection for name in names for detection in self.seen_by(name, number, of)]

    def looking(self, plan: Plan, number: int) -> list[str]:
        """The detectors that have to see a frame."""
        cuts = plan.paces and any(_is_cut(self.motion(n)) for n in (number, number + 1) if plan.first < n <= plan.last)
        return self._looking(plan, number, ends=bool(cuts))

    def sees(self, plan: Plan, detector: str, ends: Container[int] = ()) -> list[int]:
        """The numbers of the frames that `detector` must see, of which `ends` are known to begin or to end a shot."""
        chosen = self._paced(plan, detector)
        return [n for n in plan.planned(detector) if plan.covers(detector, n, chosen=n in ends or n in chosen)]

    def ends(self, plan: Plan) -> set[int]:
        """The numbers of the frames right before and after every cut, as far as it is known how the camera moved.

        None where every detector looks at every frame, as nothing depends on them then.
        """
        if not plan.paces:
            return set()
        cuts = [number for number in plan.numbers[1:] if _is_cut(self.motion(number))]
        return {number for cut in cuts for number in (cut - 1, cut)}

    def _looking(self, plan: Plan, number: int, *, ends: bool) -> list[str]:
        """The detectors that have to see a frame, which begins or ends a shot or does not."""
        names = sorted(plan.detectors)
        return [n for n in names if plan.covers(n, number, chosen=ends or number in self._paced(plan, n))]

    def _paced(self, plan: Plan, detector: str) -> Container[int]:
        """The numbers of the frames that a detector's pace chooses by their times; all where they hold none."""
        pace = plan.pace(detector)
        if pace.is_full:
            return plan.numbers
        key = (_version(self.origin_path), plan.first, plan.last, pace)  # other times are another choice
        if key not in self._chosen:
            clock = self.clock(plan)
            timed = not pace.apart or self.origin() is not None  # frames from elsewhere hold none
            chosen = pace.chosen(clock.pts, clock.time_base)
            self._chosen[key] = set(itertools.compress(plan.numbers, chosen)) if timed else plan.numbers
        return self._chosen[key]

    def seen_by(self, detector: str, number: int, of: str | None = None) -> list[Detection]:
        """What one detector said about a frame, as it is now or when its fingerprint was `of`.

        IncompleteError when it has not seen it yet.
        """
        found = self.heard(detector, number, of)
        if found is None:
            raise IncompleteError(f"{self.name}: {detector} has not seen frame {number}: run blur again")
        return found

    def heard(self, detector: str, number: int, of: str | None = None) -> list[Detection] | None:
        """What one detector said about a frame, as it is now or when its fingerprint was `of`; None if nothing yet."""
        value = self._evidence(detector, number, of)
        return None if value is None else [Detection.from_json(d) for d in value["detections"]]

    def is_seen(self, plan: Plan, number: int) -> bool:
        """Whether what the regions of a frame were made from is about the picture that it is now."""
        of = self._shows(number)
        moved = self.motion(number, (self._shows(number - 1), of)) if number > plan.first else None
        if number > plan.first and moved is None:
            return False
        ends = _is_cut(moved)
        if plan.paces and not ends and number < plan.last:
            ends = _is_cut(self.motion(number + 1, (of, self._shows(number + 1))))
        return all(self.has_evidence(name, number, of) for name in self._looking(plan, number, ends=ends))

    # Regions

    def evidence(self, plan: Plan) -> Iterator[temporal.Evidence]:
        """The evidence of all frames, in order."""
        clock = self.clock(plan)
        looking: dict[tuple[str, ...], Counter[str]] = {}  # one for all frames that the same detectors look at
        frames = itertools.pairwise(itertools.chain(self._moves(plan), [(None, None)]))
        for number, pts, ((of, moved), (_, next_moved)) in zip(plan.numbers, clock.pts, frames, strict=True):
            names = tuple(self._looking(plan, number, ends=_is_cut(moved) or _is_cut(next_moved)))
            looked = looking.setdefault(names, Counter(map(detectors.kind, names)))
            yield temporal.Evidence(number, pts, tuple(self._seen(plan, number, names, of)), moved, looked)

    def _moves(self, plan: Plan) -> Iterator[tuple[str | None, Motion | None]]:
        """The fingerprint of each frame, read once as that opens its file, and how the camera moved before it."""
        before: str | None = None
        for number in plan.numbers:
            of = self._shows(number)
            moved = self.motion(number, (before, of)) if number > plan.first else None
            if number > plan.first and moved is None:
                raise IncompleteError(f"{self.name}: nobody knows how the camera moved before frame {number}: run blur")
            yield of, moved
            before = of

    def clock(self, plan: Plan, fps: Fraction | None = None) -> media.Clock:
        """When the frames are shown. Foreign frames count at `fps`, taken for 25 while nobody said it."""
        origin = self.origin()
        if origin:
            return origin.shown
        count = len(plan.numbers)
        return media.Clock(1 / (fps or Fraction(25)), tuple(range(count)), count)

    def solve_inputs(self, plan: Plan, decisions: str) -> str:
        """The digest of everything the regions are made from; `decisions` is their text."""
        seen = (
            digest(e.number, e.pts, [d.to_json() for d in e.detections], e.motion and e.motion.to_json(), e.looked)
            for e in self.evidence(plan)
        )
        tick = str(self.clock(plan).time_base)
        return digest(temporal.version(), asdict(plan.settings), decisions, tick, list(seen))

    def is_solved(self, plan: Plan) -> bool:
        """Whether the regions on disk are those of the evidence, decisions and settings of now."""
        value = _read_json(self.solved_path)
        if not value or set(plan.numbers) - _numbers(self.solved_path.parent, _REGIONS):
            return False
        if value.get("files") != self._regions_digest(plan):
            return False
        return bool(value.get("inputs") == self.solve_inputs(plan, self.decisions_text(plan)))

    def asked(self, plan: Plan, decisions: str) -> str:
        """The digest of what a solve is told besides the evidence; `decisions` is their text."""
        return digest(temporal.version(), plan.to_json(), decisions)

    def answers(self, plan: Plan, since: int) -> bool:
        """Whether the last solve was of this plan and the decisions of now, and began after `since` others had.

        Whatever was written before it began is in its evidence; what was written later may not be. Its number means
        nothing where it is above the count, which was lost then: that is not flushed to the disk with every solve.
        """
        solution = self.solution()
        later = since < solution.get("solve", 0) <= self.solves()
        return bool(later and solution.get("asked") == self.asked(plan, self.decisions_text(plan)))

    def solves(self) -> int:
        """How many solves have begun, ended or not."""
        begun = (_read_json(self.solves_path) or {}).get("begun")
        return begun if isinstance(begun, int) else 0

    def begin_solve(self) -> int:
        """Count one more, before its evidence is read: the number of this solve. Only with the claim to solve."""
        number = self.solves() + 1
        files.write(self.solves_path, canonical({"begun": number}).encode())
        return number

    def _regions_digest(self, plan: Plan) -> str:
        total = hashlib.sha256()
        for number in plan.numbers:
            with contextlib.suppress(FileNotFoundError):
                total.update(self.regions_path(number).read_bytes())
        return total.hexdigest()

    def write_solution(
        self,
        plan: Plan,
        solution: Iterable[temporal.Solved],
        inputs: str,
        doubts: Iterable[Doubt] = (),
        *,
        asked: str = "",
        solve: int = 0,
    ) -> int:
        """Write the regions that changed; returns how many files did. What they are of goes last, into solve.json.

        These are `inputs`, `asked` and the number of the solve, as the methods of these names gave them.

        solve.json goes first, too: killed in between, the regions are nobody's and are made again. It holds the digest
        of what was written, and not of what is there: somebody who solves at the same time is found out.
        """
        self.solved_path.unlink(missing_ok=True)
        found, written = list(doubts), hashlib.sha256()
        changed = total = 0
        for solved in solution:
            value = {"frame": solved.number, "regions": [r.to_json() for r in solved.regions]}
            data, path = canonical(value).encode(), self.regions_path(solved.number)
            written.update(data)
            found += solved.doubts
            total += len(solved.regions)
            if not path.exists() or path.read_bytes() != data:
                files.write(path, data)
                changed += 1
        summary: Json = {"format": FORMAT, "inputs": inputs, "files": written.hexdigest(), "regions": total}
        summary |= {"asked": asked, "solve": solve, "doubts": self._ranked(plan, found)}
        files.write(self.solved_path, _pretty(summary), sync=True)
        return changed

    def _ranked(self, plan: Plan, doubts: Sequence[Doubt]) -> list[Json]:
        """The weightiest doubts, in order, each with its time in seconds; decisions not followed are all among them.

        One about a frame that the job does not have gets the time of the nearest that it has.
        """
        clock = self.clock(plan)
        ranked = sorted(doubts, key=lambda d: (-d.weight, d.number, d.box.to_json()))
        count = max(_DOUBTS, sum(d.weight >= 1 for d in ranked))

        def time_s(number: int) -> float:
            index = min(max(number - plan.first, 0), len(clock.pts) - 1)
            return round(float(clock.pts[index] * clock.time_base), 3)

        return [d.to_json() | {"time_s": time_s(d.number)} for d in ranked[:count]]

    def solution(self) -> Json:
        """The summary in solve.json: inputs, number of regions, doubts; empty before the first solve."""
        return _read_json(self.solved_path) or {}

    def regions(self, number: int) -> tuple[Region, ...]:
        """What to hide in a frame; IncompleteError when that is not known."""
        value = _read_json(self.regions_path(number))
        if value is None or value.get("frame") != number:
            raise IncompleteError(f"{self.regions_path(number)} is missing or damaged: delete it and run blur again")
        try:
            return tuple(map(Region.from_json, value["regions"]))
        except (KeyError, TypeError, ValueError) as error:
            raise IncompleteError(f"{self.regions_path(number)} is not of this version ({error}): run blur") from error

    # Rendered frames

    def blurred_stamp(self, plan: Plan, number: int, regions: Sequence[Region] | None = None) -> str:
        """What the blurred frame must be made from: frame, regions (those of now), style and the code that draws.

        A renderer asks before it reads the frame, with the regions that it draws: whatever is changed meanwhile, the
        stamp never promises more than the picture holds.
        """
        shown = [[*r.box.to_json(), *r.outline] for r in (self.regions(number) if regions is None else regions)]
        return digest("blurred", redaction.VERSION, self.fingerprint(number), number, shown, asdict(plan.look))

    def debug_stamp(self, plan: Plan, number: int) -> str:
        seen = [d.to_json() for d in self.detections(plan, number)]
        shown = [r.to_json() for r in self.regions(number)]
        return digest("debug", overlay.VERSION, self.blurred_stamp(plan, number), seen, shown)

    def stamps(self, plan: Plan, kind: str) -> list[str]:
        """Those of all "blurred" or "debug" pictures, in order; IncompleteError while the regions are not current."""
        stamp_of = self.blurred_stamp if kind == "blurred" else self.debug_stamp
        stamps = [stamp_of(plan, number) for number in plan.numbers]
        if not self.is_solved(plan):  # after the stamps were taken, so that they are those of this plan
            why = f"the regions of {self.name} are not those of its evidence and options"
            raise IncompleteError(f"{why}: run blur, or without frame files run its source again")
        return stamps

    def is_rendered(self, plan: Plan, number: int) -> bool:
        """Whether the frame's blurred picture, and its debug picture if asked for, is there, whole and current."""
        return self.rendered(plan, number) is not None

    def rendered(self, plan: Plan, number: int) -> tuple[Region, ...] | None:
        """What is hidden in a frame whose pictures are there, whole and current; None while they are not."""
        stamp = images.read_stamp(self.blurred_path(number))
        if stamp is None:
            return None
        regions = self.regions(number)
        if stamp != self.blurred_stamp(plan, number, regions):
            return None
        if plan.debug and images.read_stamp(self.debug_path(number)) != self.debug_stamp(plan, number):
            return None
        return regions

    def is_retouched(self, number: int) -> bool:
        """Whether a whole picture is there that `render` did not make: somebody's own work, not to be written over."""
        path = self.blurred_path(number)
        stamp = images.read_stamp(path)
        return (stamp is None or images.is_frame(stamp)) and images.fingerprint(path) is not None

    def unrendered(self, numbers: Iterable[int]) -> list[int]:
        """Those of `numbers` that have no blurred file at all: what a person deleted, or nobody made yet."""
        there = _numbers(self.folder, _BLURRED)
        return [n for n in numbers if n not in there]

    # Blocks and workers

    def blocks(self, numbers: Sequence[int]) -> list[tuple[int, list[int]]]:
        """Frames to claim together: (name of the block, its numbers among `numbers`). The same for every worker."""
        plan = self.plan()
        size = max(1, min(_BLOCK, len(plan.numbers) // _SHARES)) if plan else 1
        blocks: dict[int, list[int]] = {}
        for number in numbers:
            blocks.setdefault(number - number % size, []).append(number)
        return list(blocks.items())

    @contextlib.contextmanager
    def presence(self, token: str, detectors: Sequence[str]) -> Iterator[None]:
        """Be counted among the living workers while the block runs; `token` is the worker's own unique name."""
        path = self._presence_path(token)
        with claims.claim(path, timeout_s=5):
            files.write(path.with_suffix(".json"), canonical({"detectors": list(detectors)}).encode())
            try:
                yield
            finally:
                path.with_suffix(".json").unlink(missing_ok=True)
                path.unlink(missing_ok=True)  # nobody else ever claims this name

    def living(self, besides: str = "", running: str = "") -> dict[str, list[str]]:
        """The workers that are alive now, or those of them with the detector `running`: token and detectors of each.

        Traces of the dead are removed.
        """
        alive = {}
        for path in sorted(self._presence_path("").parent.glob("*.lock")):
            if path.stem == besides:
                continue
            names = list((_read_json(path.with_suffix(".json")) or {}).get("detectors", []))
            if running and running not in names:
                continue  # before its lock is asked for: that takes a while where it is held
            with claims.claim(path, timeout_s=0.05) as dead:
                if dead:
                    path.with_suffix(".json").unlink(missing_ok=True)
                    path.unlink(missing_ok=True)
                else:
                    alive[path.stem] = names
        return alive

    def _presence_path(self, token: str) -> Path:
        """In a folder of their own, so that whoever looks for the living does not list the claims of all blocks."""
        return self.claim_path(f"workers/{token}")

    # Report and clean

    def report(self) -> Json:
        """What is told of the job and of its last output; empty before the first."""
        return _read_json(self.report_path) or {}

    def reports(self) -> list[Json]:
        """The report of every output, the last one first."""
        kept = sorted(self.reports_folder.glob("*.json"))
        return [report for report in (self.report(), *(_read_json(path) for path in kept)) if report]

    def made(self, kind: str, target: Path, sha256: str) -> Json:
        """What is told of the "blurred" or "debug" file at `target`, whose content is `sha256`.

        It goes by the content, as folders move and one path is written in many ways. Of a file that was to be replaced
        when a run was killed only the content is told. Empty when this job made no such file.
        """
        told = [report[kind] for report in self.reports() if kind in report]
        told.sort(key=lambda facts: os.path.abspath(facts["path"]) != os.path.abspath(target))
        replaced = [{"sha256": sha256, "source": f.get("source")} for f in told if f.get("replaces") == sha256]
        return next((dict(facts) for facts in told + replaced if facts["sha256"] == sha256), {})

    def outputs(self) -> list[Path]:
        """Where finished files were made and something still is, those of the last output first."""
        told = (report[kind]["path"] for report in self.reports() for kind in ("blurred", "debug") if kind in report)
        places = (self._place(Path(path)) for path in told)
        return [path for path in dict.fromkeys(places) if path.exists()]

    def _place(self, told: Path) -> Path:
        """Where a file is that a report names: one in the job's own folder is there, wherever that is seen from."""
        own = not told.is_absolute() and told.parent.name == self.folder.name
        return self.folder / told.name if own else told

    def write_report(self, report: Json) -> None:
        """Write what is told of the last output. The report of an output before it, at another place, is kept."""
        before = self.report()
        if "blurred" in before and self._kept_path(before) != self._kept_path(report):
            files.write(self._kept_path(before), _pretty(before), sync=True)
        files.write(self.report_path, _pretty(report | {"format": FORMAT}), sync=True)
        self._kept_path(report).unlink(missing_ok=True)

    def _kept_path(self, report: Json) -> Path:
        return self.reports_folder / f"{digest(os.path.abspath(report['blurred']['path']))}.json"

    def sweep(self) -> None:
        """Remove the leftovers of killed workers. Nobody may be working on the job."""
        for folder in (
            self.folder,
            self.reports_folder,
            self.solved_path.parent,
            self.motion_path(0).parent,
            *self.folder.glob("detections/*"),
        ):
            files.sweep(folder)

    def remove_source_frames(self) -> None:
        """Remove the frames that split made; frames from elsewhere are their owner's and stay."""
        if self.origin_path.exists():
            for number in self.frame_numbers():
                self.frame_path(number).unlink(missing_ok=True)

    def remove_rendered_frames(self) -> None:
        for path in [*self.folder.glob("frame_*.png.blurred.png"), *self.folder.glob("frame_*.png.debug.png")]:
            path.unlink(missing_ok=True)

    def knows(self, detector: str) -> bool:
        """Whether a detector was asked, or said something."""
        plan = self.plan()
        named = {path.name for path in self.evidence_path("any", 0).parent.parent.glob("*")}
        return detector in named or bool(plan and detector in plan.detectors)

    def remove_detections(self, detector: str) -> None:
        """Forget what a detector said, that it was asked, and the pictures made from it, so that all are asked again.

        A picture that a person changed stays.
        """
        folder = self.evidence_path(detector, 0).parent
        plan = self.plan()
        if not self.knows(detector):
            known = sorted(p.name for p in folder.parent.glob("*"))
            raise UsageError(f"{self.name} has no detections of {detector!r}; it has: {', '.join(known) or 'none'}")
        if plan:
            for number in plan.planned(detector):
                if not self.is_retouched(number):
                    self.blurred_path(number).unlink(missing_ok=True)
                    self.debug_path(number).unlink(missing_ok=True)
            self.write_plan(plan.without(detector))
        _remove_folder(folder)

    def remove_work(self) -> None:
        """Remove everything that can be made again; finished videos, reports and decisions stay."""
        self.remove_source_frames()
        self.remove_rendered_frames()
        self.sweep()
        for folder in ("detections", "motion", "regions", "claims"):
            _remove_folder(self.folder / folder)
        self.plan_path.unlink(missing_ok=True)
        (self.folder / self.origin_path.name).unlink(missing_ok=True)  # of a run without frames
        if self.origin_path.exists():
            self.origin_path.unlink()
            self.split_claim.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                self.frames_folder.rmdir()

    def remove_all(self) -> None:
        """Remove everything that was made, finished videos and decisions too. What somebody else put there stays."""
        self.remove_work()
        for path in (*self.outputs(), self.decisions_path, self.decisions_about_path, self.report_path):
            if path.resolve().parent == self.folder.resolve():
                path.unlink(missing_ok=True)
        _remove_folder(self.reports_folder)
        with contextlib.suppress(OSError):
            self.folder.rmdir()


class DirectJob(Job):
    """A job without frame files: of its frames it knows times and fingerprints, in output/NAME/source.json.

    What is made from them is stored where that of frames is stored, so that work done the one way counts the other way.
    """

    _origin: Origin | None = None

    @property
    def origin_path(self) -> Path:
        return self.folder / "source.json"

    @property
    def split_claim(self) -> Path:
        return self.claim_path("direct")

    def exists(self) -> bool:
        return self.origin_path.exists()

    def origin(self) -> Origin | None:
        """As ever; a complete one is read once, as it is asked for with every frame."""
        if self._origin is None or self._origin.state != "complete":
            self._origin = super().origin()
        return self._origin

    def write_origin(self, origin: Origin) -> None:
        super().write_origin(origin)
        self._origin = origin

    def frame_numbers(self) -> list[int]:
        origin = self.origin()
        return list(range(1, len(origin.checksums) + 1)) if origin else []

    def lacks(self, detector: str) -> bool:
        return not self.frame_numbers() or super().lacks(detector)

    def extent(self) -> tuple[int, int, int, int]:
        """First and last number, width and height of the frames; IncompleteError while they are not known."""
        origin = self.origin()
        if origin is None or origin.state != "complete":
            raise IncompleteError(f"{self.name} was not looked through to its end: run its source again")
        return 1, len(origin.shown.pts), origin.width, origin.height

    def blurred_stamp(self, plan: Plan, number: int, regions: Sequence[Region] | None = None) -> str:
        return digest("direct", super().blurred_stamp(plan, number, regions))

    def remove_source_frames(self) -> None:
        """There are none."""

    def _shows(self, number: int) -> str | None:
        origin = self.origin()
        known = origin and origin.state == "complete" and number <= len(origin.checksums)
        return origin.shows(number, origin.checksums[number - 1]) if origin and known else None


def _is_cut(moved: Motion | None) -> bool:
    """Whether a frame before which the camera moved like this begins a shot."""
    return moved is not None and moved.support < temporal.CUT


def _version(path: Path) -> tuple[int, int] | None:
    """Another value each time a file is written anew; None while it is not there."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns


def _remove_folder(folder: Path) -> None:
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return
    except OSError as error:
        raise files.output_error(folder, error) from error


def _numbers(folder: Path, pattern: str) -> set[int]:
    match = re.compile(pattern).fullmatch
    try:
        with os.scandir(folder) as entries:
            return {int(found[1]) for entry in entries if (found := match(entry.name))}
    except (FileNotFoundError, NotADirectoryError):
        return set()


def _read_json(path: Path) -> Json | None:
    """The object in a JSON file; None when it is missing or anything else, which for a stamp means "not current"."""
    try:
        value = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _pretty(value: Json) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()
