"""What it takes to solve a long shot with many faces in it: processor time and memory, both with room to spare."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.stress, pytest.mark.timeout(600)]
SECONDS, KB = 10, 500 << 10  # processor seconds
PROGRAM = """
import json, random, re, sys, time
from pathlib import Path
from faceblur.domain import Box, Detection, Motion
from faceblur.temporal import Evidence, Settings, solve

count, faces, dice = *map(int, sys.argv[1:]), random.Random(0)

def seen(k):
    x, y = 100 + k % 5 * 240 + dice.gauss(0, 0.5), 80 + k // 5 * 160 + dice.gauss(0, 0.5)
    return Detection(Box(x, y, x + 30, y + 30), 0.7, "face", "one")

frames = [
    Evidence(n, n, tuple(seen(k) for k in range(faces) if dice.random() < 0.9), Motion() if n else None)
    for n in range(count)
]
began = time.process_time()
regions = sum(len(solved.regions) for solved in solve(frames, (), Settings(), (1280, 720)))
seconds = time.process_time() - began
# getrusage would tell of the parent's memory, too.
kilobytes = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
print(json.dumps([regions, seconds, kilobytes]))
"""


@pytest.mark.parametrize(("frames", "faces"), [(10_000, 20), (20_000, 2)])
def test_a_long_shot_takes_less_than_ten_seconds_of_processor_and_500_mb(
    tmp_path: Path, frames: int, faces: int
) -> None:
    command = [sys.executable, "-c", PROGRAM, str(frames), str(faces)]
    done = subprocess.run(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, check=True)
    regions, seconds, kilobytes = json.loads(done.stdout)
    assert regions > 0.95 * frames * faces
    assert seconds < SECONDS
    assert kilobytes < KB
