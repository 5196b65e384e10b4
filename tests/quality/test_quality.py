"""How well the preset `fast` hides the faces of a hard clip: not worse than what tests/quality.json says.

The figures are of the finished video. Where they got better, or worse for a good reason, `scripts/bench_leaks
--update-quality` writes those of now into the file.
"""

import json
import tempfile
from pathlib import Path

import hard_clip
import pytest

from faceblur import evaluation, pipeline
from faceblur.context import Context
from faceblur.options import Options, cache_folder

STORED = Path(__file__).parents[1] / "quality.json"


def tool(shared: Path) -> Path:
    """The program that makes clips with known faces."""
    return shared / "tools" / "pan_video.py"


def measure(shared: Path, folder: Path) -> tuple[evaluation.Figures, evaluation.Figures]:
    """What would be hidden in the clip that quality.json describes, and what its finished video hides."""
    photos = shared / "data" / "widerface"
    recipe = json.loads(STORED.read_text())["clip"]
    clip = hard_clip.make(tool(shared), photos / "images", photos / "labels.txt", folder / "hard.mp4", recipe)
    truth = evaluation.Truth.read(hard_clip.truth_of(clip))
    weights = (cache_folder(),)
    options = Options(folder / "input", folder / "output", weights, detector="fast", style="solid", preset="fast")
    context = Context(options)
    [promised, _] = evaluation.video(clip, truth, context, ["fast"])
    return promised, evaluation.leaks(clip, pipeline.run(clip, context), truth)


def update(shared: Path) -> dict[str, float]:
    """Measure, and write the figures into quality.json."""
    stored = json.loads(STORED.read_text())
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(shared, Path(folder))[1].to_json()
    stored["fast"] = {name: figures[name] for name in stored["worse"]}
    STORED.write_text(json.dumps(stored, indent=2) + "\n")
    return dict(stored["fast"])


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[evaluation.Figures, evaluation.Figures]:
    from conftest import SHARED

    for path in (tool(SHARED), SHARED / "data" / "widerface" / "labels.txt"):
        if not path.is_file():
            pytest.skip(f"needs {path}")
    return measure(SHARED, tmp_path_factory.mktemp("quality"))


@pytest.mark.shared
@pytest.mark.parametrize("name", ["leaked", "people", "extra"])
def test_the_finished_video_is_not_worse_than_the_stored_figures(
    name: str, measured: tuple[evaluation.Figures, evaluation.Figures]
) -> None:
    stored = json.loads(STORED.read_text())
    assert measured[1].to_json()[name] <= stored["fast"][name] + stored["worse"][name]


@pytest.mark.shared
def test_the_finished_video_hides_what_evaluating_promises(
    measured: tuple[evaluation.Figures, evaluation.Figures],
) -> None:
    promised, finished = measured
    assert finished.leaked == pytest.approx(promised.leaked, abs=0.01)
    assert finished.extra == pytest.approx(promised.extra, abs=0.005)
