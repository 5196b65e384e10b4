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
from faceblur.domain import digest
from faceblur.errors import IncompleteError

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


def test_frames_of_plain_sources_are_those_of_older_versions(origin: plan.Origin) -> None:
    assert origin.identity == digest("split", origin.sha256, origin.video.stream, origin.recipe)


@pytest.mark.parametrize("change", [{"depth": 10}, {"alpha": True}, {"interlaced": True}], ids=str)
def test_frames_that_older_versions_made_otherwise_are_made_again(
    origin: plan.Origin, change: dict[str, object]
) -> None:
    assert replace(origin, video=replace(origin.video, **change)).identity != origin.identity


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
