"""Charts: what is drawn is where its axes say."""

import numpy as np
import pytest

from faceblur import chart
from faceblur.images import Image

BLUE, ORANGE = (178, 114, 0), (0, 94, 213)


def rows(image: Image, colour: tuple[int, int, int], x: slice) -> np.ndarray:
    """The rows in which a colour is, below the legend of one line."""
    return np.unique(np.nonzero((image[34:, x] == colour).all(axis=2))[0])


def test_a_higher_value_is_drawn_higher() -> None:
    image = chart.draw([chart.Panel("up", {"a": [0, 0, 10, 10]})], "frame")
    assert rows(image, BLUE, slice(1000, 1170)).max() < rows(image, BLUE, slice(90, 300)).min()


def test_every_panel_adds_to_the_height_and_the_width_stays() -> None:
    one = chart.draw([chart.Panel("up", {"a": [1]})], "frame")
    two = chart.draw([chart.Panel("up", {"a": [1]}), chart.Panel("more", {"a": [1]})], "frame")
    assert two.shape[0] > one.shape[0]
    assert two.shape[1:] == one.shape[1:]


def test_each_line_has_a_colour_of_its_own() -> None:
    image = chart.draw([chart.Panel("up", {"a": [1, 1], "b": [2, 2]})], "frame")
    assert len(rows(image, BLUE, slice(200, 900)))
    assert len(rows(image, ORANGE, slice(200, 900)))


@pytest.mark.parametrize("values", [[], [0], [0, 0, 0], [1e-9, 0], [1e6] * 3], ids=str)
def test_any_values_can_be_drawn(values: list[float]) -> None:
    assert chart.draw([chart.Panel("up", {"a": values})], "frame").dtype == np.uint8


@pytest.mark.parametrize(("top", "last"), [(1, 1), (3.2, 4), (0.07, 0.08), (101, 150), (5, 5)])
def test_the_axis_ends_at_a_round_number_at_or_above_the_values(top: float, last: float) -> None:
    assert chart._ticks(top)[-1] == pytest.approx(last)


def test_a_panel_with_labels_has_places_of_its_own() -> None:
    plain, labelled = (
        chart.Panel("up", {"a": [1] * 50}),
        chart.Panel("up", {"b": [0, 10]}, "size", {1: "low", 2: "high"}),
    )
    image = chart.draw([plain, labelled], "frame")
    assert len(rows(image, ORANGE, slice(1100, 1170)))  # its two values reach across, as fifty do


def test_labels_stand_where_ticks_would() -> None:
    def draw(labels: dict[float, str]) -> Image:
        return chart.draw([chart.Panel("up", {"a": [1, 1, 1]}, labels=labels)], "frame")

    differs = np.nonzero((draw({2: "middle"}) != draw({3: "middle"})).any(axis=(0, 2)))[0]
    assert differs.min() > 500


def columns(image: Image, colour: tuple[int, int, int]) -> np.ndarray:
    """The columns in which a colour is, below the legend of one line."""
    return np.unique(np.nonzero((image[34:] == colour).all(axis=2))[1])


@pytest.mark.parametrize(("octaves", "x", "share"), [(False, 5, 0.5), (True, 4, 2 / 3)])
def test_a_dot_is_where_the_axes_say(octaves: bool, x: float, share: float) -> None:
    dots = {"a": (x, 1.0)} | ({"b": (1.0, 0.0)} if octaves else {})  # the least of all begins the axis
    image = chart.draw([chart.Scatter("up", "right", dots, 8 if octaves else 10, octaves=octaves)], "")
    across, down = columns(image, BLUE).mean(), rows(image[22 * (len(dots) - 1) :], BLUE, slice(80, 1200)).mean()
    assert across == pytest.approx(80 + share * (1200 - 80 - 24), abs=1)
    assert down == pytest.approx(36, abs=1)  # the highest value, from where the panel begins


def test_a_line_is_cut_off_where_the_axis_ends() -> None:
    lines = {"a": [(1.0, 3.0), (4.0, 2.0), (400.0, 1.0)]}
    image = chart.draw([chart.Scatter("up", "right", {"a": (1.0, 3.0)}, 5, lines)], "")
    assert columns(image, BLUE).max() == pytest.approx(80 + 0.8 * (1200 - 80 - 24), abs=3)


@pytest.mark.parametrize("octaves", [False, True])
def test_one_dot_can_be_drawn_whatever_it_says(octaves: bool) -> None:
    for x in (1e-6, 1.0, 3e5):
        assert chart.draw([chart.Scatter("up", "right", {"a": (x, 0.0)}, x, octaves=octaves)], "").dtype == np.uint8


def test_a_dot_where_nothing_is_wrong_can_be_drawn() -> None:
    assert chart.draw([chart.Scatter("up", "right", {"a": (0.0, 0.0)}, 0.0)], "").dtype == np.uint8
