"""Where heads are in the boxes of persons."""

import numpy as np
import pytest

from faceblur.detectors.yolox import heads


def head(left: float, top: float, right: float, bottom: float) -> list[float]:
    return [float(value) for value in heads(np.array([[left, top, right, bottom, 0.7]]))[0]]


def test_the_head_of_who_stands_is_within_the_top_third() -> None:
    left, top, right, bottom, _ = head(100, 100, 160, 340)
    assert top < 100
    assert left <= 115
    assert right >= 145
    assert 100 + 240 / 7 < bottom < 100 + 240 / 3


def test_of_who_is_seen_to_the_chest_most_is_head() -> None:
    assert head(0, 0, 100, 110)[3] >= 0.6 * 110


def test_of_a_box_wider_than_high_all_is_head() -> None:
    assert head(0, 0, 200, 100)[3] == pytest.approx(100)


def test_a_head_is_never_wider_than_the_person() -> None:
    assert head(10, 0, 40, 400)[::2][:2] == [10, 40]


def test_a_head_is_as_sure_as_its_person() -> None:
    assert head(0, 0, 50, 150)[4] == 0.7


def test_of_nobody_there_is_no_head() -> None:
    assert heads(np.empty((0, 5))).shape == (0, 5)
