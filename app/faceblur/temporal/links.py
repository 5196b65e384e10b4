"""Which detections, from frame to frame, are of one thing: linking by place, motion and size.

The camera's motion is taken out first. Each chain has a motion of its own besides, so that people who walk through each
other keep apart. As the camera's motion can be taken from the wrong thing (a crowd that fills the picture), a chain may
also go on as it moved in the picture so far, whatever the camera does. In each frame chains and detections are assigned
to one another at the least total cost (Kuhn, 1955; Jonker and Volgenant, 1987). Memory grows with the links that are
possible, and not with all pairs: what is noise to a detector comes by the thousand.
"""

from collections.abc import Iterator

import lap
import numpy as np
from numpy.typing import NDArray

from faceblur.temporal.shots import Indices, Places, Reals, Shot

Flags = NDArray[np.bool_]

_SLACK_PX = 2.0  # how far a box may jump for free, in pixels: the detectors' own grid
_SIZE = 0.7  # what a change of size costs, per natural logarithm of it, against a move by the size of the box
_GATE = 0.3  # the highest cost of a link from one frame to the next
_GATE_YOUNG = 0.5  # the same while the speed of a chain is not known
_GATE_GAP = 0.1  # what each unit of time without a look, or without a detection, adds to the first
_GATE_GAP_YOUNG = 0.2  # and to the second: who was not yet seen moving may be far away after three frames
_GATE_MOST = 0.9
_GAP = 15.0  # units of time: longer away is gone
_PLACE = 0.8  # how much of the difference to what was foreseen is believed at once
_SPEED = 0.3  # the same for its speed
_BRIEF = 3.0  # units of time for which a chain may go on without the camera
_SPEED_YOUNG = 0.7  # while there was none before
_CALM = 0.98  # how much of its speed is left after each unit of time without a detection
_UNSURE = 0.05  # what a detection of no worth costs more than a sure one
_NO_LINK = 1e3  # more than any links may cost, so that as many as can be are made
_DENSE = 1 << 16  # pairs up to which links are solved as a matrix, which is faster
_ALL = 1 << 12  # pairs up to which it takes longer to find those that are near than to look at all
_FEW = 1 << 8  # links up to which it takes longer to find their components than to solve them together
_PORTION = 1 << 17  # pairs that are looked at together
_CHOICES = 64  # links a chain may choose from, the cheapest: what lies all on one heap must not cost the square of it
_ROUNDING = 1 + 1e-9  # a strip is wider by this than it needs to be


def link(shot: Shot) -> list[Indices]:
    """Chains: the indices of detections that follow one another, at most one a frame; every detection is in one."""
    chains = _Chains(shot)
    starts = np.searchsorted(shot.frame, np.arange(len(shot) + 1)).tolist()
    for i in range(len(shot)):
        chains.carry(i)
        if starts[i] < starts[i + 1]:
            chains.take(np.arange(starts[i], starts[i + 1]))
    return [np.array(m, dtype=np.int64) for m in sorted(chains.ended + chains.members)]


class _Chains:
    """The chains that may still go on; one row of each array a chain, places in the frame that is looked at."""

    def __init__(self, shot: Shot) -> None:
        self._shot = shot
        self._scale = shot.size.mean(axis=1)
        self._worth = _UNSURE / (1 + np.exp(shot.odds))
        self._now = self._time = 0.0
        self.ended: list[list[int]] = []
        self.members: list[list[int]] = []
        self.middle: Places = np.zeros(0, dtype=np.complex128)
        self.speed: Places = np.zeros(0, dtype=np.complex128)  # along the camera
        self.point: Places = np.zeros(0, dtype=np.complex128)  # where it would be if the camera's motion were none
        self.drift: Places = np.zeros(0, dtype=np.complex128)  # its speed then
        self.scale: Reals = np.zeros(0)
        self.seen: Reals = np.zeros(0)  # by the clock
        self.when: Reals = np.zeros(0)  # the same by the time
        self.kind: Indices = np.zeros(0, dtype=np.int64)
        self.young: Flags = np.zeros(0, dtype=np.bool_)

    def carry(self, i: int) -> None:
        """Into frame i: along with the camera, and by each chain's own speed. The long unseen are given up."""
        turn, shift = self._shot.turn[i], self._shot.shift[i]
        step = float(self._shot.time[i] - self._shot.time[max(i - 1, 0)])
        self._time, self._now = float(self._shot.time[i]), float(self._shot.clock[i])
        alive = self._now - self.seen <= _GAP
        if not alive.all():
            self.ended += [m for m, a in zip(self.members, alive.tolist(), strict=True) if not a]
            self.members = [m for m, a in zip(self.members, alive.tolist(), strict=True) if a]
            for name in ("middle", "speed", "point", "drift", "scale", "seen", "when", "kind", "young"):
                setattr(self, name, getattr(self, name)[alive])
        self.speed *= turn * _CALM**step
        self.middle = self.middle * turn + shift + self.speed * step
        self.drift *= _CALM**step
        self.point = self.point + self.drift * step
        self.scale += np.log(abs(turn))

    def take(self, rows: Indices) -> None:
        """Give each detection of the frame to a chain, or begin one with it."""
        chain, given = self._assign(rows)
        for c, row in zip(chain.tolist(), given.tolist(), strict=True):
            self.members[c].append(row)
        since = np.maximum(self._time - self.when[chain], 0.5)
        trust = np.where(self.young[chain], _SPEED_YOUNG, _SPEED) / since
        off, off_point = self._shot.middle[given] - self.middle[chain], self._shot.middle[given] - self.point[chain]
        along = np.abs(off) <= np.maximum(np.abs(off_point), _GATE * np.exp(self._scale[given]))
        self.speed[chain] += np.where(along, trust * off, 0)  # not where the camera's motion was a mistake
        self.middle[chain] += np.where(along & (since <= 1.5), _PLACE, 1.0) * off
        self.drift[chain] += trust * off_point
        self.point[chain] = self._shot.middle[given]
        self.scale[chain] = self._scale[given]
        self.seen[chain], self.when[chain] = self._now, self._time
        self.young[chain] = False
        new = np.setdiff1d(rows, given, assume_unique=True)
        self.members += [[row] for row in new.tolist()]
        self.middle = np.concatenate([self.middle, self._shot.middle[new]])
        self.speed = np.concatenate([self.speed, np.zeros(len(new))])
        self.point = np.concatenate([self.point, self._shot.middle[new]])
        self.drift = np.concatenate([self.drift, np.zeros(len(new))])
        self.scale = np.concatenate([self.scale, self._scale[new]])
        self.seen = np.concatenate([self.seen, np.full(len(new), self._now)])
        self.when = np.concatenate([self.when, np.full(len(new), self._time)])
        self.kind = np.concatenate([self.kind, self._shot.kind[new]])
        self.young = np.concatenate([self.young, np.ones(len(new), dtype=np.bool_)])

    def _assign(self, rows: Indices) -> tuple[Indices, Indices]:
        """Pairs (chain, detection) of least total cost."""
        gap = np.maximum(self._time - self.when - 1, 0)  # not by the clock: over a pause a chain may go far, too
        gate = np.where(self.young, _GATE_YOUNG + _GATE_GAP_YOUNG * gap, _GATE + _GATE_GAP * gap)
        gate = np.minimum(gate, _GATE_MOST)
        still = self._now - self.seen <= _BRIEF
        point = np.where(still, self.point, self.middle)
        found = [self._links(chain, rows[column], point, gate) for chain, column in self._near(rows, point, gate)]
        chain, row, cost = found[0] if len(found) == 1 else map(np.concatenate, zip(*found, strict=True))
        pick = _assigned(chain, row, cost)
        return chain[pick], row[pick]

    def _near(self, rows: Indices, point: Places, gate: Reals) -> Iterator[tuple[Indices, Indices]]:
        """(chain, column of `rows`) of all pairs that may be linked, and of more that lie beside them, in portions.

        Where there are many, each chain is paired with what lies in a strip of the picture as wide as its reach.
        """
        count = len(self.middle) * len(rows)
        if count <= _ALL:
            yield np.divmod(np.arange(count), len(rows))
            return
        # Sizes that are linked differ by a factor of exp(gate / _SIZE) at most, so that their mean has a bound, too.
        reach = _ROUNDING * (_SLACK_PX + gate * np.exp(self.scale) * (1 + np.exp(gate / _SIZE)) / 2)
        across = self._shot.middle[rows].real
        order = np.argsort(across, kind="stable")
        low = np.searchsorted(across[order], np.minimum(self.middle.real, point.real) - reach)
        high = np.searchsorted(across[order], np.maximum(self.middle.real, point.real) + reach, side="right")
        ends = np.concatenate([[0], np.cumsum(np.maximum(high - low, 0))])
        begin = 0
        while begin < len(low):
            end = max(begin + 1, int(np.searchsorted(ends, ends[begin] + _PORTION, side="right")) - 1)
            chain = np.repeat(np.arange(begin, end), np.diff(ends[begin : end + 1]))
            yield chain, order[np.arange(ends[begin], ends[end]) - (ends[:-1] - low)[chain]]
            begin = end

    def _links(self, chain: Indices, row: Indices, point: Places, gate: Reals) -> tuple[Indices, Indices, Reals]:
        """Those of the pairs (chain, row) that may be linked, and what each link costs."""
        own, scale, middle = self.scale[chain], self._scale[row], self._shot.middle[row]
        apart = np.minimum(np.abs(self.middle[chain] - middle), np.abs(point[chain] - middle))
        size = (np.exp(self.scale)[chain] + np.exp(scale)) / 2
        cost = np.maximum(apart - _SLACK_PX, 0) / size + _SIZE * np.abs(own - scale)
        good = np.nonzero((cost < gate[chain]) & (self.kind[chain] == self._shot.kind[row]))[0]
        chain, row, cost = chain[good], row[good], cost[good] + self._worth[row[good]]
        if len(chain) > _CHOICES:
            order = np.lexsort((cost, chain))
            rank = np.arange(len(chain)) - np.searchsorted(chain, chain)
            few = np.sort(order[rank < _CHOICES])
            chain, row, cost = chain[few], row[few], cost[few]
        return chain, row, cost


def _assigned(chain: Indices, row: Indices, cost: Reals) -> Indices:
    """Which of the links make as many pairs (chain, row) as can be, at the least total cost.

    Links that have nothing in common, directly or through others, are solved by themselves.
    """
    chain, row = _renumbered(chain), _renumbered(row)
    alone = (np.bincount(chain)[chain] == 1) & (np.bincount(row)[row] == 1)
    if alone.all():
        return np.arange(len(chain))
    shared = np.nonzero(~alone)[0]
    parts = [shared] if len(shared) <= _FEW else [shared[p] for p in _components(chain[shared], row[shared])]
    solved = [part[_solved(_renumbered(chain[part]), _renumbered(row[part]), cost[part])] for part in parts]
    return np.concatenate([np.nonzero(alone)[0], *solved])


def _renumbered(values: Indices) -> Indices:
    """The same with the numbers from 0 on, in their order, without gaps."""
    values = values - values.min(initial=0)
    return (np.cumsum(np.bincount(values) > 0) - 1)[values]


def _components(row: Indices, column: Indices) -> list[Indices]:
    """The indices of the links (row, column) of each connected component."""
    column = column + row.max() + 1
    label = np.arange(column.max() + 1)
    while True:
        least = label.copy()
        np.minimum.at(least, row, label[column])
        np.minimum.at(least, column, label[row])
        least = least[least]
        if (least == label).all():
            break
        label = least
    found = label[row]
    order = np.argsort(found, kind="stable")
    return np.split(order, np.nonzero(np.diff(found[order]))[0] + 1)


def _solved(row: Indices, column: Indices, cost: Reals) -> Indices:
    """Which of the links make as many pairs as can be at the least total cost; no number is left out in either."""
    rows, columns = int(row.max()) + 1, int(column.max()) + 1
    if rows * columns <= _DENSE:
        costs = np.full((rows, columns), _NO_LINK)
        costs[row, column] = cost
        _, given, _ = lap.lapjv(costs, extend_cost=True)  # (rows,), -1 where there is none
    else:
        given = _solved_sparsely(row, column, cost)
    return np.nonzero(given[row] == column)[0]


def _solved_sparsely(row: Indices, column: Indices, cost: Reals) -> Indices:
    """(rows,) the column of each row, or a number beyond all columns, in memory for the links alone.

    Besides the links each row may go to a column of its own, and each column to a row of its own, at the cost of no
    link; whatever is linked leaves such a column and such a row, and these go to one another for nothing.
    """
    rows, columns = int(row.max()) + 1, int(column.max()) + 1
    all_rows, all_columns = np.arange(rows), np.arange(columns)
    i = np.concatenate([row, all_rows, rows + all_columns, rows + column])
    j = np.concatenate([column, columns + all_rows, all_columns, columns + row])
    costs = np.concatenate([cost, np.full(rows + columns, _NO_LINK), np.zeros(len(row))])
    order = np.lexsort((j, i))
    starts = np.searchsorted(i[order], np.arange(rows + columns + 1))
    given: Indices
    _, given, _ = lap.lapmod(rows + columns, costs[order], starts.astype(np.int32), j[order].astype(np.int32))
    return given[:rows]
