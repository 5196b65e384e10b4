"""Many workers on one job, the plan, and what happens to frames that cannot be done."""

import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from conftest import moving_face, picture, write_clip
from faceblur import detectors, files, images, options, weights
from faceblur import job as jobs
from faceblur import worker as module
from faceblur.assemble import assemble
from faceblur.claims import claim
from faceblur.context import Context
from faceblur.crew import blur
from faceblur.detectors.base import Rows
from faceblur.detectors.null import Null
from faceblur.domain import Box
from faceblur.errors import IncompleteError, Interrupted, MissingError, OutputError
from faceblur.job import Job
from faceblur.pace import Pace
from faceblur.pipeline import clean, split
from faceblur.plan import Plan
from faceblur.temporal import Evidence
from faceblur.worker import Worker

Make = Callable[..., Context]


def blurred(job: Job) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(job.folder.glob("frame_*.png.blurred.png"))}


def times(job: Job) -> dict[str, int]:
    """When each evidence file and rendered frame was written."""
    paths = [p for kind in ("detections/*/*.json", "motion/*.json", "*.png") for p in job.folder.glob(kind)]
    return {str(p.relative_to(job.folder)): p.stat().st_mtime_ns for p in paths}


def rewritten(before: dict[str, int], after: dict[str, int]) -> set[str]:
    return {name for name, stamp in after.items() if before.get(name) != stamp}


def test_blur_renders_every_frame_and_hides_the_faces(job: Job, context: Make) -> None:
    blur(job, context(style="solid"))
    assert len(blurred(job)) == 12
    for number in range(1, 13):
        source, result = images.read(job.frames.path(number)), images.read(job.pictures.blurred_path(number))
        green = (source[..., 1] > 200) & (source[..., 2] < 60) & (source[..., 0] < 60)
        assert green.any()
        assert result[green].max() < 30 or (result[green].max(axis=1) > 30).mean() < 0.1
        assert not ((result[..., 1] > 200) & (result[..., 2] < 60)).any()


def test_a_second_blur_writes_nothing(job: Job, context: Make) -> None:
    blur(job, context())
    before = times(job)
    blur(job, context())
    assert rewritten(before, times(job)) == set()


@pytest.mark.parametrize("changes", [{"threshold": 0.999}, {"grow": 0.4}, {"style": "solid"}, {"shape": "box"}])
def test_options_of_solve_and_render_redo_no_detection(job: Job, context: Make, changes: dict[str, object]) -> None:
    blur(job, context())
    before = times(job)
    blur(job, context(**changes))
    redone = rewritten(before, times(job))
    assert redone
    assert not [name for name in redone if name.startswith("detections")]


def test_a_deleted_frame_alone_is_rendered_again(job: Job, context: Make) -> None:
    blur(job, context())
    before, pictures = times(job), blurred(job)
    job.pictures.blurred_path(5).unlink()
    blur(job, context())
    assert rewritten(before, times(job)) == {job.pictures.blurred_path(5).name}
    assert blurred(job) == pictures


@pytest.mark.parametrize("what", ["evidence", "regions", "solve", "plan"])
def test_any_other_deleted_file_is_made_again_and_the_pictures_stay(job: Job, context: Make, what: str) -> None:
    blur(job, context())
    before, pictures = times(job), blurred(job)
    path = {
        "evidence": job.evidence.path("null", 7),
        "regions": job.solution.regions_path(7),
        "solve": job.solution.path,
        "plan": job.plan_path,
    }[what]
    path.unlink()
    blur(job, context())
    assert path.exists()
    assert rewritten(before, times(job)) == ({"detections/null/frame_0000000007.json"} if what == "evidence" else set())
    assert blurred(job) == pictures


def test_no_frame_is_rendered_that_no_detector_was_to_see(job: Job, context: Make) -> None:
    blur(job, context())
    pictures = blurred(job)
    job.remove_detections("null")
    for render_only in (Worker(job, context()).solve, Worker(job, context()).render):
        plan = job.plan()
        assert plan is not None
        with pytest.raises(IncompleteError, match="no detector has seen frame 1"):
            render_only(replace(plan, debug=True))
    assert blurred(job).items() <= pictures.items()
    blur(job, context())
    assert job.evidence.has("null", 12)
    assert blurred(job) == pictures


def test_damaged_evidence_is_made_again(job: Job, context: Make) -> None:
    blur(job, context())
    job.evidence.path("null", 3).write_text('{"frame": 3, "stamp"')
    blur(job, context())
    assert job.evidence.has("null", 3)


def test_another_detector_sees_only_the_frames_whose_picture_was_deleted(job: Job, context: Make) -> None:
    blur(job, context())
    before = times(job)
    job.pictures.blurred_path(4).unlink()
    blur(job, context(detector="haar"))
    redone = rewritten(before, times(job))
    assert {name for name in redone if "haar" in name} == {"detections/haar/frame_0000000004.json"}
    assert not [name for name in redone if name.startswith("detections/null")]
    assert job.pictures.blurred_path(4).exists()


def test_with_every_another_detector_sees_all_frames_and_old_evidence_stays(job: Job, context: Make) -> None:
    blur(job, context())
    blur(job, context(detector="haar"), every=True)
    plan = job.plan()
    assert plan is not None
    assert plan.planned("haar") == plan.planned("null") == list(range(1, 13))


def test_a_changed_source_frame_is_detected_and_rendered_again(job: Job, context: Make) -> None:
    blur(job, context())
    before = times(job)
    images.write(job.frames.path(6), picture(faces=[(10, 10, 30, 30), (50, 20, 80, 50)], seed=99))
    blur(job, context())
    seen = {"detections/null/frame_0000000006.json", "motion/frame_0000000006.json", "motion/frame_0000000007.json"}
    assert seen | {job.pictures.blurred_path(6).name} <= rewritten(before, times(job))
    assert {r.track.split(".")[0] for r in job.solution.regions(6)} >= {"6"}


def test_mistake_02_a_frame_that_cannot_be_read_stops_the_job(job: Job, context: Make) -> None:
    job.frames.path(5).write_bytes(
        job.frames.path(5).read_bytes()[:-30] + bytes(18) + b"\x00\x00\x00\x00IEND\xaeB`\x82"
    )
    with pytest.raises(IncompleteError, match="frame 5 failed 3 times"):
        blur(job, context())
    assert len(list(job.folder.glob("detections/null/*.json"))) == 11, "the rest goes on"
    assert not blurred(job), "nothing is rendered before every frame was seen"


def test_a_frame_without_faces_keeps_its_picture_bit_for_bit(tmp_path: Path, context: Make) -> None:
    job = split(write_clip(tmp_path / "input" / "empty.mp4", [picture(seed=i) for i in range(3)]), context())
    blur(job, context())
    for number in (1, 2, 3):
        source, result = job.frames.path(number).read_bytes(), job.pictures.blurred_path(number).read_bytes()
        stamp = images.stamp_of(result)
        assert stamp is not None
        assert result == images.stamped(source, stamp)
        assert result != source


def test_a_full_disk_ends_with_the_output_error(job: Job, context: Make, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    small = tmp_path / "small"
    small.mkdir()
    assert os.system(f"mount -t tmpfs -o size=100k tmpfs {small}") == 0
    try:
        full = Job(job.name, job.input_folder, small)
        with pytest.raises(OutputError, match="the disk is full"):
            blur(full, context(output=small))
        assert all(images.read_stamp(p) for p in small.rglob("*.blurred.png"))
    finally:
        os.system(f"umount {small}")


def test_an_output_folder_without_rights_is_an_output_error(job: Job, context: Make) -> None:
    job.folder.parent.mkdir(exist_ok=True)
    job.folder.write_text("a file where the folder should be")
    with pytest.raises(OutputError):
        blur(job, context())


def test_a_stopped_worker_releases_and_a_new_one_completes(job: Job, context: Make) -> None:
    stopping = context()
    worker = Worker(job, stopping)
    seen = []

    def stop_at_four(step: object) -> None:
        seen.append(step)
        if len(seen) == 4:
            stopping.stop.ask()

    stopping.progress.update = stop_at_four  # type: ignore[method-assign]
    with pytest.raises(Interrupted), worker.joined():
        worker.work()
    assert len(list(job.folder.glob("detections/null/*.json"))) == 4
    assert job.workers.living() == {}
    blur(job, context())
    assert len(blurred(job)) == 12


def test_workers_with_other_options_are_refused_while_one_is_alive(job: Job, context: Make) -> None:
    first, second = Worker(job, context(threshold=0.2)), Worker(job, context(threshold=0.3))
    with first.joined(), pytest.raises(IncompleteError, match="another threshold"), second.joined():
        pass
    with second.joined() as plan:
        assert plan.threshold == 0.3


@pytest.fixture
def together(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """As on a GPU: the detector is to be given three frames at once. The list holds how many it was given each time."""
    given: list[int] = []
    alone = Null.batch

    def batch(self: Null, seen: Sequence[images.Image]) -> list[Rows]:
        given.append(len(seen))
        return alone(self, seen)

    monkeypatch.setattr(Null, "at_once", lambda self, width, height: 3)
    monkeypatch.setattr(Null, "batch", batch)
    return given


def in_blocks_of(frames: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_SHARES", 1)
    monkeypatch.setattr(jobs, "_BLOCK", frames)


def test_frames_looked_at_together_are_answered_as_one_by_one(
    job: Job, context: Make, together: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    in_blocks_of(5, monkeypatch)
    blur(job, context())
    assert together == [3, 1, 3, 2, 3]  # frames 1-4, 5-9, 10-12
    evidence = {p: p.read_bytes() for p in job.folder.glob("detections/null/*.json")}
    pictures = blurred(job)
    clean(job, "detections", "null")
    monkeypatch.undo()
    blur(job, context(), every=True)
    assert blurred(job) == pictures
    assert len(evidence) == 12
    assert {p: p.read_bytes() for p in evidence} == evidence


def test_what_is_looked_at_together_and_seldom_is_what_one_by_one_would_be(
    job: Job, context: Make, together: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    in_blocks_of(12, monkeypatch)
    evidence = ("detections/null/*.json", "motion/*.json")
    blur(job, context(every=2))
    assert together == [3, 3, 1]  # frames 1, 3, ... 11; 12
    made = {p: p.read_bytes() for kind in evidence for p in job.folder.glob(kind)}
    pictures = blurred(job)
    shutil.rmtree(job.folder)
    monkeypatch.undo()
    blur(job, context(every=2))
    assert {p: p.read_bytes() for kind in evidence for p in job.folder.glob(kind)} == made
    assert blurred(job) == pictures


def test_what_another_made_until_a_block_was_ours_is_not_looked_at_again(
    job: Job, context: Make, together: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = Worker(job, context()), Worker(job, context())
    others: list[Worker] = [second]

    @contextmanager
    def late(path: Path) -> Iterator[bool]:
        if others:
            others.pop().detect(plan)
        with claim(path) as ours:
            yield ours

    with first.joined() as plan:
        monkeypatch.setattr(module, "claim", late)
        first.detect(plan)
    assert sum(together) == 12


def test_a_frame_that_cannot_be_read_takes_none_of_its_batch_with_it(
    job: Job, context: Make, together: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    in_blocks_of(5, monkeypatch)
    job.frames.path(6).write_bytes(b"no picture")
    with pytest.raises(IncompleteError, match=r"frame 6 failed 3 times"):
        blur(job, context())
    assert [n for n in range(1, 13) if job.evidence.has("null", n)] == [1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12]


def test_a_frame_that_a_detector_fails_on_takes_none_of_its_batch_with_it(
    job: Job, context: Make, together: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    in_blocks_of(5, monkeypatch)
    sixth, rows = images.read(job.frames.path(6)), Null.rows

    def fails(self: Null, image: images.Image) -> Rows:
        if np.array_equal(image, sixth):
            raise RuntimeError("out of memory")
        return rows(self, image)

    monkeypatch.setattr(Null, "rows", fails)
    with pytest.raises(IncompleteError, match=r"frame 6 failed 3 times: RuntimeError: out of memory"):
        blur(job, context())
    assert sum(job.evidence.has("null", n) for n in range(1, 13)) == 11


def test_a_second_detector_may_join_a_living_worker(job: Job, context: Make) -> None:
    with Worker(job, context()).joined(), Worker(job, context(detector="haar")).joined() as plan:
        assert set(plan.detectors) == {"null", "haar"}


def test_who_joins_late_and_wants_more_looks_gets_them_from_all(job: Job, context: Make) -> None:
    for number in range(1, 13):  # one shot
        images.write(job.frames.path(number), picture())
    first = Worker(job, context(every=6))
    with first.joined() as before:
        first.detect(before)
        assert [n for n in before.numbers if job.evidence.has("null", n)] == [1, 7, 12]
        with Worker(job, context(every=4)).joined() as plan:
            assert plan.pace("null") == Pace(2)
        first.work()
    assert [n for n in plan.numbers if job.evidence.has("null", n)] == [1, 3, 5, 7, 9, 11, 12]
    assert len(blurred(job)) == 12


def test_two_workers_that_look_seldom_share_what_one_alone_would_look_at(
    tmp_path: Path, context: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = [picture(faces=[(8, 8, 24, 24)]) if n < 10 else picture() * np.uint8(0) for n in range(20)]
    job = split(write_clip(tmp_path / "input" / "cut.mp4", shown), context())
    blur(job, context(every=4))
    alone, seen = blurred(job), sorted(p.name for p in job.evidence.path("null", 1).parent.iterdir())
    assert [int(name[6:16]) for name in seen] == [1, 5, 9, 10, 11, 13, 17, 20]
    shutil.rmtree(job.folder)
    blur(job, context(every=4, workers=2))
    assert blurred(job) == alone
    assert sorted(p.name for p in job.evidence.path("null", 1).parent.iterdir()) == seen


def test_a_frame_asked_for_alone_is_looked_at_however_seldom_that_is(job: Job, context: Make) -> None:
    blur(job, context())
    job.pictures.blurred_path(4).unlink()
    blur(job, context(detector="haar", every=3))
    assert [n for n in range(1, 13) if job.evidence.has("haar", n)] == [4]


def test_planned_work_of_nobody_is_done_by_whoever_can(job: Job, context: Make) -> None:
    with Worker(job, context(detector="haar")).joined(every=True):
        pass
    blur(job, context())
    assert job.evidence.has("haar", 12)


def test_planned_work_that_nobody_can_do_names_the_detector(
    job: Job, context: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Worker(job, context(detector="haar")).joined(every=True):
        pass
    create = detectors.create

    def without_haar(name: str, *rest: object) -> detectors.Detector:
        if name == "haar":
            raise MissingError("no cascades here")
        return create(name, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(detectors, "create", without_haar)
    with pytest.raises(IncompleteError, match="waits for haar, which nobody runs"):
        blur(job, context())


@pytest.fixture
def older(job: Job, context: Make, monkeypatch: pytest.MonkeyPatch) -> Job:
    """A job that was blurred by a version with another detector."""
    with monkeypatch.context() as then:
        then.setitem(detectors.ENSEMBLES, "fast.0", detectors.Mix(("null",)))
        blur(job, context(detector="fast.0"))
    return job


def test_a_detector_of_another_version_that_did_not_see_all_is_given_up_loudly(older: Job, context: Make) -> None:
    told: list[str] = []
    older.evidence.path("fast.0", 7).unlink()
    newer = context()
    newer.progress.warn = told.append  # type: ignore[method-assign]
    blur(older, newer)
    assert [line.partition(":")[0] for line in told] == ["clip was begun with fast.0, which this version does not have"]
    plan = older.plan()
    assert plan is not None
    assert plan.planned("null") == list(plan.numbers)
    assert (older.knows("fast.0"), len(blurred(older))) == (False, 12)


def test_no_work_of_another_version_is_given_up_for_a_frame_that_is_missing(older: Job, context: Make) -> None:
    older.frames.path(3).unlink()
    with pytest.raises(IncompleteError, match="lacks frame 3"):
        blur(older, context())
    assert older.knows("fast.0")


def test_no_work_of_another_version_is_given_up_for_a_frame_that_cannot_be_read(older: Job, context: Make) -> None:
    older.frames.path(3).write_bytes(older.frames.path(3).read_bytes()[:-20])
    with pytest.raises(IncompleteError):
        blur(older, context())
    assert older.evidence.has("fast.0", 4)


def test_no_work_of_another_version_is_given_up_for_motion_that_is_not_known(older: Job, context: Make) -> None:
    older.evidence.motion_path(5).unlink()
    blur(older, context())
    assert older.evidence.has("fast.0", 5)


def test_a_preset_is_forgotten_by_its_name_whatever_it_stood_for_then(older: Job) -> None:
    clean(older, "detections", "fast")
    assert not older.knows("fast.0")


def test_what_a_detector_of_another_version_said_of_all_frames_counts(older: Job, context: Make) -> None:
    before = times(older)
    blur(older, context())
    assert rewritten(before, times(older)) == set()
    assert older.knows("fast.0")


@pytest.mark.parametrize("kept", [True, False], ids=["while it is written", "of a killed process"])
def test_a_file_that_is_being_assembled_is_no_leftover(job: Job, context: Make, kept: bool) -> None:
    blur(job, context())
    with files.atomic(job.folder / "clip-blurred.mp4") as temporary:
        temporary.write_bytes(b"half")
        with claim(job.claim_path("assemble")) if kept else nullcontext():
            blur(job, context())
        assert temporary.exists() == kept
        temporary.write_bytes(b"whole")


def test_a_block_that_another_worker_holds_is_left_to_it(job: Job, context: Make) -> None:
    worker = Worker(job, context())
    with worker.joined() as plan:
        name, block = job.blocks(plan.numbers)[2]
        path = job.claim_path(f"detect-null-{name:010}")
        path.parent.mkdir(parents=True, exist_ok=True)
        done = []
        with claim(path):
            worker.context.progress.update = lambda step: done.append(step.done)  # type: ignore[method-assign]
            with pytest.raises(Interrupted):
                _stop_when(worker, lambda: len(done) >= 12 - len(block))
        assert {n for n in plan.numbers if not job.evidence.has("null", n)} == set(block)


def _stop_when(worker: Worker, enough: Callable[[], bool]) -> None:
    wait = worker.context.stop.wait

    def ask_then_wait(seconds: float) -> None:
        if enough():
            worker.context.stop.ask()
        wait(seconds)

    worker.context.stop.wait = ask_then_wait  # type: ignore[method-assign]
    worker.work()


def test_a_claim_costs_less_than_a_thousandth_of_a_second_of_processor(tmp_path: Path) -> None:
    began = time.process_time()
    for number in range(500):
        with claim(tmp_path / f"{number % 50}.lock") as ours:
            assert ours
    assert (time.process_time() - began) / 500 < 0.001


def test_blocks_are_the_same_for_every_worker_and_small_for_short_jobs(job: Job, context: Make) -> None:
    with Worker(job, context()).joined() as plan:
        assert [len(block) for _, block in job.blocks(plan.numbers)] == [1] * 12
        job.write_plan(replace(plan, last=100_000))
        long = job.blocks(range(1, 100_001))
        assert max(len(block) for _, block in long) == 32
        assert dict(job.blocks(range(50, 60))).keys() <= dict(long).keys()


def test_a_kept_region_is_left_visible_only_where_it_is_the_only_one(job: Job, context: Make) -> None:
    blur(job, context())
    region = job.solution.regions(3)[0]
    job.decisions.path.write_text(
        f'{{"id": "1", "action": "keep", "kind": "face", "boxes": [[3, {region.box.to_json()}]]}}\n'
    )
    blur(job, context())
    assert job.solution.regions(3) == ()
    assert len(job.solution.regions(4)) == 1


def test_a_hidden_box_is_hidden_between_its_frames(job: Job, context: Make) -> None:
    job.folder.mkdir(parents=True)
    job.decisions.path.write_text(
        '{"id": "9", "action": "hide", "kind": "plate", "boxes": [[2, [0, 0, 10, 10]], [6, [40, 0, 50, 10]]]}\n'
    )
    blur(job, context())
    hidden = {
        n: [(r.box.left + r.box.right) / 2 for r in job.solution.regions(n) if r.reason == "decision 9"]
        for n in range(1, 8)
    }
    assert hidden == {1: [], 2: [5], 3: [15], 4: [25], 5: [35], 6: [45], 7: []}


def test_two_workers_that_each_gave_up_a_frame_do_not_wait_for_each_other(job: Job, context: Make) -> None:
    job.frames.path(5).write_bytes(
        job.frames.path(5).read_bytes()[:-30] + bytes(18) + b"\x00\x00\x00\x00IEND\xaeB`\x82"
    )
    alive = Worker(job, context(detector="haar"))  # and it never makes frame 5
    with alive.joined(every=True), pytest.raises(IncompleteError, match="frame 5 failed"):
        blur(job, context())


def test_a_picture_changed_by_hand_is_not_written_over(job: Job, context: Make) -> None:
    blur(job, context())
    images.write(job.pictures.blurred_path(2), picture(seed=5))
    mine = job.pictures.blurred_path(2).read_bytes()
    with pytest.raises(IncompleteError, match="was changed by hand"):
        blur(job, context())
    assert job.pictures.blurred_path(2).read_bytes() == mine


def test_emptied_regions_are_noticed_and_made_again(job: Job, context: Make) -> None:
    blur(job, context())
    pictures = blurred(job)
    for number in range(1, 13):
        job.solution.regions_path(number).write_text(f'{{"frame":{number},"regions":[]}}')
    blur(job, context())
    assert blurred(job) == pictures


def test_a_decision_written_while_the_solve_runs_is_due_for_the_next(
    job: Job, context: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = job.decisions.text

    def written_meanwhile(plan: Plan) -> str:
        before = text(plan)
        if not before:
            job.decisions.path.write_text('{"id": "1", "action": "hide", "boxes": [[1, [0, 0, 10, 10]]]}\n')
        return before

    worker = Worker(job, context())
    with worker.joined() as plan:
        worker.detect(plan)
        monkeypatch.setattr(job.solution, "is_current", lambda plan: False)
        monkeypatch.setattr(job.decisions, "text", written_meanwhile)
        worker.solve(plan)
        monkeypatch.undo()
        assert not job.solution.is_current(plan)


def test_a_plan_that_is_no_longer_in_force_does_not_undo_the_solve_of_the_one_that_is(job: Job, context: Make) -> None:
    """Else whoever asked for more could end well while what only the new detector saw is hidden no longer."""
    first = Worker(job, context())
    with first.joined() as plan:
        first.detect(plan)
        blur(job, context(detector="null@flip"))
        pictures = blurred(job)
        first.solve(plan)
        newer = job.plan()
        assert newer is not None
        assert newer != plan
        assert job.solution.is_current(newer)
        first.work()
    assert blurred(job) == pictures


@pytest.mark.parametrize("number", [1, 5, 6])
def test_a_frame_replaced_between_solve_and_render_is_not_rendered(job: Job, context: Make, number: int) -> None:
    """Its regions are those of the picture that was there; every second frame is not looked at itself."""
    worker = Worker(job, context(every=2))
    with worker.joined() as plan:
        worker.detect(plan)
        worker.solve(plan)
        images.write(job.frames.path(number), picture(faces=[(70, 40, 90, 60)]))
        with pytest.raises(IncompleteError, match=f"{number:010}.png was replaced .* run blur again"):
            worker.render(plan)
    assert not job.pictures.blurred_path(number).exists()
    blur(job, context(every=2))
    assert len(blurred(job)) == 12


@pytest.mark.parametrize("step", ["detect", "render"])
def test_a_frame_that_is_another_one_for_a_moment_is_not_taken_for_the_one_before_and_after(
    job: Job, context: Make, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Nothing is in frame 3, so that its file would be copied as it is."""
    images.write(job.frames.path(3), picture())
    worker, whole, read = Worker(job, context()), job.frames.path(3).read_bytes(), images.read_bytes

    def another(path: Path) -> bytes:
        if path != job.frames.path(3):
            return read(path)
        monkeypatch.undo()  # once
        path.write_bytes(images.encode(picture(faces=[(70, 40, 90, 60)])))
        try:
            return read(path)
        finally:
            path.write_bytes(whole)

    with worker.joined() as plan:
        if step == "render":
            worker.detect(plan)
            worker.solve(plan)
        monkeypatch.setattr(images, "read_bytes", another)
        with pytest.raises(IncompleteError, match="was replaced") if step == "render" else nullcontext():
            getattr(worker, step)(plan)
    assert job.evidence.heard("null", 3) == []
    assert images.read_bytes is read
    assert not job.pictures.blurred_path(3).exists()


def test_who_saw_a_frame_that_was_replaced_during_a_solve_has_it_solved_again(
    job: Job, context: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would be rendered with the regions of the picture that was there, and all workers would end well."""
    first, second, evidence = Worker(job, context()), Worker(job, context()), job.watch.evidence
    read: list[Plan] = []
    about_to_solve = threading.Event()

    def solve(plan: Plan) -> None:
        about_to_solve.set()
        Worker.solve(second, plan)

    def replaced_meanwhile(plan: Plan) -> Iterator[Evidence]:
        yield from evidence(plan)
        read.append(plan)
        if len(read) == 2:  # once for the digest of the evidence, once to solve it
            images.write(job.frames.path(5), picture(faces=[(70, 40, 90, 60)]))
            thread.start()
            assert about_to_solve.wait(20)

    monkeypatch.setattr(second, "solve", solve)
    monkeypatch.setattr(job.watch, "evidence", replaced_meanwhile)
    thread = threading.Thread(target=second.work)
    with first.joined() as plan:
        first.work()
        thread.join()
    assert job.solution.is_current(plan)
    assert all(job.pictures.is_rendered(plan, number) for number in plan.numbers)
    assert any(region.box.touches(Box(70, 40, 90, 60)) for region in job.solution.regions(5))


@pytest.mark.parametrize("count", [None, "", '{"begun":0}', '{"begun":"7"}', '{"begun":null}'])
def test_where_the_count_of_solves_was_lost_an_older_solve_is_not_taken_for_a_new_one(
    job: Job, context: Make, count: str | None
) -> None:
    """As when the power fails before it is on the disk: the regions would stay those of the picture that was there."""
    blur(job, context())
    if count is None:
        job.solution.begun_path.unlink()
    else:
        job.solution.begun_path.write_text(count)
    images.write(job.frames.path(5), picture(faces=[(70, 40, 90, 60)]))
    blur(job, context())
    plan = job.plan()
    assert plan is not None
    assert job.solution.is_current(plan)
    assert any(region.box.touches(Box(70, 40, 90, 60)) for region in job.solution.regions(5))


def test_regions_that_two_wrote_at_once_are_not_taken_for_those_of_one(
    job: Job, context: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where locks do not hold, as on some network shares, a mixture of two solves must be found out."""
    worker, write = Worker(job, context()), files.write

    def written_by_two(path: Path, data: bytes, *, sync: bool = False) -> None:
        write(path, data, sync=sync)
        if path == job.solution.regions_path(9):
            write(job.solution.regions_path(3), b'{"frame":3,"regions":[]}')

    with worker.joined() as plan:
        worker.detect(plan)
        monkeypatch.setattr(files, "write", written_by_two)
        worker.solve(plan)
        monkeypatch.undo()
        assert not job.solution.is_current(plan)
    blur(job, context())
    assert job.solution.regions(3)


def test_frames_of_two_jobs_in_one_folder_never_mix(job: Job, context: Make, tmp_path: Path) -> None:
    other = split(write_clip(tmp_path / "input" / "other.mp4", moving_face(5, 64, 48)), context())
    blur(job, context())
    blur(other, context())
    assert len(blurred(job)) == 12
    assert len(blurred(other)) == 5
    assert images.size(other.pictures.blurred_path(1)) == (64, 48)


def test_a_picture_is_never_stamped_with_regions_it_was_not_drawn_with(
    job: Job, context: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    blur(job, context())
    job.pictures.blurred_path(3).unlink()
    worker = Worker(job, context())
    later, read = job.solution.regions_path(4).read_text().replace('"frame":4', '"frame":3'), job.frames.read

    def solved_meanwhile(number: int) -> tuple[str, bytes]:
        job.solution.regions_path(3).write_text(later)
        return read(number)

    monkeypatch.setattr(job.frames, "read", solved_meanwhile)
    with worker.joined() as plan:
        worker._render(plan, 3)
        assert not job.pictures.is_rendered(plan, 3)


def test_progress_counts_the_faces_of_frames_that_were_done_before(job: Job, context: Make) -> None:
    blur(job, context())
    for number in (3, 4):
        job.pictures.blurred_path(number).unlink()
    again, steps = context(), []
    again.progress.end = steps.append  # type: ignore[method-assign]
    blur(job, again)
    assert [(step.name, step.done, step.faces) for step in steps] == [("render", 12, 12)]


@pytest.fixture
def without_slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """Options that ask for the preset slow, whose weights cannot be had; the detector for tests takes its place."""
    for name in detectors.needs("slow.8"):
        monkeypatch.setitem(weights.TABLE, name, replace(weights.TABLE[name], urls=(), wheel=""))
    monkeypatch.setitem(options.SUBSTITUTES, "slow.8", "null")
    return {"detector": "slow", "weights": (tmp_path / "weights",)}


def test_what_could_not_be_had_stands_once_in_the_plan(
    job: Job, context: Make, without_slow: dict[str, object]
) -> None:
    blur(job, context(**without_slow))
    blur(job, context(**without_slow), every=True)
    missing = json.loads(job.plan_path.read_text())["missing"]
    assert list(missing) == ["slow.8"]
    assert missing["slow.8"].startswith("null took its place: the weights of ")
    assert job.evidence.has("null", 12)


def test_what_could_not_be_had_stands_in_the_report(job: Job, context: Make, without_slow: dict[str, object]) -> None:
    blur(job, context(**without_slow))
    assemble(job, context())
    assert list(job.reports.last()["plan"]["missing"]) == ["slow.8"]


def test_what_is_there_at_last_is_no_longer_missing(job: Job, context: Make) -> None:
    with Worker(job, context(), missing={"null": "haar took its place", "slow.8": "null took its place"}).joined():
        pass
    with Worker(job, context()).joined() as plan:
        assert list(plan.missing) == ["slow.8"]


def test_where_all_could_be_had_nothing_is_missing(job: Job, context: Make) -> None:
    blur(job, context())
    assert json.loads(job.plan_path.read_text())["missing"] == {}


def test_where_two_must_agree_frames_that_one_was_to_see_stay_hidden(job: Job, context: Make) -> None:
    blur(job, context(agree=2, look_back=0, look_ahead=0))
    hidden = {number for number in range(1, 13) if job.solution.regions(number)}
    job.pictures.blurred_path(4).unlink()
    blur(job, context(detector="null+null@flip", agree=2, look_back=0, look_ahead=0))
    assert hidden == {number for number in range(1, 13) if job.solution.regions(number)} == set(range(1, 13))


def test_what_the_other_of_two_that_must_agree_does_not_see_stays_visible(job: Job, context: Make) -> None:
    blur(job, context(detector="null+haar", agree=2))
    assert not any(job.solution.regions(number) for number in range(1, 13))


def test_all_processes_use_what_took_a_missing_detectors_place(
    job: Job, context: Make, without_slow: dict[str, object]
) -> None:
    blur(job, context(workers=2, **without_slow))
    plan = job.plan()
    assert plan is not None
    assert set(plan.detectors) == {"null"}
    assert len(blurred(job)) == 12


def test_faces_are_looked_for_also_where_others_looked_for_plates(job: Job, context: Make) -> None:
    blur(job, context(detector="haar-plate"))
    blur(job, context())
    plan = job.plan()
    assert plan is not None
    assert plan.planned("null") == list(range(1, 13))
    assert all(job.solution.regions(number) for number in range(1, 13))


def test_what_a_detector_said_and_was_made_to_forget_is_asked_again(job: Job, context: Make) -> None:
    blur(job, context(detector="null+haar"))
    clean(job, "detections", "null")
    assert blurred(job) == {}
    blur(job, context(detector="null+haar"))
    assert all(job.solution.regions(number) for number in range(1, 13))


def test_a_picture_changed_by_hand_stays_when_a_detector_is_forgotten(job: Job, context: Make) -> None:
    blur(job, context())
    images.write(job.pictures.blurred_path(3), picture())
    clean(job, "detections", "null")
    assert list(blurred(job)) == [job.pictures.blurred_path(3).name]


def test_what_took_a_place_is_made_good_when_the_detector_is_there(
    job: Job, context: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(options.SUBSTITUTES, "haar", "null")
    with Worker(job, context(), missing={"haar": "null took its place"}).joined(every=True):
        pass
    blur(job, context())
    blur(job, context(detector="haar"))
    plan = job.plan()
    assert plan is not None
    assert (plan.planned("haar"), plan.missing) == (list(range(1, 13)), {})


def test_a_detector_that_cannot_run_is_told_before_it_is_planned(job: Job, context: Make) -> None:
    with pytest.raises(MissingError):
        blur(job, context(detector="null+yunet", weights=(job.folder / "none",), strict=True))
    assert job.plan() is None


@pytest.mark.parametrize("transfer", [1, 16, 18], ids=["sdr", "pq", "hlg"])
def test_faces_are_found_and_hidden_in_frames_of_16_bits(tmp_path: Path, context: Make, transfer: int) -> None:
    options = {"color_trc": str(transfer), "color_primaries": "9"}
    source = tmp_path / "input" / "deep.mkv"
    write_clip(source, moving_face(3), codec="ffv1", pixel_format="yuv444p10le", options=options)
    deep = split(source, context())
    origin = deep.frames.origin()
    assert origin is not None
    assert origin.video.colour[2] == transfer
    blur(deep, context(style="solid"))
    for number in (1, 2, 3):
        before, after = images.read(deep.frames.path(number)), images.read(deep.pictures.blurred_path(number))
        assert before.dtype == after.dtype == np.uint16
        green = (before[..., 1] > 50000) & (before[..., 2] < 15000)
        assert green.any()
        assert (after[green].max(axis=1) > 8000).mean() < 0.1
        assert (before == after).all(axis=2).mean() > 0.6


def test_alpha_stays_beside_what_is_hidden(tmp_path: Path, context: Make) -> None:
    source = tmp_path / "input" / "alpha.mkv"
    write_clip(source, moving_face(2), codec="ffv1", pixel_format="bgra")
    job = split(source, context())
    blur(job, context(style="solid"))
    before, after = images.read(job.frames.path(1)), images.read(job.pictures.blurred_path(1))
    assert before.shape == after.shape == (64, 96, 4)
    assert (after[28, 12] == (0, 0, 0, 255)).all()


def test_frames_that_are_packed_otherwise_need_no_work_anew(clip: Path, context: Make) -> None:
    job = split(clip, context(png="raw"))
    blur(job, context(png="small"))
    before = times(job)
    job.frames.remove()
    split(clip, context(png="fast"))
    blur(job, context(png="fast"), every=True)
    assert rewritten(before, times(job)) == set()
