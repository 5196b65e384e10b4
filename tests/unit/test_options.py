"""Options: what makes no sense is refused at the door, in words that name the option."""

import dataclasses
import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceblur.errors import UsageError
from faceblur.options import PRESETS, Options


def test_the_defaults_are_valid() -> None:
    assert Options().members == PRESETS["fast"]


def test_options_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Options().threshold = 0.5  # type: ignore[misc]


@pytest.mark.parametrize(
    "wrong",
    [
        {"style": "smear"},
        {"shape": "star"},
        {"frames": "some"},
        {"damaged": "maybe"},
        {"overlay": ("time", "weather")},
        {"threshold": -0.01},
        {"threshold": 1.01},
        {"threshold": math.nan},
        {"grow": -0.1},
        {"grow": 3.1},
        {"crf": 52},
        {"workers": 0},
        {"scale": 15},
        {"fps": Fraction(0)},
        {"fps": Fraction(1001)},
    ],
    ids=str,
)
def test_a_value_out_of_range_is_refused_by_name(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=f"--{next(iter(wrong))}"):
        Options(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("right", [{"threshold": 0.0}, {"threshold": 1.0}, {"grow": 0.0}, {"crf": 0}], ids=str)
def test_a_value_at_the_end_of_its_range_is_accepted(right: dict[str, float]) -> None:
    assert dataclasses.replace(Options(), **right) == Options(**right)  # type: ignore[arg-type]


def test_an_end_before_the_start_is_refused() -> None:
    with pytest.raises(UsageError, match="--start 3 is not before --end 2"):
        Options(start=Fraction(3), end=Fraction(2))


def test_a_part_of_no_length_is_refused() -> None:
    with pytest.raises(UsageError):
        Options(start=Fraction(2), end=Fraction(2))


@pytest.mark.parametrize("name", ["", "+", " + "])
def test_no_detector_at_all_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="names no detector"):
        Options(detector=name)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_stands_for_its_detectors(preset: str) -> None:
    assert Options(detector=preset).members == PRESETS[preset]


def test_a_preset_and_a_detector_are_united() -> None:
    assert Options(detector="fast+haar").members == (*PRESETS["fast"], "haar")


def test_spaces_around_names_do_not_count() -> None:
    assert Options(detector=" haar + yunet ").members == ("haar", "yunet")


@given(st.lists(st.sampled_from(["haar", "yunet", "null", *PRESETS]), min_size=1, max_size=6))
def test_a_detector_named_twice_runs_once(names: list[str]) -> None:
    members = Options(detector="+".join(names)).members
    assert len(members) == len(set(members))


@given(st.lists(st.sampled_from(["haar", "yunet", "null"]), min_size=1, max_size=4, unique=True))
def test_detectors_keep_the_order_they_were_named_in(names: list[str]) -> None:
    assert list(Options(detector="+".join(names)).members) == names
