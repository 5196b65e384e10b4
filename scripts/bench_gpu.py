"""What an NVIDIA GPU is worth: frames a second of each step and of whole runs, beside the processor in the same run."""

import itertools
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from fractions import Fraction
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import av
import bench_common
import numpy as np
from av.codec.hwaccel import HWAccel

from faceblur import detectors, media
from faceblur.detectors import network
from faceblur.images import Image
from faceblur.options import cache_folder, processors

BATCHES = (1, 4, 8)
WORKERS = (1, 2, 4)
DETECTORS = {"fp32": "centerface", "fp16": "centerface.half"}
NO_GPU = {"CUDA_VISIBLE_DEVICES": "-1"}
COLUMNS = ("step", "way", "frames/s", "x processor", "")


@dataclass(frozen=True)
class Rate:
    """How many frames a second one way to do a step gets through; ways of one step are compared with its first."""

    step: str
    way: str
    rate: float
    note: str = ""

    def to_json(self) -> dict[str, object]:
        return asdict(self)


def missing() -> str:
    """Why nothing can be measured here; empty where there is a GPU on which networks run."""
    return network.no_gpu()


def measured(clip: Path, whole: Callable[[str, bool], float]) -> Iterator[Rate]:
    """Every step on the processor and on the GPU; `whole(way, gpu)` is the seconds of a run, "direct" or "frames"."""
    frames = list(itertools.islice((frame.image for frame in media.Reader(clip, media.probe(clip))), max(BATCHES)))
    yield Rate("detect", "processor, fp32, 1 at once", detect(frames, "centerface", 1, 1, gpu=False))
    for (precision, name), batch, workers in itertools.product(DETECTORS.items(), BATCHES, WORKERS):
        way = f"GPU, {precision}, {batch} at once, {workers} worker{'s' * (workers > 1)}"
        yield attempted("detect", way, lambda *how: (detect(frames, *how, gpu=True), ""), name, batch, workers)
    plain, seconds = decoded(clip, None)
    yield Rate("decode", "processor", len(plain) / seconds)
    yield attempted("decode", "NVDEC", by_nvdec, clip, plain)
    for encoder in ("libx264", "h264_nvenc"):
        way = "processor" if encoder == "libx264" else "NVENC"
        yield attempted("encode", way, by_encoder, plain, encoder, clip)
    for way, gpu in itertools.product(("direct", "frames"), (False, True)):
        yield Rate(f"run, {way}", "GPU" if gpu else "processor", len(plain) / whole(way, gpu))


def attempted(step: str, way: str, measure: Callable[..., tuple[float, str]], *how: object) -> Rate:
    """The rate and a note; where this way cannot be had here 0, and why."""
    try:
        return Rate(step, way, *measure(*how))
    except Exception as error:  # of FFmpeg, of the driver, or ours
        return Rate(step, way, 0.0, f"not here: {error}")


def detect(frames: Sequence[Image], name: str, batch: int, workers: int, *, gpu: bool, seconds: float = 5) -> float:
    """Frames a second of all workers together, each in a process of its own, with the detector loaded and warm."""
    spawning = multiprocessing.get_context("spawn")
    barrier, rates = spawning.Barrier(workers), spawning.Queue()
    pictures = list(itertools.islice(itertools.cycle(frames), batch))
    threads = max(1, processors() // workers)
    crew = [
        spawning.Process(target=_detect, args=(pictures, name, threads, gpu, seconds, barrier, rates))
        for _ in range(workers)
    ]
    with changed_environment({} if gpu else NO_GPU):
        for process in crew:
            process.start()
    for process in crew:
        process.join()
    if any(process.exitcode for process in crew):
        raise RuntimeError(f"{name}, {batch} at once, {workers} at work: a worker failed, see above")
    return sum(rates.get() for _ in crew)


def _detect(  # noqa: PLR0917 - as a process takes them
    pictures: Sequence[Image], name: str, threads: int, gpu: bool, seconds: float, barrier: Barrier, rates: Any
) -> None:
    try:
        if gpu and (why := network.no_gpu()):
            raise RuntimeError(why)
        network.at_once = lambda width, height: len(pictures)  # what is measured here
        folders = [Path(path) for path in os.environ.get("FACEBLUR_WEIGHTS", "").split(os.pathsep) if path]
        detector = detectors.create(name, [*folders, cache_folder()], threads)
        detector.detect(pictures)
        barrier.wait()
    except BaseException:
        barrier.abort()  # the others would wait for ever
        raise
    began, done, taken = time.monotonic(), 0, 0.0
    while taken < seconds:
        detector.detect(pictures)
        done, taken = done + len(pictures), time.monotonic() - began
    rates.put(done / taken)


@contextmanager
def changed_environment(changed: dict[str, str]) -> Iterator[None]:
    """The environment with some variables changed, which processes started in the block inherit."""
    before = dict(os.environ)
    os.environ.update(changed)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def decoded(clip: Path, hwaccel: HWAccel | None) -> tuple[list[av.VideoFrame], float]:
    """All frames of a clip in the memory of the processor, and the seconds it took."""
    began = time.monotonic()
    with av.open(clip, hwaccel=hwaccel) as container:
        container.streams.video[0].codec_context.thread_count = 1
        frames = list(container.decode(video=0))
    return frames, time.monotonic() - began


def by_nvdec(clip: Path, plain: Sequence[av.VideoFrame]) -> tuple[float, str]:
    """Frames a second, and whether all samples are those that the processor decodes."""
    frames, seconds = decoded(clip, HWAccel("cuda", allow_software_fallback=False))
    return len(frames) / seconds, "the same samples" if same(frames, plain) else "OTHER SAMPLES"


def same(frames: Sequence[av.VideoFrame], others: Sequence[av.VideoFrame]) -> bool:
    """Whether frames have the same times and samples; how samples are interleaved does not count."""
    return len(frames) == len(others) and all(
        a.pts == b.pts and np.array_equal(a.reformat(format=b.format.name).to_ndarray(), b.to_ndarray())
        for a, b in zip(frames, others, strict=True)
    )


def by_encoder(frames: Sequence[av.VideoFrame], encoder: str, clip: Path) -> tuple[float, str]:
    """Frames a second of an encoder at our defaults for it, and its name."""
    size = (frames[0].width, frames[0].height)
    encoding = media.choose(size, ending=".mp4", wish=media.Wish(encoder=encoder))
    clock = media.Clock(Fraction(1, 25), tuple(range(len(frames))), len(frames))
    began = time.monotonic()
    media.write(clip.with_name(f"{encoder}.mp4"), frames, clock, encoding, None)
    return len(frames) / (time.monotonic() - began), encoder


def table(rates: Sequence[Rate]) -> list[str]:
    """A line for each way, with how many times the first way of its step it is."""
    first: dict[str, float] = {}
    lines = [COLUMNS]
    for one in rates:
        reference = first.setdefault(one.step, one.rate)
        lines.append((one.step, one.way, f"{one.rate:.1f}", f"{one.rate / reference:.2f}", one.note))
    return bench_common.table(lines)
