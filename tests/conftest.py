"""Clips and folders that tests make for themselves. A painted green rectangle is a face to the detector `null`."""

import itertools
import os
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.codec.context import Flags

from faceblur.context import Context
from faceblur.images import Image
from faceblur.images import write as write_picture
from faceblur.job import Job
from faceblur.options import Options
from faceblur.pipeline import run
from faceblur.split import split

SHARED = Path(os.environ.get("FACEBLUR_SHARED", Path(__file__).parents[2] / "shared"))
GREEN = (0, 255, 0)
RUN = Callable[[Path], Path]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "shared" in item.keywords and not SHARED.is_dir():
            item.add_marker(pytest.mark.skip(reason=f"needs the labelled clips and weights in {SHARED}"))


@pytest.fixture
def shared() -> Path:
    """The folder of labelled clips and weights beside the project; for tests marked `shared`."""
    return SHARED


def picture(width: int = 96, height: int = 64, faces: Sequence[tuple[int, int, int, int]] = (), seed: int = 0) -> Image:
    """(H, W, 3) uint8 BGR noise in red and grey, with painted faces (left, top, right, bottom)."""
    rng = np.random.default_rng(seed)
    image = np.repeat(rng.integers(60, 190, (height, width, 1)), 3, axis=2).astype(np.uint8)
    for left, top, right, bottom in faces:
        image[top:bottom, left:right] = GREEN
    return image


def write_clip(
    path: Path,
    images: Sequence[Image],
    *,
    pts: Sequence[int] | None = None,
    time_base: Fraction = Fraction(1, 25),
    sound: bool = False,
    rotation: int = 0,
    metadata: dict[str, str] | None = None,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    sounds: Sequence[str] = (),
    aspect: Fraction | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """Encode images as a video; `rotation` is written as a display matrix (degrees counterclockwise).

    `sound` adds an AAC stream (MP3 in avi), `sounds` one for each codec named; they begin at 0 and end with the video.
    `options` go to the video encoder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = images[0].shape[:2]
    pts = list(range(len(images))) if pts is None else list(pts)
    with av.open(str(path), "w") as container:
        container.metadata.update(metadata or {})
        stream = container.add_stream(codec, rate=round(1 / time_base), options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        stream.time_base = stream.codec_context.time_base = time_base
        if rotation:
            stream.set_display_rotation(rotation)
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        own = ("mp3" if path.suffix == ".avi" else "aac",) if sound else ()
        audios = [container.add_stream(name, rate=48000, layout="mono") for name in (*own, *sounds)]
        stream.codec_context.flags |= Flags.frame_duration
        lengths = [b - a for a, b in itertools.pairwise(pts)]
        for image, stamp, length in zip(images, pts, [*lengths, (lengths or [1])[-1]], strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="bgr24").reformat(format=pixel_format)
            frame.pts, frame.duration, frame.time_base = stamp, length, time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        for number, audio in enumerate(audios, start=1):
            write_tone(container, audio, Fraction(0), (pts[-1] + 1) * time_base, 440.0 * number)
    return path


def write_tone(container: Any, stream: Any, begin: Fraction, end: Fraction, pitch_hz: float) -> None:
    """Encode a mono tone that is heard from `begin` to `end`, in seconds."""
    time = np.arange(int(48000 * (end - begin))) / 48000
    samples = (8000 * np.sin(2 * np.pi * pitch_hz * time)).astype(np.int16)[None]
    whole = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
    whole.sample_rate, whole.pts, whole.time_base = 48000, round(48000 * begin), Fraction(1, 48000)
    context = stream.codec_context
    resampler = av.AudioResampler(context.format.name, "mono", 48000, frame_size=context.frame_size or 1024)
    for part in [*resampler.resample(whole), *resampler.resample(None)]:
        container.mux(stream.encode(part))
    container.mux(stream.encode(None))


def with_edit(path: Path, *, begin: int, end: int) -> Path:
    """The file with an edit list that shows frames `begin` to `end` only; it has 25 a second, of 512 ticks each."""
    data = path.read_bytes()
    at = data.index(b"elst") + 12
    movie_ticks = struct.unpack(">I", data[data.index(b"mvhd") + 16 :][:4])[0]
    _, first = struct.unpack(">Ii", data[at : at + 8])
    edit = struct.pack(">Ii", (end - begin) * movie_ticks // 25, first + begin * 512)
    path.write_bytes(data[:at] + edit + data[at + 8 :])
    return path


@dataclass(frozen=True)
class Playback:
    """What a player gets from a file: the time of each picture in seconds, size, and (time, bytes) of sound packets."""

    times: list[Fraction]
    size: tuple[int, int]
    rotation: int
    aspect: Fraction | None
    sounds: list[list[tuple[Fraction, bytes]]]
    kinds: list[str]


def play(path: Path) -> Playback:
    """Read a video with PyAV alone, independently of what it tests."""
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        times, packets, frame = [], {s.index: [] for s in container.streams.audio}, None
        for packet in container.demux():
            if packet.stream_index in packets and packet.size:
                packets[packet.stream_index].append((packet.pts * packet.time_base, bytes(packet)))
            if packet.stream_index == video.index:
                for frame in packet.decode():
                    times.append(frame.pts * frame.time_base)
        size, rotation = (frame.width, frame.height), frame.rotation
        kinds = [s.type for s in container.streams]
        return Playback(times, size, rotation, video.sample_aspect_ratio, list(packets.values()), kinds)


def pictures(path: Path) -> list[Image]:
    """All frames of a video as (H, W, 3) uint8 BGR, as stored, not turned."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]


def moving_face(count: int, width: int = 96, height: int = 64, size: int = 16) -> list[Image]:
    """Frames in which one painted face moves to the right."""
    room = width - size - 8
    return [
        picture(
            width, height, [(4 + i * room // max(count, 1), 20, 4 + i * room // max(count, 1) + size, 20 + size)], i
        )
        for i in range(count)
    ]


@pytest.fixture
def context(tmp_path: Path) -> Callable[..., Context]:
    """A maker of contexts with input and output under the test's own folder and the detector `null`."""

    def make(**settings: object) -> Context:
        base = {"input": tmp_path / "input", "output": tmp_path / "output", "detector": "null"}
        return Context(Options(**(base | settings)))  # type: ignore[arg-type]

    return make


@pytest.fixture
def blurred(context: Callable[..., Context]) -> RUN:
    """The whole way for one source, with `null`; returns the finished video."""
    return lambda source: run(source, context(preset="8" if source.suffix == ".webm" else "ultrafast"))


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """input/clip.mp4: twelve frames at 25 a second with a moving painted face, and sound."""
    return write_clip(tmp_path / "input" / "clip.mp4", moving_face(12), sound=True)


@pytest.fixture
def job(clip: Path, context: Callable[..., Context]) -> Job:
    """The clip's job, split and not yet blurred."""
    return split(clip, context())


@pytest.fixture
def foreign(tmp_path: Path) -> Job:
    """A folder of numbered frames from elsewhere, 7 to 11."""
    folder = tmp_path / "input" / "mine"
    for number in range(7, 12):
        write_picture(folder / f"frame_{number:010}.png", picture(faces=[(8, 8, 24, 24)], seed=number))
    return Job("mine", tmp_path / "input", tmp_path / "output")
