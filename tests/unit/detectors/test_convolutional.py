"""A detector that is one network: which pictures it gets together, how they are prepared, whose answers are whose."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from faceblur.detectors import network
from faceblur.detectors.base import Rows
from faceblur.detectors.convolutional import FullyConvolutional
from faceblur.detectors.network import Tensor
from faceblur.images import Image


class Told:
    """In place of a network: answers with what it was given, and remembers how many pictures that were."""

    def __init__(self) -> None:
        self.counts: list[int] = []

    def run(self, blob: Tensor) -> dict[str, Tensor]:
        self.counts.append(len(blob))
        return {"same": blob}


class Echo(FullyConvolutional):
    """One row for a picture: its size, the first value of its first two channels, and 1."""

    def decoded(self, found: Mapping[str, Tensor], height: int, width: int) -> Rows:
        return np.array([[width, height, found["same"][0, 0, 0], found["same"][1, 0, 0], 1.0]])


def filled(value: int, width: int = 64, height: int = 32) -> Image:
    return np.full((height, width, 3), (value, 100, 200), np.uint8)


def firsts(found: Sequence[Rows]) -> list[list[float]]:
    return [rows[0, :4].tolist() for rows in found]


@pytest.fixture
def told() -> Told:
    return Told()


def test_on_a_processor_each_picture_is_looked_at_by_itself(told: Told) -> None:
    Echo("echo", told).batch([filled(1), filled(2)])
    assert told.counts == [1, 1]


def test_on_a_gpu_those_of_one_size_are_looked_at_together_and_each_gets_its_own_answer(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "at_once", lambda width, height: 2)
    pictures = [filled(1), filled(2, 32), filled(3), filled(4), filled(5, 32)]
    found = Echo("echo", told).batch(pictures)
    assert firsts(found) == [[64, 32, 1, 100], [32, 32, 2, 100], [64, 32, 3, 100], [64, 32, 4, 100], [32, 32, 5, 100]]
    assert told.counts == [2, 1, 2]


def test_a_picture_is_given_as_its_network_wants_it(told: Told) -> None:
    assert firsts(Echo("echo", told, rgb=True, scale=0.5, mean=(100, 20, 0)).batch([filled(1)])) == [[64, 32, 50, 40]]
