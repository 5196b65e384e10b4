"""Distorted voices: pitch and formants move, everything stays in its place."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import lfilter

from faceblur.media.distortion import distorted

RATE = 10_000
VOWELS = {"a": (730, 1090), "e": (530, 1840), "i": (270, 2290), "o": (570, 840)}  # F1 and F2 of a man, in Hz

Samples = NDArray[np.float32]


def vowel(pitch_hz: float, formants_hz: tuple[int, int], seconds: float = 2) -> Samples:
    """(1, N) float32: pulses of a voice through resonators, after a third one at 3300 Hz."""
    count = int(seconds * RATE)
    pulses = np.zeros(count)
    pulses[np.arange(0, count - 1, RATE / pitch_hz).astype(int)] = 1
    sound = lfilter([1], [1, -0.95], pulses)
    for frequency in (*formants_hz, 3300):
        radius = np.exp(-np.pi * 80 / RATE)
        sound = lfilter([1], [1, -2 * radius * np.cos(2 * np.pi * frequency / RATE), radius**2], sound)
    return (0.5 * sound / np.abs(sound).max()).astype(np.float32)[None]


def pitch(sound: Samples) -> float:
    """F0 in Hz: the median of the highest peaks of autocorrelation."""
    found = []
    for at in range(RATE // 5, sound.shape[1] - RATE // 5, RATE // 20):
        part = sound[0, at : at + RATE // 10].astype(float)
        likeness = np.correlate(part, part, "full")[len(part) - 1 :]
        low, high = RATE // 400, RATE // 65
        # Two periods are as alike as one: the shortest of the good lags is the period.
        peaks = [n for n in range(low, high) if likeness[n] == likeness[n - 5 : n + 6].max()]
        best = max(likeness[n] for n in peaks)
        found.append(RATE / next(n for n in peaks if likeness[n] > 0.85 * best))
    return float(np.median(found))


def formants(sound: Samples) -> tuple[float, float]:
    """F1 and F2 in Hz: the medians of the lowest two resonances of linear prediction."""
    found = []
    for at in range(RATE // 5, sound.shape[1] - RATE // 5, RATE // 20):
        part = sound[0, at : at + RATE // 20].astype(float)
        part = np.append(part[0], part[1:] - 0.95 * part[:-1]) * np.hamming(len(part))
        r = np.correlate(part, part, "full")[len(part) - 1 :][:11]
        matrix = np.array([[r[abs(i - j)] for j in range(10)] for i in range(10)])
        roots = np.roots(np.append(1, -np.linalg.solve(matrix + 1e-9 * r[0] * np.eye(10), r[1:])))
        roots = roots[roots.imag > 0]
        frequencies, widths = np.angle(roots) * RATE / 2 / np.pi, -np.log(np.abs(roots)) * RATE / np.pi
        good = sorted(f for f, w in zip(frequencies, widths, strict=True) if w < 500 and 150 < f < 4500)
        if len(good) > 1:
            found.append(good[:2])
    return tuple(np.median(found, axis=0))


def whole(sound: Samples, rate: int = RATE, size: int = 1024) -> Samples:
    return np.concatenate(list(distorted((sound[:, n : n + size] for n in range(0, sound.shape[1], size)), rate)), 1)


@pytest.mark.parametrize("pitch_hz", [110, 190])
@pytest.mark.parametrize("name", VOWELS)
def test_pitch_and_formants_move_by_15_percent_or_more(name: str, pitch_hz: float) -> None:
    sound = vowel(pitch_hz, VOWELS[name])
    before = np.array([pitch(sound), *formants(sound)])
    assert before == pytest.approx([pitch_hz, *VOWELS[name]], rel=0.12)
    for _ in range(4):
        other = whole(sound)
        moved = np.array([pitch(other), *formants(other)]) / before
        assert (np.abs(moved - 1) >= 0.15).all(), moved


def test_the_factor_wanders_so_that_no_constant_one_undoes_it() -> None:
    sound = vowel(120, VOWELS["a"], 8)
    other = whole(sound)
    pitches = [pitch(other[:, at : at + RATE]) for at in range(0, 7 * RATE, RATE // 2)]
    assert max(pitches) / min(pitches) > 1.03


def test_it_is_another_one_every_time() -> None:
    sound = vowel(120, VOWELS["a"])
    assert np.abs(whole(sound) - whole(sound)).max() > 0.05


@pytest.mark.parametrize("count", [0, 1, 199, 200, 201, 1024, 5000])
@pytest.mark.parametrize("size", [1, 64, 5000])
def test_as_many_samples_come_out_as_go_in(count: int, size: int) -> None:
    sound = np.random.default_rng(count).uniform(-0.5, 0.5, (2, count)).astype(np.float32)
    pieces = list(distorted((sound[:, n : n + size] for n in range(0, count, size)), RATE))
    assert sum(piece.shape[1] for piece in pieces) == count
    assert all(piece.shape[0] == 2 and piece.dtype == np.float32 for piece in pieces)


@pytest.mark.parametrize("rate", [8000, 44100, 48000])
def test_a_click_stays_within_20_ms(rate: int) -> None:
    for at in np.linspace(rate * 0.1, rate * 0.9, 30).astype(int):
        sound = np.zeros((1, rate), np.float32)
        sound[0, at] = 1
        heard = whole(sound, rate)[0]
        assert abs(int(np.abs(heard).argmax()) - at) < 0.02 * rate
        far = np.abs(np.arange(rate) - at) > 0.04 * rate
        assert np.abs(heard[far]).max() < 0.01


def test_silence_stays_silent() -> None:
    assert not whole(np.zeros((2, RATE), np.float32)).any()
