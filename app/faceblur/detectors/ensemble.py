"""Several views or detectors taken together: what each says, calibrated, is weighed against what the others do not see.

Boxes are merged by weighted boxes fusion (Solovyev et al., 2021, arXiv:1910.13302): clusters by IoU, the box of a
cluster is the mean of its members weighted by how likely each is, its score their sum over the number of members.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from faceblur import calibration
from faceblur.detectors.base import Detector, Rows, ious
from faceblur.images import Image

Indices = NDArray[np.int64]
Flags = NDArray[np.bool_]
Span = tuple[float, float]  # sizes in pixels: from the first to below the second

_PART = 500  # rows that are compared with all others at a time
_SAME = 0.45  # IoU from which what two members say is about one thing
_LIKELY = 0.1  # probability from which what a member says is worth another look
_UNBACKED = math.exp(-1.0)  # the odds of what it says by itself count for so much, where another look may back it
_FLOOR, _FLOOR_OF_ONE = 0.01, 0.003  # probabilities; the second is what the least scores of CenterFace are worth


class Ensemble(Detector):
    """Detectors of one kind that look at the same picture; a score is the mean of their probabilities.

    What one of `enough` says of things of the sizes given with it counts by itself where that is more. Unless it is one
    of the members, too, it has no part in the mean, and what it says of things of other sizes is not heard.

    What one of `again` says counts for less by itself. The detector given with it looks at the pictures in which the
    first sees something likely, and how likely that thinks it is, is enough, too; the box stays that of the first.
    """

    def __init__(
        self,
        name: str,
        members: Sequence[Detector],
        enough: Mapping[Detector, Span] = MappingProxyType({}),
        again: Mapping[Detector, Detector] = MappingProxyType({}),
    ) -> None:
        super().__init__(name)
        self.kind = members[0].kind
        self._votes = len(members)
        self.floor = _FLOOR if len(members) > 1 else _FLOOR_OF_ONE
        self._members = (*members, *(one for one in enough if one not in members))
        self._enough = {self._members.index(one): span for one, span in enough.items()}
        self._again = {self._members.index(one): other for one, other in again.items()}

    def at_once(self, width: int, height: int) -> int:
        return max(member.at_once(width, height) for member in self._members)

    def batch(self, images: Sequence[Image]) -> list[Rows]:
        return self.together(images, {})

    def together(self, images: Sequence[Image], known: Mapping[Detector, Sequence[Rows]]) -> list[Rows]:
        """As `batch`, without asking those of the members whose rows for each of the pictures are `known`."""
        if not images:
            return []
        found = [[probable(m, rows) for rows in known.get(m) or m.batch(images)] for m in self._members]
        for index, other in self._again.items():
            likely = [self._likely(index, rows) for rows in found[index]]
            found[index] = _backed(found[index], other, images, likely)
        return [self._fused(said) for said in zip(*found, strict=True)]

    def _likely(self, index: int, rows: Rows) -> Flags:
        """(N,) which of the things that a member sees are of its sizes, and likely."""
        (least, most), size = self._enough[index], sizes(rows)
        return (rows[:, 4] >= _LIKELY) & (size >= least) & (size < most)

    def _fused(self, said: Sequence[Rows]) -> Rows:
        """One picture's rows, from those of each member."""
        rows, member = np.concatenate(said), np.repeat(np.arange(len(said)), [len(part) for part in said])
        size, enough = sizes(rows), np.zeros(len(rows), dtype=bool)
        for index, (least, most) in self._enough.items():
            enough |= (member == index) & (size >= least) & (size < most)
        heard = enough | (member < self._votes)
        return fuse(rows[heard], member[heard], self._votes, enough[heard])


def _backed(found: Sequence[Rows], other: Detector, images: Sequence[Image], likely: Sequence[Flags]) -> list[Rows]:
    """What was found in each picture, with less probability; what is `likely` (N,) with that of another, if more.

    The other looks only where something is likely. Its boxes are not used: of a face that fills the picture and leaves
    it, one was drawn twice too wide at 448 px.
    """
    asked = [i for i, those in enumerate(likely) if those.any()]
    backed = [np.column_stack([rows[:, :4], _unbacked(rows[:, 4]), rows[:, 5:]]) for rows in found]
    for i, said in zip(asked, other.batch([images[i] for i in asked]) if asked else [], strict=True):
        rows, seen = backed[i], probable(other, said)
        same = (ious(rows, seen) > _SAME) & likely[i][:, np.newaxis]
        rows[:, 4] = np.maximum(rows[:, 4], np.where(same, seen[:, 4], 0.0).max(axis=1, initial=0.0))
    return backed


def _unbacked(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    less = probability * _UNBACKED
    return less / (less + 1 - probability)


def fuse(rows: Rows, member: Indices, count: int, enough: Flags | None = None) -> Rows:
    """(N, 5 or 13) the clusters of what members said: such rows with probabilities, (M,) whose they are.

    A score is the mean of what the members below `count` say; what is `enough` (M,) counts by itself where it is more.
    """
    least = np.where(False if enough is None else enough, rows[:, 4], 0.0)
    voted = np.where(member < count, rows[:, 4], 0.0)
    near = list(_near(rows))
    alone = np.array([len(others) == 0 for others, _ in near], dtype=bool)
    score = np.maximum(voted[alone] / count, least[alone])
    fused = [np.column_stack([rows[alone, :4], score, rows[alone, 5:]])]
    free = ~alone
    for best in np.argsort(-rows[:, 4], kind="stable").tolist():
        if not free[best]:
            continue
        others, overlaps = (values[free[near[best][0]]] for values in near[best])
        by_fit = others[np.lexsort((-rows[others, 4], -overlaps))]  # of each member that which fits best
        alike = np.array([best, *by_fit])
        group = alike[np.unique(member[alike], return_index=True)[1]]
        weights = rows[group, 4]
        box, corners = (weights @ rows[group, part] / weights.sum() for part in (slice(4), slice(5, None)))
        mean = math.fsum(voted[group]) / count  # the same whatever the order of the members
        fused.append(np.array([[*box, max(mean, least[group].max()), *corners]]))
        # What is about the best but not about what was made of it may be a thing of its own.
        free[others[ious(fused[-1], rows[others])[0] > _SAME]] = free[group] = free[best] = False
    return np.concatenate(fused)


def _near(rows: Rows) -> Iterator[tuple[Indices, NDArray[np.float64]]]:
    """For each row the others that are about the same thing: their indices, and how much they overlap."""
    for start in range(0, len(rows), _PART):  # in parts, as the table grows with the square
        overlaps = ious(rows[start : start + _PART], rows)
        for offset, line in enumerate(overlaps):
            line[start + offset] = 0.0
            alike = np.nonzero(line > _SAME)[0]
            yield alike, line[alike]


def probable(member: Detector, rows: Rows) -> Rows:
    """The rows with probabilities for scores."""
    odds = calibration.log_odds(member.name, rows[:, 4], sizes(rows))
    return np.column_stack([rows[:, :4], 1 / (1 + np.exp(-odds)), rows[:, 5:]])


def sizes(rows: Rows) -> NDArray[np.float64]:
    """(N,) the square roots of the areas, in pixels."""
    return np.asarray(np.sqrt(np.prod(np.maximum(rows[:, 2:4] - rows[:, :2], 0), axis=1)))
