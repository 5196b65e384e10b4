"""The watch: which detectors have to look at which frames, and what all of them together say."""

import itertools
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from pathlib import Path

from faceblur import detectors, temporal
from faceblur.domain import Detection, Motion
from faceblur.errors import IncompleteError
from faceblur.job.evidence import Evidence
from faceblur.job.frames import Frames
from faceblur.plan import Plan


class Watch:
    """The watch over the frames as a plan asks for it; the ends of shots, that evidence tells, get more looks."""

    def __init__(self, frames: Frames, evidence: Evidence) -> None:
        self._frames = frames
        self._evidence = evidence
        self._chosen: dict[tuple[object, ...], Container[int]] = {}

    def looking(self, plan: Plan, number: int) -> list[str]:
        """The detectors that have to see a frame."""
        around = (n for n in (number, number + 1) if plan.first < n <= plan.last)
        cuts = plan.paces and any(_is_cut(self._evidence.motion(n)) for n in around)
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
        cuts = [number for number in plan.numbers[1:] if _is_cut(self._evidence.motion(number))]
        return {number for cut in cuts for number in (cut - 1, cut)}

    def is_through(self, plan: Plan, detector: str) -> bool:
        """Whether `detector` saw all the frames that it must; of those that cannot be read whoever needs them tells."""
        if not plan.pace(detector).is_full and not all(map(self._evidence.motion, plan.numbers[1:])):
            return False  # at the ends of shots, which are not known, it may have to look
        due = self.sees(plan, detector, self.ends(plan))
        return all(self._evidence.has(detector, number) or not self._frames.shows(number) for number in due)

    def detections(self, plan: Plan, number: int) -> list[Detection]:
        """All that was said about a frame by the detectors that had to see it; IncompleteError unless all of them did.

        A frame for which no detector was asked is never taken for one without faces.
        """
        return self._seen(plan, number, self.looking(plan, number))

    def evidence(self, plan: Plan) -> Iterator[temporal.Evidence]:
        """The evidence of all frames, in order."""
        clock = self._frames.clock(plan)
        looking: dict[tuple[str, ...], Counter[str]] = {}  # one for all frames that the same detectors look at
        frames = itertools.pairwise(itertools.chain(self._moves(plan), [(None, None)]))
        for number, pts, ((of, moved), (_, next_moved)) in zip(plan.numbers, clock.pts, frames, strict=True):
            names = tuple(self._looking(plan, number, ends=_is_cut(moved) or _is_cut(next_moved)))
            looked = looking.setdefault(names, Counter(map(detectors.kind, names)))
            yield temporal.Evidence(number, pts, tuple(self._seen(plan, number, names, of)), moved, looked)

    def is_seen(self, plan: Plan, number: int, of: str) -> bool:
        """Whether what the regions of a frame were made from is about the picture whose fingerprint is `of`."""
        shows, motion = self._frames.shows, self._evidence.motion
        moved = motion(number, (shows(number - 1), of)) if number > plan.first else None
        if number > plan.first and moved is None:
            return False
        ends = _is_cut(moved)
        if plan.paces and not ends and number < plan.last:
            ends = _is_cut(motion(number + 1, (of, shows(number + 1))))
        return all(self._evidence.has(name, number, of) for name in self._looking(plan, number, ends=ends))

    def _looking(self, plan: Plan, number: int, *, ends: bool) -> list[str]:
        """The detectors that have to see a frame, which begins or ends a shot or does not."""
        names = sorted(plan.detectors)
        return [n for n in names if plan.covers(n, number, chosen=ends or number in self._paced(plan, n))]

    def _paced(self, plan: Plan, detector: str) -> Container[int]:
        """The numbers of the frames that a detector's pace chooses by their times; all where they hold none."""
        pace = plan.pace(detector)
        if pace.is_full:
            return plan.numbers
        key = (_version(self._frames.origin_path), plan.first, plan.last, pace)  # other times are another choice
        if key not in self._chosen:
            clock = self._frames.clock(plan)
            timed = not pace.apart or self._frames.origin() is not None  # frames from elsewhere hold none
            chosen = pace.chosen(clock.pts, clock.time_base)
            self._chosen[key] = set(itertools.compress(plan.numbers, chosen)) if timed else plan.numbers
        return self._chosen[key]

    def _seen(self, plan: Plan, number: int, names: Sequence[str], of: str | None = None) -> list[Detection]:
        if not any(plan.covers(name, number) for name in plan.detectors):
            raise IncompleteError(f"{self._frames.name}: no detector has seen frame {number}: run blur again")
        return [detection for name in names for detection in self._evidence.seen_by(name, number, of)]

    def _moves(self, plan: Plan) -> Iterator[tuple[str | None, Motion | None]]:
        """The fingerprint of each frame, read once as that opens its file, and how the camera moved before it."""
        before: str | None = None
        for number in plan.numbers:
            of = self._frames.shows(number)
            moved = self._evidence.motion(number, (before, of)) if number > plan.first else None
            if number > plan.first and moved is None:
                name = self._frames.name
                raise IncompleteError(f"{name}: nobody knows how the camera moved before frame {number}: run blur")
            yield of, moved
            before = of


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
