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


@pytest.mark.parametrize("box", [Box(0, 0, 1e300, 1e300), Box(-1e300, -1e300, 0.5, 0.5)], ids=["beyond", "before"])
def test_a_region_that_a_person_made_of_any_size_can_be_drawn(box: Box) -> None:
    assert overlay.debug(picture(320, 240), 1, [], [region(box, "decision 7")]).shape == (240, 320, 3)


# The sheet of doubts

BLUE, BLACK = (255, 0, 0), (0, 0, 0)
SIZE = (240, 240)


def painted(box: Box, width: int = 1920, height: int = 1080) -> np.ndarray:
    """A grey frame with a blue box."""
    image = np.full((height, width, 3), 128, dtype=np.uint8)
    image[int(box.top) : int(box.bottom), int(box.left) : int(box.right)] = BLUE
    return image


def shown(box: Box, image: np.ndarray | None = None, lines: tuple[str, ...] = ("1",)) -> np.ndarray:
    return overlay.cell(painted(box) if image is None else image, box, lines, SIZE, 1.5)


def test_a_cell_shows_the_box_in_its_middle_and_what_is_around_it() -> None:
    part = shown(Box(900, 500, 960, 560))
    assert colour_at(part, 120, 120) == BLUE
    assert {colour_at(part, x, y) for x, y in ((80, 120), (160, 120), (120, 80), (120, 160))} == {(128, 128, 128)}


def test_a_cell_outlines_the_box_where_it_is() -> None:
    part = shown(Box(900, 500, 960, 560))
    red = np.argwhere((part[:240] == RED).all(axis=2))
    assert (red.min(axis=0).tolist(), red.max(axis=0).tolist()) == ([90, 90], [149, 149])


@pytest.mark.parametrize("side", [8, 30, 60, 240, 700])
def test_the_outline_fits_the_box_at_every_scale(side: int) -> None:
    part = shown(Box(900, 200, 900 + side, 200 + side))
    red = np.argwhere((part[:240] == RED).all(axis=2))
    low, high = red.min(axis=0)[1], red.max(axis=0)[1] + 1
    blue = (part[120, :, 0] > 190) & (part[120, :, 1] < 64)
    assert blue[low + 2 : high - 2].all()
    assert not blue[: low - 2].any()
    assert not blue[high + 2 :].any()


def test_beside_the_picture_a_cell_is_black() -> None:
    part = shown(Box(0, 0, 60, 60))
    assert colour_at(part, 120, 120) == BLUE
    assert colour_at(part, 40, 40) == BLACK


def test_a_tiny_box_is_shown_with_enough_around_it_to_know_the_place() -> None:
    image = painted(Box(920, 500, 926, 506))
    part = shown(Box(910, 500, 911, 501), image)
    assert (part[:240] == BLUE).all(axis=2).any()


def test_a_huge_box_is_shown_whole() -> None:
    part = shown(Box(0, 0, 1920, 1080))
    assert colour_at(part, 120, 120) == BLUE
    assert np.argwhere((part[:240] == RED).all(axis=2)).min(axis=0)[1] == 90


def test_a_fine_pattern_is_averaged_where_it_is_made_smaller() -> None:
    stripes = painted(Box(0, 0, 0, 0))
    stripes[:, ::2], stripes[:, 1::2] = 0, 254
    inner = shown(Box(100, 0, 1700, 1080), stripes)[105:135, 100:140]
    assert np.abs(inner.astype(int) - 127).max() < 12


@pytest.mark.parametrize(
    "box",
    [Box(0, 0, 1.7e308, 1), Box(-1, -1.7e308, 1, 9), Box(5000, 5000, 5100, 5100), Box(9, 9, 9, 9)],
    ids=["wide", "high", "outside", "empty"],
)
def test_a_box_of_any_kind_makes_a_cell(box: Box) -> None:
    assert shown(box, picture(320, 240)).shape == shown(Box(100, 100, 140, 140)).shape


def test_a_cell_without_a_picture_is_black() -> None:
    assert not overlay.cell(None, BOX, ("1",), SIZE, 1.5)[:240].any()


def test_a_cell_leaves_the_frame_alone() -> None:
    image = picture(320, 240)
    shown(BOX, image)
    assert np.array_equal(image, picture(320, 240))


def written(*lines: str) -> np.ndarray:
    """Where there is text below a cell: rows and columns, True where it is lit."""
    return np.asarray(shown(BOX, picture(320, 240), lines)[240:].any(axis=2))


def test_a_long_caption_goes_on_in_the_next_row() -> None:
    assert not written("a reason")[24:].any()
    assert written("a reason that is too long to be written in one row")[24:].any()


@pytest.mark.parametrize(
    "text", ["wide words " * 5, "W" * 60, "decision 7 to keep does not mean one region alone (2 there)"]
)
def test_no_caption_is_cut_off_at_the_right(text: str) -> None:
    assert not written("1  frame 2  0:03.4", text)[:, 237:].any()


def test_words_stay_whole() -> None:
    first, second = "words that fill a row", "incomprehensibly"
    assert np.array_equal(written(f"{first} {second}"), written(first, second))


def test_a_caption_that_is_far_too_long_ends_in_dots() -> None:
    last = written("1", "W" * 400)[58:]
    fitting = [
        f"{'W' * count}..." for count in range(10, 25) if len(list(overlay._wrapped("W" * count + "...", 232))) == 1
    ]
    assert any(np.array_equal(last, written("", "", "", text)[58:]) for text in fitting)


def test_cells_have_one_shape_whatever_their_captions() -> None:
    assert {shown(BOX, None, lines).shape for lines in (("",), ("1", "a b"), ("1", "word " * 99))} == {(318, 240, 3)}


def test_cells_are_laid_row_by_row() -> None:
    cells = [np.full((10, 20, 3), value, dtype=np.uint8) for value in (1, 2, 3, 4, 5)]
    tiled = overlay.tiled(cells, 3)
    assert tiled.shape == (20, 60, 3)
    assert tiled[5::10, 10::20, 0].tolist() == [[1, 2, 3], [4, 5, 0]]


def test_few_cells_make_a_narrow_sheet() -> None:
    assert overlay.tiled([np.ones((10, 20, 3), dtype=np.uint8)], 6).shape == (10, 20, 3)


def test_no_cells_still_make_a_picture() -> None:
    assert overlay.tiled([], 6).shape == (1, 1, 3)


def test_a_cell_shows_others_in_yellow_below_its_own_box() -> None:
    image = picture(320, 240)
    own = overlay.cell(image, BOX, (), SIZE, 1.0)
    both = overlay.cell(image, BOX, (), SIZE, 1.0, others=[BOX, BOX.grow(0.5)])
    count, red = ((both == YELLOW).all(axis=2).sum(), (both == RED).all(axis=2).sum())
    assert not (own == YELLOW).all(axis=2).any()
    assert count > 300
    assert red == (own == RED).all(axis=2).sum()


SLANTED = ((100.0, 100.0), (160.0, 160.0), (150.0, 179.0), (90.0, 120.0))


def slanted() -> Region:
    return Region(Box(90, 100, 160, 179), "plate", "detection", 0.9, "1.1", SLANTED)


def test_a_polygon_is_drawn_as_what_it_is() -> None:
    image = overlay.debug(picture(320, 240), 1, [], [slanted()])
    assert colour_at(image, 130, 130) == YELLOW
    assert np.array_equal(image[101:110, 140:158], picture(320, 240)[101:110, 140:158])


def test_a_detection_in_the_box_of_a_polygon_but_beside_it_is_red() -> None:
    beside, inside = Box(146, 102, 158, 114), Box(120, 134, 130, 146)
    image = overlay.debug(picture(320, 240), 1, [face(0.9, beside), face(0.9, inside)], [slanted()])
    assert colour_at(image, 152, 113) == RED
    assert colour_at(image, 125, 145) == GREEN
