"""Damaged sources: each ends with a code of the README's table, and what gets its name is whole. Long."""

import json
import os
import random
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageCms

from conftest import moving_face, picture, pictures, write_clip
from faceblur.images import Image, encode

pytestmark = [pytest.mark.stress, pytest.mark.timeout(900)]

FILES = int(os.environ.get("FUZZ_FILES", "300"))
SEED = int(os.environ.get("FUZZ_SEED", "0"))
BATCHES = 6
LIMIT_S = 60
FRAMES = 8
# Done; a source that is damaged; one whose sound or picture no file can hold. All others would blame somebody else.
FAIR = (0, 3, 5)
VIDEOS = (".mp4", ".mov", ".mkv", ".ts", ".avi", ".webm")


class Hung(Exception):  # noqa: N818 - it says what happened
    """The process died, or did not answer in time."""


@dataclass
class Runner:
    """A process that runs one command after the other; a new one takes the place of one that crashed or hung."""

    log: Path
    process: subprocess.Popen[bytes] | None = None

    def __call__(self, *arguments: str) -> tuple[int, str]:
        """The exit code of a command, and all that it said. Raises Hung."""
        if self.process is None:
            environment = os.environ | {"FACEBLUR_TESTING": "1", "FACEBLUR_DETECTOR": "null", "FACEBLUR_WORKERS": "1"}
            command = [sys.executable, "-X", "faulthandler", str(Path(__file__).parent / "one_by_one.py")]
            with self.log.open("wb") as log:
                self.process = subprocess.Popen(
                    command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
                )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(arguments).encode() + b"\n")
        self.process.stdin.flush()
        ready, _, _ = select.select([self.process.stdout], [], [], LIMIT_S)
        answer = self.process.stdout.readline() if ready else b""
        if not answer:
            self.process.send_signal(signal.SIGABRT)  # faulthandler says where every thread is
            self.end()
            raise Hung(f"{'crashes' if ready else 'hangs'}\n{self.log.read_text(errors='replace')}")
        code, said = json.loads(answer)
        return code, said

    def end(self) -> None:
        """Let the process end by itself where it can."""
        if self.process is not None:
            for pipe in (self.process.stdin, self.process.stdout):
                assert pipe is not None
                with suppress(BrokenPipeError):
                    pipe.close()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(5)
            self.process.kill()
            self.process.wait()
            self.process = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Whole files of many kinds, by name, each with a painted face."""
    folder = tmp_path_factory.mktemp("seeds")
    frames, plain = moving_face(FRAMES, 64, 48), picture(64, 48, [(20, 12, 44, 36)])
    for name, settings in {
        "b-frames.mp4": {"sound": True, "options": {"bf": "2", "g": "4"}},
        "turned.mp4": {"rotation": 90, "sounds": ["mp3"]},
        "deep.mkv": {"pixel_format": "yuv422p10le", "sounds": ["pcm_s16le"]},
        "lossless.mkv": {"codec": "ffv1", "pixel_format": "bgr0", "sounds": ["flac"]},
        "stream.ts": {"codec": "mpeg2video", "sounds": ["mp2"]},
        "old.avi": {"codec": "mpeg4", "sound": True},
        "web.webm": {"codec": "libvpx-vp9", "sounds": ["libopus"], "options": {"cpu-used": "8"}},
    }.items():
        write_clip(folder / name, frames, **settings)  # type: ignore[arg-type]
    tags = Pillow.Exif()
    tags[0x0112], tags[0x010F], tags[0x9003] = 6, "Maker", "2020:01:02 03:04:05"
    tags.get_ifd(0x8825)[1] = "N"
    shown = Pillow.fromarray(plain[:, :, ::-1])
    shown.save(folder / "exif.jpg", exif=tags, icc_profile=_srgb(), dpi=(72, 72))
    shown.save(folder / "progressive.jpg", progressive=True, comment=b"words", optimize=True)
    shown.convert("CMYK").save(folder / "print.jpg")
    shown.save(folder / "plain.png", exif=tags, icc_profile=_srgb())
    shown.quantize(16).save(folder / "palette.png", transparency=3)
    shown.save(folder / "photo.webp", exif=tags)
    shown.convert("RGBA").save(folder / "lossless.webp", lossless=True)
    shown.save(folder / "photo.tif", compression="tiff_lzw", exif=tags)
    shown.save(folder / "strips.tif")
    shown.save(folder / "photo.bmp")
    shown.save(folder / "photo.avif", speed=10, exif=tags)
    shown.save(folder / "photo.gif")
    (folder / "deep.png").write_bytes(encode(plain.astype(np.uint16) * 257))
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def _srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def flipped(data: bytearray, other: bytes, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 1, 4, 30))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def cut(data: bytearray, other: bytes, rng: random.Random) -> None:
    del data[rng.randrange(len(data)) :]


def spliced(data: bytearray, other: bytes, rng: random.Random) -> None:
    data[rng.randrange(len(data)) :] = other[rng.randrange(len(other)) :]


def zeroed(data: bytearray, other: bytes, rng: random.Random) -> None:
    start, length = rng.randrange(len(data)), rng.choice((4, 64, 1024))
    data[start : start + length] = bytes(len(data[start : start + length]))


def inserted(data: bytearray, other: bytes, rng: random.Random) -> None:
    start = rng.randrange(len(data))
    data[start:start] = rng.randbytes(rng.choice((1, 16, 500)))


def extreme(data: bytearray, other: bytes, rng: random.Random) -> None:
    """Numbers of four bytes that are as large as can be: lengths, counts, sizes."""
    start = rng.randrange(len(data))
    data[start : start + 4] = rng.choice(
        (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\xff\xff")
    )


MUTATIONS = (flipped, cut, spliced, zeroed, inserted, extreme)


def mutants(seeds: dict[str, bytes], batch: int) -> Iterator[tuple[str, bytes]]:
    """(name, content) of the damaged files of a batch: always the same ones."""
    for number in range(batch, FILES, BATCHES):
        rng = random.Random(f"{SEED} {number}")
        name, other = rng.choice(sorted(seeds)), seeds[rng.choice(sorted(seeds))]
        data = bytearray(seeds[name])
        used = rng.sample(MUTATIONS, rng.choice((1, 1, 2)))
        for mutate in used:
            if data:
                mutate(data, other, rng)
        yield f"{number}-{'-'.join(m.__name__ for m in used)}-{name}", bytes(data)


@pytest.mark.parametrize("batch", range(BATCHES))
def test_damaged_files_end_with_a_fair_code_and_leave_nothing_that_is_not_whole(
    seeds: dict[str, bytes], tmp_path: Path, batch: int
) -> None:
    faults = []
    with Runner(tmp_path / "said") as runner:
        for name, data in mutants(seeds, batch):
            ways = [[], ["--no-frames"]] if name.endswith(VIDEOS) else [[]]
            codes = set()
            for way in ways:
                for damaged in ("refuse", "accept"):
                    folder = tmp_path / "work"
                    folder.mkdir()
                    source = folder / name
                    source.write_bytes(data)
                    try:
                        code, fault = attempt(runner, source, [*way, "--damaged", damaged, "--style", "solid"])
                    except Hung as error:
                        code, fault = 0, str(error)
                    codes.add((damaged, code))
                    if fault:
                        faults.append(f"{name} {' '.join(way)} --damaged {damaged}: {fault}")
                        if keep := os.environ.get("FUZZ_KEEP"):
                            shutil.copy(source, keep)
                    shutil.rmtree(folder)
            if len(codes) > 2:
                faults.append(f"{name}: with and without frames end otherwise: {sorted(codes)}")
    assert not faults, "\n".join(faults)


def attempt(runner: Callable[..., tuple[int, str]], source: Path, options: list[str]) -> tuple[int, str]:
    """Run one source, and look at what came of it: its exit code, and what is wrong with that, if anything."""
    home = source.parent
    base = ["--input", str(home / "input"), "--output", str(home / "output"), "--progress", "none"]
    code, said = runner(*base, "run", str(source), *options)
    made = [path for path in home.glob("output/*/*-blurred.*") if not path.name.startswith(".")]
    complaints = [line for line in said.splitlines() if line.startswith("faceblur: ")]
    fault = ""
    if code not in FAIR or "Traceback" in said:
        fault = f"ends with {code}: {said}"
    elif left := list(home.rglob(".*.tmp*")):
        fault = f"leaves {left}"
    elif len(made) != (code == 0):
        fault = f"ends with {code} and makes {made}"
    elif code and len(complaints) != 1:
        fault = f"does not say in one line what is wrong: {said!r}"
    elif code == 0:
        verified, said = runner(*base, "verify", str(made[0]))
        report = json.loads(next(home.glob("output/*/report.json")).read_text())
        fault = f"does not verify: {said}" if verified else unsound(made[0], report)
    return code, fault


def unsound(path: Path, report: dict[str, object]) -> str:
    """What is wrong with a finished file, read by nothing of ours: its number of pictures, and faces left in them."""
    if path.suffix in VIDEOS:
        shown = pictures(path)
    else:
        with Pillow.open(path) as found:
            shown = [np.ascontiguousarray(np.asarray(found.convert("RGB"))[:, :, ::-1])]
    if len(shown) != report["frames"]:
        return f"holds {len(shown)} frames instead of {report['frames']}"
    faces = [number for number, image in enumerate(shown, start=1) if shows_face(image)]
    return f"shows faces in {faces}" if faces else ""


def shows_face(image: Image) -> bool:
    """Whether there is a painted face that the detector cannot have missed: not of a colour that it hardly takes."""
    green = cv2.inRange(image, np.array((0, 235, 0)), np.array((25, 255, 25)))
    return bool(cv2.erode(green, np.ones((6, 6), np.uint8)).any())
