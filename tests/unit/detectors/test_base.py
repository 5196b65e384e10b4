"""Non-maximum suppression, the tidying every detector's rows go through, and the table."""

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import picture
from faceblur import detectors, weights
from faceblur.detectors.base import FLOOR, OneByOne, Rows, nms
from faceblur.domain import Box
from faceblur.errors import UsageError
from faceblur.images import Image

# Whole pixels and hundredths, so that no comparison hangs on the last bit of a float.
row = st.tuples(st.integers(0, 200), st.integers(0, 200), st.integers(1, 80), st.integers(1, 80), st.integers(5, 100))
some_rows = st.lists(row, max_size=25).map(
    lambda found: np.array([[x, y, x + w, y + h, s / 100] for x, y, w, h, s in found], dtype=np.float64).reshape(-1, 5)
)


def rows(*values: tuple[float, ...]) -> Rows:
    return np.array(values, dtype=np.float64).reshape(-1, 5)


def box(values: np.ndarray) -> Box:
    return Box.from_json(values[:4].tolist())


class Fixed(OneByOne):
    """A detector that finds the same rows in every picture."""

    def __init__(self, found: Rows) -> None:
        super().__init__("fixed")
        self._found = found

    def rows(self, image: Image) -> Rows:
        return self._found


def found(*values: tuple[float, ...]) -> list[tuple[list[float], float]]:
    """Boxes and scores after tidying, in a picture of 96 × 64."""
    return [(d.box.to_json(), d.score) for d in Fixed(rows(*values)).detect([picture(96, 64)])[0]]


def test_mistake_01_twenty_faces_side_by_side_stay_twenty() -> None:
    # Right and bottom taken for width and height, each would reach over its neighbours and drop them.
    side_by_side = rows(*((40.0 * i, 300.0, 40.0 * i + 38, 350.0, 0.9 - i / 100) for i in range(20)))
    assert len(nms(side_by_side, 0.3)) == 20


def test_mistake_01_twenty_faces_that_overlap_a_little_stay_twenty() -> None:
    crowd = rows(*((500 + 40.0 * i, 300.0, 500 + 40.0 * i + 48, 350.0, 0.9 - i / 100) for i in range(20)))
    assert len(nms(crowd, 0.3)) == 20


def test_the_best_of_two_that_overlap_stays() -> None:
    assert nms(rows((0, 0, 10, 10, 0.6), (1, 0, 11, 10, 0.9)), 0.3).tolist() == [[1, 0, 11, 10, 0.9]]


def test_an_overlap_of_just_the_limit_drops_nothing() -> None:
    assert len(nms(rows((0, 0, 20, 10, 0.9), (10, 0, 30, 10, 0.8)), 1 / 3)) == 2


def test_a_row_that_was_dropped_drops_no_other() -> None:
    chain = rows((0, 0, 10, 10, 0.9), (4, 0, 14, 10, 0.8), (8, 0, 18, 10, 0.7))
    assert nms(chain, 0.3)[:, 4].tolist() == [0.9, 0.7]


def test_a_face_inside_a_much_larger_one_stays() -> None:
    assert len(nms(rows((0, 0, 100, 100, 0.9), (40, 40, 60, 60, 0.8)), 0.3)) == 2


def test_no_rows_stay_no_rows() -> None:
    assert nms(rows(), 0.3).shape == (0, 5)


def test_rows_without_area_do_no_harm() -> None:
    assert len(nms(rows((5, 5, 5, 5, 0.9), (5, 5, 5, 5, 0.8), (0, 0, 10, 10, 0.7)), 0.3)) == 3


@given(some_rows)
def test_what_stays_was_there_before(given_rows: Rows) -> None:
    before = given_rows.tolist()
    assert all(one in before for one in nms(given_rows, 0.3).tolist())


@given(some_rows)
def test_no_two_that_stay_overlap_too_much(given_rows: Rows) -> None:
    kept = nms(given_rows, 0.3)
    assert all(box(a).iou(box(b)) <= 0.3 + 1e-9 for i, a in enumerate(kept) for b in kept[:i])


@given(some_rows)
def test_what_is_dropped_overlaps_a_better_one_that_stays(given_rows: Rows) -> None:
    kept = nms(given_rows, 0.3)
    dropped = [one for one in given_rows if one.tolist() not in kept.tolist()]
    assert all(any(b[4] >= a[4] and box(a).iou(box(b)) > 0.3 - 1e-9 for b in kept) for a in dropped)


@given(some_rows)
def test_the_best_score_comes_first(given_rows: Rows) -> None:
    scores = nms(given_rows, 0.3)[:, 4].tolist()
    assert scores == sorted(scores, reverse=True)


@given(some_rows, st.randoms(use_true_random=False))
def test_rows_of_different_scores_may_come_in_any_order(given_rows: Rows, random: Random) -> None:
    given_rows[:, 4] = np.linspace(0.05, 1, len(given_rows))
    order = list(range(len(given_rows)))
    random.shuffle(order)
    assert nms(given_rows[order], 0.3).tolist() == nms(given_rows, 0.3).tolist()


@given(some_rows)
def test_suppression_leaves_its_input_alone(given_rows: Rows) -> None:
    before = given_rows.copy()
    nms(given_rows, 0.3)
    assert np.array_equal(given_rows, before)


def test_detections_come_best_first() -> None:
    assert [score for _, score in found((0, 0, 9, 9, 0.3), (20, 0, 29, 9, 0.8), (40, 0, 49, 9, 0.5))] == [0.8, 0.5, 0.3]


def test_a_score_at_the_floor_is_kept() -> None:
    assert found((0, 0, 9, 9, FLOOR)) == [([0, 0, 9, 9], FLOOR)]


def test_a_score_below_the_floor_is_dropped() -> None:
    assert found((0, 0, 9, 9, np.nextafter(FLOOR, 0))) == []


def test_a_score_above_one_counts_as_one() -> None:
    assert found((0, 0, 9, 9, 1.0001)) == [([0, 0, 9, 9], 1.0)]


def test_boxes_and_scores_are_rounded() -> None:
    assert found((1.2345, 2.3456, 9.8765, 8.7654, 0.123456)) == [([1.23, 2.35, 9.88, 8.77], 0.1235)]


def test_mistake_08_a_box_over_the_border_is_clipped_and_kept() -> None:
    assert found((-10, -10, 20, 20, 0.9)) == [([0, 0, 20, 20], 0.9)]


def test_a_box_outside_the_picture_is_dropped() -> None:
    assert found((-10, -10, -5, 20, 0.9), (96, 0, 120, 20, 0.9)) == []


def test_a_box_turned_inside_out_is_dropped() -> None:
    assert found((20, 20, 10, 10, 0.9)) == []


@pytest.mark.parametrize("bad", [(float("nan"), 0, 9, 9, 0.9), (0, 0, 9, 9, float("nan"))])
def test_what_is_not_a_number_does_not_pass_for_no_face(bad: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="numbers that are none"):
        found(bad)


def test_a_box_without_end_hides_the_whole_picture() -> None:
    assert found((-np.inf, -np.inf, np.inf, np.inf, 0.9)) == [([0, 0, 96, 64], 0.9)]


def test_mistake_08_a_hundred_detections_stay_a_hundred() -> None:
    grid = [(9.0 * x, 6.0 * y, 9.0 * x + 5, 6.0 * y + 5, 0.5) for x in range(10) for y in range(10)]
    assert len(found(*grid)) == 100


def test_an_unknown_detector_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"'magic'; there are: .*centerface, .*yunet"):
        detectors.resolve("magic")


def test_the_detector_for_tests_is_not_offered() -> None:
    with pytest.raises(UsageError) as caught:
        detectors.resolve("magic")
    assert "null" not in str(caught.value)


@pytest.mark.parametrize("name", detectors.TABLE)
def test_a_name_of_the_table_stands_for_itself(name: str) -> None:
    assert detectors.resolve(name) == name


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("centerface@auto", "centerface"),
        ("yunet@0.50", "yunet@0.5"),
        ("yunet@flip", "yunet@flip"),
        ("haar@auto@full", "haar@full"),
        ("haar@1280x720@scales", "haar@1280x720@scales"),
        ("haar@left", "haar@left"),
        ("fast.2", "fast.2"),
        ("turned", "turned.1"),
    ],
)
def test_a_detector_has_one_name_however_it_is_written(written: str, name: str) -> None:
    assert detectors.resolve(written) == name
    assert detectors.resolve(name) == name


@pytest.mark.parametrize(
    "name", ["yunet@", "yunet@0", "yunet@9", "yunet@nan", "yunet@1x1", "yunet@axb", "yunet@0.5@0.5"]
)
def test_a_size_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=r"size|no detector"):
        detectors.resolve(name)


@pytest.mark.parametrize("name", detectors.ENSEMBLES)
def test_the_members_of_an_ensemble_are_in_the_table(name: str) -> None:
    assert {spec.row for spec in detectors._members(name)} <= set(detectors.TABLE)


@pytest.mark.parametrize("name", detectors.TABLE)
def test_a_detectors_name_is_a_safe_folder_name(name: str) -> None:
    assert all(letter.isalnum() or letter in "@_-." for letter in name)
    assert not name.startswith(".")


def test_who_uses_weights_that_are_for_research_only_is_told() -> None:
    assert "research only" in " ".join(detectors.notices("scrfd@0.5"))


def test_all_weights_for_research_only_come_with_a_notice() -> None:
    research = {name for name, row in weights.TABLE.items() if "RESEARCH ONLY" in row.licence}
    assert research == {file for row in detectors.TABLE.values() if row.notice for file in row.weights}


def test_no_ensemble_needs_weights_that_are_for_research_only() -> None:
    assert all(detectors.notices(name) == [] for name in detectors.ENSEMBLES)


def test_a_detector_of_two_files_needs_both() -> None:
    assert detectors.needs("ssd") == ["ssd", "ssd-graph"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("centerface@0.5@flip", "face"),
        ("slow.8", "face"),
        ("hyperlpr", "plate"),
        ("yolox.heads@full", "head"),
        ("deepface.yunet", "face"),
        ("one-of-an-older-version", "face"),
    ],
)
def test_what_a_detector_looks_for_is_known_by_its_name(name: str, kind: str) -> None:
    assert detectors.kind(name) == kind
