"""The sound of a source, packet by packet, shifted to the time of an output."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from faceblur.media.source import Sound, demuxed, opened


@dataclass(frozen=True, slots=True)
class Soundtrack:
    """The sound for an output: from which file and streams, and which part of it (seconds of the source's own time).

    The part begins at the output's time zero; without `begin` the sound keeps the source's own time.
    """

    path: Path
    sounds: tuple[Sound, ...]
    begin: Fraction | None = None
    end: Fraction | None = None


class SoundSource:
    """The sound packets of a track in file order, shifted to the output's time."""

    def __init__(self, container: Any, track: Soundtrack) -> None:
        self.track = track
        self.container = container
        self.streams = [container.streams[s.index] for s in track.sounds]

    def packets(self) -> Iterator[tuple[Fraction, Any]]:
        """(time in the output in seconds, packet)."""
        track = self.track
        for packet in demuxed(self.container, track.path, *self.streams):
            if not packet.size or packet.pts is None:
                continue
            base = Fraction(packet.time_base)
            time = packet.pts * base
            if (track.begin is not None and time < track.begin) or (track.end is not None and time >= track.end):
                continue
            shift = round((track.begin or 0) / base)
            packet.pts -= shift
            packet.dts = packet.dts - shift if packet.dts is not None else None
            yield packet.pts * base, packet


@contextmanager
def sound_packets(track: Soundtrack | None) -> Iterator[SoundSource | None]:
    """The sound of a track while the block runs; None when there is none."""
    if track is None or not track.sounds:
        yield None
        return
    with opened(track.path) as container:
        yield SoundSource(container, track)
