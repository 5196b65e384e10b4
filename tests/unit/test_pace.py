"""Which frames are looked at: by their times, so that none that is shown for long goes unseen."""

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import accumulate, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceblur.pace import FULL, Pace

TENTH = Pace(0, 0.1)
MS = Fraction(1, 1000)
LONGEST_MS = 105  # a tenth of a second, and what times may be off


def looks(times: Sequence[int], pace: Pace = TENTH, tick: Fraction = MS) -> list[int]:
    """The indices of the frames that are looked at."""
    return [index for index, chosen in enumerate(pace.chosen(times, tick)) if chosen]


@pytest.mark.parametrize(
    ("rate", "stride"),
    [
        (Fraction(5), 1),
        (Fraction(15), 1),
        (Fraction(20), 2),
        (Fraction(24000, 1001), 2),
        (Fraction(24), 2),
        (Fraction(25), 2),
        (Fraction(30000, 1001), 3),
        (Fraction(30), 3),
        (Fraction(50), 5),
        (Fraction(60000, 1001), 6),
        (Fraction(60), 6),
        (Fraction(120), 12),
        (Fraction(240), 25),
    ],
)
@pytest.mark.parametrize("tick", [MS, Fraction(1, 90000), None], ids=["ms", "90 kHz", "a frame"])
def test_at_a_constant_rate_it_is_one_frame_in_so_many(rate: Fraction, stride: int, tick: Fraction | None) -> None:
    tick = tick or 1 / rate
    times = [round(n / rate / tick) for n in range(20 * stride + 1)]
    assert looks(times, tick=tick) == list(range(0, 20 * stride + 1, stride))


def test_times_that_a_camera_does_not_keep_exactly_cost_no_look() -> None:
    times = [33 * n + (n * 7) % 4 for n in range(91)]
    assert looks(times) == list(range(0, 91, 3))


def test_where_frames_come_seldom_every_one_is_looked_at_however_many_there_are_elsewhere() -> None:
    dense, sparse = [16 * n for n in range(300)], [16 * 300 + 500 * n for n in range(10)]
    seen = looks(dense + sparse)
    assert seen[-10:] == list(range(300, 310))
    assert len(seen) < 70


def test_a_frame_that_is_shown_for_long_is_looked_at() -> None:
    assert looks([0, 33, 66, 100, 2000, 2033, 2066, 2100]) == [0, 3, 4, 7]


@given(st.lists(st.integers(5, 300), min_size=1).map(lambda steps: list(accumulate(steps, initial=7))))
def test_no_two_looks_are_further_apart_than_they_have_to_be_and_none_is_in_vain(times: list[int]) -> None:
    seen = looks(times)
    assert (seen[0], seen[-1]) == (0, len(times) - 1)
    assert all(b == a + 1 or times[b] - times[a] <= LONGEST_MS for a, b in pairwise(seen))
    assert all(times[b + 1] - times[a] > LONGEST_MS for a, b in pairwise(seen[:-1])), "a later look would have done"


@pytest.mark.parametrize("step", [0, 1, -1])
def test_frames_whose_times_do_not_rise_do_not_all_go_unseen(step: int) -> None:
    seen = looks([step * n for n in range(200)])
    assert max(b - a for a, b in pairwise(seen)) < 30


@pytest.mark.parametrize(
    ("every", "apart"),
    [(0, 0), (-1, 0), (0, -0.1), (3, -0.1), (0, math.nan), (0, math.inf), (2.5, 0), ("3", 0), (0, "x")],
)
def test_what_would_leave_frames_unseen_is_no_pace(every: Any, apart: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        Pace(every, apart)


@pytest.mark.parametrize("pace", [FULL, TENTH, Pace(7), Pace(7, 0.1)])
@pytest.mark.parametrize("count", [0, 1, 2])
def test_one_frame_and_two_are_all_looked_at(pace: Pace, count: int) -> None:
    assert looks(list(range(count)), pace) == list(range(count))


def test_a_stride_counts_frames_whatever_their_times_and_takes_the_last_too() -> None:
    assert looks([0, 1, 2, 3, 5000, 9000, 9001, 9002], Pace(3)) == [0, 3, 6, 7]


def test_every_frame_is_looked_at_where_nothing_else_was_asked() -> None:
    assert looks([0, 1, 2, 3], FULL) == [0, 1, 2, 3]


def test_who_wants_both_gets_both() -> None:
    times = [33 * n for n in range(20)]
    assert looks(times, Pace(5, 0.1)) == sorted({*looks(times, Pace(5)), *looks(times)})


@pytest.mark.parametrize(
    ("one", "other"), [(Pace(2), Pace(3)), (Pace(4), TENTH), (TENTH, FULL), (Pace(6), Pace(4, 0.2))]
)
def test_joined_paces_look_at_what_each_looks_at(one: Pace, other: Pace) -> None:
    times, both = [33 * n for n in range(40)], one.joined(other)
    assert both == other.joined(one)
    assert {*looks(times, both)} >= {*looks(times, one), *looks(times, other)}


def test_a_frame_is_judged_as_soon_as_the_next_one_is_known() -> None:
    taken = []

    def times() -> Iterator[int]:
        for time in (0, 33, 66, 100):
            taken.append(time)
            yield time

    judged = TENTH.chosen(times(), MS)
    assert [(next(judged), len(taken)) for _ in range(3)] == [(True, 2), (False, 3), (False, 4)]
