"""No work is done twice: how often a run decodes, converts, packs, looks and reads, for each frame. Counts, not times.

A count that rises is waste until somebody says why; one that sinks is lowered here.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import picture, write_clip
from faceblur import images, media, motion
from faceblur import job as jobs
from faceblur.context import Context
from faceblur.detectors.null import Null
from faceblur.job import DirectJob
from faceblur.media import source
from faceblur.options import Options
from faceblur.pipeline import run

Make = Callable[..., Context]
FRAMES = 20


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often what costs time was done since the fixture was made."""
    found: Counter[str] = Counter()

    def count(owner: Any, name: str, what: Callable[..., str]) -> None:
        real = getattr(owner, name)

        def counted(*arguments: Any) -> Any:
            found[what(*arguments)] += 1
            return real(*arguments)

        monkeypatch.setattr(owner, name, counted)

    count(source, "canonical", lambda *_: "canonical frames")
    count(source, "image_of", lambda *_: "BGR images")
    count(images, "encode", lambda *_: "PNG encodes")
    count(images, "decode", lambda *_: "PNG decodes")
    count(images, "fingerprint", lambda *_: "fingerprints read")
    count(images, "read_stamp", lambda *_: "stamps read")
    count(Null, "rows", lambda *_: "detections")
    count(motion, "small", lambda *_: "small pictures")
    count(motion, "between", lambda *_: "motions")
    count(jobs, "_read_json", lambda path: f"{path.parent.name if path.name.startswith('frame_') else path.name} read")

    real = media.Reader.__iter__

    def decoded(self: media.Reader) -> Iterator[media.Timed]:
        for frame in real(self):
            found["frames decoded"] += 1
            yield frame

    monkeypatch.setattr(media.Reader, "__iter__", decoded)
    return found


def hidden(options: Options) -> int:
    """The number of frames with regions."""
    job = DirectJob("clip", options.input, options.output)
    return sum(bool(job.regions(number)) for number in range(1, FRAMES + 1))


@pytest.fixture
def source_clip(tmp_path: Path) -> Path:
    """Twenty frames, in the first five of which there is a face."""
    shown = [picture(faces=[(10 + number, 10, 30 + number, 30)] if number < 5 else []) for number in range(FRAMES)]
    return write_clip(tmp_path / "input" / "clip.mp4", shown)


@pytest.mark.parametrize("every", [1, 2])
def test_without_frames_each_is_decoded_twice_and_looked_at_once(
    source_clip: Path, context: Make, counts: Counter[str], every: int
) -> None:
    run(source_clip, context(no_frames=True, every=every))
    assert excess(counts, per_run={"source.json": 13, "plan.json": 3, "solve.json": 3, "report.json": 3}) == {
        "frames decoded": 2 * FRAMES,
        "canonical frames": 2 * FRAMES,
        "BGR images": FRAMES,
        "detections": FRAMES // every,
        "small pictures": FRAMES,
        "motions": FRAMES - 1,
        "null read": 4 * FRAMES // every,  # is it there; the digest of all, the solution, and once more before encoding
        "motion read": 4 * (FRAMES - 1),
        "regions read": 3 * FRAMES,  # for the report, the stamps, and the picture
    }


@pytest.mark.parametrize("every", [1, 2])
def test_with_frames_each_is_packed_once_and_the_hidden_ones_twice(
    source_clip: Path, context: Make, counts: Counter[str], every: int
) -> None:
    made = context(every=every)
    run(source_clip, made)
    done = counts.copy()
    blurred = hidden(made.options)
    assert 0 < blurred < FRAMES
    assert excess(done, per_run={"source.json": 48, "plan.json": 9, "solve.json": 3, "report.json": 3}) == {
        "frames decoded": FRAMES,
        "canonical frames": FRAMES,
        "BGR images": FRAMES,
        "PNG encodes": FRAMES + blurred,
        "PNG decodes": 2 * FRAMES + blurred,
        "detections": FRAMES // every,
        "small pictures": FRAMES,
        "motions": FRAMES - 1,
        "fingerprints read": 357 if every == 1 else 351,  # whoever shares a job with others looks again and again
        "stamps read": 6 * FRAMES,
        "null read": 161 if every == 1 else 91,
        "motion read": 95 if every == 1 else 117,
        "regions read": 6 * FRAMES,
    }


@pytest.mark.parametrize("bare", [True, False])
def test_a_second_run_decodes_detects_and_packs_nothing(
    source_clip: Path, context: Make, counts: Counter[str], bare: bool
) -> None:
    made = context(no_frames=bare)
    run(source_clip, made)
    counts.clear()
    run(source_clip, made)
    assert not set(counts) & {"frames decoded", "BGR images", "PNG encodes", "PNG decodes", "detections", "motions"}


def excess(counts: Counter[str], per_run: dict[str, int]) -> dict[str, int]:
    """The counts; of the files that a job has one of only those that were read more often than `per_run` says."""
    return {name: count for name, count in counts.items() if count > per_run.get(name.removesuffix(" read"), 0)}
