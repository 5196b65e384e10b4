"""Claims: one owner at a time, whatever others do to the lock file, and nothing left behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from faceblur.claims import claim
from faceblur.errors import OutputError

HOLD = """
import sys, time
from pathlib import Path
from faceblur.claims import claim
with claim(Path(sys.argv[1])) as ours:
    print(ours, flush=True)
    time.sleep(60)
"""
# Claim, leave a mark that only one may leave, and report when somebody else's mark is there already.
WORK = """
import os, sys, time
from pathlib import Path
from faceblur.claims import claim
folder, end, owned, clashes = Path(sys.argv[1]), time.monotonic() + float(sys.argv[2]), 0, 0
while time.monotonic() < end:
    with claim(folder / "block.lock") as ours:
        if ours:
            owned += 1
            try:
                os.close(os.open(folder / "mark", os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                clashes += 1
            time.sleep(0.0002)
            (folder / "mark").unlink(missing_ok=True)
print(owned, clashes)
"""
# What the careless do to a lock file: open and close it without owning it; own it, unlink it, and let go.
HOSTILE = """
import fcntl, os, sys, time
path, end = sys.argv[1] + "/block.lock", time.monotonic() + float(sys.argv[2])
while time.monotonic() < end:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o666))
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_nlink and os.stat(path).st_ino == os.fstat(descriptor).st_ino:
            os.unlink(path)
    except OSError:
        pass
    os.close(descriptor)
    time.sleep(0.0003)
"""


def start(code: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def ask(path: Path) -> bool:
    with claim(path) as ours:
        return ours


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def held_elsewhere(path: Path) -> subprocess.Popen[str]:
    """Another process that holds the claim on `path`."""
    holder = start(HOLD, path)
    assert holder.stdout
    assert holder.stdout.readline() == "True\n"
    return holder


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_a_free_claim_is_ours(tmp_path: Path) -> None:
    assert ask(tmp_path / "a.lock")


def test_a_claim_makes_its_folder(tmp_path: Path) -> None:
    assert ask(tmp_path / "claims" / "detect" / "a.lock")


def test_a_held_claim_is_refused_in_the_same_process(tmp_path: Path) -> None:
    with claim(tmp_path / "a.lock"):
        assert not ask(tmp_path / "a.lock")


def test_a_held_claim_is_refused_in_another_thread(tmp_path: Path) -> None:
    answers: list[bool] = []
    with claim(tmp_path / "a.lock"):
        thread = threading.Thread(target=lambda: answers.append(ask(tmp_path / "a.lock")))
        thread.start()
        thread.join()
    assert answers == [False]


def test_a_held_claim_is_refused_in_another_process(tmp_path: Path) -> None:
    holder = held_elsewhere(tmp_path / "a.lock")
    assert not ask(tmp_path / "a.lock")
    end(holder)


def test_claims_on_different_files_do_not_disturb_each_other(tmp_path: Path) -> None:
    with claim(tmp_path / "a.lock"):
        assert ask(tmp_path / "b.lock")


def test_a_released_claim_is_free(tmp_path: Path) -> None:
    assert ask(tmp_path / "a.lock")
    assert ask(tmp_path / "a.lock")


def test_a_claim_is_released_when_its_work_fails(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), claim(tmp_path / "a.lock"):
        raise RuntimeError
    assert ask(tmp_path / "a.lock")


def test_a_killed_worker_blocks_nobody(tmp_path: Path) -> None:
    holder = held_elsewhere(tmp_path / "a.lock")
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    assert ask(tmp_path / "a.lock")


def test_a_claim_can_wait(tmp_path: Path) -> None:
    holder = held_elsewhere(tmp_path / "a.lock")
    threading.Timer(0.1, end, (holder,)).start()
    with claim(tmp_path / "a.lock", timeout_s=30) as ours:
        assert ours


def test_a_wait_in_vain_ends(tmp_path: Path) -> None:
    began = time.monotonic()
    with claim(tmp_path / "a.lock"), claim(tmp_path / "a.lock", timeout_s=0.1) as ours:
        assert not ours
    assert time.monotonic() - began < 10


def test_a_lock_file_may_be_used_by_other_accounts(tmp_path: Path) -> None:
    ask(tmp_path / "a.lock")
    assert (tmp_path / "a.lock").stat().st_mode & 0o777 == 0o666


def test_mistake_05_a_released_lock_file_stays_the_same_file(tmp_path: Path) -> None:
    ask(tmp_path / "a.lock")
    before = (tmp_path / "a.lock").stat().st_ino
    ask(tmp_path / "a.lock")
    assert (tmp_path / "a.lock").stat().st_ino == before


def test_mistake_05_opening_and_closing_a_held_lock_file_does_not_free_it(tmp_path: Path) -> None:
    with claim(tmp_path / "a.lock"):
        (tmp_path / "a.lock").read_bytes()
        code = (
            "import sys; from pathlib import Path; from faceblur.claims import claim\n"
            "with claim(Path(sys.argv[1])) as ours: print(ours)"
        )
        told, _ = start(code, tmp_path / "a.lock").communicate()
    assert told == "False\n"


def test_mistake_05_two_workers_never_own_one_block_while_somebody_opens_closes_and_unlinks(tmp_path: Path) -> None:
    seconds = 2.0
    hostile = start(HOSTILE, tmp_path, seconds)
    workers = [start(WORK, tmp_path, seconds) for _ in range(3)]
    told = [tuple(map(int, worker.communicate()[0].split())) for worker in workers]
    hostile.communicate()
    assert [clashes for _, clashes in told] == [0, 0, 0]
    assert sum(owned for owned, _ in told) > 100


def test_mistake_05_a_contended_claim_leaks_no_file_descriptor(tmp_path: Path) -> None:
    with claim(tmp_path / "a.lock"):
        before = descriptors()
        for _ in range(200):
            ask(tmp_path / "a.lock")
        assert descriptors() == before


def test_mistake_05_a_claim_that_was_ours_leaks_no_file_descriptor(tmp_path: Path) -> None:
    before = descriptors()
    for number in range(200):
        ask(tmp_path / f"{number}.lock")
    assert descriptors() == before


def test_a_folder_that_cannot_be_made_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError):
        ask(tmp_path / "file" / "a.lock")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_rights_is_told_with_advice(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="no right to write there"):
        ask(tmp_path / "a.lock")


def test_a_claim_costs_less_than_a_millisecond(tmp_path: Path) -> None:
    ask(tmp_path / "a.lock")

    def round_s() -> float:
        began = time.perf_counter()
        for _ in range(50):
            ask(tmp_path / "a.lock")
        return (time.perf_counter() - began) / 50

    assert min(round_s() for _ in range(10)) < 0.001
