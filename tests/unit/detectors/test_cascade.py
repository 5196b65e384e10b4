"""A first look decides how closely a picture is looked at; what it saw is not looked for again."""

from collections.abc import Sequence

import numpy as np
import pytest

from conftest import picture
from faceblur import detectors
from faceblur.detectors import null
from faceblur.detectors.base import OneByOne, Rows
from faceblur.detectors.cascade import Cascade
from faceblur.detectors.ensemble import Ensemble
from faceblur.detectors.views import View, Viewed
from faceblur.images import Image

MANY = 4.0
STAGED = [name for name, entry in detectors.ENSEMBLES.items() if isinstance(entry, detectors.Stages)]
Face = tuple[float, float, float]  # left, size and score


class Told(OneByOne):
    """Finds in each picture the faces that a test lists for one of its width, and counts the pictures it is given."""

    def __init__(self, name: str, *faces: Face, width: int = 0) -> None:
        super().__init__(name)
        self._faces, self._width, self.looks = faces, width, 0

    def rows(self, image: Image) -> Rows:
        self.looks += 1
        seen = self._faces if self._width in (0, image.shape[1]) else ()
        return np.array([[x, 0, x + size, size, score] for x, size, score in seen], dtype=np.float64).reshape(-1, 5)


class Found:
    """A cascade of fakes; the closer ones find one thing each, by which they are told apart."""

    def __init__(self, *faces: Face, factor: float = 1.0, width: int = 0) -> None:
        self.eye = Told("eye", *faces, width=width)
        self.first = Viewed("first", self.eye, View(factor))
        self.usual, self.crowd = Told("usual", (0, 30, 0.6)), Told("crowd", (0, 30, 0.7))
        self.cascade = Cascade(
            "staged",
            self.first,
            close=Ensemble("staged", [self.first]),
            usual=Ensemble("staged", [self.usual]),
            crowd=Ensemble("staged", [self.first, self.crowd]),
            many=MANY,
        )

    def of(self, images: Sequence[Image]) -> list[list[float]]:
        return [[one.score for one in found] for found in self.cascade.detect(images)]

    @property
    def asked(self) -> str:
        return ", ".join(one.name for one in (self.usual, self.crowd) if one.looks) or "nobody else"


def asked(*faces: Face, factor: float = 1.0) -> str:
    """Who is asked besides the first look, where that sees these faces."""
    found = Found(*faces, factor=factor)
    found.of([picture(960, 640)])
    return found.asked


def small(count: int, score: float = 0.99) -> list[Face]:
    return [(20.0 * i, 11.0, score) for i in range(count)]


def test_a_large_face_alone_is_looked_at_once() -> None:
    assert asked((0, 50, 0.9)) == "nobody else"


@pytest.mark.parametrize("faces", [[], [(0, 49, 0.9)], [(0, 50, 0.8)], [(0, 20, 0.9), (40, 20, 0.9)]])
def test_where_no_large_face_is_sure_a_picture_is_looked_at_as_usual(faces: list[Face]) -> None:
    assert asked(*faces) == "usual"


def test_where_small_faces_are_to_be_expected_beside_a_large_one_too() -> None:
    assert asked((400, 200, 0.99), *small(1, 0.29)) == "nobody else"
    assert asked((400, 200, 0.99), *small(2, 0.16)) == "usual"


def test_a_crowd_is_looked_at_closely_whoever_stands_before_it() -> None:
    assert asked(*small(5)) == "crowd"
    assert asked((400, 200, 0.99), *small(5)) == "crowd"


def test_small_faces_count_by_how_likely_they_are() -> None:
    assert asked(*small(4)) == "usual"
    assert asked(*small(9, 0.44)) == "usual"
    assert asked(*small(10, 0.44)) == "crowd"


@pytest.mark.parametrize(("size", "who"), [(11.9, "crowd"), (12.1, "usual")])
def test_only_faces_that_could_be_smaller_still_make_a_crowd(size: float, who: str) -> None:
    assert asked(*[(20.0 * i, size, 0.99) for i in range(9)]) == who


def test_sizes_count_as_the_first_look_sees_them() -> None:
    """The fake finds the same whatever it is shown; at half the size that is twice as large in the picture."""
    assert asked((0, 49, 0.9), factor=0.5) == "usual"
    assert asked((0, 50, 0.9), factor=0.5) == "nobody else"
    assert asked(*small(5), factor=0.5) == "crowd"


def test_the_first_look_is_made_once_and_counts_where_it_is_a_member() -> None:
    found = Found(*small(5))
    [scores] = found.of([picture(960, 640)])
    assert found.eye.looks == 1
    assert scores == pytest.approx([0.99 / 2] * 5 + [0.7 / 2])


def test_pictures_given_together_are_looked_at_each_in_its_own_way() -> None:
    found = Found(*small(5), width=960)
    crowd, empty = picture(960, 640), picture(640, 640)
    together = found.of([empty, crowd, empty])
    assert together == [found.of([image])[0] for image in (empty, crowd, empty)]
    assert together[0] == together[2] == [0.6]
    assert len(together[1]) == 6


def test_what_is_very_weak_is_still_evidence_of_a_small_face() -> None:
    found = Found(*small(5), (400, 9, 0.007), (500, 9, 0.005))
    assert min(found.of([picture(960, 640)])[0]) == pytest.approx(0.0035)


def test_a_cascade_speaks_in_its_own_name_and_is_of_its_first_looks_kind() -> None:
    [[one]] = Found((0, 50, 0.9)).cascade.detect([picture(960, 640)])
    assert (one.detector, one.kind) == ("staged", "face")


def test_no_pictures_are_no_work() -> None:
    assert Found().of([]) == []


@pytest.mark.parametrize("name", STAGED)
def test_the_first_look_of_the_table_is_one_of_the_views_of_each_mix(name: str) -> None:
    entry = detectors.ENSEMBLES[name]
    assert isinstance(entry, detectors.Stages)
    for mix in (entry.close, entry.usual, entry.crowd):
        assert entry.first in (*mix.views, *(one.view for one in mix.enough))


@pytest.mark.parametrize(
    ("faces", "looks"), [([(0, 0, 120, 120)], 1), ([], 2), ([(40 * i, 0, 40 * i + 10, 10) for i in range(9)], 2)]
)
def test_what_is_made_by_name_looks_no_more_often_than_it_must(
    faces: list[tuple[int, int, int, int]], looks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[int, ...]] = []
    rows = null.Null.rows
    monkeypatch.setattr(null.Null, "rows", lambda self, image: made.append(image.shape) or rows(self, image))
    usual = detectors.Mix(("null",), enough=(detectors.Enough("null@0.5"),))
    crowd = detectors.Mix(("null@0.5", "null@2"))
    entry = detectors.Stages("null@0.5", detectors.Mix(("null@0.5",)), usual, crowd, many=4)
    monkeypatch.setitem(detectors.ENSEMBLES, "staged.1", entry)
    [found] = detectors.create("staged.1", []).detect([picture(400, 160, faces)])
    assert [one.detector for one in found] == ["staged.1"] * len(faces)
    assert len(made) == looks
