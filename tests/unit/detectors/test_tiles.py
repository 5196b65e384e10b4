"""Putting together what was seen in two overlapping parts of a picture of 160 × 100."""

import numpy as np

from faceblur.detectors.tiles import stitch

LEFT, RIGHT = (0, 0, 100, 100), (60, 0, 160, 100)
Row = tuple[float, float, float, float, float]


def stitched(left: list[Row], right: list[Row]) -> list[list[float]]:
    seen = [(part, np.array(rows, dtype=np.float64).reshape(-1, 5)) for part, rows in ((LEFT, left), (RIGHT, right))]
    return sorted(stitch(seen, (160, 100), 0.01, 0.3).tolist())


def test_what_one_part_holds_whole_counts_and_not_what_the_other_cut() -> None:
    assert stitched([(80, 10, 100, 50, 0.9)], [(80, 10, 120, 50, 0.5)]) == [[80, 10, 120, 50, 0.5]]


def test_what_both_parts_cut_is_one_row_around_both_as_sure_as_the_surer() -> None:
    assert stitched([(50, 10, 100, 50, 0.5)], [(60, 12, 110, 52, 0.9)]) == [[50, 10, 110, 52, 0.9]]


def test_cut_pieces_that_share_little_stay_two_that_cover_it() -> None:
    assert len(stitched([(0, 10, 100, 50, 0.9)], [(60, 10, 160, 50, 0.8)])) == 2


def test_two_things_that_one_part_cuts_are_not_joined_though_the_other_sees_one_of_them() -> None:
    """The first and the third share more than the limit, but they are of one part."""
    first, other, third = (62, 10, 100, 50, 0.9), (60, 10, 101, 50, 0.8), (62, 28, 100, 68, 0.7)
    assert [60, 10, 101, 50, 0.9] in stitched([first, third], [other])


def test_at_the_border_of_the_picture_nothing_is_cut() -> None:
    assert stitched([(0, 0, 30, 100, 0.5)], [(130, 0, 160, 100, 0.9)]) == [
        [0, 0, 30, 100, 0.5],
        [130, 0, 160, 100, 0.9],
    ]


def test_parts_without_anything_are_nothing() -> None:
    assert stitched([], []) == []


def test_corners_of_what_one_part_holds_whole_stay_and_those_of_what_is_joined_are_not_known() -> None:
    corners = [0.0, 0.2, 0.9, 0.0, 1.0, 0.8, 0.1, 1.0]
    whole, left, right = (
        [*box, *corners] for box in ((0, 0, 30, 30, 0.9), (50, 50, 100, 90, 0.5), (60, 52, 110, 92, 0.9))
    )
    seen = [(LEFT, np.array([whole, left])), (RIGHT, np.array([right]))]
    first, second = sorted(stitch(seen, (160, 100), 0.01, 0.3).tolist())
    assert first == whole
    assert second[:5] == [50, 50, 110, 92, 0.9]
    assert np.isnan(second[5:]).all()
