"""Putting together what was seen in the overlapping parts of a large picture."""

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from faceblur.detectors.base import Rows, ious, nms

_COVERED = 0.6  # share of a cut thing that lies in a whole one, from which it is the same thing

Part = tuple[int, int, int, int]  # left, top, right, bottom in pixels of the picture


def stitch(seen: Iterable[tuple[Part, Rows]], size: tuple[int, int], border: float, iou: float) -> Rows:
    """(N, 5 or 13) rows of a picture of that width and height, from those of its parts, in pixels of the picture.

    A thing closer to where its part was cut out than `border`, a share of the part's longer side, counts only where no
    other part holds the whole of it; the same thing seen in several parts, by its `iou`, counts once, and where all of
    them cut it, its row goes around all that they saw, and its corners are not known.
    """
    whole, cut = [], []  # with the number of the part
    for part, ((left, top, right, bottom), rows) in enumerate(seen):
        edge = border * max(right - left, bottom - top)
        low = np.array([left or -math.inf, top or -math.inf]) + edge
        high = np.array([math.inf if right >= size[0] else right, math.inf if bottom >= size[1] else bottom]) - edge
        is_cut = (rows[:, :2] < low).any(axis=1) | (rows[:, 2:4] > high).any(axis=1)
        whole.append(rows[~is_cut])
        cut.append(np.insert(rows[is_cut], 5, part, axis=1))
    kept, doubtful = nms(np.concatenate(whole), iou), np.concatenate(cut)
    return nms(np.concatenate([kept, _joined(doubtful[~within(doubtful, kept)], iou)]), iou)


def _joined(rows: NDArray[np.float64], iou: float) -> Rows:
    """What different parts saw of one thing as one row, from rows with the number of their part before the corners."""
    left, joined = rows[np.argsort(-rows[:, 4], kind="stable")], [np.empty((0, rows.shape[1] - 1))]
    while len(left):
        same = (ious(left[:1], left)[0] > iou) & (left[:, 5] != left[0, 5])
        same[0] = True
        around = np.concatenate([left[same, :2].min(axis=0), left[same, 2:4].max(axis=0), left[0, 4:]])
        left = left[~same]
        if same.sum() > 1:
            left = np.concatenate([[around], left])  # what it overlaps now is a part of it as well
        else:
            joined.append(np.concatenate([around[:5], np.full(len(around) - 6, np.nan)])[None])
    return np.concatenate(joined)


def within(rows: Rows, others: Rows) -> NDArray[np.bool_]:
    """(N,) whether a row lies for the most part inside one of the others."""
    if not len(rows) or not len(others):
        return np.zeros(len(rows), dtype=bool)
    sides = np.minimum(rows[:, None, 2:4], others[None, :, 2:4]) - np.maximum(rows[:, None, :2], others[None, :, :2])
    overlap = np.prod(np.maximum(sides, 0), axis=2).max(axis=1)
    return np.asarray(overlap > _COVERED * np.prod(rows[:, 2:4] - rows[:, :2], axis=1))
