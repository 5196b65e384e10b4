"""What is told of the outputs of a job."""

from collections.abc import Callable
from pathlib import Path

import pytest

from faceblur.assemble import assemble
from faceblur.context import Context
from faceblur.job import Job
from faceblur.split import split
from faceblur.worker import blur

Make = Callable[..., Context]


@pytest.fixture
def job(clip: Path, context: Make) -> Job:
    """The twelve frames of `clip`, blurred."""
    job = split(clip, context())
    blur(job, context(), every=True)
    return job


def test_the_report_of_an_output_stays_when_another_is_made(job: Job, context: Make, tmp_path: Path) -> None:
    first, second = str(tmp_path / "first.mp4"), str(tmp_path / "second.mp4")

    def told() -> list[tuple[str, float]]:
        return [(report["blurred"]["path"], report["plan"]["threshold"]) for report in job.reports.all()]

    assemble(job, context(out=Path(first)))
    before = job.reports.last()["plan"]["threshold"]
    blur(job, context(threshold=0.5))
    assemble(job, context(out=Path(second)))
    assert told() == [(second, 0.5), (first, before)]
    assemble(job, context(out=Path(first)))
    assert told() == [(first, 0.5), (second, 0.5)]
    assert job.reports.outputs() == [Path(first), Path(second)]


def test_only_outputs_that_are_there_are_told_of_wherever_that_is_asked(
    job: Job, context: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    near = Job(job.name, Path("input"), Path("output"))
    usual = assemble(near, context(input=Path("input"), output=Path("output")))
    gone = assemble(job, context(out=tmp_path / "gone.mp4"))
    assert near.reports.outputs() == [gone, usual]
    gone.unlink()
    monkeypatch.chdir(tmp_path / "input")
    assert job.reports.outputs() == [tmp_path / usual]
