"""Many processes on one job, killed at any moment. Long: run with `pytest -m stress`."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import moving_face, write_clip
from faceblur import images
from faceblur.context import Context
from faceblur.crew import blur
from faceblur.job import Job
from faceblur.pipeline import assemble, split

pytestmark = [pytest.mark.stress, pytest.mark.timeout(900)]
FRAMES = 500


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a split job of 500 frames and the rendered frames of one undisturbed worker."""
    folder = tmp_path_factory.mktemp("undisturbed")
    write_clip(folder / "input" / "long.mp4", moving_face(FRAMES, 128, 96))
    start(folder, "run", "input/long.mp4").wait()
    assert len(blurred(folder / "output")) == FRAMES
    return folder


def start(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "FACEBLUR_TESTING": "1", "FACEBLUR_DETECTOR": "null", "FACEBLUR_PROGRESS": "none"}
    command = [sys.executable, "-m", "faceblur", *arguments]
    return subprocess.Popen(command, cwd=folder, env=environment, start_new_session=True)


def blurred(output: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in (output / "long").glob("frame_*.png.blurred.png")}


def test_mistake_05_eight_processes_make_every_output_exactly_once(undisturbed: Path, tmp_path: Path) -> None:
    (tmp_path / "input").symlink_to(undisturbed / "input")
    watched = Watch(tmp_path / "output" / "long")
    workers = [start(tmp_path, "blur", "long") for _ in range(8)]
    while any(worker.poll() is None for worker in workers):
        watched.look()
        time.sleep(0.002)
    assert [worker.returncode for worker in workers] == [0] * 8
    watched.look()
    assert blurred(tmp_path / "output") == blurred(undisturbed / "output")
    assert len(watched.seen) == 2 * FRAMES
    assert [name for name, inodes in watched.seen.items() if len(inodes) > 1] == []


class Watch:
    """Which files were put under each name; a second one under a name is work done twice."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seen: dict[str, set[tuple[int, int]]] = {}

    def look(self) -> None:
        for folder in (self.folder, self.folder / "detections" / "null"):
            try:
                entries = list(os.scandir(folder))
            except FileNotFoundError:
                continue
            for entry in entries:
                if entry.name.startswith("frame_"):
                    stat = entry.stat()
                    self.seen.setdefault(entry.name, set()).add((stat.st_ino, stat.st_mtime_ns))


@pytest.mark.parametrize("seed", range(4))
def test_killed_workers_lose_nothing_and_a_new_run_gives_the_same_frames(
    undisturbed: Path, tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    (tmp_path / "input").symlink_to(undisturbed / "input")
    workers = [start(tmp_path, "blur", "long", "--workers", rng.choice(["1", "2"])) for _ in range(3)]
    for _ in range(5):
        time.sleep(rng.uniform(0.2, 1.2))
        victim = rng.choice(workers)
        try:
            os.killpg(victim.pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
        for path in (tmp_path / "output" / "long").glob("frame_*.png"):
            assert images.read(path).shape == (96, 128, 3), "a file under its final name is whole"
        workers.append(start(tmp_path, "blur", "long"))
    for worker in workers:
        worker.wait()
    assert start(tmp_path, "blur", "long").wait() == 0
    assert blurred(tmp_path / "output") == blurred(undisturbed / "output")
    assert not list(tmp_path.rglob(".*.tmp*"))


def test_a_killed_helper_process_does_not_keep_its_parent_from_completing(undisturbed: Path, tmp_path: Path) -> None:
    (tmp_path / "input").symlink_to(undisturbed / "input")
    parent = start(tmp_path, "blur", "long", "--workers", "3")
    children: list[int] = []
    while len(children) < 3 and parent.poll() is None:
        children = [int(p) for p in Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()]
        time.sleep(0.05)
    for child in children:
        os.kill(child, signal.SIGKILL)
    assert parent.wait() == 0
    assert blurred(tmp_path / "output") == blurred(undisturbed / "output")


def test_a_killed_run_leaves_no_video_and_goes_on(tmp_path: Path, context: Callable[..., Context]) -> None:
    write_clip(tmp_path / "input" / "long.mp4", moving_face(FRAMES, 128, 96), sound=True)
    for delay in (0.4, 0.8, 1.5, 2.5, 4.0):
        process = start(tmp_path, "run", "input/long.mp4")
        time.sleep(delay)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            assert not list(tmp_path.rglob("long-blurred.mp4"))
    assert start(tmp_path, "run", "input/long.mp4").wait() == 0
    assert (tmp_path / "output/long/long-blurred.mp4").is_file()
    assert not list(tmp_path.rglob(".*.tmp*"))


def test_blocks_are_so_small_that_workers_end_together(undisturbed: Path, tmp_path: Path) -> None:
    """The last frames of eight workers come within a moment of each other: nobody sits on a long block alone."""
    job = Job("long", undisturbed / "input", undisturbed / "output")
    plan = job.plan()
    assert plan is not None
    largest = max(len(block) for _, block in job.blocks(plan.numbers))
    assert largest <= FRAMES / 8 / 25, "a block is at most a 25th of one worker's share"


def test_two_runs_of_one_source_at_once_end_well_and_alike(tmp_path: Path) -> None:
    write_clip(tmp_path / "input" / "long.mp4", moving_face(120, 128, 96), sound=True)
    runs = [start(tmp_path, "run", "input/long.mp4") for _ in range(2)]
    assert [run.wait() for run in runs] == [0, 0]
    assert (tmp_path / "output/long/long-blurred.mp4").is_file()


def test_thousands_of_frames_are_claimed_with_little_overhead(tmp_path: Path, context: Callable[..., Context]) -> None:
    """Claims, listings and looking at what is missing: counted as lock files and not as time."""
    write_clip(tmp_path / "input" / "long.mp4", moving_face(7000, 32, 32, 8))
    r = context()
    job = split(tmp_path / "input" / "long.mp4", r)
    blur(job, r)
    assert assemble(job, r).is_file()
    assert len(list((job.folder / "claims").glob("*.lock"))) < 2 * 7000 / 30 + 20
