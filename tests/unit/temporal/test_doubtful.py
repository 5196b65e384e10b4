"""What a person should look at: each rule on made-up detections; without the rule its test fails."""

import itertools
import json
from collections.abc import Iterable, Sequence
from fractions import Fraction

import pytest

from faceblur.domain import Box, Decision, Detection, Doubt, Motion
from faceblur.temporal import Evidence, Settings, solve

SIZE = (1280, 720)
STILL = Motion()
DEFAULT = Settings()
WEAK = 0.1
A_LITTLE = "looks a little like a face"
X, Y = 640, 360  # the middle of the picture
APART = 145  # px between two faces of 40 px that are looked at together, when one of them is in the middle


def face(x: float, y: float, score: float = 0.999, size: float = 40) -> Detection:
    """A face with its middle at (x, y)."""
    return Detection(Box(x - size / 2, y - size / 2, x + size / 2, y + size / 2), score, "face", "one")


def doubts(
    frames: Iterable[Sequence[Detection]],
    motions: Iterable[Motion] = itertools.repeat(STILL),
    decisions: Sequence[Decision] = (),
    settings: Settings = DEFAULT,
    tick: Fraction = Fraction(1, 30),
) -> list[Doubt]:
    """The doubts about frames 1, 2, …"""
    evidence = [
        Evidence(number, number, tuple(found), motion if number > 1 else None)
        for number, (found, motion) in enumerate(zip(frames, motions), start=1)  # noqa: B905
    ]
    return [doubt for solved in solve(evidence, decisions, settings, SIZE, tick) for doubt in solved.doubts]


def reasons(found: Iterable[Doubt]) -> list[str]:
    return [doubt.reason for doubt in found]


def always(count: int = 30, **settings: float) -> list[list[Detection]]:
    """A face that stands in the middle of the picture from the first to the last frame."""
    return [[face(X, Y, **settings)] for _ in range(count)]


def test_nothing_is_doubtful_about_a_sure_face_that_is_always_there() -> None:
    assert doubts(always()) == []


# What was not believed


def test_a_weak_detection_that_was_not_believed_is_one() -> None:
    [doubt] = doubts([[face(X, Y, WEAK)] if i == 15 else [] for i in range(30)])
    assert (doubt.number, doubt.box, doubt.reason) == (16, face(X, Y).box, A_LITTLE)


def test_it_is_shown_where_it_looks_most_like_a_face() -> None:
    [doubt] = doubts([[face(X, Y, 0.09 if i == 17 else 0.03, 64)] if 15 <= i < 20 else [] for i in range(30)])
    assert doubt.number == 18


def test_what_is_next_to_surely_no_face_is_none() -> None:
    assert doubts([[face(X, Y, 0.005)] if i == 15 else [] for i in range(30)]) == []


def test_a_place_is_told_once_although_what_is_there_comes_and_goes() -> None:
    assert reasons(doubts([[face(X, Y, WEAK)] if i % 30 == 15 else [] for i in range(300)])) == [A_LITTLE]


def test_two_places_are_told_each() -> None:
    frames = [[face(X - 300 * (i // 30 % 2), Y, WEAK)] if i % 30 == 15 else [] for i in range(300)]
    assert len(doubts(frames)) == 2


def test_two_sizes_at_one_place_are_told_each() -> None:
    frames = [[face(X, Y, WEAK, 20 + 60 * (i // 30 % 2))] if i % 30 == 15 else [] for i in range(300)]
    assert len(doubts(frames)) == 2


@pytest.mark.parametrize(
    "motion",
    [Motion(dx=-3.0), Motion(a=1.004, dx=-2.0, dy=-1.0), Motion(a=0.9999, b=0.01)],
    ids=["pan", "zoom", "turn"],
)
def test_a_place_is_told_once_under_a_moving_camera(motion: Motion) -> None:
    middle, scale, frames = complex(900, 500), 1.0, []
    turn, shift = complex(motion.a, motion.b), complex(motion.dx, motion.dy)
    for i in range(200):
        if i:
            middle, scale = turn * middle + shift, scale * abs(turn)
        frames.append([face(middle.real, middle.imag, WEAK, 30 * scale)] if i % 40 == 15 else [])
    assert reasons(doubts(frames, itertools.repeat(motion))) == [A_LITTLE]


def test_a_place_is_told_again_where_the_camera_brought_another_there() -> None:
    frames = [[face(X, Y, WEAK)] if i % 40 == 15 else [] for i in range(80)]
    assert len(doubts(frames, itertools.repeat(Motion(dx=-3.0)))) == 2


def test_what_lies_inside_something_hidden_is_none() -> None:
    frames = [[face(X, Y, size=200)] + ([face(X + 60, Y + 60, WEAK, 20)] if i == 15 else []) for i in range(30)]
    assert doubts(frames) == []


def test_what_lies_beside_something_hidden_is_one() -> None:
    frames = [[face(X, Y, size=200)] + ([face(X + 160, Y + 60, WEAK, 20)] if i == 15 else []) for i in range(30)]
    assert reasons(doubts(frames)) == [A_LITTLE]


@pytest.mark.parametrize(("shift", "count"), [(8, 1), (3, 0)], ids=["a fifth", "less than a tenth"])
def test_what_juts_out_of_something_hidden_is_one_from_a_tenth_of_it_on(shift: float, count: int) -> None:
    beside = face(X + 100 - 20 + shift, Y, WEAK, 40)  # 40 px wide, its right end so far beyond what is hidden
    frames = [[face(X, Y, size=200)] + ([beside] if i == 15 else []) for i in range(30)]
    assert reasons(doubts(frames)) == [A_LITTLE] * count


def test_it_is_named_by_what_was_looked_for() -> None:
    plate = Detection(face(X, Y).box, WEAK, "plate", "one")
    assert reasons(doubts([[plate] if i == 15 else [] for i in range(30)])) == ["looks a little like a plate"]


def test_it_weighs_what_its_surest_detection_is_worth_however_often_it_was_seen() -> None:
    often, once = ([[face(X, Y, WEAK, 90)] if abs(i - 15) <= reach else [] for i in range(30)] for reach in (7, 0))
    assert [d.weight for d in doubts(often)] == [d.weight for d in doubts(once)]


def test_what_is_hidden_for_a_part_of_its_time_is_shown_where_it_is_not() -> None:
    lost = [face(X, Y, size=200)]
    frames = [
        (lost if i < 20 else []) + ([face(X, Y, 0.05 if i < 20 else 0.04, 60)] if 10 <= i < 60 else [])
        for i in range(90)
    ]
    [doubt] = [doubt for doubt in doubts(frames) if doubt.reason == A_LITTLE]
    assert doubt.number > 25


def test_the_likelier_weighs_more() -> None:
    frames = [[face(X, Y, 0.05), face(200, Y, 0.15)] if i == 15 else [] for i in range(30)]
    weights = {doubt.box.left: doubt.weight for doubt in doubts(frames)}
    assert weights[180] > weights[620]


# What can be looked at together


def at(places: Iterable[tuple[int, Detection]], count: int = 60) -> list[list[Detection]]:
    """Frames with these detections, each under the index of its frame."""
    listed = list(places)
    return [[found for index, found in listed if index == i] for i in range(count)]


def test_what_lies_side_by_side_is_one_doubt_around_all_of_it() -> None:
    [doubt] = doubts(at([(15, face(X, Y, WEAK)), (15, face(X + 160, Y, WEAK))]))
    assert (doubt.reason, doubt.box) == (f"{A_LITTLE} (and 1 more beside it)", Box(X - 20, Y - 20, X + 180, Y + 20))


def test_it_weighs_as_much_as_that_any_of_it_is_a_face() -> None:
    [alone] = doubts(at([(15, face(X, Y, WEAK))]))
    [both] = doubts(at([(15, face(X, Y, WEAK)), (15, face(X + 50, Y, WEAK))]))
    assert both.weight == pytest.approx(1 - (1 - alone.weight) ** 2, abs=0.002)


def test_what_lies_further_apart_is_told_each() -> None:
    assert reasons(doubts(at([(15, face(X, Y, WEAK)), (15, face(X + 161, Y, WEAK))]))) == [A_LITTLE] * 2


def test_what_is_twice_as_large_is_told_for_itself() -> None:
    together, apart = (doubts(at([(15, face(X, Y, WEAK)), (15, face(X + 50, Y, WEAK, size))])) for size in (78, 82))
    assert (len(together), len(apart)) == (1, 2)


def test_what_is_seen_within_half_a_second_is_told_together() -> None:
    together, apart = (doubts(at([(15, face(X, Y, WEAK)), (15 + n, face(X + 50, Y, WEAK))])) for n in (15, 16))
    assert (len(together), len(apart)) == (1, 2)


def test_in_a_row_each_is_told_once_and_the_larger_group_weighs_more() -> None:
    found = doubts(at((15, face(100 + APART * k, Y, WEAK)) for k in range(5)))
    assert sorted(reasons(found)) == [f"{A_LITTLE} (and {n} more beside it)" for n in (1, 2)]
    assert max(found, key=lambda doubt: doubt.weight).box == Box(80, Y - 20, 120 + 2 * APART, Y + 20)


def test_what_is_in_one_group_counts_for_no_other() -> None:
    row = [(15, face(100 + APART * k, Y, WEAK if k < 5 else 0.09)) for k in (0, 1, 2, 3, 5)]
    *_, last = doubts(at([*row, (15, face(100 + APART * 4, Y, 0.09))]))
    assert last.box == Box(80 + APART * 3, Y - 20, 120 + APART * 5, Y + 20)


def test_under_a_moving_camera_all_is_shown_where_it_lies_in_one_frame() -> None:
    frames = at([(15, face(X, Y, 0.12)), (20, face(X + 45 - 5 * 3, Y, WEAK))])
    [doubt] = doubts(frames, itertools.repeat(Motion(dx=-3.0)))
    assert (doubt.number, doubt.box) == (16, Box(X - 20, Y - 20, X + 65, Y + 20))


def test_under_a_zoom_all_is_shown_as_large_as_it_is_in_one_frame() -> None:
    zoom = Motion(a=1.02)  # around the corner of the picture
    frames = at([(15, face(200, 200, 0.12)), (20, face(240 * 1.02**5, 200 * 1.02**5, WEAK, 40 * 1.02**5))])
    [doubt] = doubts(frames, itertools.repeat(zoom))
    assert doubt.box.to_json() == pytest.approx([180, 180, 260, 220], abs=0.01)


def test_the_reason_is_that_of_the_likeliest() -> None:
    frames = [([face(X, Y)] if i < 15 else []) + ([face(X + 45, Y, 0.1)] if i == 20 else []) for i in range(60)]
    assert reasons(doubts(frames)) == [f"{A_LITTLE} (and 1 more beside it)"]


def test_what_lies_beside_the_end_of_a_track_is_told_with_it() -> None:
    frames = [([face(X, Y)] if i < 15 else []) + ([face(X + 45, Y, 0.015)] if i == 20 else []) for i in range(60)]
    assert reasons(doubts(frames)) == ["disappears in the middle of the picture (and 1 more beside it)"]


def test_of_two_side_by_side_only_what_a_person_has_not_answered_is_left() -> None:
    here, there = face(X, Y, WEAK), face(X + 50, Y, 0.12)
    hide = Decision("1", "hide", "face", ((16, there.box),))
    [doubt] = doubts(at([(15, here), (15, there)]), decisions=[hide])
    assert (doubt.box, doubt.reason) == (here.box, A_LITTLE)


# Tracks


def test_a_track_that_begins_in_the_middle_of_the_picture_is_one() -> None:
    [doubt] = doubts([[face(X, Y)] if i >= 15 else [] for i in range(30)])
    assert (doubt.number, doubt.reason) == (16, "appears in the middle of the picture")


def test_a_track_that_ends_in_the_middle_of_the_picture_is_one() -> None:
    [doubt] = doubts([[face(X, Y)] if i < 15 else [] for i in range(30)])
    assert (doubt.number, doubt.reason) == (15, "disappears in the middle of the picture")


@pytest.mark.parametrize("place", [(30, Y), (1250, Y), (X, 30), (X, 690)], ids=["left", "right", "top", "bottom"])
def test_a_track_that_begins_and_ends_at_the_border_is_none(place: tuple[float, float]) -> None:
    assert doubts([[face(*place)] if 10 <= i < 20 else [] for i in range(30)]) == []


def test_a_track_that_begins_and_ends_with_its_shot_is_none() -> None:
    cuts = [Motion(support=0.0) if i in (10, 20) else STILL for i in range(30)]
    assert doubts([[face(X, Y)] if 10 <= i < 20 else [] for i in range(30)], cuts) == []


def bridged(count: int) -> list[list[Detection]]:
    """A face that is not seen for some frames."""
    return [[] if 20 <= i < 20 + count else [face(X, Y)] for i in range(60)]


def test_a_bridge_of_eight_frames_is_one() -> None:
    [doubt] = doubts(bridged(8))
    assert doubt.reason == "not seen for 8 frames"
    assert 20 < doubt.number <= 28


def test_a_bridge_of_seven_frames_is_none() -> None:
    assert doubts(bridged(7)) == []


def test_a_longer_bridge_weighs_more() -> None:
    assert doubts(bridged(12))[0].weight > doubts(bridged(8))[0].weight


def test_at_twice_the_rate_a_bridge_is_counted_in_frames_and_judged_by_its_time() -> None:
    frames = [[] if 20 <= i < 36 else [face(X, Y)] for i in range(60)]
    assert reasons(doubts(frames, tick=Fraction(1, 60))) == ["not seen for 16 frames"]
    assert doubts(bridged(8), tick=Fraction(1, 60)) == []


def rushing(speed: int) -> list[int]:
    """Places of a face of 40 pixels that moves so many pixels a frame, from the first frame to the last."""
    return [X - 200 + speed * i for i in range(10)]


def test_a_jump_is_one() -> None:
    assert reasons(doubts([[face(x, Y)] for x in rushing(21)])) == ["jumps"]


def test_a_small_step_is_no_jump() -> None:
    assert doubts([[face(x, Y)] for x in rushing(18)]) == []


def test_what_moves_with_the_camera_does_not_jump() -> None:
    places = rushing(21)
    motions = [STILL, *(Motion(dx=float(b - a)) for a, b in itertools.pairwise(places))]
    assert doubts([[face(x, Y)] for x in places], motions) == []


def test_a_region_that_covers_much_of_the_picture_is_one() -> None:
    [doubt] = doubts(always(size=380))
    assert doubt.reason == "covers 16% of the picture"


def test_a_region_that_covers_less_is_none() -> None:
    assert doubts(always(size=360)) == []


def test_what_lies_beside_the_picture_covers_nothing_of_it() -> None:
    assert doubts([[face(0, 0, size=600)] for _ in range(30)]) == []


def test_a_track_that_is_barely_sure_is_one() -> None:
    [doubt] = doubts(always(score=0.4, size=64))
    assert doubt.reason == "hidden, but perhaps no face"


def test_a_track_that_is_likelier_than_not_is_none() -> None:
    assert doubts(always(score=0.6, size=64)) == []


def test_a_track_that_is_barely_sure_is_shown_where_it_looks_most_like_a_face() -> None:
    [doubt] = doubts([[face(X, Y, 0.41 if i == 17 else 0.4, 64)] for i in range(30)])
    assert doubt.number == 18


def test_a_track_is_told_once_for_the_weightiest_of_its_faults() -> None:
    frames = [[] if i < 10 or 20 <= i < 30 or i >= 40 else [face(X, Y)] for i in range(50)]
    assert reasons(doubts(frames)) == ["not seen for 10 frames"]


# Weights


def test_weights_lie_between_0_and_1() -> None:
    odd = [[face(150 * k + 50 + 7 * i % 13, Y, 0.02 * k) for k in range(1, 8)] if i % 12 else [] for i in range(60)]
    weights = [doubt.weight for doubt in doubts(odd)]
    assert weights
    assert all(0 < weight < 1 for weight in weights)


def test_only_a_decision_that_could_not_be_followed_weighs_1() -> None:
    keep = Decision("1", "keep", "face", ((1, face(200, 200).box),))
    found = doubts([[face(X, Y, 0.9999999, 96)]], decisions=[keep], settings=Settings(threshold=1.0))
    assert [(doubt.reason == A_LITTLE, doubt.weight == 1) for doubt in found] == [(True, False), (False, True)]


def test_a_doubt_is_made_of_plain_numbers() -> None:
    for found in (doubts(bridged(10)), doubts([[face(X, Y, WEAK)]]), doubts(always(size=380))):
        [doubt] = found
        assert [type(value) for value in (doubt.number, doubt.weight, *doubt.box.to_json())] == [int] + [float] * 5
        assert json.loads(json.dumps(doubt.to_json())) == doubt.to_json()
