"""Seeing pictures of any size through a network that takes one square."""

import numpy as np
import pytest

from conftest import picture
from faceblur import detectors
from faceblur.detectors import squares
from faceblur.detectors.base import Rows
from faceblur.images import Image

SIDE = 128


def painted(image: Image, lengths: list[float]) -> Rows:
    null = detectors.create("null", [])
    return squares.look(image, lengths, SIDE, lambda square: null.batch([square])[0], 0.3)


@pytest.mark.parametrize("size", [(1, 1), (500, 3), (128, 128), (333, 777)])
def test_every_square_has_the_side_that_the_network_takes(size: tuple[int, int]) -> None:
    seen = []

    def find(square: Image) -> Rows:
        seen.append(square.shape)
        return np.empty((0, 5))

    squares.look(picture(*size), [float(max(size)), 64.0], SIDE, find, 0.3)
    assert set(seen) == {(SIDE, SIDE, 3)}


@pytest.mark.parametrize("lengths", [[400.0], [400.0, 128.0], [400.0, 200.0, 100.0]])
def test_a_thing_is_found_once_and_where_it_is(lengths: list[float]) -> None:
    [row] = painted(picture(400, 300, [(100, 200, 140, 240)]), lengths)
    assert row[:4] == pytest.approx([100, 200, 140, 240], abs=5)


def test_what_squares_cut_is_whole_once() -> None:
    rows = painted(picture(400, 300, [(90, 60, 300, 250)]), [400.0, 128.0])
    assert len(rows) == 1
    assert rows[0][:4] == pytest.approx([90, 60, 300, 250], abs=5)


def test_squares_reach_every_border() -> None:
    faces = [(0, 0, 20, 20), (480, 0, 500, 20), (0, 310, 20, 330), (480, 310, 500, 330), (240, 150, 260, 170)]
    assert len(painted(picture(500, 330, faces), [128.0])) == 5
