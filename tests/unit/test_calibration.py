"""What scores are worth."""

import numpy as np
import pytest

from faceblur import calibration


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


@pytest.mark.parametrize("value", [0.0, 1e-12, 0.2, 0.999, 1.0])
def test_a_probability_and_its_log_odds_are_the_same(value: float) -> None:
    assert calibration.probability(calibration.logit(value)) == pytest.approx(value, abs=1e-8)


@pytest.mark.parametrize("detector", ["centerface", "yunet"])
def test_beyond_what_was_labelled_size_changes_nothing(detector: str) -> None:
    assert odds(detector, 0.6, 256) == odds(detector, 0.6, 4000)
    assert odds(detector, 0.6, 8) == odds(detector, 0.6, 1)
