"""What scores are worth."""

import numpy as np
import pytest

from faceblur import calibration
from faceblur.detectors import ENSEMBLES

# Fit with three constants: b2 within 0.3 on either side of 0, and nothing for z² and L·z.
THREE = ["ssd", "blazeface", "blazeface-full", "retinaface-mobile", "scrfd", "haar", "mtcnn"]


def odds(detector: str, score: float, size: float = 40.0) -> float:
    return float(calibration.log_odds(detector, np.array([score]), np.array([size]))[0])


@pytest.mark.parametrize("detector", ["centerface", "centerface@full", "yunet", "hyperlpr", "unheard-of"])
@pytest.mark.parametrize("size", [4.0, 16.0, 64.0, 500.0])
def test_a_higher_score_is_worth_more(detector: str, size: float) -> None:
    worth = [odds(detector, score, size) for score in (0.0, 0.05, 0.2, 0.5, 0.9, 1.0)]
    assert worth == sorted(worth)
    assert len(set(worth)) == len(worth)


def test_the_score_of_an_unmeasured_detector_is_taken_for_a_probability() -> None:
    assert calibration.probability(odds("unheard-of", 0.3)) == pytest.approx(0.3)


def test_a_score_that_is_right_half_the_time_is_worth_nothing_either_way() -> None:
    """CenterFace is right about half the time at 0.3 to 0.35, counted on labelled photos."""
    assert odds("centerface", 0.3) < 0 < odds("centerface", 0.36)


def test_six_passes_must_be_surer_than_one() -> None:
    assert odds("centerface@full", 0.4) < odds("centerface", 0.4)


@pytest.mark.parametrize("family", sorted({name.partition(".")[0] for name in ENSEMBLES}))
def test_what_any_version_of_an_ensemble_said_keeps_its_worth(family: str) -> None:
    numbers = [int(name.partition(".")[2]) for name in ENSEMBLES if name.startswith(f"{family}.")]
    assert all(f"{family}.{number}" in calibration._CONSTANTS for number in range(1, max(numbers) + 1))


@pytest.mark.parametrize("value", [0.0, 1e-12, 0.2, 0.999, 1.0])
def test_a_probability_and_its_log_odds_are_the_same(value: float) -> None:
    assert calibration.probability(calibration.logit(value)) == pytest.approx(value, abs=1e-8)


@pytest.mark.parametrize("detector", ["centerface", "yunet"])
def test_beyond_what_was_labelled_size_changes_nothing(detector: str) -> None:
    assert odds(detector, 0.6, 256) == odds(detector, 0.6, 4000)
    assert odds(detector, 0.6, 8) == odds(detector, 0.6, 1)


@pytest.mark.parametrize("detector", THREE)
@pytest.mark.parametrize("size", [8.0, 16.0, 32.0, 96.0, 256.0])
def test_where_few_large_faces_were_labelled_a_higher_score_is_worth_more_at_every_size(
    detector: str, size: float
) -> None:
    worth = calibration.log_odds(detector, np.linspace(0, 1, 101), np.full(101, size))
    assert np.isfinite(worth).all()
    assert (np.diff(worth) > 0).all()


@pytest.mark.parametrize("detector", THREE)
@pytest.mark.parametrize("score", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_where_few_large_faces_were_labelled_the_size_alone_makes_nothing_likely_or_unlikely(
    detector: str, score: float
) -> None:
    """From 8 to 256 px the odds change by no more than a factor of 4.5, and only up or only down."""
    worth = calibration.log_odds(detector, np.full(50, score), np.geomspace(8, 256, 50))
    steps = np.diff(worth)
    assert (steps >= 0).all() or (steps <= 0).all()
    assert np.ptp(worth) <= 0.3 * 5 + 1e-9


# Whose constants count


@pytest.mark.parametrize("detector", calibration._CONSTANTS)
def test_a_detector_that_was_measured_has_constants_of_its_own(detector: str) -> None:
    b0, b1, b2, b3, b4 = calibration._CONSTANTS[detector]
    assert odds(detector, 0.5, 64) == pytest.approx(b0 + b2 + b3)
    assert odds(detector, 0.8, 64) == pytest.approx(b0 + b2 + b3 + (b1 + b4) * calibration.logit(0.8))


@pytest.mark.parametrize("size", ["auto", "1", "0.6", "1.25", "1280x720"])
@pytest.mark.parametrize("model", ["centerface", "yunet.n", "hyperlpr", "haar-plate", *THREE])
def test_at_a_size_that_was_not_measured_a_detector_counts_as_at_the_pictures_own(model: str, size: str) -> None:
    assert odds(f"{model}@{size}", 0.7) == odds(model, 0.7)


@pytest.mark.parametrize("copies", ["flip", "scales", "full", "0.5@flip", "1280x720@full"])
@pytest.mark.parametrize("model", ["yunet", "unheard-of", *THREE])
def test_copies_taken_together_that_were_not_measured_are_taken_for_probabilities(model: str, copies: str) -> None:
    assert calibration.probability(odds(f"{model}@{copies}", 0.3)) == pytest.approx(0.3)


def test_a_model_does_not_count_as_another_of_its_family() -> None:
    assert odds("yunet.s", 0.3) == pytest.approx(calibration.logit(0.3))


def test_no_detections_are_worth_nothing() -> None:
    assert calibration.log_odds("centerface", np.array([]), np.array([])).shape == (0,)
