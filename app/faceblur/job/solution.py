"""The solution: the regions of all frames, what they were made from, and the doubts about them."""

import contextlib
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from faceblur import files, temporal
from faceblur.domain import Doubt, Json, Region, canonical, digest
from faceblur.errors import IncompleteError
from faceblur.job import records
from faceblur.job.decisions import Decisions
from faceblur.job.frames import Frames
from faceblur.job.numbered import Numbered
from faceblur.job.watch import Watch
from faceblur.plan import FORMAT, Plan

_DOUBTS = 500  # more than this nobody looks through


class Solution:
    """The last solve as it was written; the regions are current while they are what would be written again."""

    def __init__(self, folder: Path, frames: Frames, watch: Watch, decisions: Decisions) -> None:
        self.folder = folder / "regions"
        self.path = self.folder / "solve.json"
        self.begun_path = self.folder / "begun.json"
        self._regions = Numbered(self.folder, ".json")
        self._frames = frames
        self._watch = watch
        self._decisions = decisions

    def regions_path(self, number: int) -> Path:
        return self._regions.path(number)

    def regions(self, number: int) -> tuple[Region, ...]:
        """What to hide in a frame; IncompleteError when that is not known."""
        path = self.regions_path(number)
        value = records.read(path)
        if value is None or value.get("frame") != number:
            raise IncompleteError(f"{path} is missing or damaged: delete it and run blur again")
        try:
            return tuple(map(Region.from_json, value["regions"]))
        except (KeyError, TypeError, ValueError) as error:
            raise IncompleteError(f"{path} is not of this version ({error}): run blur") from error

    def summary(self) -> Json:
        """What solve.json tells: inputs, number of regions, doubts; empty before the first solve."""
        return records.read(self.path) or {}

    def inputs(self, plan: Plan, decisions: str) -> str:
        """The digest of everything the regions are made from; `decisions` is their text."""
        seen = (
            digest(e.number, e.pts, [d.to_json() for d in e.detections], e.motion and e.motion.to_json(), e.looked)
            for e in self._watch.evidence(plan)
        )
        tick = str(self._frames.clock(plan).time_base)
        return digest(temporal.version(), asdict(plan.settings), decisions, tick, list(seen))

    def is_current(self, plan: Plan) -> bool:
        """Whether the regions on disk are those of the evidence, decisions and settings of now."""
        value = records.read(self.path)
        if not value or set(plan.numbers) - self._regions.numbers():
            return False
        if value.get("files") != self._files_digest(plan):
            return False
        return bool(value.get("inputs") == self.inputs(plan, self._decisions.text(plan)))

    def asked(self, plan: Plan, decisions: str) -> str:
        """The digest of what a solve is told besides the evidence; `decisions` is their text."""
        return digest(temporal.version(), plan.to_json(), decisions)

    def answers(self, plan: Plan, since: int) -> bool:
        """Whether the last solve was of this plan and the decisions of now, and began after `since` others had.

        Whatever was written before it began is in its evidence; what was written later may not be. Its number means
        nothing where it is above the count, which was lost then: that is not flushed to the disk with every solve.
        """
        summary = self.summary()
        later = since < summary.get("solve", 0) <= self.begun()
        return bool(later and summary.get("asked") == self.asked(plan, self._decisions.text(plan)))

    def begun(self) -> int:
        """How many solves have begun, ended or not."""
        begun = (records.read(self.begun_path) or {}).get("begun")
        return begun if isinstance(begun, int) else 0

    def begin(self) -> int:
        """Count one more, before its evidence is read: the number of this solve. Only with the claim to solve."""
        number = self.begun() + 1
        files.write(self.begun_path, canonical({"begun": number}).encode())
        return number

    def write(
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

        These are `inputs`, `asked` and the number of the solve, as `inputs`, `asked` and `begin` gave them.

        solve.json goes first, too: killed in between, the regions are nobody's and are made again. It holds the digest
        of what was written, and not of what is there: somebody who solves at the same time is found out.
        """
        self.path.unlink(missing_ok=True)
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
        records.write(self.path, summary)
        return changed

    def _files_digest(self, plan: Plan) -> str:
        total = hashlib.sha256()
        for number in plan.numbers:
            with contextlib.suppress(FileNotFoundError):
                total.update(self.regions_path(number).read_bytes())
        return total.hexdigest()

    def _ranked(self, plan: Plan, doubts: Sequence[Doubt]) -> list[Json]:
        """The weightiest doubts, in order, each with its time in seconds; decisions not followed are all among them.

        One about a frame that the job does not have gets the time of the nearest that it has.
        """
        clock = self._frames.clock(plan)
        ranked = sorted(doubts, key=lambda d: (-d.weight, d.number, d.box.to_json()))
        count = max(_DOUBTS, sum(d.weight >= 1 for d in ranked))

        def time_s(number: int) -> float:
            index = min(max(number - plan.first, 0), len(clock.pts) - 1)
            return round(float(clock.pts[index] * clock.time_base), 3)

        return [d.to_json() | {"time_s": time_s(d.number)} for d in ranked[:count]]
