"""The debug picture: everything that is known, drawn on a copy."""

import numpy as np
import pytest

from conftest import picture
from faceblur import overlay
from faceblur.domain import Box, Detection, Region

BOX = Box(100, 100, 160, 180)
GREEN, RED, YELLOW = (0, 200, 0), (0, 0, 255), (0, 220, 255)
ORANGE, CYAN, MAGENTA = (0, 140, 255), (255, 220, 0), (255, 0, 255)


def face(score: float, box: Box = BOX) -> Detection:
    return Detection(box, score, "face", "null")


def region(box: Box, reason: str = "detection") -> Region:
    return Region(box, "face", reason, 0.9, "1.1")


def colour_at(image: np.ndarray, x: int, y: int) -> tuple[int, ...]:
    return tuple(int(value) for value in image[y, x])


def test_the_frame_itself_stays_as_it_is() -> None:
    image = picture(320, 240)
    overlay.debug(image, 1, [face(0.9)], [region(BOX)])
    assert np.array_equal(image, picture(320, 240))


def test_the_debug_picture_has_the_size_of_the_frame() -> None:
    assert overlay.debug(picture(321, 241), 1, [face(0.9)], []).shape == (241, 321, 3)


def test_a_detection_that_a_region_hides_is_green() -> None:
    assert colour_at(overlay.debug(picture(320, 240), 1, [face(0.1)], [region(BOX.grow(0.2))]), 130, 179) == GREEN


def test_a_detection_that_no_region_hides_is_red() -> None:
    beside = region(Box(20, 20, 60, 60))
    assert colour_at(overlay.debug(picture(320, 240), 1, [face(0.9)], [beside]), 130, 179) == RED


@pytest.mark.parametrize(
    ("reason", "colour"),
    [("detection", YELLOW), ("bridged", ORANGE), ("extended", CYAN), ("decision 7", MAGENTA)],
)
def test_the_outline_of_a_region_says_why_it_is_hidden(reason: str, colour: tuple[int, int, int]) -> None:
    assert colour_at(overlay.debug(picture(320, 240), 1, [], [region(BOX, reason)]), 130, 178) == colour


def test_an_outline_lies_on_the_last_pixels_inside_the_box() -> None:
    image = overlay.debug(picture(320, 240), 1, [], [region(BOX)])
    corners = [colour_at(image, x, y) for x in (100, 159) for y in (100, 179)]
    assert corners == [YELLOW] * 4


def test_nothing_is_drawn_inside_an_outline() -> None:
    image = overlay.debug(picture(320, 240), 1, [], [region(BOX)])
    assert np.array_equal(image[103:177, 103:157], picture(320, 240)[103:177, 103:157])


def test_where_a_good_and_a_poor_detection_meet_the_good_one_is_on_top() -> None:
    poor = overlay.debug(picture(320, 240), 1, [face(0.9), face(0.1)], [])
    assert not np.array_equal(poor, overlay.debug(picture(320, 240), 1, [face(0.1), face(0.9)], []))


def test_frames_of_different_numbers_look_different() -> None:
    one, two = (overlay.debug(picture(320, 240), number, [], []) for number in (1, 2))
    assert not np.array_equal(one, two)


def test_scores_are_written_down() -> None:
    one, two = (overlay.debug(picture(320, 240), 1, [face(score)], []) for score in (0.8, 0.9))
    assert not np.array_equal(one, two)


def test_the_same_facts_give_the_same_picture() -> None:
    one, two = (overlay.debug(picture(320, 240), 1, [face(0.8)], [region(BOX)]) for _ in range(2))
    assert np.array_equal(one, two)


@pytest.mark.parametrize(
    "box",
    [Box(-50, -50, 20, 20), Box(-9e12, 10, 9e12, 20), Box(500, 500, 600, 600), Box(10, 10, 10.2, 10.2)],
    ids=["border", "huge", "outside", "tiny"],
)
def test_a_box_of_any_kind_can_be_drawn(box: Box) -> None:
    assert overlay.debug(picture(320, 240), 1, [face(0.9, box.clip(320, 240))], [region(box)]).shape[2] == 3


def test_a_picture_smaller_than_its_caption_can_be_drawn() -> None:
    assert overlay.debug(picture(1, 1), 1, [], []).shape == (1, 1, 3)


def test_a_caption_is_drawn_in_the_upper_left_corner() -> None:
    changed = np.argwhere((overlay.caption(picture(320, 240), "12:34") != picture(320, 240)).any(axis=2))
    assert changed.max(axis=0)[0] < 60
    assert changed.max(axis=0)[1] < 160


def test_a_caption_leaves_the_picture_it_was_given_alone() -> None:
    image = picture(320, 240)
    overlay.caption(image, "12:34")
    assert np.array_equal(image, picture(320, 240))
