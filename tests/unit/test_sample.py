"""The clip for people who have none at hand."""

import sys
from fractions import Fraction
from pathlib import Path

import pytest

from conftest import play
from faceblur.errors import MissingError
from faceblur.sample import sample


def test_the_sample_is_five_seconds_with_sound(tmp_path: Path) -> None:
    pytest.importorskip("skimage")
    out = play(sample(tmp_path / "new" / "sample.mp4"))
    assert out.times == [Fraction(n, 25) for n in range(125)]
    assert out.size == (640, 360)
    assert float(out.sounds[0][-1][0]) == pytest.approx(5, abs=0.05)


def test_without_scikit_image_the_sample_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(MissingError, match=r"pip install 'faceblur\[sample\]'"):
        sample(tmp_path / "sample.mp4")
    assert not list(tmp_path.iterdir())
