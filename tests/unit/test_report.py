"""The report tells what was done to which source, with what, and how much came of it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import picture, write_clip
from faceblur import report
from faceblur.context import Context
from faceblur.job import DirectJob, Job
from faceblur.pipeline import run

Make = Callable[..., Context]


def told(source: Path, make: Make, **options: object) -> dict[str, object]:
    context = make(**options)
    run(source, context)
    return DirectJob(source.stem, context.options.input, context.options.output).reports.last()


@pytest.mark.parametrize("bare", [False, True])
def test_the_report_names_source_options_models_and_steps(clip: Path, context: Make, bare: bool) -> None:
    found = told(clip, context, no_frames=bare)
    assert found["source"]["sha256"] == context().sha256(clip)  # type: ignore[index]
    assert found["source"]["video"]["width"] == 96  # type: ignore[index]
    assert (found["frames"], found["regions"], found["kinds"]) == (12, 12, {"face": 12})
    assert found["models"] == {"null": []}
    assert found["plan"]["threshold"] == 0.25  # type: ignore[index]
    steps = {"detect", "encode"} if bare else {"split", "detect-null", "render", "assemble"}
    assert set(found["steps"]) == steps  # type: ignore[call-overload]
    assert all(step["frames"] == 12 and step["rate"] > 0 for step in found["steps"].values())  # type: ignore[attr-defined]


def test_the_hidden_share_is_that_of_the_picture(tmp_path: Path, context: Make) -> None:
    half = [picture(256, 128, [(0, 0, 128, 128)])] * 4
    source = write_clip(tmp_path / "input" / "half.mp4", half)
    assert told(source, context, shape="box", grow=0.0)["hidden"] == pytest.approx(0.5, abs=0.06)


def test_without_a_face_nothing_is_hidden(tmp_path: Path, context: Make) -> None:
    source = write_clip(tmp_path / "input" / "none.mp4", [picture()] * 3)
    found = told(source, context)
    assert (found["hidden"], found["kinds"]) == (0.0, {})
    assert report.summary(found) == "0 regions hidden"


def test_a_detector_of_an_older_version_has_no_models_but_does_no_harm(clip: Path, context: Make) -> None:
    run(clip, context())
    job = Job("clip", context().options.input, context().options.output)
    plan = job.plan()
    assert plan is not None
    assert report.facts(job, plan.adding("bygone", []))["models"] == {"null": []}


def test_models_are_named_with_their_checksums() -> None:
    [file] = report.models("centerface")
    assert (file["file"], len(file["sha256"])) == ("centerface.onnx", 64)
