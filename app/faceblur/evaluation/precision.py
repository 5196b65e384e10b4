"""Precision and recall of detections in photos, and the area under their curve, as for WIDER FACE and as usual.

WIDER FACE (Yang et al., 2016, arXiv:1511.06523; eval_tools of its authors): scores are scaled to 0 to 1 over the whole
set; precision and recall are taken at 1000 thresholds; average precision (AP) is the area under the curve made falling,
as in Pascal VOC. Detections whose best face does not count are left out; a second one on the same face is wrong.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faceblur.domain import Box

Reals = NDArray[np.float64]
Marks = NDArray[np.int8]

SAME = 0.5  # IoU from which a detection is of a face
RIGHT, WRONG, LEFT_OUT = np.int8(1), np.int8(0), np.int8(-1)
_THRESHOLDS = 1000
_PIXEL = 1.0  # WIDER FACE takes the last pixel for a part of a box: its width is right − left + 1


@dataclass(frozen=True, slots=True)
class Judged:
    """Detections of one photo, or of many: scores (N,), marks (N,) of RIGHT, WRONG or LEFT_OUT; how many `faces`."""

    scores: Reals
    marks: Marks
    faces: int

    @staticmethod
    def together(parts: Sequence["Judged"]) -> "Judged":
        """All of some photos as one."""
        scores = np.concatenate([np.zeros(0), *(part.scores for part in parts)])
        marks = np.concatenate([np.zeros(0, np.int8), *(part.marks for part in parts)])
        return Judged(scores, marks, sum(part.faces for part in parts))


@dataclass(frozen=True, slots=True)
class Curve:
    """Precision (N,) and recall (N,), 0 to 1, at falling thresholds."""

    precision: Reals
    recall: Reals

    @property
    def area(self) -> float:
        """Average precision: the area under the curve, after making precision fall with recall (Pascal VOC 2010)."""
        recall = np.concatenate([[0.0], self.recall, [1.0]])
        precision = np.concatenate([[0.0], self.precision, [0.0]])
        precision = np.maximum.accumulate(precision[::-1])[::-1]
        return float(np.sum(np.diff(recall) * precision[1:]))

    def at(self, recalls: Reals) -> Reals:
        """(M,) the highest precision with at least these recalls (M,); 0 where there is none."""
        precision = np.maximum.accumulate(np.append(self.precision, 0.0)[::-1])[::-1]
        return precision[np.searchsorted(self.recall, recalls)]


def judge(rows: Reals, boxes: Sequence[Box], counts: Collection[int], *, pixel: bool = False) -> Judged:
    """What (N, 5) detections of a photo, left, top, right, bottom and score, are worth against its labelled `boxes`.

    Best first, each is given to the box it overlaps most, if that is by an IoU of SAME or more; it is RIGHT for the
    first on a box among those whose indices are in `counts`, LEFT_OUT for any on another box. With `pixel` boxes are a
    pixel wider and higher, as in WIDER FACE.
    """
    rows = rows[np.argsort(-rows[:, 4], kind="stable")]
    marks = np.full(len(rows), WRONG)
    overlaps = _ious(rows[:, :4], np.array([b.to_json() for b in boxes]).reshape(-1, 4), _PIXEL if pixel else 0.0)
    if len(boxes):
        best, found = overlaps.argmax(axis=1), set()
        for i in np.nonzero(overlaps.max(axis=1) >= SAME)[0].tolist():
            face = int(best[i])
            if face not in counts:
                marks[i] = LEFT_OUT
            elif face not in found:
                marks[i] = RIGHT
                found.add(face)
    return Judged(rows[:, 4], marks, len(counts))


def curve(judged: Judged) -> Curve:
    """Precision and recall at every score that there is."""
    order = np.argsort(-judged.scores, kind="stable")
    scores, marks = judged.scores[order], judged.marks[order]
    last = np.append(scores[1:] != scores[:-1], True) if len(scores) else np.zeros(0, dtype=bool)
    return _curve(np.cumsum(marks == RIGHT)[last], np.cumsum(marks != LEFT_OUT)[last], judged.faces)


def wider(judged: Judged) -> Curve:
    """Precision and recall at WIDER FACE's thresholds: 0.999 to 0 of the scores scaled to 0 to 1."""
    low, high = (float(judged.scores.min()), float(judged.scores.max())) if len(judged.scores) else (0.0, 1.0)
    scaled = (judged.scores - low) / ((high - low) or 1.0)
    order = np.argsort(-scaled, kind="stable")
    thresholds = 1 - np.arange(1, _THRESHOLDS + 1) / _THRESHOLDS
    counts = np.searchsorted(-scaled[order], -thresholds, side="right")
    marks = judged.marks[order]
    right, said = (np.concatenate([[0], np.cumsum(of)]) for of in (marks == RIGHT, marks != LEFT_OUT))
    return _curve(right[counts], said[counts], judged.faces)


def _curve(right: NDArray[np.int64], said: NDArray[np.int64], faces: int) -> Curve:
    return Curve(right / np.maximum(said, 1), right / max(faces, 1))


def _ious(rows: Reals, boxes: Reals, pixel: float) -> Reals:
    """(N, M) IoU of (N, 4) and (M, 4) corners, whose sides are `pixel` longer than their difference."""
    low = np.maximum(rows[:, None, :2], boxes[None, :, :2])
    high = np.minimum(rows[:, None, 2:], boxes[None, :, 2:])
    overlap = np.prod(np.maximum(high - low + pixel, 0), axis=2)
    areas = [np.prod(np.maximum(part[:, 2:] - part[:, :2] + pixel, 0), axis=1) for part in (rows, boxes)]
    return np.asarray(overlap / np.maximum(areas[0][:, None] + areas[1][None] - overlap, 1e-9))
