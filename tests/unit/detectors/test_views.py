"""How a picture is looked at: sizes, mirrors, tiles, and the seam of a panorama. A green rectangle is a thing."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceblur.detectors.base import Detector, OneByOne, Rows
from faceblur.detectors.views import _OVERLAP, _TILE, LONGEST, View, Viewed, _spans
from faceblur.errors import UsageError
from faceblur.images import Image

Box = tuple[int, int, int, int]
WHOLE = View()
WAYS = [WHOLE, View(mirror=True), *(View(turns=turns) for turns in (1, 2, 3)), View(mirror=True, turns=1)]
SIZES = ["auto", "0.5", "2", "0.33", "640x640", "100x1000"]


class Painted(OneByOne):
    """Finds green rectangles, cut where the picture ends, and remembers the (width, height) it was given."""

    def __init__(self, step: int = 1, kind: str = "face") -> None:
        super().__init__("painted")
        self.step, self.kind = step, kind
        self.sizes: list[tuple[int, int]] = []

    def rows(self, image: Image) -> Rows:
        self.sizes.append((image.shape[1], image.shape[0]))
        count, _, stats, _ = cv2.connectedComponentsWithStats((image[..., 1] > 127).astype(np.uint8))
        found = [[x, y, x + width, y + height, 0.9] for x, y, width, height, _ in stats[1:count].tolist()]
        return np.array(found, dtype=np.float64).reshape(-1, 5)


def painted(width: int, height: int, *things: Box) -> Image:
    image = np.zeros((height, width, 3), np.uint8)
    for left, top, right, bottom in things:
        image[top:bottom, left:right] = (0, 255, 0)
    return image


def found(image: Image, view: View = WHOLE, inner: Detector | None = None) -> list[list[float]]:
    """The boxes, from left to right."""
    [said] = Viewed("viewed", inner or Painted(), view).detect([image])
    return sorted(one.box.to_json() for one in said)


def sizes(image: Image, size: str = "auto", step: int = 1) -> list[tuple[int, int]]:
    """The sizes of the pictures that the model sees."""
    inner = Painted(step)
    Viewed("viewed", inner, View.parse(size)).batch([image])
    return inner.sizes


def covered(boxes: list[list[float]], thing: Box) -> bool:
    """Whether every pixel of a thing lies in a box."""
    mask = np.zeros((thing[3], thing[2]), dtype=bool)
    for left, top, right, bottom in boxes:
        mask[round(top) : round(bottom), round(left) : round(right)] = True
    return bool(mask[thing[1] :, thing[0] :].all())


# What a view is called


@pytest.mark.parametrize("text", ["auto", "0.05", "0.5", "1", "1.5", "8", "1280x720", "16x16384"])
def test_a_size_is_written_as_it_is_read(text: str) -> None:
    assert str(View.parse(text)) == text


@given(st.floats(0.05, 8))
def test_a_written_factor_is_read_as_the_same_view(factor: float) -> None:
    once = View.parse(str(View.parse(repr(factor))))
    assert View.parse(str(once)) == once


@given(st.integers(16, 16384), st.integers(16, 16384))
def test_a_written_frame_is_read_as_the_same_view(width: int, height: int) -> None:
    assert View.parse(str(View.parse(f"{width}x{height}"))) == View((width, height))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "half",
        "0",
        "-1",
        "0.049",
        "8.1",
        "nan",
        "inf",
        "15x720",
        "1280x16385",
        "1280x",
        "x720",
        "1x2x3",
        "0.5x9",
    ],
)
def test_what_is_no_size_is_refused_with_what_is_one(text: str) -> None:
    with pytest.raises(UsageError, match=r"auto, a factor from 0\.05 to 8, or 1280x720"):
        View.parse(text)


def test_a_view_at_so_many_times_its_size_is_called_by_the_product() -> None:
    assert [str(View(size, times=2.0)) for size in (None, 0.5, (640, 360))] == ["2", "1", "1280x720"]


# At which size


def test_a_picture_is_looked_at_in_its_own_size() -> None:
    assert View().factor(LONGEST, 100) == 1.0


@pytest.mark.parametrize("sides", [(2 * LONGEST, 100), (100, 2 * LONGEST)])
def test_a_huge_picture_is_shrunk_to_the_longest_side(sides: tuple[int, int]) -> None:
    assert View().factor(*sides) == 0.5


def test_a_factor_counts_from_the_longest_side_on() -> None:
    assert View(0.5).factor(2 * LONGEST, 100) == 0.25


@given(st.integers(1, 9000), st.integers(1, 9000))
def test_a_picture_fits_into_its_frame_and_fills_one_side(width: int, height: int) -> None:
    factor = View((640, 480)).factor(width, height)
    assert max(width * factor / 640, height * factor / 480) == pytest.approx(1)


def test_times_multiply_the_size() -> None:
    assert [View(size, times=2.0).factor(100, 100) for size in (None, 0.5, (50, 50))] == [2.0, 1.0, 1.0]


@pytest.mark.parametrize("step", [8, 32])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("sides", [(1, 1), (333, 517), (3000, 100), (5000, 2700)])
def test_sides_are_multiples_of_the_models_step(sides: tuple[int, int], size: str, step: int) -> None:
    assert all(side % step == 0 for seen in sizes(painted(*sides), size, step) for side in seen)


def test_a_picture_that_fits_is_looked_at_as_it_is() -> None:
    assert sizes(painted(333, 517)) == [(333, 517)]


# Where things are


@pytest.mark.parametrize("way", WAYS, ids=repr)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("step", [1, 32])
def test_boxes_are_in_the_pictures_own_pixels(size: str, step: int, way: View) -> None:
    view = replace(way, size=View.parse(size).size)
    [box] = found(painted(400, 300, (60, 40, 220, 140)), view, Painted(step))
    assert box == pytest.approx([60, 40, 220, 140], abs=4)  # a pixel of the smallest picture that is looked at


def test_a_mirrored_view_sees_the_picture_mirrored() -> None:
    class First(Painted):
        def rows(self, image: Image) -> Rows:
            return super().rows(image)[:1] if image[0, 0, 1] else np.empty((0, 5))

    image = painted(100, 50, (80, 0, 100, 20))
    assert found(image, WHOLE, First()) == []
    assert found(image, View(mirror=True), First()) == [[80, 0, 100, 20]]


@pytest.mark.parametrize(("turns", "leads"), [(1, (80, 0)), (2, (80, 40)), (3, (0, 40))])
def test_a_turned_view_sees_the_picture_turned_to_the_left(turns: int, leads: tuple[int, int]) -> None:
    class Leading(Painted):
        def rows(self, image: Image) -> Rows:
            return super().rows(image)[:1] if image[0, 0, 1] else np.empty((0, 5))

    left, top = leads
    corners = [(0, 0), (80, 0), (0, 40), (80, 40)]
    seen = {
        corner: found(painted(100, 50, (*corner, corner[0] + 20, corner[1] + 10)), View(turns=turns), Leading())
        for corner in corners
    }
    assert seen == {corner: [[left, top, left + 20, top + 10]] if corner == leads else [] for corner in corners}


@given(st.integers(0, 380), st.integers(0, 280), st.integers(8, 60), st.integers(8, 60), st.sampled_from(WAYS))
def test_mirrored_turned_or_not_a_thing_is_at_the_same_place(
    left: int, top: int, width: int, height: int, way: View
) -> None:
    image = painted(400, 300, (left, top, min(left + width, 400), min(top + height, 300)))
    assert found(image, way) == found(image)


@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from(SIZES), st.sampled_from(WAYS))
def test_boxes_lie_inside_the_picture(width: int, height: int, size: str, way: View) -> None:
    boxes = found(painted(width, height, (0, 0, width, height)), replace(way, size=View.parse(size).size), Painted(8))
    assert all(0 <= b[0] < b[2] <= width and 0 <= b[1] < b[3] <= height for b in boxes)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("way", WAYS, ids=repr)
def test_a_picture_of_one_pixel_is_one_thing(size: str, way: View) -> None:
    assert found(painted(1, 1, (0, 0, 1, 1)), replace(way, size=View.parse(size).size)) == [[0, 0, 1, 1]]


@pytest.mark.parametrize("sides", [(64, 48), (3000, 40), (2048, 1024)])
@pytest.mark.parametrize("way", WAYS, ids=repr)
def test_where_the_model_finds_nothing_there_is_nothing(sides: tuple[int, int], way: View) -> None:
    assert found(painted(*sides), way) == []


def test_the_picture_itself_is_left_alone() -> None:
    image = painted(400, 300, (60, 40, 220, 140))
    before = image.copy()
    found(image, View(0.5, mirror=True, turns=1))
    assert np.array_equal(image, before)


def test_a_view_is_of_its_models_kind_and_has_its_own_name() -> None:
    [one] = Viewed("mine", Painted(kind="plate"), View()).detect([painted(90, 60, (10, 10, 40, 40))])[0]
    assert (one.kind, one.detector) == ("plate", "mine")


# Tiles


@given(st.integers(1, 40_000), st.sampled_from([1, 8, 32]))
def test_tiles_hold_every_pixel_share_enough_and_are_not_too_large(length: int, step: int) -> None:
    length = -(-length // step) * step
    tiles = list(_spans(length, step))
    assert (tiles[0][0], tiles[-1][1]) == (0, length)
    assert all(before[1] - after[0] >= _OVERLAP for before, after in pairwise(tiles))
    assert all(end - start <= _TILE and (end - start) % step == 0 for start, end in tiles)


@pytest.mark.parametrize("sides", [(_TILE + 1, 40), (40, _TILE + 1), (3840, 2700)])
def test_a_large_picture_is_looked_at_in_tiles(sides: tuple[int, int]) -> None:
    seen = sizes(painted(*sides))
    assert len(seen) > 1
    assert max(max(tile) for tile in seen) <= _TILE


def test_a_picture_of_the_size_of_a_tile_is_looked_at_whole() -> None:
    assert sizes(painted(_TILE, 40)) == [(_TILE, 40)]


@pytest.mark.parametrize("left", range(1700, 2140, 40))
def test_a_thing_where_tiles_meet_is_found_once_and_whole(left: int) -> None:
    """The tiles of 3840 pixels are 0 to 2080 and 1760 to 3840."""
    assert found(painted(3840, 200, (left, 50, left + 200, 150))) == [[left, 50, left + 200, 150]]


def test_a_thing_where_four_tiles_meet_is_found_once_and_whole() -> None:
    assert found(painted(3600, 3600, (1750, 1750, 1850, 1850))) == [[1750, 1750, 1850, 1850]]


@pytest.mark.parametrize("width", [340, 440, 600, 1200, 3000])
@pytest.mark.parametrize("middle", [1760, 1920, 2080])
def test_a_thing_larger_than_what_tiles_share_is_covered(middle: int, width: int) -> None:
    thing = (middle - width // 2, 50, middle + width // 2, 400)
    assert covered(found(painted(3840, 500, thing)), thing)


def test_a_thing_in_many_tiles_is_one_row_where_the_parts_overlap() -> None:
    assert found(painted(3840, 200, (1700, 50, 2140, 150))) == [[1700, 50, 2140, 150]]


def test_things_side_by_side_where_tiles_meet_stay_apart() -> None:
    things = [(left, 50, left + 60, 150) for left in range(1640, 2200, 80)]
    assert found(painted(3840, 200, *things)) == [list(thing) for thing in things]


# Panoramas


@pytest.mark.parametrize("width", [2048, 3000, 3840])
@pytest.mark.parametrize("mirror", [False, True])
def test_a_thing_across_the_seam_is_found_once_on_each_side(width: int, mirror: bool) -> None:
    image = painted(width, width // 2, (width - 60, 500, width, 600), (0, 500, 40, 600))
    left, right = found(image, View(mirror=mirror))
    assert left == pytest.approx([0, 500, 40, 600], abs=1.5)
    assert right == pytest.approx([width - 60, 500, width, 600], abs=1.5)


def test_across_the_seam_a_thing_is_seen_whole() -> None:
    class Wide(Painted):
        def rows(self, image: Image) -> Rows:
            rows = super().rows(image)
            return np.asarray(rows[rows[:, 2] - rows[:, 0] > 80])

    image = painted(2048, 1024, (2048 - 60, 500, 2048, 600), (0, 500, 40, 600))
    assert found(image, inner=Wide()) == [[0, 500, 40, 600], [2048 - 60, 500, 2048, 600]]


@pytest.mark.parametrize("left", [0, 10, 100, 170, 215, 245, 254, 256, 1000, 1948])
def test_a_thing_beside_the_seam_is_found_once(left: int) -> None:
    """What lies up to 256 pixels behind the seam is looked at twice."""
    assert found(painted(2048, 1024, (left, 500, left + 100, 600))) == [[left, 500, left + 100, 600]]


@pytest.mark.parametrize("sides", [(2046, 1023), (2048, 1025), (1024, 2048)])
def test_other_pictures_have_no_seam(sides: tuple[int, int]) -> None:
    assert sizes(painted(*sides)) == [sides]


# Corners


class Slanted(Painted):
    """Finds corners as well: those of a thing whose upper right one is cut off, seen as the picture is given."""

    def rows(self, image: Image) -> Rows:
        rows = super().rows(image)
        return np.column_stack([rows, np.tile([0.0, 0.0, 0.5, 0.0, 1.0, 1.0, 0.0, 1.0], (len(rows), 1))])


@pytest.mark.parametrize(
    ("view", "expected"), [(WHOLE, [(20, 30), (40, 30), (60, 50), (20, 50)]), (View(times=0.5), None)]
)
def test_corners_are_in_the_pictures_own_pixels(view: View, expected: list[tuple[int, int]] | None) -> None:
    [[said]] = Viewed("viewed", Slanted(), view).detect([painted(96, 64, (20, 30, 60, 50))])
    assert list(said.corners) == (expected or [(20, 30), (40, 30), (60, 50), (20, 50)])


def test_a_mirrored_view_gives_corners_as_they_are_and_in_the_same_order() -> None:
    [[said]] = Viewed("viewed", Slanted(), View(mirror=True)).detect([painted(96, 64, (20, 30, 60, 50))])
    assert list(said.corners) == [(40, 30), (60, 30), (60, 50), (20, 50)]


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (View(turns=1), [(20, 30), (60, 30), (60, 40), (20, 50)]),
        (View(turns=2), [(20, 30), (60, 30), (60, 50), (40, 50)]),
        (View(turns=3), [(20, 40), (60, 30), (60, 50), (20, 50)]),
        (View(mirror=True, turns=1), [(20, 30), (60, 30), (60, 50), (20, 40)]),
    ],
    ids=repr,
)
def test_a_turned_view_gives_corners_where_they_are_and_in_the_same_order(
    view: View, expected: list[tuple[int, int]]
) -> None:
    [[said]] = Viewed("viewed", Slanted(), view).detect([painted(96, 64, (20, 30, 60, 50))])
    assert list(said.corners) == expected


def test_of_what_the_seam_cuts_off_corners_are_not_known() -> None:
    [found] = Viewed("viewed", Slanted(), WHOLE).detect([painted(2048, 1024, (0, 30, 40, 50), (2008, 30, 2048, 50))])
    assert [said.corners for said in found if said.box.left > 0] == [()]


def test_a_detector_without_corners_gives_none() -> None:
    [[said]] = Viewed("viewed", Painted(), WHOLE).detect([painted(96, 64, (20, 30, 60, 50))])
    assert said.corners == ()


# Several pictures at once, as a GPU wants them


class Batched(Painted):
    """Is to be given up to three pictures at once, and remembers how many it was."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: list[int] = []

    def at_once(self, width: int, height: int) -> int:
        return 3

    def batch(self, images: Sequence[Image]) -> list[Rows]:
        self.counts.append(len(images))
        return super().batch(images)


@pytest.mark.parametrize("view", [WHOLE, View(0.5), View(mirror=True), View(turns=1)])
def test_pictures_at_once_are_answered_as_one_by_one(view: View) -> None:
    pictures = [
        painted(96, 64, (20, 30, 60, 50)),
        painted(2048, 1024, (0, 30, 40, 50), (2008, 30, 2048, 50)),  # goes around
        painted(_TILE + 640, 200, (20, 30, 60, 50), (_TILE - 20, 30, _TILE + 20, 60)),  # is looked at in two tiles
        painted(64, 96),
    ]
    assert [found(picture, view) for picture in pictures] == [
        sorted(one.box.to_json() for one in said) for said in Viewed("viewed", Batched(), view).detect(pictures)
    ]


def test_no_more_pictures_are_prepared_at_once_than_are_looked_at_together() -> None:
    inner = Batched()
    Viewed("viewed", inner, View(0.5)).detect([painted(96, 64)] * 7)
    assert inner.counts == [3, 3, 1]


def test_how_many_pictures_at_once_is_asked_about_the_size_they_are_looked_at() -> None:
    asked: list[tuple[int, int]] = []

    class Asked(Painted):
        def at_once(self, width: int, height: int) -> int:
            asked.append((width, height))
            return 1

    Viewed("viewed", Asked(), View(0.5)).at_once(1280, 720)
    Viewed("viewed", Asked(), WHOLE).at_once(3840, 2160)  # in tiles
    assert asked == [(640, 360), (_TILE, 2160)]
