"""A cheap first look tells how closely a picture has to be looked at: once for a portrait, enlarged for a crowd.

So the time that pictures of a few large faces do not need goes to those of many small ones.
"""

from collections.abc import Sequence

from faceblur.detectors.base import Detector, Rows
from faceblur.detectors.ensemble import Ensemble, probable, sizes
from faceblur.detectors.views import Viewed
from faceblur.images import Image

# All of these hold for sizes in what the first look sees, which may be smaller than the picture.
_SMALL_PX = 12.0  # below this a face may be one of many that are smaller still, and not seen
_LARGE_PX = 50.0  # from this on a face is close to the camera
_SURE = 0.8  # how likely a large face must be for the rest to be taken for a background
_FEW = 0.3  # small faces to be expected, by how likely each is, up to which there are none


class Cascade(Detector):
    """One of three ensembles says what is in a picture, by what a first look found there.

    `close` where there is a large face and none are small, `crowd` from `many` small ones on, `usual` for the rest.
    Where the first look is one of their members it counts, and is not made again.
    """

    # Photos believe faces of 8 px from a probability of 0.004 on: hiding them for nothing costs next to nothing.
    floor = 0.003

    def __init__(
        self, name: str, first: Viewed, *, close: Ensemble, usual: Ensemble, crowd: Ensemble, many: float
    ) -> None:
        super().__init__(name)
        self.kind = first.kind
        self._first = first
        self._close, self._usual, self._crowd = close, usual, crowd
        self._many = many

    def at_once(self, width: int, height: int) -> int:
        return max(one.at_once(width, height) for one in (self._first, self._close, self._usual, self._crowd))

    def batch(self, images: Sequence[Image]) -> list[Rows]:
        first = self._first.batch(images)
        chosen = [self._chosen(rows, image) for rows, image in zip(first, images, strict=True)]
        answers: list[Rows] = [rows[:0] for rows in first]
        for ensemble in (self._close, self._usual, self._crowd):
            which = [i for i, one in enumerate(chosen) if one is ensemble]
            found = ensemble.together([images[i] for i in which], {self._first: [first[i] for i in which]})
            for i, rows in zip(which, found, strict=True):
                answers[i] = rows
        return answers

    def _chosen(self, rows: Rows, image: Image) -> Ensemble:
        """Who is to say what is in a picture in which the first look saw these rows."""
        height, width = image.shape[:2]
        likely = probable(self._first, rows)[:, 4]
        seen = sizes(rows) * self._first.view.factor(width, height)
        small = float(likely[seen < _SMALL_PX].sum())
        if small >= self._many:
            return self._crowd
        is_close = bool((seen[likely > _SURE] >= _LARGE_PX).any())
        return self._close if is_close and small <= _FEW else self._usual
