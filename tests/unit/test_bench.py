"""The benchmark of the GPU: it says where there is none, and what of it needs none measures what it says."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from conftest import moving_face, picture, write_clip
from faceblur.detectors import network

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
sys.path.append(str(SCRIPTS))

import bench_gpu  # type: ignore[import-not-found]  # noqa: E402 - a script


@pytest.mark.skipif(not network.no_gpu(), reason="there is a GPU")
def test_where_there_is_no_gpu_the_benchmark_says_so_in_one_line() -> None:
    done = subprocess.run([sys.executable, SCRIPTS / "bench", "--gpu"], capture_output=True, text=True, check=True)
    assert done.stdout == f"no GPU to measure here: {network.no_gpu()}\n"


@pytest.mark.skipif(not network.no_gpu(), reason="there is a GPU")
def test_what_runs_on_the_processor_is_not_measured_as_a_gpu(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError, match="a worker failed"):
        bench_gpu.detect([picture()], "haar", 1, 2, gpu=True)
    assert network.no_gpu() in capfd.readouterr().err


def test_workers_are_measured_together() -> None:
    assert bench_gpu.detect([picture()], "haar", 2, 2, gpu=False, seconds=0.1) > 0


def test_frames_are_the_same_only_with_all_their_samples(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", moving_face(3))
    (frames, seconds), (others, _) = bench_gpu.decoded(clip, None), bench_gpu.decoded(clip, None)
    assert seconds > 0
    assert bench_gpu.same(frames, [frame.reformat(format="nv12") for frame in others])
    assert not bench_gpu.same(frames, others[:2])
    np.asarray(others[1].planes[0])[0] ^= 1
    assert not bench_gpu.same(frames, others)


def test_an_encoder_is_measured_and_one_that_is_not_here_told(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", moving_face(3))
    frames, _ = bench_gpu.decoded(clip, None)
    assert bench_gpu.by_encoder(frames, "libx264", clip)[0] > 0
    told = bench_gpu.attempted("encode", "AMF", lambda: bench_gpu.by_encoder(frames, "h264_amf", clip))
    assert (told.rate, told.note[:34]) == (0, "not here: --encoder h264_amf canno")


def test_ways_are_compared_with_the_first_of_their_step() -> None:
    rates = [bench_gpu.Rate(*row) for row in (("a", "x", 10), ("a", "y", 25), ("b", "x", 4), ("b", "y", 1, "but"))]
    assert [line.split() for line in bench_gpu.table(rates)[1:]] == [
        ["a", "x", "10.0", "1.00"],
        ["a", "y", "25.0", "2.50"],
        ["b", "x", "4.0", "1.00"],
        ["b", "y", "1.0", "0.25", "but"],
    ]
