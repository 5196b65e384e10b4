"""How well the presets hide faces, in a hard clip and in photos: not worse than what tests/quality.json says.

The figures of the clip are those of the finished video, with `fast`. Where they got better, or worse for a good reason,
`scripts/bench_leaks --update-quality` writes those of now into the file.
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


def weights(shared: Path) -> tuple[Path, ...]:
    """Where model files are; what is fetched goes to the first."""
    return cache_folder(), shared / "data" / "weights"


def measure(shared: Path, folder: Path) -> tuple[evaluation.Figures, evaluation.Figures]:
    """What would be hidden in the clip that quality.json describes, and what its finished video hides."""
    photos = shared / "data" / "widerface"
    recipe = json.loads(STORED.read_text())["clip"]
    clip = hard_clip.make(tool(shared), photos / "images", photos / "labels.txt", folder / "hard.mp4", recipe)
    truth = evaluation.Truth.read(hard_clip.truth_of(clip))
    looks = {"detector": "fast", "style": "solid", "preset": "fast", "strict": True}
    options = Options(folder / "input", folder / "output", weights(shared), **looks)
    context = Context(options)
    [promised, _] = evaluation.video(clip, truth, context, ["fast"])
    return promised, evaluation.leaks(clip, pipeline.run(clip, context), truth)


def measure_photos(shared: Path, preset: str) -> dict[str, float]:
    """How many faces in the photos that quality.json asks for a preset covers, and what it hides beyond them."""
    folder = shared / "data" / "widerface"
    limit = json.loads(STORED.read_text())["photos"]["limit"][preset]
    context = Context(Options(weights=weights(shared), strict=True))
    [result] = evaluation.photos(folder / "images", folder / "labels.json", context, [preset], limit)
    figures = {"missed": result.covered().missed, "missed_large": result.covered(96).missed, "extra": result.extra}
    return {name: round(value or 0.0, 4) for name, value in figures.items()}


def update(shared: Path) -> dict[str, object]:
    """Measure, and write the figures into quality.json."""
    stored = json.loads(STORED.read_text())
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(shared, Path(folder))[1].to_json()
    stored["fast"] = {name: figures[name] for name in stored["worse"]}
    photos = stored["photos"]
    photos.update({preset: measure_photos(shared, preset) for preset in photos["limit"]})
    STORED.write_text(json.dumps(stored, indent=2) + "\n")
    return {"fast": stored["fast"], "photos": photos}


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


@pytest.mark.shared
@pytest.mark.parametrize("preset", json.loads(STORED.read_text())["photos"]["limit"])
def test_in_photos_a_preset_is_not_worse_than_the_stored_figures(preset: str, shared: Path) -> None:
    if not (shared / "data" / "widerface" / "labels.json").is_file():
        pytest.skip("needs the photos of WIDER FACE")
    stored = json.loads(STORED.read_text())["photos"]
    found = measure_photos(shared, preset)
    worse = {name: value for name, value in found.items() if value > stored[preset][name] + stored["worse"][name]}
    assert not worse
