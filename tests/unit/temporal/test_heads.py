"""A head is left out where its face is hidden, and never in doubt: each rule on made-up detections."""

import itertools
from collections.abc import Iterable, Sequence
from fractions import Fraction

import pytest

from faceblur.domain import Box, Decision, Detection, Motion
from faceblur.temporal import Evidence, Settings, regions, solve

SIZE = (1280, 720)
HEAD = Box(600, 300, 700, 385)
X, Y = 650, 342  # the middle of it
COUNT = 60


def head(box: Box = HEAD) -> Detection:
    return Detection(box, 0.9, "head", "yolox.heads")


def face(x: float = X, y: float = Y, score: float = 0.9, size: float = 30) -> Detection:
    """A face with its middle at (x, y)."""
    return Detection(Box(x - size / 2, y - size / 2, x + size / 2, y + size / 2), score, "face", "one")


def hidden(frames: Iterable[Sequence[Detection]], *decisions: Decision) -> list[list[str]]:
    """The kinds of what is hidden in frames 1, 2, …"""
    evidence = [
        Evidence(number, number, tuple(found), Motion() if number > 1 else None)
        for number, found in enumerate(frames, start=1)
    ]
    solution = solve(evidence, decisions, Settings(), SIZE, Fraction(1, 30))
    return [sorted(region.kind for region in solved.regions) for solved in solution]


def alone(*found: Detection) -> list[str]:
    """The kinds of what is hidden in a picture that stands alone."""
    return sorted(region.kind for region in regions(found))


def with_head(kinds: Iterable[Sequence[str]]) -> list[int]:
    """The frames, from 0, in which a head is hidden."""
    return [index for index, found in enumerate(kinds) if "head" in found]


def test_a_head_is_left_out_where_its_face_is_hidden() -> None:
    assert hidden([[head(), face()]] * COUNT) == [["face"]] * COUNT


def test_a_head_without_a_face_is_hidden() -> None:
    assert hidden([[head()]] * COUNT) == [["head"]] * COUNT


def test_every_head_is_hidden_where_nobody_looks_for_faces() -> None:
    assert alone(head(), head(Box(100, 100, 200, 185))) == ["head", "head"]


def test_in_a_picture_that_stands_alone_a_head_is_left_out_too() -> None:
    assert alone(head(), face()) == ["face"]


def test_a_person_keeps_being_hidden_when_the_face_is() -> None:
    person = Detection(Box(600, 300, 700, 600), 0.9, "person", "yolox")
    assert alone(person, face()) == ["face", "person"]


# Which face is that of a head


@pytest.mark.parametrize(("x", "y"), [(X - 30, Y), (X + 30, Y), (X, Y - 30), (X, Y + 30)])
def test_a_face_beside_the_middle_of_a_head_may_be_that_of_somebody_else(x: int, y: int) -> None:
    assert alone(head(), face(x, y)) == ["face", "head"]


def test_a_face_that_is_tiny_for_the_head_is_that_of_somebody_else() -> None:
    assert alone(head(), face(size=14)) == ["face", "head"]


def test_a_face_in_the_middle_of_two_heads_answers_for_neither() -> None:
    assert alone(head(), head(Box(610, 305, 690, 380)), face()) == ["face", "head", "head"]


def test_each_head_with_a_face_of_its_own_is_left_out() -> None:
    beside = Box(HEAD.left + 200, HEAD.top, HEAD.right + 200, HEAD.bottom)
    assert alone(head(), face(), head(beside), face(X + 200)) == ["face", "face"]


def test_a_head_with_a_face_does_not_speak_for_the_one_behind_it() -> None:
    behind = Box(HEAD.left + 45, HEAD.top, HEAD.right + 45, HEAD.bottom)
    assert alone(head(), face(), head(behind)) == ["face", "head"]


# What a head left out must not show


def test_a_head_is_hidden_while_another_face_in_it_is_weakly_seen() -> None:
    assert alone(head(), face(), face(X + 30, Y + 10, 0.05, 64)) == ["face", "head"]


def test_a_weak_second_look_at_the_hidden_face_is_no_other_face() -> None:
    assert alone(head(), face(), face(X + 5, Y, 0.05, 60)) == ["face"]


def test_a_weakly_seen_face_outside_the_head_does_not_matter() -> None:
    assert alone(head(), face(), face(X + 70, Y, 0.05, 64)) == ["face"]


def test_what_is_no_face_does_not_matter_however_weakly_seen() -> None:
    person = Detection(Box(640, 300, 740, 600), 0.05, "person", "yolox")
    assert alone(head(), face(), person) == ["face"]


# Over time


def test_a_head_is_hidden_while_its_face_is_seen_weakly() -> None:
    frames = [[head(), face(score=0.9 if i < 30 else 0.1)] for i in range(COUNT)]
    assert with_head(hidden(frames)) == list(range(25, COUNT))


def test_a_head_that_turns_away_is_hidden_before_its_face_is_lost() -> None:
    frames = [[head(), face()] if i < 30 else [head()] for i in range(COUNT)]
    assert with_head(hidden(frames)) == list(range(25, COUNT))


def test_a_head_that_turns_away_and_back_is_hidden_all_the_time_and_around_it() -> None:
    frames = [[head()] if 25 <= i < 35 else [head(), face()] for i in range(COUNT)]
    assert with_head(hidden(frames)) == list(range(20, 40))


def test_a_face_that_is_carried_on_beyond_its_last_detection_answers_for_nothing() -> None:
    kinds = hidden([[head(), face()] if i < 30 else [head()] for i in range(COUNT)])
    assert kinds[32] == ["face", "head"]


def test_frames_that_nobody_looked_at_bring_no_head_back() -> None:
    frames = [[head(), face()] if i % 2 == 0 else [] for i in range(COUNT + 1)]
    kinds = hidden(frames)
    assert with_head(kinds) == []
    assert all(kinds)


def test_where_faces_are_seen_too_seldom_heads_are_hidden() -> None:
    frames = [[head(), face()] if i % 6 == 0 else [head()] for i in range(COUNT + 1)]
    assert with_head(hidden(frames)) == list(range(COUNT + 1))


def test_a_face_seen_for_a_moment_does_not_make_a_head_flicker() -> None:
    frames = [[head(), face()] if 20 <= i < 32 else [head()] for i in range(COUNT)]
    assert with_head(hidden(frames)) == list(range(COUNT))


@pytest.mark.parametrize("seed", range(5))
def test_what_is_hidden_of_a_head_changes_seldom_and_never_is_nothing(seed: int) -> None:
    pattern = itertools.cycle([3 + seed, 20 + 7 * seed, 1, 16, 40, 5 - seed])
    seen = list(itertools.chain.from_iterable([i % 2 == 0] * next(pattern) for i in range(12)))
    kinds = hidden([head(), face()] if known else [head()] for known in seen)
    assert all(kinds)
    runs = [len(list(run)) for _, run in itertools.groupby("head" in found for found in kinds)]
    assert min(runs[1:-1], default=5) >= 5


# What people decided


def test_a_decision_to_keep_a_face_bares_no_head() -> None:
    """It touches the head too, so that it does not mean one region alone, and nothing is kept."""
    keep = Decision("1", "keep", "face", tuple((number, face().box) for number in (1, COUNT)))
    assert hidden([[head(), face()]] * COUNT, keep) == [["face"]] * COUNT


def test_what_a_person_hides_is_hidden_whatever_face_is_in_it() -> None:
    hide = Decision("1", "hide", "head", tuple((number, HEAD) for number in (1, COUNT)))
    assert hidden([[head(), face()]] * COUNT, hide) == [["face", "head"]] * COUNT
