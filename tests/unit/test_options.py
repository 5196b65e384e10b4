"""Options: what makes no sense is refused at the door, in words that name the option."""

import dataclasses
import math
import tempfile
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceblur import detectors
from faceblur.errors import UsageError
from faceblur.options import (
    KINDS,
    LARGE_PRESETS,
    PHOTO_PRESETS,
    PRESETS,
    SUBSTITUTES,
    TTA,
    Options,
    cache_folder,
    stands_for,
)
from faceblur.pace import FULL, Pace


def test_the_defaults_are_valid() -> None:
    assert Options().members == (PRESETS["fast"]["faces"],)


def test_who_has_no_home_has_weights_among_temporary_files(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    assert cache_folder() == Path(tempfile.gettempdir(), ".cache", "faceblur", "weights")


def test_options_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Options().threshold = 0.5  # type: ignore[misc]


@pytest.mark.parametrize(
    "wrong",
    [
        {"style": "smear"},
        {"shape": "star"},
        {"frames": "some"},
        {"audio": "loud"},
        {"subtitles": "some"},
        {"damaged": "maybe"},
        {"overlay": ("time", "weather")},
        {"threshold": -0.01},
        {"threshold": 1.01},
        {"threshold": math.nan},
        {"grow": -0.1},
        {"grow": 3.1},
        {"crf": 64},
        {"workers": 0},
        {"workers": 1025},
        {"threads": -1},
        {"threads": 1025},
        {"agree": 0},
        {"agree": 101},
        {"tta": "twice"},
        {"hide": ("faces", "hands")},
        {"every": -1},
        {"apart": -0.1},
        {"apart": math.inf},
        {"look_back": -1},
        {"look_ahead": 1001},
        {"scale": 15},
        {"fps": Fraction(0)},
        {"fps": Fraction(1001)},
    ],
    ids=str,
)
def test_a_value_out_of_range_is_refused_by_name(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=f"--{next(iter(wrong)).replace('_', '-')}"):
        Options(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "right", [{"threshold": 0.0}, {"threshold": 1.0}, {"grow": 0.0}, {"crf": 0}, {"threads": 0}, {"agree": 1}], ids=str
)
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


def test_nothing_to_hide_is_refused() -> None:
    with pytest.raises(UsageError, match="--hide nothing"):
        Options(hide=())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_stands_for_the_detector_of_what_is_to_be_hidden(preset: str, kind: str) -> None:
    assert Options(detector=preset, hide=(kind,)).members == (PRESETS[preset][kind],)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("presets", [PRESETS, LARGE_PRESETS, PHOTO_PRESETS], ids=["videos", "large videos", "photos"])
def test_a_presets_detector_is_there_and_finds_that_kind(presets: dict[str, dict[str, str]], kind: str) -> None:
    for preset in presets.values():
        [found] = {detectors.TABLE[spec.row].kind for spec in detectors._members(preset[kind])}
        assert f"{found}s" == kind


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_hides_all_kinds_that_are_asked_for_in_their_order(preset: str) -> None:
    assert Options(detector=preset, hide=("plates", "faces")).members == (
        PRESETS[preset]["plates"],
        PRESETS[preset]["faces"],
    )


@pytest.mark.parametrize("preset", PHOTO_PRESETS)
def test_for_photos_a_preset_stands_for_its_detector_for_photos(preset: str) -> None:
    assert Options(detector=preset, photos=True).members == (PHOTO_PRESETS[preset]["faces"],)


@pytest.mark.parametrize("detector", ["fast", "fast+turned"])
def test_fast_looks_ten_times_a_second_turned_or_not(detector: str) -> None:
    assert Options(detector=detector).pace == Pace(0, 0.1)


@pytest.mark.parametrize(
    "settings",
    [{"detector": "slow"}, {"detector": "turned"}, {"detector": "fast+haar"}, {"photos": True}, {"every": 1}],
)
def test_everything_else_looks_at_every_frame(settings: dict[str, object]) -> None:
    assert Options(**settings).pace == FULL  # type: ignore[arg-type]


def test_how_often_is_looked_can_be_asked_for() -> None:
    assert [Options(detector=name, every=7).pace for name in ("fast", "slow")] == [Pace(7), Pace(7)]


@pytest.mark.parametrize("preset", LARGE_PRESETS)
def test_for_large_videos_a_preset_stands_for_its_detector_for_them(preset: str) -> None:
    assert Options(detector=preset, large=True).members == (LARGE_PRESETS[preset]["faces"],)


@pytest.mark.parametrize("presets", [LARGE_PRESETS, PHOTO_PRESETS], ids=["large videos", "photos"])
def test_all_tables_have_the_same_presets_for_the_same_kinds(presets: dict[str, dict[str, str]]) -> None:
    assert {name: set(kinds) for name, kinds in presets.items()} == {
        name: set(kinds) for name, kinds in PRESETS.items()
    }


def test_all_that_a_preset_may_stand_for_is_known() -> None:
    assert {"fast.2", "fast.8", *PRESETS["fast"].values()} == set(stands_for("fast"))


def test_a_preset_and_a_detector_are_united() -> None:
    assert Options(detector="fast+haar").members == (PRESETS["fast"]["faces"], "haar")


def test_a_detector_asked_for_by_its_own_name_does_not_depend_on_what_is_to_be_hidden() -> None:
    assert Options(detector="fast+haar", hide=("plates",)).members == (PRESETS["fast"]["plates"], "haar")


def test_a_detector_is_named_by_its_own_name_and_not_by_that_of_a_preset() -> None:
    assert Options(detector="fast + haar+slow.8").named == ("haar", "slow.8")


@pytest.mark.parametrize("name", SUBSTITUTES)
def test_a_substitute_is_a_detector_of_the_same_kind(name: str) -> None:
    kinds = {detectors.TABLE[spec.row].kind for n in (name, SUBSTITUTES[name]) for spec in detectors._members(n)}
    assert kinds == {"face"}


@pytest.mark.parametrize(
    ("settings", "member"),
    [
        ({}, "haar"),
        ({"detect_scale": "0.5"}, "haar@0.5"),
        ({"tta": "flip"}, "haar@flip"),
        ({"detect_scale": "1280x720", "tta": "full"}, "haar@1280x720@full"),
    ],
    ids=str,
)
def test_the_view_asked_for_is_part_of_the_detectors_name(settings: dict[str, str], member: str) -> None:
    assert Options(detector="haar", **settings).members == (member,)  # type: ignore[arg-type]


def test_the_view_asked_for_is_that_of_all_detectors() -> None:
    assert Options(detector="haar+yunet", tta="flip").members == ("haar@flip", "yunet@flip")


@pytest.mark.parametrize("word", TTA)
def test_every_word_for_copies_is_one_that_detectors_know(word: str) -> None:
    [member] = Options(detector="haar", tta=word).members
    assert detectors.resolve(member) == member


def test_spaces_around_names_do_not_count() -> None:
    assert Options(detector=" haar + yunet ").members == ("haar", "yunet")


@given(st.lists(st.sampled_from(["haar", "yunet", "null", *PRESETS]), min_size=1, max_size=6))
def test_a_detector_named_twice_runs_once(names: list[str]) -> None:
    members = Options(detector="+".join(names)).members
    assert len(members) == len(set(members))


@given(st.lists(st.sampled_from(["haar", "yunet", "null"]), min_size=1, max_size=4, unique=True))
def test_detectors_keep_the_order_they_were_named_in(names: list[str]) -> None:
    assert list(Options(detector="+".join(names)).members) == names


def test_what_to_hide_is_for_presets() -> None:
    with pytest.raises(UsageError, match="--hide is for the presets"):
        Options(detector="centerface", hide=("plates",))


def test_the_views_asked_for_take_the_place_of_a_presets() -> None:
    assert Options(detector="slow", hide=("plates",), tta="full").members == ("hyperlpr@full",)


@pytest.mark.parametrize("frames", [{}, {"large": True}, {"photos": True}], ids=str)
def test_fast_in_a_view_that_was_asked_for_is_centerface(frames: dict[str, bool]) -> None:
    assert Options(detector="fast", detect_scale="0.5", **frames).members == ("centerface@0.5",)  # type: ignore[arg-type]
    assert Options(detector="fast", tta="flip", **frames).members == ("centerface@flip",)  # type: ignore[arg-type]


@pytest.mark.parametrize("asked", [{"tta": "flip"}, {"detect_scale": "0.5"}], ids=str)
def test_views_are_asked_for_in_one_way_only(asked: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="but not both"):
        Options(detector="yunet@0.5", **asked)  # type: ignore[arg-type]
