"""Several views or detectors taken together: what each says, calibrated, is weighed against what the others do not see.

Boxes are merged by weighted boxes fusion (Solovyev et al., 2021, arXiv:1910.13302): clusters by IoU, the box of a
cluster is the mean of its members weighted by how likely each is, its score their sum over the number of members.
"""

from collections.abc import Sequence

import numpy as np

from faceblur import calibration
from faceblur.detectors.base import Detector, Rows, ious
from faceblur.images import Image

_SAME = 0.45  # IoU from which what two members say is about one thing


class Ensemble(Detector):
    """Detectors of one kind that look at the same picture; a score is the mean of their probabilities."""

    floor = 0.01

    def __init__(self, name: str, members: Sequence[Detector]) -> None:
        super().__init__(name)
        self.kind = members[0].kind
        self._members = tuple(members)

    def rows(self, image: Image) -> Rows:
        found = [_probable(member, member.rows(image)) for member in self._members]
        return fuse(np.concatenate(found), np.repeat(np.arange(len(found)), [len(rows) for rows in found]), len(found))


def fuse(rows: Rows, member: np.ndarray, count: int) -> Rows:
    """(N, 5) the clusters of what `count` members said: (M, 5) rows with probabilities, (M,) whose they are."""
    fused = []
    free = np.ones(len(rows), dtype=bool)
    for best in np.argsort(-rows[:, 4], kind="stable"):
        if not free[best]:
            continue
        overlaps = np.where(free, ious(rows[best], rows), 0.0)
        overlaps[best] = 1.0
        alike = np.nonzero(overlaps > _SAME)[0]
        alike = alike[np.lexsort((-rows[alike, 4], -overlaps[alike]))]  # of each member that which fits best
        group = alike[np.unique(member[alike], return_index=True)[1]]
        free[alike] = False
        weights = rows[group, 4]
        fused.append([*np.average(rows[group, :4], axis=0, weights=weights), weights.sum() / count])
    return np.array(fused, dtype=np.float64).reshape(-1, 5)


def _probable(member: Detector, rows: Rows) -> Rows:
    """The rows with probabilities for scores."""
    sizes = np.sqrt(np.prod(rows[:, 2:4] - rows[:, :2], axis=1))
    odds = calibration.log_odds(member.name, rows[:, 4], sizes)
    return np.column_stack([rows[:, :4], 1 / (1 + np.exp(-odds))])
