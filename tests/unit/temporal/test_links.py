"""Linking, where there is very much to link: right all the same, and in memory for what can be linked alone."""

import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest

from faceblur.domain import Box, Detection, Motion
from faceblur.temporal import Evidence
from faceblur.temporal.links import link
from faceblur.temporal.shots import Reals, Shot, shots

MB = 1_000_000


def crowd(places: Reals, frames: int, *, size: float, step: float = 0.0, noise: float = 0.0) -> Shot:
    """A shot in which faces at (N, 2) `places` all move to the right by `step` px a frame, give or take `noise`."""
    rng = np.random.default_rng(0)

    def evidence() -> Iterator[Evidence]:
        for index in range(frames):
            corner = places - size / 2 + rng.normal(0, noise, places.shape)
            corner[:, 0] += index * step
            boxes = np.concatenate([corner, corner + size], axis=1).tolist()
            found = tuple(Detection(Box(*box), 0.5, "face", "one") for box in boxes)
            yield Evidence(index + 1, index, found, Motion() if index else None)

    [shot] = shots(evidence(), 1 / 30)
    return shot


def grid(columns: int, rows: int, gap: float) -> Reals:
    """(columns · rows, 2) places, `gap` px from one another."""
    return np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).reshape(-1, 2) * gap


@pytest.mark.parametrize(("columns", "rows"), [(3, 2), (30, 2), (30, 20)])
def test_everybody_in_a_crowd_that_walks_is_one_chain_however_many_they_are(columns: int, rows: int) -> None:
    """Each could be linked to several others: 6 are looked at all at once, 60 in parts, 600 as links of one another."""
    count = columns * rows
    chains = link(crowd(grid(columns, rows, 22), 6, size=40, step=4, noise=0.5))
    assert [chain.tolist() for chain in chains] == [[n + count * frame for frame in range(6)] for n in range(count)]


@pytest.mark.parametrize(
    ("count", "frames", "width", "height"),
    [(5000, 4, 1280, 720), (2000, 2, 30, 30)],
    ids=["all over the picture", "on a heap"],
)
def test_memory_for_links_does_not_grow_with_the_square_of_the_detections(
    count: int, frames: int, width: int, height: int
) -> None:
    shot = crowd(np.random.default_rng(1).random((count, 2)) * [width, height], frames, size=20, noise=3)
    tracemalloc.start()
    try:
        chains = link(shot)
        assert tracemalloc.get_traced_memory()[1] < 60 * MB
    finally:
        tracemalloc.stop()
    assert sum(map(len, chains)) == len(shot.frame)
