"""Clips and folders that tests make for themselves. A painted green rectangle is a face to the detector `null`."""

import os
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from faceblur.context import Context
from faceblur.images import Image
from faceblur.options import Options

SHARED = Path(os.environ.get("FACEBLUR_SHARED", Path(__file__).parents[2] / "shared"))
GREEN = (0, 255, 0)


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
) -> Path:
    """Encode images as a video, with AAC sound (MP3 in avi) if asked for; `rotation` is written as a display matrix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = images[0].shape[:2]
    pts = list(range(len(images))) if pts is None else list(pts)
    with av.open(str(path), "w") as container:
        container.metadata.update(metadata or {})
        stream = container.add_stream(codec, rate=round(1 / time_base))
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        stream.time_base = stream.codec_context.time_base = time_base
        if rotation:
            stream.set_display_rotation(rotation)
        audio = (
            container.add_stream("mp3" if path.suffix == ".avi" else "aac", rate=48000, layout="mono")
            if sound
            else None
        )
        for image, stamp in zip(images, pts, strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="bgr24").reformat(format=pixel_format)
            frame.pts, frame.time_base = stamp, time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if audio:
            seconds = (pts[-1] - pts[0] + 1) * time_base
            samples = np.sin(np.arange(int(48000 * seconds)) / 20).astype(np.float32)[None]
            fifo = av.AudioFifo()
            whole = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            whole.sample_rate, whole.pts, whole.time_base = 48000, 0, Fraction(1, 48000)
            fifo.write(whole)
            for part in fifo.read_many(1024, partial=True):
                container.mux(audio.encode(part))
            container.mux(audio.encode(None))
    return path


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
def clip(tmp_path: Path) -> Path:
    """input/clip.mp4: twelve frames at 25 a second with a moving painted face, and sound."""
    return write_clip(tmp_path / "input" / "clip.mp4", moving_face(12), sound=True)
