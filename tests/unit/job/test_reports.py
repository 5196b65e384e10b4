"""What is told of the outputs of a job."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from faceblur.assemble import assemble
from faceblur.context import Context
from faceblur.crew import blur
from faceblur.errors import MediaError, UsageError
from faceblur.job import Job
from faceblur.verify import verify

Make = Callable[..., Context]


@pytest.fixture
def job(job: Job, context: Make) -> Job:
    """The clip's job, blurred."""
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


@pytest.mark.parametrize("relative", [True, False])
def test_an_output_is_known_where_its_folder_is_seen_at_another_path(
    relative: bool, job: Job, context: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container, and as after rsync."""
    monkeypatch.chdir(tmp_path)
    near = Job(job.name, Path("input"), Path("output")) if relative else job
    made = assemble(near, context(input=near.input_folder, output=near.folder.parent))
    (tmp_path / "output").rename(tmp_path / "elsewhere")
    folder = tmp_path / "elsewhere"
    moved = Job(job.name, tmp_path / "input", folder)
    path, there = folder / job.name / made.name, context(output=folder)
    assert moved.reports.outputs() == [path]
    assert verify(path, there)["path"] == str(path)
    path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(MediaError, match="is not what was made"):
        verify(path, there)
    moved.remove_all()
    assert not moved.folder.exists()


@pytest.mark.parametrize(
    "told", [{}, 5, {"path": "a.mp4"}, {"path": 5, "sha256": "x"}, {"path": "a.mp4", "sha256": None}]
)
@pytest.mark.parametrize("kind", ["blurred", "debug"])
def test_a_damaged_report_tells_of_nothing_and_stops_nobody(
    kind: str, told: object, job: Job, context: Make, tmp_path: Path
) -> None:
    first, second = tmp_path / "first.mp4", tmp_path / "second.mp4"
    for target in (first, second):
        assemble(job, context(out=target))
    [kept] = job.reports.kept_folder.iterdir()
    kept.write_text(json.dumps(json.loads(kept.read_text()) | {kind: told}))
    assert job.reports.outputs() == [second]
    job.reports.path.write_text(json.dumps(job.reports.last() | {kind: told}))
    assert job.reports.outputs() == job.reports.all() == []
    with pytest.raises(UsageError, match="did not make it"):
        assemble(job, context(out=second))
    assert assemble(job, context(out=tmp_path / "third.mp4")).is_file()
