"""Which detections, from frame to frame, are of one thing: linking by place, motion and size.

The camera's motion is taken out first. Each chain has a motion of its own besides, so that people who walk through each
other keep apart. As the camera's motion can be taken from the wrong thing (a crowd that fills the picture), a chain may
also go on as it moved in the picture so far, whatever the camera does. In each frame chains and detections are assigned
to one another at the least total cost (Kuhn, 1955; Jonker and Volgenant, 1987).
"""

import lap
import numpy as np
from numpy.typing import NDArray

from faceblur.temporal.shots import Indices, Places, Reals, Shot

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
        self.young: NDArray[np.bool_] = np.zeros(0, dtype=np.bool_)

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
        middle, scale = self._shot.middle[rows], self._scale[rows]
        sizes = (np.exp(self.scale)[:, None] + np.exp(scale)[None, :]) / 2
        apart = np.abs(self.middle[:, None] - middle[None, :])
        still = self._now - self.seen <= _BRIEF
        apart[still] = np.minimum(apart[still], np.abs(self.point[still, None] - middle[None, :]))
        cost = np.maximum(apart - _SLACK_PX, 0) / sizes + _SIZE * np.abs(self.scale[:, None] - scale[None, :])
        gap = np.maximum(self._now - self.seen - 1, 0)
        gate = np.where(self.young, _GATE_YOUNG + _GATE_GAP_YOUNG * gap, _GATE + _GATE_GAP * gap)
        gate = np.minimum(gate, _GATE_MOST)[:, None]
        good = (cost < gate) & (self.kind[:, None] == self._shot.kind[rows][None, :])
        if (good.sum(axis=0) <= 1).all() and (good.sum(axis=1) <= 1).all():
            chain, column = np.nonzero(good)
            return chain, rows[column]
        chains, columns = np.nonzero(good.any(axis=1))[0], np.nonzero(good.any(axis=0))[0]
        part = np.ix_(chains, columns)
        costs = np.where(good[part], cost[part] + self._worth[rows[columns]], 1e3)
        _, column, _ = lap.lapjv(np.ascontiguousarray(costs), extend_cost=True)  # (rows,), -1 where there is none
        i = np.nonzero(column >= 0)[0]
        j = column[i]
        real = good[chains[i], columns[j]]
        return chains[i][real], rows[columns[j]][real]
