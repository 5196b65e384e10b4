"""What split found out and what was asked: to and from JSON, and names of frame numbers."""

import itertools
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import moving_face, write_clip
from faceblur import media, plan
from faceblur.errors import IncompleteError
from faceblur.pace import FULL, Pace

NUMBERS = st.sets(st.integers(1, 200)).map(sorted)


@pytest.fixture
def origin(tmp_path: Path) -> plan.Origin:
    video = media.probe(write_clip(tmp_path / "clip.mp4", moving_face(2), sound=True))
    recipe = {"scale": None, "fps": None, "start": None, "end": None, "overlay": []}
    clock = media.Clock(Fraction(1, 25), (0, 1), 2)
    return plan.Origin("clip.mp4", "00ff", 10, video, recipe, 96, 64, "complete", clock)


def test_an_origin_survives_json(origin: plan.Origin) -> None:
    assert plan.Origin.from_json(origin.to_json()) == origin
    splitting = replace(origin, state="splitting", clock=None)
    assert plan.Origin.from_json(splitting.to_json()) == splitting


def test_frames_that_are_read_otherwise_are_other_frames(origin: plan.Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    before = origin.identity
    monkeypatch.setattr(plan.media, "READING", 0)
    assert origin.identity != before


def test_times_are_not_shown_before_split_is_complete(origin: plan.Origin) -> None:
    with pytest.raises(IncompleteError, match="run split again"):
        _ = replace(origin, state="splitting").shown


@pytest.mark.parametrize("change", [{"sha256": "11"}, {"recipe": {"scale": "48"}}])
def test_another_source_or_recipe_is_another_identity(origin: plan.Origin, change: dict[str, object]) -> None:
    assert replace(origin, **change).identity != origin.identity


def test_a_part_is_told_by_its_recipe(origin: plan.Origin) -> None:
    assert not origin.is_part
    assert replace(origin, recipe=origin.recipe | {"end": "1"}).is_part
    assert replace(origin, recipe=origin.recipe | {"start": "0"}).is_part


@given(NUMBERS)
def test_spans_are_the_numbers_again(numbers: list[int]) -> None:
    runs = plan.spans(numbers)
    assert [n for a, b in runs for n in range(a, b + 1)] == numbers
    assert all(b + 1 < c for (_, b), (c, _) in itertools.pairwise(runs))


@given(NUMBERS, NUMBERS)
def test_adding_frames_to_a_detector_keeps_those_it_had(one: list[int], two: list[int]) -> None:
    asked = plan.Plan("", 1, 200, 96, 64).adding("haar", one).adding("haar", two)
    assert asked.planned("haar") == sorted({*one, *two})
    assert plan.Plan.from_json(asked.to_json()) == asked


def test_a_long_list_of_frames_is_named_shortly() -> None:
    assert plan.naming([7]) == "frame 7"
    assert plan.naming([3, 4, 5, 9]) == "frames 3-5, 9"
    assert plan.naming(list(range(1, 40, 2))) == "frames 1, 3, 5, 7, 9, 11, 13, 15 and 12 more"


def test_a_detector_sees_what_was_chosen_of_the_frames_it_was_asked_for_and_both_ends_of_these() -> None:
    asked = plan.Plan("", 1, 30, 96, 64).adding("haar", [*range(5, 15), 20], Pace(3))
    assert [n for n in range(1, 31) if asked.covers("haar", n, chosen=False)] == [5, 14, 20]
    assert [n for n in range(1, 31) if asked.covers("haar", n)] == [*range(5, 15), 20]
    assert not asked.covers("yunet", 5)


@pytest.mark.parametrize(
    ("first", "then", "kept"),
    [
        (Pace(3), FULL, FULL),
        (FULL, Pace(3), FULL),
        (FULL, Pace(0, 0.1), FULL),
        (Pace(4), Pace(2), Pace(2)),
        (Pace(0, 0.1), Pace(0, 0.1), Pace(0, 0.1)),
        (Pace(6), Pace(0, 0.1), Pace(6, 0.1)),
    ],
)
def test_a_detector_asked_twice_looks_as_often_as_both_wishes_want(first: Pace, then: Pace, kept: Pace) -> None:
    asked = plan.Plan("", 1, 9, 96, 64).adding("haar", range(1, 10), first).adding("haar", [4], then)
    assert asked.pace("haar") == kept
    assert plan.Plan.from_json(asked.to_json()) == asked


def test_a_detector_that_was_forgotten_is_asked_anew() -> None:
    asked = plan.Plan("", 1, 9, 96, 64).adding("haar", range(1, 10)).without("haar")
    assert asked == plan.Plan("", 1, 9, 96, 64)
    assert asked.adding("haar", [4], Pace(3)).pace("haar") == Pace(3)


def test_a_stride_in_the_plan_of_an_older_version_is_kept_and_times_count_too() -> None:
    asked = plan.Plan("", 1, 9, 96, 64).adding("haar", range(1, 10), Pace(3, 0.1))
    older = {name: value for name, value in asked.to_json().items() if name != "paces"} | {"every": {"haar": 3}}
    assert plan.Plan.from_json(older) == asked
