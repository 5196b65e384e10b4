"""How often detectors look at a video: so many times a second, whatever the frames are that it has in that time."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, pairwise
from typing import Self

_SLACK_S = Fraction(1, 200)  # by which a gap may be longer: files round times, and cameras do not keep them exactly
_LEAST_S = Fraction(1, 240)  # that a frame counts for: those whose times hardly rise must not all go unseen


@dataclass(frozen=True, slots=True)
class Pace:
    """Which frames of a video are looked at.

    With `every` above 0 it is one in so many, all of them for 1; with `apart` above 0 as few as leave no more than so
    many seconds from one look to the next, and all where frames come more seldom. With both it is what either asks for.
    """

    every: int = 1
    apart: float = 0

    def __post_init__(self) -> None:
        """ValueError for what is no pace: at that of neither all but the first frame and the last would go unseen."""
        real = isinstance(self.every, int) and self.every >= 0 and 0 <= self.apart < math.inf
        if not (real and (self.every or self.apart)):
            raise ValueError(f"one look in {self.every} frames, or each {self.apart} s, is no pace")

    @property
    def is_full(self) -> bool:
        """Whether every frame is looked at, whenever it comes."""
        return self.every == 1

    def chosen(self, times: Iterable[int], tick: Fraction) -> Iterator[bool]:
        """For each frame whether it is looked at; `times` are those of all, in order, in units of `tick` seconds.

        The first and the last always are. What is said of a frame is said once the time of the next one was taken.
        """
        longest, least = (math.floor(s / tick) for s in (Fraction(self.apart) + _SLACK_S, _LEAST_S))
        since: float = 0  # ticks from the last look that `apart` asked for
        for index, (now, after) in enumerate(pairwise(chain[float](times, [math.inf]))):
            step = max(after - now, least)
            late = index == 0 or step == math.inf or (self.apart > 0 and since + step > longest)
            since = step if late else since + step
            yield late or (self.every > 0 and index % self.every == 0)

    def joined(self, other: Self) -> Self:
        """The pace that does for both."""
        apart = min(filter(None, (self.apart, other.apart)), default=0)
        return type(self)(math.gcd(self.every, other.every), apart)


FULL = Pace()
