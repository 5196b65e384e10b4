"""No work is done twice: how often a run decodes, converts, packs, looks and reads, for each frame. Counts, not times.

A count that rises is waste until somebody says why; one that sinks is lowered here.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any

import pytest

from conftest import moving_face, picture, write_clip
from faceblur import crew, direct, images, media, motion, png, sharing, status, worker
from faceblur import job as jobs
from faceblur.context import Context
from faceblur.detectors.null import Null
from faceblur.job import DirectJob, Job, records
from faceblur.media import pixels, source, target
from faceblur.options import Options
from faceblur.pipeline import run, split

Make = Callable[..., Context]
FRAMES = 20


def count(
    monkeypatch: pytest.MonkeyPatch, found: Counter[str], owner: Any, name: str, what: str | Callable[..., str]
) -> None:
    """From now on count the calls of owner.name in `found`, as `what` or what that makes of the arguments."""
    real, lock = getattr(owner, name), Lock()

    def counted(*arguments: Any, **named: Any) -> Any:
        with lock:  # workers in threads count too
            found[what if isinstance(what, str) else what(*arguments)] += 1
        return real(*arguments, **named)

    monkeypatch.setattr(owner, name, counted)


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often what costs time was done since the fixture was made."""
    found: Counter[str] = Counter()

    for owner, name, what in (
        (source, "canonical", "canonical frames"),
        (source, "image_of", "BGR images"),
        *((module, "converted", "conversions") for module in (pixels, target)),
        *((module, "from_planes", "frames made") for module in (media, pixels, target)),
        (direct, "redact_planes", "frames redacted"),
        (worker, "redact", "frames redacted"),
        (png, "pack", "PNG encodes"),
        (png, "unpack", "PNG decodes"),
        (images, "fingerprint", "fingerprints read"),
        (images, "read_stamp", "stamps read"),
        (Null, "rows", "detections"),
        (motion, "small", "small pictures"),
        (motion, "between", "motions"),
        (records, "read", lambda path: f"{path.parent.name if path.name.startswith('frame_') else path.name} read"),
    ):
        count(monkeypatch, found, owner, name, what)

    real = source.decoded

    def decoded(*arguments: Any) -> Iterator[Any]:
        for frame in real(*arguments):
            found["frames decoded"] += 1
            yield frame

    monkeypatch.setattr(source, "decoded", decoded)
    return found


def hidden(options: Options) -> int:
    """The number of frames with regions."""
    job = DirectJob("clip", options.input, options.output)
    return sum(bool(job.solution.regions(number)) for number in range(1, FRAMES + 1))


@pytest.fixture
def source_clip(tmp_path: Path) -> Path:
    """Twenty frames, in the first five of which there is a face."""
    shown = [picture(faces=[(10 + number, 10, 30 + number, 30)] if number < 5 else []) for number in range(FRAMES)]
    return write_clip(tmp_path / "input" / "clip.mp4", shown)


@pytest.mark.parametrize("every", [1, 2])
def test_without_frames_each_is_decoded_twice_and_looked_at_once(
    source_clip: Path, context: Make, counts: Counter[str], every: int
) -> None:
    seen = FRAMES if every == 1 else FRAMES // every + 1  # and the last
    made = context(no_frames=True, every=every)
    run(source_clip, made)
    done, blurred = counts.copy(), hidden(made.options)
    per_run = {"source.json": 14, "plan.json": 4, "solve.json": 4, "begun.json": 3, "report.json": 4}
    assert excess(done, per_run) == {
        "frames decoded": 2 * FRAMES,
        "conversions": 5 * FRAMES,  # into the canonical format, which costs nothing where that is the source's own
        "frames made": 2 * FRAMES + blurred,  # for swscale, and for the encoder
        "frames redacted": blurred,
        "canonical frames": 2 * FRAMES,
        "BGR images": FRAMES,
        "detections": seen,
        "small pictures": FRAMES,
        "motions": FRAMES - 1,
        "null read": 4 * seen,  # is it there; the digest of all, the solution, and once more before encoding
        "motion read": 4 * (FRAMES - 1),
        "regions read": 3 * FRAMES,  # for the report, the stamps, and the picture
    }


@pytest.mark.parametrize("every", [1, 2])
def test_with_frames_each_is_packed_once_and_the_hidden_ones_twice(
    source_clip: Path, context: Make, counts: Counter[str], every: int
) -> None:
    made, seen = context(every=every), FRAMES if every == 1 else FRAMES // every + 1  # and the last
    run(source_clip, made)
    done = counts.copy()
    blurred = hidden(made.options)
    assert 0 < blurred < FRAMES
    per_run = {"source.json": 49, "plan.json": 11, "solve.json": 4, "begun.json": 4, "report.json": 4}
    assert excess(done, per_run) == {
        "frames decoded": FRAMES,
        "conversions": 4 * FRAMES,
        "frames made": 2 * FRAMES,
        "frames redacted": blurred,
        "canonical frames": FRAMES,
        "BGR images": FRAMES,
        "PNG encodes": FRAMES + blurred,
        "PNG decodes": 2 * FRAMES + blurred,
        "detections": seen,
        "small pictures": FRAMES,
        "motions": FRAMES - 1,
        "fingerprints read": 255 if every == 1 else 314,  # whoever shares a job with others looks again and again
        "stamps read": 6 * FRAMES,
        "null read": 161 if every == 1 else 100,  # once more before a frame is rendered: is it the one that was seen
        "motion read": 114 if every == 1 else 152,  # does a shot begin here, or with the next one
        "regions read": 5 * FRAMES,
        "begun.json read": 24 if every == 1 else 15,  # after each look: has a solve begun that cannot know of it
    }


@pytest.mark.parametrize("every", [6, 12])  # as `fast` looks at videos of 60 and of 120 frames a second
def test_frames_between_two_looks_are_unpacked_once_to_be_looked_at_or_measured(
    source_clip: Path, context: Make, counts: Counter[str], every: int
) -> None:
    made = context(every=every)
    run(source_clip, made)
    assert counts["small pictures"] == FRAMES
    assert counts["PNG decodes"] == 2 * FRAMES + hidden(made.options)


@pytest.mark.parametrize("bare", [True, False])
def test_a_second_run_decodes_detects_and_packs_nothing(
    source_clip: Path, context: Make, counts: Counter[str], bare: bool
) -> None:
    made = context(no_frames=bare)
    run(source_clip, made)
    counts.clear()
    run(source_clip, made)
    done = {"frames decoded", "conversions", "PNG encodes", "PNG decodes", "detections", "motions", "frames redacted"}
    assert not set(counts) & done


def test_to_tell_how_far_a_job_is_each_frame_is_looked_into_once(
    source_clip: Path, context: Make, counts: Counter[str]
) -> None:
    made = context(debug=True)
    run(source_clip, made)
    counts.clear()
    assert status.facts(Job("clip", made.options.input, made.options.output))["rendered"] == FRAMES
    assert counts["fingerprints read"] == FRAMES


@pytest.mark.parametrize("frames", [60, 120])
def test_sharing_a_job_costs_each_worker_a_few_looks_a_frame_and_listings_that_do_not_grow(
    tmp_path: Path, context: Make, counts: Counter[str], monkeypatch: pytest.MonkeyPatch, frames: int
) -> None:
    workers = 4
    job = split(write_clip(tmp_path / "input" / "clip.mp4", moving_face(frames, 32, 32, 8)), context())
    monkeypatch.setattr(jobs, "_SHARES", 4)  # blocks of many frames, as long jobs have them
    count(monkeypatch, counts, os, "scandir", "listings")
    count(monkeypatch, counts, sharing, "claim", "claims")
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(lambda _: crew.blur(job, context(workers=1)), range(workers)))
    assert counts["detections"] == frames
    assert counts["PNG encodes"] == 2 * frames  # those of split are among them
    assert counts["listings"] <= 8 * workers
    assert counts["claims"] <= 2 * frames  # blocks are claimed, and asked for while others hold them
    assert counts["null read"] <= (2 * workers + 5) * frames
    assert counts["fingerprints read"] <= (6 * workers + 5) * frames


def excess(counts: Counter[str], per_run: dict[str, int]) -> dict[str, int]:
    """The counts; of the files that a job has one of only those that were read more often than `per_run` says."""
    return {name: count for name, count in counts.items() if count > per_run.get(name.removesuffix(" read"), 0)}
