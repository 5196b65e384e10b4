"""Memory without frame files grows with the size of a frame, and next to nothing with their number."""

import os
import subprocess
import sys
import time
from contextlib import suppress
from fractions import Fraction
from itertools import cycle, islice, pairwise
from pathlib import Path

import av
import pytest

from conftest import moving_face

pytestmark = [pytest.mark.stress, pytest.mark.timeout(1800)]
KB_A_FRAME = 2.0
GIB = 1 << 20  # kB


def long_clip(path: Path, count: int, width: int, height: int) -> Path:
    """So many frames at 25 a second in MPEG-4; a painted face moves through them again and again."""
    path.parent.mkdir(parents=True)
    frames = [av.VideoFrame.from_ndarray(image, format="bgr24") for image in moving_face(50, width, height)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number, frame in enumerate(islice(cycle(frames), count)):
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def peak_kb(source: Path, *options: str) -> int:
    """The most memory that a whole run without frame files takes, in kB."""
    environment = {**os.environ, "FACEBLUR_TESTING": "1", "FACEBLUR_DETECTOR": "null", "FACEBLUR_PROGRESS": "none"}
    command = [sys.executable, "-m", "faceblur", "run", str(source), "--no-frames", "--preset", "ultrafast", *options]
    process = subprocess.Popen(command, cwd=source.parents[1], env=environment)
    peak = 0  # not what wait4 tells: that counts the memory of this process too, from which the other was forked
    while process.poll() is None:
        with suppress(ValueError, OSError):
            status = Path(f"/proc/{process.pid}/status").read_text()
            peak = max(peak, int(status.split("VmHWM:")[1].split()[0]) if "VmHWM:" in status else 0)
        time.sleep(0.02)
    assert process.returncode == 0
    assert peak
    return peak


def test_memory_hardly_grows_with_the_number_of_frames(tmp_path: Path) -> None:
    counts = (1000, 5000, 20_000)
    peaks = [peak_kb(long_clip(tmp_path / str(n) / "input" / "long.mp4", n, 64, 48)) for n in counts]
    for (few, less), (many, more) in pairwise(zip(counts, peaks, strict=True)):
        assert (more - less) / (many - few) < KB_A_FRAME, peaks


def test_a_thousand_frames_of_1080p_take_less_than_a_gibibyte(tmp_path: Path) -> None:
    source = long_clip(tmp_path / "input" / "long.mp4", 1000, 1920, 1080)
    assert peak_kb(source, "--workers", "2") < GIB
