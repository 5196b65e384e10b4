"""Which heads need not be hidden because the face in them is: so less of the picture is hidden for nothing.

In doubt a head stays hidden. Leaving it out could show a face that only the head hid, so it is left out only while a
face is surely seen in the middle of it, and of no other head, and while no other face, however weakly seen, would be
left to see. Around a frame in doubt it stays hidden for a while, so that nothing flickers.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from faceblur.temporal.shots import Indices, Reals, Shot
from faceblur.temporal.tracks import Track

_Flags = NDArray[np.bool_]
_HEAD, _FACE = "head", "face"
_NOBODY = -1
_SURE = 0.0  # log-odds from which a detection is more likely a face than not
_GAP = 4.0  # units of time between two sure detections over which the face is taken to be as sure
_LEAST = 0.25  # width of a face, as a share of that of a head's box, which leaves much room around the head
_BRIEF = 15.0  # units of time: for less a head is not left out, unless these are all of its frames
_AROUND = 5.0  # units of time before and after a frame in doubt for which a head stays hidden


def stand_ins(tracks: Sequence[Track], dropped: Sequence[Indices]) -> list[Indices]:
    """For each track (L,): the index of the face that is hidden in its place in each frame, −1 where it is itself.

    `tracks` and `dropped` are the chains of one shot that are believed and those that are not. Of what is no head all
    is −1.
    """
    found = [np.full(len(track.middle), _NOBODY, dtype=np.int64) for track in tracks]
    heads, faces = (_of_kind(tracks, kind) for kind in (_HEAD, _FACE))
    if not heads or not faces:
        return found
    shot = tracks[0].shot
    head, head_frame, head_box = _laid_out(tracks, heads)
    face, face_frame, face_box = _laid_out(tracks, faces)
    sure = np.concatenate([_sure(tracks[index]) for index in faces])
    weak = _weak_faces(shot, dropped)
    answer = np.full(len(head), _NOBODY, dtype=np.int64)
    frames = _by_frame(len(shot), head_frame), _by_frame(len(shot), face_frame), _by_frame(len(shot), shot.frame[weak])
    for here, there, seen in zip(*frames, strict=True):
        if len(here) and len(there):
            column = _answered(head_box[here], face_box[there], sure[there], shot.box[weak[seen]])
            answer[here] = np.where(column >= 0, face[there[column]], _NOBODY)
    for index in heads:
        track = tracks[index]
        own = answer[head == index]
        calm = _calm(own >= 0, shot.clock[track.first : track.first + len(own)])
        found[index] = np.where(calm, own, _NOBODY)
    return found


def _of_kind(tracks: Sequence[Track], kind: str) -> list[int]:
    return [index for index, track in enumerate(tracks) if track.shot.kinds[track.kind] == kind]


def _laid_out(tracks: Sequence[Track], of: Sequence[int]) -> tuple[Indices, Indices, Reals]:
    """(K,) track, (K,) frame and (K, 4) box, without margin, of each frame of the tracks named, one after the other."""
    lengths = [len(tracks[index].middle) for index in of]
    frame = np.concatenate([tracks[i].first + np.arange(n) for i, n in zip(of, lengths, strict=True)])
    middle = np.concatenate([tracks[index].middle for index in of])
    half = np.exp(np.concatenate([tracks[index].size for index in of])) / 2
    centre = np.stack([middle.real, middle.imag], axis=1)
    return np.repeat(of, lengths), frame, np.concatenate([centre - half, centre + half], axis=1)


def _by_frame(count: int, frame: Indices) -> list[Indices]:
    """For each of `count` frames the indices of what is in it."""
    order = np.argsort(frame, kind="stable")
    return np.split(order, np.searchsorted(frame[order], np.arange(1, count)))


def _sure(track: Track) -> _Flags:
    """(L,) whether a sure detection is in each frame, or one before and one after it, close to one another."""
    shot = track.shot
    seen = np.nonzero(track.member >= 0)[0]
    seen = seen[shot.odds[track.member[seen]] >= _SURE]
    sure = np.zeros(len(track.member), dtype=np.bool_)
    sure[seen] = True
    for a, b in pairwise(seen.tolist()):
        if shot.clock[track.first + b] - shot.clock[track.first + a] <= _GAP:
            sure[a:b] = True
    return sure


def _weak_faces(shot: Shot, dropped: Sequence[Indices]) -> Indices:
    """Detections of faces that are not believed, and so are not hidden themselves."""
    rows = np.concatenate([np.zeros(0, dtype=np.int64), *dropped])
    return rows[[shot.kinds[kind] == _FACE for kind in shot.kind[rows].tolist()]]


def _answered(heads: Reals, faces: Reals, sure: _Flags, weak: Reals) -> Indices:
    """(H,) which of the boxes (F, 4) of faces that are hidden in a frame stands for each of (H, 4) heads, −1 for none.

    `sure` (F,) are those that surely are faces, `weak` (W, 4) boxes of what may be faces and is not hidden.
    """
    wide = faces[:, 2] - faces[:, 0] >= _LEAST * (heads[:, 2] - heads[:, 0])[:, None]
    fits = _holds(faces, _middles(heads)).T & wide
    fits &= sure & (fits.sum(axis=0) == 1)  # a face that fits two heads may be that of either
    shown = weak[np.nonzero(~_holds(faces, _middles(weak)).any(axis=0))[0]]
    fits &= ~_holds(heads, _middles(shown)).any(axis=1, keepdims=True)
    return np.where(fits.any(axis=1), fits.argmax(axis=1), _NOBODY)


def _middles(boxes: Reals) -> Reals:
    return (boxes[:, :2] + boxes[:, 2:]) / 2


def _holds(boxes: Reals, points: Reals) -> _Flags:
    """(N, M) which of (N, 4) boxes hold which of (M, 2) points."""
    low, high = boxes[:, None, :2], boxes[:, None, 2:]
    return np.asarray(((points >= low) & (points < high)).all(axis=2))


def _calm(answered: _Flags, clock: Reals) -> _Flags:
    """(L,) the frames of a head in which it is left out, of those in which a face answers for it; seldom changing."""
    left_out = np.zeros_like(answered)
    edges = np.nonzero(np.diff(answered, prepend=False, append=False))[0].reshape(-1, 2)
    for a, b in edges.tolist():
        whole = a == 0, b == len(answered)
        if all(whole) or clock[b - 1] - clock[a] >= _BRIEF:
            begin = clock[a] + (0 if whole[0] else _AROUND)
            end = clock[b - 1] - (0 if whole[1] else _AROUND)
            left_out[a:b] = (clock[a:b] >= begin) & (clock[a:b] <= end)
    return left_out
