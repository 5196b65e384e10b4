"""What split found out about a source (source.json), and what was asked of its job (plan.json)."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from typing import Self

from faceblur import detectors, media, redaction, temporal
from faceblur.domain import Json, digest
from faceblur.errors import IncompleteError
from faceblur.options import APART_S
from faceblur.pace import FULL, Pace

FORMAT = 2
LOOK = ("threshold", "grow", "look_back", "look_ahead", "agree", "style", "shape", "debug")  # how to solve and render


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the frames of a job come from (source.json): the source's identity and facts, and the time of each frame.

    `state` is "clearing" while older frames are removed, "splitting" while new ones are written, then "complete".
    `checksums` are those of the decoded frames; without frame files they tell whether a second pass gives the same.
    """

    path: str
    sha256: str
    size: int
    video: media.Video
    recipe: Json
    width: int
    height: int
    state: str
    clock: media.Clock | None = None
    offset: int = 0
    damaged: int = 0
    moved: int = 0
    checksums: tuple[int, ...] = ()

    @property
    def identity(self) -> str:
        """What the frames are made from: another source, stream or recipe has another identity."""
        mirrored = ["mirrored"] * self.video.mirrored  # frames that older versions made of such a source were not
        return digest("split", media.READING, self.sha256, self.video.stream, self.recipe, *mirrored)

    def shows(self, number: int, checksum: int) -> str:
        """The fingerprint of a frame: the same whether it is written to a file or not."""
        return digest("frame", self.identity, number, checksum)

    @property
    def is_part(self) -> bool:
        """Whether only a part of the source was asked for."""
        return self.recipe["start"] is not None or self.recipe["end"] is not None

    @property
    def shown(self) -> media.Clock:
        """When each frame is shown; IncompleteError while split has not come to its end."""
        if self.state != "complete" or self.clock is None:
            raise IncompleteError("the source is not split yet, or not to its end: run split again")
        return self.clock

    def to_json(self) -> Json:
        value = {name: getattr(self, name) for name in self.__slots__} | {"format": FORMAT}
        clock = self.clock
        value["checksums"] = list(self.checksums)
        value["clock"] = clock and {"time_base": str(clock.time_base), "pts": list(clock.pts), "end": clock.end}
        return value | {"video": self.video.to_json(), "complete": self.state == "complete"}

    @classmethod
    def from_json(cls, value: Json) -> Self:
        known = {name: value[name] for name in cls.__slots__} | {"checksums": tuple(value["checksums"])}
        if clock := known["clock"]:
            known["clock"] = media.Clock(Fraction(clock["time_base"]), tuple(clock["pts"]), clock["end"])
        return cls(**known | {"video": media.Video.from_json(value["video"])})


@dataclass(frozen=True, slots=True)
class Plan:
    """What was asked of a job (plan.json): its frames, who must see which of them, how to solve and render.

    `home` is the folder of the frames when they are not in the input folder, so that two folders of one name never mix.
    `missing` tells, for detectors that were asked for and could not be had, why. `paces` are those of the detectors
    that do not look at every frame.
    """

    home: str
    first: int
    last: int
    width: int
    height: int
    detectors: dict[str, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    threshold: float = 0.25
    grow: float = 0.15
    look_back: float = 10
    look_ahead: float = 5
    agree: int = 1
    style: str = "blur"
    shape: str = "ellipse"
    debug: bool = False
    missing: dict[str, str] = field(default_factory=dict)
    paces: dict[str, Pace] = field(default_factory=dict)

    @property
    def extent(self) -> tuple[int, int, int, int]:
        """First and last number, width and height of the frames."""
        return self.first, self.last, self.width, self.height

    @property
    def numbers(self) -> range:
        return range(self.first, self.last + 1)

    @property
    def settings(self) -> temporal.Settings:
        return temporal.Settings(self.threshold, self.grow, self.look_back, self.look_ahead, self.agree)

    @property
    def look(self) -> redaction.Style:
        return redaction.Style(self.style, self.shape)  # type: ignore[arg-type] # checked by Options

    def planned(self, detector: str) -> list[int]:
        """The numbers of the frames for which `detector` was asked."""
        return [n for a, b in self.detectors.get(detector, ()) for n in range(a, b + 1)]

    def pace(self, detector: str) -> Pace:
        """How often `detector` looks at the frames for which it was asked."""
        return self.paces.get(detector, FULL)

    def covers(self, detector: str, number: int, *, chosen: bool = True) -> bool:
        """Whether `detector` must see frame `number`, which was `chosen` by its pace or because a shot ends there.

        The first and the last of frames in a row for which it was asked it sees whatever they are.
        """
        runs = self.detectors.get(detector, ())
        begun = bisect_right(runs, number, key=lambda run: run[0])  # frames made again here and there leave many runs
        return begun > 0 and number <= runs[begun - 1][1] and (chosen or number in runs[begun - 1])

    def uncovered(self, kind: str) -> set[int]:
        """The numbers of the frames in which nobody is to look for that kind of thing."""
        looking = (name for name in self.detectors if detectors.kind(name) == kind)
        return set(self.numbers).difference(*map(self.planned, looking))

    def adding(self, detector: str, numbers: Iterable[int], pace: Pace = FULL) -> Self:
        """The plan with more frames for `detector`, at which it looks at that pace or, if it did before, more often."""
        runs = spans(sorted({*self.planned(detector), *numbers}))
        if not runs:
            return self
        if detector in self.detectors:
            pace = pace.joined(self.pace(detector))
        before = self.without(detector)
        paces = before.paces | ({} if pace.is_full else {detector: pace})
        return replace(self, detectors=before.detectors | {detector: runs}, paces=paces)

    def without(self, detector: str) -> Self:
        """The plan as if `detector` had never been asked."""
        asked = {name: runs for name, runs in self.detectors.items() if name != detector}
        paces = {name: pace for name, pace in self.paces.items() if name != detector}
        return replace(self, detectors=asked, paces=paces)

    def to_json(self) -> Json:
        return asdict(self) | {"format": FORMAT}

    @classmethod
    def from_json(cls, value: Json) -> Self:
        known = {name: value[name] for name in cls.__slots__ if name in value}  # those of older versions lack some
        runs = {name: tuple((a, b) for a, b in pairs) for name, pairs in value["detectors"].items()}
        # Older versions told a stride, mostly taken from a mean rate: where frames come seldom it is too long.
        paces = {name: Pace(every, APART_S) for name, every in value.get("every", {}).items()}
        paces |= {name: Pace(**pace) for name, pace in value.get("paces", {}).items()}
        return cls(**known | {"detectors": runs, "paces": paces})


def naming(numbers: Sequence[int]) -> str:
    """A readable list of rising frame numbers: "frames 3-5, 9 and 12 more"."""
    pairs = spans(numbers)
    more = sum(b - a + 1 for a, b in pairs[8:])
    listed = ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in pairs[:8]) + (f" and {more} more" if more else "")
    return f"frame {listed}" if len(numbers) == 1 else f"frames {listed}"


def spans(numbers: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Runs of rising frame numbers: (first, last) of each."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return tuple((a, b) for a, b in runs)
