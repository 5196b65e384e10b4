"""The nouns: boxes under clipping, growing and comparing; JSON there and back; stamps."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceblur.domain import Box, Decision, Detection, Doubt, Region, canonical, digest

pixels = st.floats(-5000, 5000, allow_nan=False).map(lambda v: round(v, 2))
sides = st.floats(0.01, 3000).map(lambda v: round(v, 2))
boxes = st.builds(lambda left, top, w, h: Box(left, top, left + w, top + h), pixels, pixels, sides, sides)


@given(boxes, st.integers(1, 4000), st.integers(1, 4000))
def test_a_clipped_box_lies_inside_the_picture(box: Box, width: int, height: int) -> None:
    inside = box.clip(width, height)
    assert 0 <= inside.left <= inside.right <= width
    assert 0 <= inside.top <= inside.bottom <= height


@given(boxes, st.integers(1, 4000), st.integers(1, 4000))
def test_clipping_twice_is_clipping_once(box: Box, width: int, height: int) -> None:
    assert box.clip(width, height).clip(width, height) == box.clip(width, height)


def test_clipping_leaves_a_box_inside_the_picture_as_it_is() -> None:
    assert Box(1.5, 2.5, 9.5, 8.5).clip(10, 10) == Box(1.5, 2.5, 9.5, 8.5)


def test_nothing_is_left_of_a_box_outside_the_picture() -> None:
    assert Box(-20, 3, -10, 8).clip(10, 10).area == 0


@given(boxes, st.floats(0, 3))
def test_mistake_13_margins_grow_evenly_on_opposite_sides(box: Box, fraction: float) -> None:
    grown = box.grow(fraction)
    assert abs((box.left - grown.left) - (grown.right - box.right)) < 1e-6
    assert abs((box.top - grown.top) - (grown.bottom - box.bottom)) < 1e-6


def test_a_margin_is_a_share_of_the_boxs_own_side() -> None:
    assert Box(100, 100, 200, 300).grow(0.3) == Box(70, 40, 230, 360)


@given(boxes, boxes)
def test_iou_is_between_nothing_and_all(a: Box, b: Box) -> None:
    assert 0 <= a.iou(b) <= 1 + 1e-9


@given(boxes, boxes)
def test_iou_does_not_depend_on_the_order(a: Box, b: Box) -> None:
    assert a.iou(b) == b.iou(a)


@given(boxes)
def test_a_box_and_itself_have_an_iou_of_one(box: Box) -> None:
    assert abs(box.iou(box) - 1) < 1e-9


def test_iou_of_two_halves_that_share_a_third() -> None:
    assert Box(0, 0, 20, 10).iou(Box(10, 0, 30, 10)) == 1 / 3


def test_boxes_that_only_touch_have_an_iou_of_zero() -> None:
    assert Box(0, 0, 10, 10).iou(Box(10, 0, 20, 10)) == 0


def test_two_empty_boxes_have_an_iou_of_zero() -> None:
    assert Box(5, 5, 5, 5).iou(Box(5, 5, 5, 5)) == 0


def test_a_box_turned_inside_out_has_no_area() -> None:
    assert Box(10, 10, 0, 0).area == 0


@given(boxes)
def test_rounding_moves_no_side_by_more_than_half_a_hundredth(box: Box) -> None:
    assert all(abs(a - b) <= 0.005 + 1e-9 for a, b in zip(box.to_json(), box.rounded().to_json(), strict=True))


@given(boxes, boxes)
def test_half_way_between_two_boxes_lies_in_the_middle(a: Box, b: Box) -> None:
    middle = a.between(b, 0.5).to_json()
    assert all(abs(m - (x + y) / 2) < 1e-6 for m, x, y in zip(middle, a.to_json(), b.to_json(), strict=True))


@given(boxes)
def test_a_box_survives_json(box: Box) -> None:
    assert Box.from_json(json.loads(json.dumps(box.to_json()))) == box


@given(boxes, st.floats(0, 1), st.text(max_size=8), st.text(max_size=8))
def test_a_detection_survives_json(box: Box, score: float, kind: str, detector: str) -> None:
    detection = Detection(box, score, kind, detector)
    assert Detection.from_json(json.loads(canonical(detection.to_json()))) == detection


@given(boxes, st.floats(0, 1), st.text(max_size=8), st.text(max_size=8))
def test_a_region_survives_json(box: Box, score: float, kind: str, reason: str) -> None:
    region = Region(box, kind, reason, score)
    assert Region.from_json(json.loads(canonical(region.to_json()))) == region


CORNERS = ((10.0, 20.0), (50.0, 30.0), (48.0, 42.5), (8.0, 32.5))


def test_corners_survive_json() -> None:
    detection = Detection(Box(8, 20, 50, 42.5), 0.5, "plate", "hyperlpr", CORNERS)
    region = Region(detection.box, "plate", "detection", 0.5, "1.1", CORNERS)
    assert Detection.from_json(json.loads(canonical(detection.to_json()))) == detection
    assert Region.from_json(json.loads(canonical(region.to_json()))) == region


def test_without_corners_json_is_what_it_was() -> None:
    """So that stored evidence, and what was rendered from it, stay current."""
    plain = {"box": [0, 0, 9, 9], "score": 0.5, "kind": "face", "detector": "one"}
    assert Detection.from_json(plain).to_json() == plain
    shown = {"box": [0, 0, 9, 9], "kind": "face", "reason": "detection", "score": 0.5, "track": "1.1"}
    assert Region.from_json(shown).to_json() == shown


def test_corners_without_end_are_refused() -> None:
    value = Detection(Box(0, 0, 9, 9), 0.5, "plate", "one", ((0.0, 0.0), (float("inf"), 1.0))).to_json()
    with pytest.raises(ValueError, match="points of"):
        Detection.from_json(value)


def test_a_scaled_region_has_box_and_outline_scaled() -> None:
    scaled = Region(Box(8, 20, 50, 42.5), "plate", "detection", 0.5, "1.1", CORNERS).scaled(0.5, 2)
    assert (scaled.box, scaled.outline[1]) == (Box(4, 40, 25, 85), (25, 60))


def test_a_doubt_in_json_names_its_frame() -> None:
    expected = {"frame": 7, "box": [1, 2, 3, 4], "reason": "why", "weight": 0.3}
    assert Doubt(7, Box(1, 2, 3, 4), "why", 0.3).to_json() == expected


def test_a_decision_moves_in_a_straight_line_between_its_boxes() -> None:
    decision = Decision("1", "hide", "face", ((10, Box(0, 0, 10, 10)), (20, Box(100, 50, 110, 60))))
    assert decision.box_at(13) == Box(30, 15, 40, 25)


def test_a_decision_says_nothing_before_its_first_frame() -> None:
    assert Decision("1", "hide", "face", ((10, Box(0, 0, 1, 1)), (20, Box(0, 0, 1, 1)))).box_at(9) is None


def test_a_decision_says_nothing_after_its_last_frame() -> None:
    assert Decision("1", "hide", "face", ((10, Box(0, 0, 1, 1)), (20, Box(0, 0, 1, 1)))).box_at(21) is None


def test_a_decision_passes_through_each_of_its_boxes() -> None:
    stops = ((10, Box(0, 0, 9, 9)), (20, Box(50, 0, 59, 9)), (25, Box(7, 7, 8, 8)))
    decision = Decision("1", "hide", "face", stops)
    assert [decision.box_at(number) for number, _ in stops] == [box for _, box in stops]


def test_a_decision_with_one_box_holds_for_one_frame() -> None:
    decision = Decision("1", "hide", "face", ((10, Box(0, 0, 9, 9)),))
    assert [number for number in range(30) if decision.box_at(number)] == [10]


@given(st.dictionaries(st.text(max_size=5), st.integers(), max_size=6))
def test_a_stamp_does_not_depend_on_the_order_of_keys(value: dict[str, int]) -> None:
    assert digest(value) == digest(dict(reversed(value.items())))


def test_a_stamp_tells_where_one_value_ends_and_the_next_begins() -> None:
    assert digest("ab", "c") != digest("a", "bc")


def test_a_stamp_is_32_hex_digits() -> None:
    assert len(digest("x")) == 32
    assert int(digest("x"), 16) >= 0
