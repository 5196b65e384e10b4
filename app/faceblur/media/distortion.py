"""Distorting voices: pitch and formants move together, by an amount that wanders and that nobody keeps."""

import secrets
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

# By which factor voices move, up or down. Moved by less a voice is still recognized, by more it cannot be understood.
_UP, _DOWN = (1.22, 1.40), (0.70, 0.80)
_HOP_S = 0.02  # between the grains that sound is cut into; each is two hops long, so that two overlap everywhere
_SEARCH_S = (
    0.008  # how far a grain may move to meet its neighbour in phase: the period of the lowest voice is twice that
)
_WANDER_S = 0.8  # between two turns of the factor


def distorted(chunks: Iterable[Samples], rate: int) -> Iterator[Samples]:
    """Sound with other voices: (channels, N) float32 chunks of any length in, as many samples out, in time with them.

    Short grains are played faster or slower and laid over each other where they were, so that a moment stays within
    15 ms of its place. The factor is drawn anew at every call, goes the same way throughout and wanders, so that no
    constant factor undoes it.
    """
    hop, search = round(_HOP_S * rate), round(_SEARCH_S * rate)
    span = np.arange(-hop - search, hop + search)
    reach = int(_UP[1] * (hop + search)) + 2
    window = np.hanning(2 * hop + 1)[:-1].astype(np.float32)
    stride = max(1, rate // 8000)  # of the samples that the search looks at
    factors = _factors()
    buffer: Samples | None = None  # the samples from `origin` on
    origin, centre, length = -reach, 0, 0
    tail: Samples | None = None  # the second half of the last grain

    def grain() -> tuple[Samples, Samples]:
        """The first half of the grain at `centre`, laid over `tail`, and its second half."""
        assert buffer is not None
        places = centre - origin + span * next(factors)
        wide = np.stack([np.interp(places, np.arange(buffer.shape[1]), channel) for channel in buffer])
        at = search
        if tail is not None:
            mono, meet = wide.mean(axis=0)[::stride], tail.mean(axis=0)[::stride]
            likeness = np.correlate(mono[: len(meet) + 2 * search // stride], meet, "valid")
            best = int(likeness.argmax()) if likeness.max() > likeness[len(likeness) // 2] else len(likeness) // 2
            at = min(best * stride, 2 * search)
        found = wide[:, at : at + 2 * hop].astype(np.float32)
        head = found[:, :hop] * window[:hop]
        return (head if tail is None else head + tail * window[hop:]), found[:, hop:]

    for chunk in _smoothed((chunk for chunk in chunks if chunk.size), rate):
        length += chunk.shape[1]
        before = np.zeros((chunk.shape[0], reach), np.float32) if buffer is None else buffer
        buffer = np.concatenate([before, chunk], axis=1)
        while origin + buffer.shape[1] >= centre + reach:
            half, tail = grain()
            if centre:  # the first grain's first half lies before the beginning
                yield half
            centre += hop
            drop = max(0, centre - reach - origin)
            buffer, origin = buffer[:, drop:], origin + drop
    if buffer is None:
        return
    buffer = np.concatenate([buffer, np.zeros((buffer.shape[0], 2 * (reach + hop)), np.float32)], axis=1)
    done = max(0, centre - hop)
    while done < length:
        half, tail = grain()
        if centre:
            yield half[:, : length - done]
            done += hop
        centre += hop


def _factors() -> Iterator[float]:
    """For each grain its factor, from numbers of the system that are kept nowhere."""
    rng = np.random.default_rng(secrets.randbits(128))
    low, high = _UP if rng.integers(2) else _DOWN
    steps = round(_WANDER_S / _HOP_S)
    now = rng.uniform(low, high)
    while True:
        goal = rng.uniform(low, high)
        yield from np.linspace(now, goal, steps, endpoint=False)
        now = goal


def _smoothed(chunks: Iterable[Samples], rate: int) -> Iterator[Samples]:
    """Without what would lie beyond the highest pitch that can be told, and come back as noise, once moved up."""
    from scipy.signal import butter, sosfilt  # slow to import, and rarely needed

    sections = butter(6, 0.95 / _UP[1], output="sos")
    state = None
    for chunk in chunks:
        if state is None:
            state = np.zeros((len(sections), chunk.shape[0], 2))
        out, state = sosfilt(sections, chunk, axis=1, zi=state)
        yield out.astype(np.float32)
