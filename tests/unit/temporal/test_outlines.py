"""A plate is hidden as the polygon of its corners, and as its box in doubt: each rule on made-up detections."""

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction

import cv2
import numpy as np
import pytest

from faceblur.domain import Box, Detection, Motion, Points, Region
from faceblur.temporal import Evidence, Settings, regions, solve

SIZE = (1280, 720)
WIDE, HIGH = 120, 26
PLAIN = Settings(grow=0.15)


def plate(
    x: float = 600, y: float = 300, degrees: float = 20, *, score: float = 0.95, scale: float = 1, told: bool = True
) -> Detection:
    """A plate with its middle at (x, y), turned clockwise."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    sides = [(a * WIDE * scale / 2, b * HIGH * scale / 2) for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    corners = tuple((round(x + a * cos - b * sin, 2), round(y + a * sin + b * cos, 2)) for a, b in sides)
    return Detection(around(corners), score, "plate", "hyperlpr", corners if told else ())


def around(points: Points) -> Box:
    across, down = zip(*points, strict=True)
    return Box(min(across), min(down), max(across), max(down))


def alone(found: Detection, settings: Settings = PLAIN) -> Region:
    [region] = regions([found], settings)
    return region


def over_time(frames: Iterable[Sequence[Detection]]) -> list[Region]:
    """The one region of each frame."""
    evidence = [Evidence(n, n, tuple(found), Motion() if n > 1 else None) for n, found in enumerate(frames, start=1)]
    return [solved.regions[0] for solved in solve(evidence, (), PLAIN, SIZE, Fraction(1, 30))]


def depths(region: Region, points: Points) -> list[float]:
    """How deep inside the region's polygon each point is, in pixels."""
    contour = np.array(region.outline, dtype=np.float32)
    return [cv2.pointPolygonTest(contour, point, True) for point in points]


def area(region: Region) -> float:
    return cv2.contourArea(np.array(region.outline, dtype=np.float32))


@pytest.mark.parametrize("degrees", [0, 5, 20, 35, -30])
@pytest.mark.parametrize("grow", [0.0, 0.15, 1.0])
def test_the_polygon_holds_the_corners_with_their_margin(degrees: float, grow: float) -> None:
    found = plate(degrees=degrees)
    region = alone(found, Settings(grow=grow))
    wanted = max(grow * HIGH, 3)
    middles = [((a + c) / 2, (b + d) / 2) for (a, b), (c, d) in zip(found.corners, found.corners[1:], strict=False)]
    assert min(depths(region, (*found.corners, *middles))) >= min(wanted, 3) - 0.05
    assert min(depths(region, tuple(middles[::2]))) >= wanted - 0.05


def test_the_box_of_a_region_is_that_around_its_polygon() -> None:
    region = alone(plate())
    assert region.box == around(region.outline)


def test_of_a_slanted_plate_the_polygon_hides_less_than_half_of_the_box() -> None:
    found = plate(degrees=20)
    assert area(alone(found)) < 0.5 * found.box.grow(0.15).area


def test_without_corners_the_box_is_hidden() -> None:
    found = plate(told=False)
    assert (alone(found).outline, alone(found).box) == ((), alone(plate(told=False)).box)


def test_corners_that_are_seen_weakly_do_not_count() -> None:
    assert not alone(plate(score=0.3), Settings(threshold=0.01)).outline


@pytest.mark.parametrize(
    "corners",
    [
        ((540.0, 270.0), (660.0, 330.0), (660.0, 331.0), (540.0, 271.0)),  # next to a line
        ((640.0, 270.0), (760.0, 270.0), (760.0, 330.0), (640.0, 330.0)),  # beside the box
        ((540.0, 270.0), (660.0, 270.0), (660.0, 330.0)),  # three
    ],
)
def test_corners_that_are_out_of_shape_do_not_count(corners: Points) -> None:
    found = Detection(Box(540, 270, 660, 330), 0.95, "plate", "hyperlpr", corners)
    assert not alone(found).outline


def test_a_plate_that_the_border_cuts_off_is_hidden_as_a_box() -> None:
    whole = plate()
    cut = Detection(
        Box(600, whole.box.top, whole.box.right, whole.box.bottom), 0.95, "plate", "hyperlpr", whole.corners
    )
    assert not alone(cut).outline


def test_between_two_detections_corners_move_evenly() -> None:
    frames = [[plate(600 + 2 * i, 300, i)] if i % 2 == 0 else [] for i in range(31)]
    found = over_time(frames)
    assert all(region.outline for region in found)
    for i, region in enumerate(found):
        assert min(depths(region, plate(600 + 2 * i, 300, i).corners)) > 1


def test_next_to_a_detection_without_corners_the_box_is_hidden() -> None:
    frames = [[plate(told=i != 14)] if i % 2 == 0 else [] for i in range(31)]
    assert [i for i, region in enumerate(over_time(frames)) if not region.outline] == [13, 14, 15]


def test_before_the_first_and_after_the_last_detection_the_box_is_hidden() -> None:
    evidence = [[plate()] if 10 <= i < 20 else [] for i in range(22)]
    found = over_time([*evidence[5:]])
    assert [region.reason == "extended" for region in found] == [not region.outline for region in found]


def test_a_place_that_one_frame_tells_wrongly_does_not_bare_the_plate() -> None:
    """The polygon goes around the smoothed place too, as the box does."""
    found = over_time([[plate(600 + (14 if i == 15 else 0))] for i in range(31)])
    assert min(depths(found[15], plate(600).corners)) > 2
    assert min(depths(found[15], plate(614).corners)) > 2


def test_what_several_detectors_say_of_a_plate_is_hidden_as_a_box() -> None:
    other = Detection(plate().box, 0.9, "plate", "haar-plate")
    [region] = regions([plate(), other], PLAIN)
    assert not region.outline


def test_a_face_has_no_outline() -> None:
    assert not alone(Detection(Box(10, 10, 60, 70), 0.9, "face", "one")).outline
