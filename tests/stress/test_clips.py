"""Clips from cameras both ways: every time stamp and every packet of sound is that of the source. Long."""

from fractions import Fraction
from pathlib import Path

import av
import pytest

from conftest import SHARED, play
from faceblur.context import Context
from faceblur.options import Options
from faceblur.pipeline import run
from faceblur.verify import verify

pytestmark = [pytest.mark.stress, pytest.mark.shared, pytest.mark.timeout(900)]
CLIPS = sorted(path.name for path in (SHARED / "data" / "videos").glob("*.m[pk][4v]"))
both = pytest.mark.parametrize("way", ["frames", "direct"])


def went(source: Path, folder: Path, way: str, **options: object) -> Path:
    """What comes out of a source, one way; found to be what its report says."""
    context = Context(
        Options(
            input=folder / "input",
            output=folder / "output",
            detector="null",
            preset="ultrafast",
            no_frames=way == "direct",
            workers=2,
            **options,  # type: ignore[arg-type]
        )
    )
    out = run(source, context)
    assert verify(out, context)["checks"]["frames"] == len(play(out).times)
    return out


def part(path: Path, end: Fraction) -> tuple[list[Fraction], list[list[tuple[Fraction, bytes]]]]:
    """The times of the pictures in the first `end` seconds, and the sound up to the next picture."""
    played = play(path)
    times = [t for t in played.times if t - played.times[0] < end]
    until = played.times[len(times)]
    return times, [[(t, data) for t, data in sound if t < until] for sound in played.sounds]


def assert_same_sound(ours: list[list[tuple[Fraction, bytes]]], theirs: list[list[tuple[Fraction, bytes]]]) -> None:
    assert [[data for _, data in sound] for sound in ours] == [[data for _, data in sound] for sound in theirs]
    for sound, wanted in zip(ours, theirs, strict=True):
        assert all(abs(a - b) <= Fraction(1, 1000) for (a, _), (b, _) in zip(sound, wanted, strict=True))


@both
@pytest.mark.parametrize("name", CLIPS)
def test_the_first_two_seconds_of_a_clip(shared: Path, tmp_path: Path, name: str, way: str) -> None:
    source = shared / "data" / "videos" / name
    out = went(source, tmp_path, way, end=Fraction(2), frames="delete")
    made, (times, sounds) = play(out), part(source, Fraction(2))
    with av.open(str(out)) as container:
        tick = container.streams.video[0].time_base
    assert len(made.times) == len(times)
    assert all(abs(a - b) <= tick / 2 for a, b in zip(made.times, times, strict=True))
    with av.open(str(source)) as container:
        shown = next(container.decode(video=0))
    assert (made.size, made.rotation) == ((shown.width, shown.height), 0)
    assert_same_sound(made.sounds, sounds)


@pytest.fixture(scope="module")
def fifteen_seconds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip of 1080p at 25 a second and its sound, one after the other until there are 15 seconds."""
    path = tmp_path_factory.mktemp("long") / "long.mp4"
    source = SHARED / "data" / "videos" / "facenet_pytorch_video.mp4"
    with av.open(str(path), "w") as container:
        added, shift = {}, Fraction(0)
        while shift < 15:
            with av.open(str(source)) as clip:
                streams = (*clip.streams.video[:1], *clip.streams.audio)
                for stream in streams:
                    if stream.type not in added:
                        added[stream.type] = container.add_stream_from_template(stream)
                ends = []
                for packet in clip.demux(*streams):
                    if packet.size:
                        ticks = round(shift / packet.time_base)
                        packet.pts, packet.dts = packet.pts + ticks, packet.dts + ticks
                        ends.append((packet.pts + packet.duration) * packet.time_base)
                        packet.stream = added[packet.stream.type]
                        container.mux(packet)
                shift = max(ends)
    return path


@both
def test_a_whole_clip_of_1080p_with_sound(fifteen_seconds: Path, tmp_path: Path, way: str) -> None:
    made, source = play(went(fifteen_seconds, tmp_path, way, frames="delete")), play(fifteen_seconds)
    assert len(made.times) >= 15 * 25
    assert made.times == source.times
    assert made.size == source.size == (1920, 1080)
    assert source.sounds[0]
    assert_same_sound(made.sounds, source.sounds)
