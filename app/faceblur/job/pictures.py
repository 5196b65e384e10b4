"""The pictures rendered from frames, and the stamps that tell what they were made from."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from faceblur import images, overlay, redaction
from faceblur.domain import Region, digest
from faceblur.errors import IncompleteError
from faceblur.job.frames import Frames
from faceblur.job.numbered import Numbered
from faceblur.job.solution import Solution
from faceblur.job.watch import Watch
from faceblur.plan import Plan


class Pictures:
    """The blurred and the debug picture of each frame. One counts as long as it has the stamp that it must have now."""

    def __init__(self, folder: Path, frames: Frames, watch: Watch, solution: Solution) -> None:
        self._blurred = Numbered(folder, ".png.blurred.png")
        self._debug = Numbered(folder, ".png.debug.png")
        self._frames = frames
        self._watch = watch
        self._solution = solution

    def blurred_path(self, number: int) -> Path:
        return self._blurred.path(number)

    def debug_path(self, number: int) -> Path:
        return self._debug.path(number)

    def blurred_stamp(
        self, plan: Plan, number: int, regions: Sequence[Region] | None = None, of: str | None = None
    ) -> str:
        """What the blurred frame must be made from: frame, regions (those of now), style and the code that draws.

        A renderer gives the regions that it draws, and the fingerprint `of` the frame that it read: whatever is changed
        meanwhile, the stamp never promises more than the picture holds.
        """
        regions = self._solution.regions(number) if regions is None else regions
        shown = [[*r.box.to_json(), *r.outline] for r in regions]
        of = of or self._frames.fingerprint(number)
        stamp = digest("blurred", redaction.VERSION, of, number, shown, asdict(plan.look))
        return stamp if self._frames.in_files else digest("direct", stamp)

    def debug_stamp(self, plan: Plan, number: int) -> str:
        seen = [d.to_json() for d in self._watch.detections(plan, number)]
        shown = [r.to_json() for r in self._solution.regions(number)]
        return digest("debug", overlay.VERSION, self.blurred_stamp(plan, number), seen, shown)

    def stamps(self, plan: Plan, kind: str) -> list[str]:
        """Those of all "blurred" or "debug" pictures, in order; IncompleteError while the regions are not current."""
        stamp_of = self.blurred_stamp if kind == "blurred" else self.debug_stamp
        stamps = [stamp_of(plan, number) for number in plan.numbers]
        if not self._solution.is_current(plan):  # after the stamps were taken, so that they are those of this plan
            why = f"the regions of {self._frames.name} are not those of its evidence and options"
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
        regions = self._solution.regions(number)
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
        there = self._blurred.numbers()
        return [n for n in numbers if n not in there]

    def forget(self, number: int) -> None:
        """Remove the pictures of one frame, unless a person changed the blurred one."""
        if not self.is_retouched(number):
            self.blurred_path(number).unlink(missing_ok=True)
            self.debug_path(number).unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove them all, but for those of frames whose blurred picture a person changed."""
        for number in self._blurred.numbers() | self._debug.numbers():
            self.forget(number)
