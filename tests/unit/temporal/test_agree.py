"""Hiding only what several detectors saw in a frame."""

from collections.abc import Sequence

import pytest

from faceblur.domain import Box, Detection, Motion
from faceblur.temporal import Evidence, Settings, Solved, solve

A, NEAR_A, B = Box(100, 100, 164, 164), Box(104, 100, 168, 164), Box(400, 100, 464, 164)
FACES = {"face": 2}


def seen(detector: str, box: Box = A, score: float = 0.9, kind: str = "face") -> Detection:
    return Detection(box, score, kind, detector)


def video(
    *frames: Sequence[Detection], agree: int = 2, looked: dict[str, int] | None = None, **settings: float
) -> list[Solved]:
    """The solution of a video of these frames, in all of which as many detectors looked."""
    evidence = [
        Evidence(number, number, tuple(found), Motion() if number > 1 else None, looked)
        for number, found in enumerate(frames, start=1)
    ]
    return list(solve(evidence, (), Settings(agree=agree, **settings), (1000, 800)))


def lefts(solved: Solved) -> list[int]:
    """About where the regions of a frame begin."""
    return sorted(round(region.box.left, -2) for region in solved.regions)


def hidden(*found: Detection, agree: int = 2, looked: dict[str, int] | None = None) -> list[int]:
    """About where regions begin in a video of five such frames, of which all must show the same."""
    solution = video(*[found] * 5, agree=agree, looked=looked)
    [answer] = {tuple(lefts(solved)) for solved in solution}
    return list(answer)


def test_what_one_of_two_detectors_saw_is_hidden_where_one_is_enough() -> None:
    assert hidden(seen("one"), seen("two", B), agree=1) == [100, 400]


def test_only_what_both_saw_is_hidden_where_two_must_agree() -> None:
    assert hidden(seen("one"), seen("two", NEAR_A), seen("one", B), looked=FACES) == [100]


def test_what_one_detector_says_twice_is_no_agreement() -> None:
    assert hidden(seen("one"), seen("one", NEAR_A), seen("two", B), looked=FACES) == []


def test_with_one_detector_looking_everything_is_hidden_as_before() -> None:
    assert hidden(seen("one"), seen("one", B), looked={"face": 1}) == [100, 400]


def test_where_the_other_saw_nothing_at_all_nothing_is_hidden() -> None:
    assert hidden(seen("one"), seen("one", B), looked=FACES) == []


def test_where_nobody_knows_who_looked_those_who_said_something_did() -> None:
    assert hidden(seen("one"), seen("one", B)) == [100, 400]
    assert hidden(seen("one"), seen("two"), seen("one", B)) == [100]


def test_no_more_must_agree_than_looked() -> None:
    assert hidden(seen("one"), seen("two"), agree=3, looked=FACES) == [100]


def test_two_of_three_are_enough_where_two_must_agree() -> None:
    assert hidden(seen("one"), seen("three"), seen("two", B), looked={"face": 3}) == [100]


def test_a_plate_detector_beside_two_face_detectors_is_not_outvoted() -> None:
    plate = seen("plates", B, kind="plate")
    assert hidden(seen("one"), seen("two"), plate, looked={"face": 2, "plate": 1}) == [100, 400]
    assert hidden(seen("one"), seen("two"), plate) == [100, 400]


def test_a_face_and_a_plate_at_one_place_do_not_agree() -> None:
    assert hidden(seen("one"), seen("plates", kind="plate"), looked={"face": 2, "plate": 2}) == []


@pytest.mark.parametrize(("agree", "score"), [(1, 0.9), (2, 0.6), (3, 0.4)])
def test_it_is_as_likely_as_the_last_whose_agreement_is_needed_says(agree: int, score: float) -> None:
    found = [seen("one", score=0.4), seen("two", score=0.9), seen("three", score=0.6)]
    [region] = video(*[found] * 5, agree=agree, looked={"face": 3})[2].regions
    [alone] = video(*[[seen("one", score=score)]] * 5, agree=1)[2].regions
    assert region.score == alone.score


def test_an_agreement_that_is_not_sure_enough_hides_nothing() -> None:
    found = (seen("one", score=0.95), seen("two", score=0.1))
    assert hidden(*found, looked=FACES, agree=1) == [100]
    assert hidden(*found, looked=FACES) == []


def test_in_a_picture_that_stands_alone_two_must_agree_too() -> None:
    [solved] = video([seen("one"), seen("two", NEAR_A), seen("one", B)], looked=FACES)
    assert lefts(solved) == [100]


def test_they_must_agree_in_the_same_frame() -> None:
    frames = [[seen("one" if i % 2 else "two")] for i in range(6)]
    assert all(not solved.regions for solved in video(*frames, looked=FACES))
    assert all(solved.regions for solved in video(*frames, agree=1, looked=FACES))


def test_where_only_one_detector_was_to_look_its_word_is_enough() -> None:
    """After a second detector was asked about one frame alone, the others stay as they were."""
    frames = [
        Evidence(n, n, (seen("one"), *([seen("two")] if n == 3 else [])), Motion(), {"face": 2 if n == 3 else 1})
        for n in range(1, 7)
    ]
    settings = Settings(agree=2, look_back=0, look_ahead=0)
    assert all(solved.regions for solved in solve(frames, (), settings, (1000, 800)))
