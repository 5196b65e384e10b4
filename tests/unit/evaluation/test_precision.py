"""Average precision: which detection is of which face, and what the curve is worth, worked out by hand."""

import numpy as np
import pytest

from faceblur.domain import Box
from faceblur.evaluation.precision import LEFT_OUT, RIGHT, WRONG, Curve, Judged, curve, judge, wider

FACE, OTHER = Box(0, 0, 10, 10), Box(100, 0, 110, 10)


def judged(*rows: tuple[Box, float], faces: tuple[Box, ...] = (FACE,), counts: tuple[int, ...] = (0,)) -> Judged:
    return judge(table(*rows), faces, counts)


def table(*rows: tuple[Box, float]) -> np.ndarray:
    return np.array([[*box.to_json(), score] for box, score in rows], dtype=np.float64).reshape(-1, 5)


def shifted(pixels: float) -> Box:
    return Box(pixels, 0, 10 + pixels, 10)


def said(*marks: int, faces: int) -> Judged:
    """Detections with these marks and falling scores."""
    scores = np.linspace(1, 0, len(marks)) if marks else np.zeros(0)
    return Judged(scores, np.array(marks, np.int8), faces)


def test_a_detection_is_right_from_half_overlap_on() -> None:
    assert judged((shifted(3), 0.9)).marks.tolist() == [RIGHT]  # 70 / 130
    assert judged((shifted(4), 0.9)).marks.tolist() == [WRONG]  # 60 / 140


def test_with_the_last_pixel_boxes_overlap_more() -> None:
    rows = table((Box(0, 0, 1, 2.6), 0.9))  # 2.6 / 5.2 is not 0.5 of 2 x 3, but 2 x 3.6 of 3 x 4 is
    face = [Box(0, 0, 2, 3)]
    assert judge(rows, face, (0,)).marks.tolist() == [WRONG]
    assert judge(rows, face, (0,), pixel=True).marks.tolist() == [RIGHT]


def test_the_second_detection_of_a_face_is_wrong_whatever_the_order_given() -> None:
    found = judged((FACE, 0.5), (shifted(1), 0.8))
    assert found.scores.tolist() == [0.8, 0.5]
    assert found.marks.tolist() == [RIGHT, WRONG]


def test_detections_of_a_face_that_does_not_count_are_left_out() -> None:
    found = judged((FACE, 0.9), (OTHER, 0.8), (OTHER, 0.7), faces=(FACE, OTHER))
    assert found.marks.tolist() == [RIGHT, LEFT_OUT, LEFT_OUT]
    assert found.faces == 1


def test_a_detection_goes_to_the_face_that_it_overlaps_most() -> None:
    found = judged((shifted(2), 0.9), faces=(FACE, shifted(1)), counts=(0, 1))
    again = judged((shifted(2), 0.9), (shifted(1.9), 0.8), faces=(FACE, shifted(1)), counts=(0, 1))
    assert found.marks.tolist() == [RIGHT]
    assert again.marks.tolist() == [RIGHT, WRONG]  # both are nearer to the second face


def test_everything_is_wrong_in_a_photo_without_faces() -> None:
    assert judged((FACE, 0.9), faces=(), counts=()).marks.tolist() == [WRONG]
    assert judged(faces=(FACE,)).marks.tolist() == []


def test_average_precision_is_the_area_under_the_falling_envelope() -> None:
    # right, wrong, right, wrong of 4 faces: precision 1, 1/2, 2/3, 1/2 at recall 1/4, 1/4, 1/2, 1/2
    found = said(RIGHT, WRONG, RIGHT, WRONG, faces=4)
    assert curve(found).area == pytest.approx(1 / 4 * 1 + 1 / 4 * 2 / 3)
    assert wider(found).area == pytest.approx(1 / 4 * 1 + 1 / 4 * 2 / 3)


def test_what_is_left_out_changes_nothing() -> None:
    with_it, without = said(RIGHT, LEFT_OUT, WRONG, RIGHT, faces=2), said(RIGHT, WRONG, RIGHT, faces=2)
    assert curve(with_it).area == curve(without).area == pytest.approx(1 / 2 + 1 / 2 * 2 / 3)


def test_scores_that_are_equal_are_one_point_of_the_curve() -> None:
    found = Judged(np.array([0.5, 0.5]), np.array([WRONG, RIGHT]), 1)
    assert curve(found).area == 0.5


def test_wider_face_scales_scores_over_the_whole_set_and_looks_at_1000_thresholds() -> None:
    # Scaled, 0.2 is 0, 0.6 is 1 and 0.5999 is 0.99975: closer to 1 than a threshold can tell.
    parts = [
        Judged(np.array([0.6]), np.array([WRONG]), 0),
        Judged(np.array([0.5999, 0.2]), np.array([RIGHT, RIGHT]), 2),
    ]
    found = wider(Judged.together(parts))
    assert (found.precision[0], found.recall[0]) == (0.5, 0.5)
    assert (found.precision[-1], found.recall[-1]) == (pytest.approx(2 / 3), 1)
    assert len(found.recall) == 1000


@pytest.mark.parametrize("found", [said(faces=3), said(WRONG, faces=0), said(LEFT_OUT, faces=1)])
def test_without_anything_right_the_area_is_none(found: Judged) -> None:
    assert curve(found).area == wider(found).area == 0


def test_the_precision_at_a_recall_is_the_best_from_there_on() -> None:
    found = Curve(np.array([1.0, 0.5, 0.6]), np.array([0.2, 0.2, 0.6]))
    assert found.at(np.array([0.0, 0.2, 0.3, 0.6, 0.7])).tolist() == [1.0, 1.0, 0.6, 0.6, 0.0]
