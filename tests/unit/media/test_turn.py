"""How display matrices are understood."""

import struct
from types import SimpleNamespace

import numpy as np
import pytest

from faceblur.media.turn import Turn

ONE = 1 << 16
# (a, b, c, d) of FFmpeg's matrix, y down, and what it asks for.
MATRICES = [
    ((ONE, 0, 0, ONE), Turn()),
    ((0, -ONE, ONE, 0), Turn(90)),
    ((-ONE, 0, 0, -ONE), Turn(180)),
    ((0, ONE, -ONE, 0), Turn(270)),
    ((-ONE, 0, 0, ONE), Turn(0, mirrored=True)),
    ((ONE, 0, 0, -ONE), Turn(180, mirrored=True)),
]


def shown(samples: list[list[int]], matrix: tuple[int, int, int, int]) -> list[list[int]]:
    """The samples at the places to which the matrix takes them, moved to begin at 0."""
    a, b, c, d = (value // ONE for value in matrix)
    places = {(a * x + c * y, b * x + d * y): v for y, row in enumerate(samples) for x, v in enumerate(row)}
    left, top = min(x for x, _ in places), min(y for _, y in places)
    right, bottom = max(x for x, _ in places), max(y for _, y in places)
    return [[places[x, y] for x in range(left, right + 1)] for y in range(top, bottom + 1)]


@pytest.mark.parametrize(("matrix", "turn"), MATRICES)
def test_a_matrix_is_followed(matrix: tuple[int, int, int, int], turn: Turn) -> None:
    a, b, c, d = matrix
    data = struct.pack("=9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    assert Turn.of(SimpleNamespace(rotation=0), data) == turn
    samples = [[1, 2, 3], [4, 5, 6]]
    assert turn.array(np.array(samples)).tolist() == shown(samples, matrix)


def test_without_a_matrix_the_frame_says_it() -> None:
    assert Turn.of(SimpleNamespace(rotation=-90), None) == Turn(270)


@pytest.mark.parametrize("turn", [turn for _, turn in MATRICES])
def test_the_size_is_that_of_the_turned_array_both_ways(turn: Turn) -> None:
    height, width = turn.array(np.zeros((2, 3))).shape
    assert turn.size(3, 2) == (width, height)
    assert turn.size(width, height) == (3, 2)


def test_only_what_changes_something_is_true() -> None:
    assert not Turn()
    assert all((Turn(90), Turn(180), Turn(mirrored=True)))
