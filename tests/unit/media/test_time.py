"""The pictures of an output are shown when those of its source are, whatever the source counts in."""

import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import pytest

from conftest import RUN, moving_face, play, with_edit, write_clip
from faceblur import media
from faceblur.context import Context
from faceblur.errors import SourceError
from faceblur.pipeline import run, split

Maker = Callable[..., Context]

CODECS = {
    ".mp4": "libx264",
    ".mov": "libx264",
    ".mkv": "libx264",
    ".flv": "libx264",
    ".ts": "libx264",
    ".webm": "libvpx-vp9",
    ".avi": "mpeg4",
    ".wmv": "wmv2",
    ".gif": "gif",
}
NTSC = Fraction(1001, 30000)
COUNTING_FROM_ANYWHERE = (".ts", ".flv", ".wmv", ".avi")  # the time of the output begins at zero
RATES = [
    Fraction(1001, 24000),
    Fraction(1, 25),
    Fraction(1001, 30000),
    Fraction(1001, 60000),
    Fraction(1, 120),
]
BETWEEN = [0, 1, 2, 4, 5, 9, 10, 11]  # variable rate, in frames of 25 a second
GAP = [0, 1, 2, 52, 53, 54]


def clip(path: Path, *, pts: Sequence[int] = range(8), time_base: Fraction = Fraction(1, 25), **more: object) -> Path:
    pixels = "rgb8" if path.suffix == ".gif" else "yuv420p"
    images = moving_face(len(pts))
    return write_clip(
        path, images, pts=pts, time_base=time_base, codec=CODECS[path.suffix], pixel_format=pixels, **more
    )


def tick(path: Path) -> Fraction:
    with av.open(str(path)) as container:
        return container.streams.video[0].time_base


def assert_same_times(source: Path, out: Path) -> None:
    """Equal where the output counts as finely as the source, else within half a tick; the last one lasts as long."""
    before, after = play(source).times, play(out).times
    zero = before[0] - after[0] if source.suffix in COUNTING_FROM_ANYWHERE else 0
    coarse = 0 if (tick(source) / tick(out)).denominator == 1 else tick(out) / 2
    assert len(after) == len(before)
    assert all(abs(a + zero - b) <= coarse for a, b in zip(after, before, strict=True))
    if last := last_duration(source):  # some files do not say
        assert last_duration(out) == pytest.approx(last, abs=float(2 * tick(out)))


def last_duration(path: Path) -> float:
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    return float(frames[-1].duration * frames[-1].time_base)


@pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv", ".webm", ".ts", ".flv", ".avi", ".wmv"])
@pytest.mark.parametrize("frame", RATES, ids=lambda f: f"{float(1 / f):.3f}")
def test_every_usual_rate_in_every_usual_container(tmp_path: Path, blurred: RUN, frame: Fraction, ending: str) -> None:
    source = clip(tmp_path / f"clip{ending}", time_base=frame)
    assert_same_times(source, blurred(source))


@pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv", ".webm", ".ts", ".flv", ".wmv", ".gif"])
@pytest.mark.parametrize("pts", [BETWEEN, GAP], ids=["variable", "gap"])
def test_variable_rate_and_gaps(tmp_path: Path, blurred: RUN, pts: list[int], ending: str) -> None:
    source = clip(tmp_path / f"clip{ending}", pts=pts)
    assert_same_times(source, blurred(source))


@pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv", ".webm", ".ts"])
def test_a_start_later_than_zero(tmp_path: Path, blurred: RUN, ending: str) -> None:
    source = clip(tmp_path / f"clip{ending}", pts=range(40, 48))
    assert_same_times(source, blurred(source))


@pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv", ".ts"])
@pytest.mark.parametrize("groups", ["closed", "open"])
def test_b_frames_and_open_groups(tmp_path: Path, blurred: RUN, groups: str, ending: str) -> None:
    options = {"bf": "3", "g": "6", "x264-params": f"open-gop={int(groups == 'open')}:scenecut=0:b-adapt=0"}
    source = clip(tmp_path / f"clip{ending}", pts=range(20), options=options)
    assert_same_times(source, blurred(source))


@pytest.mark.parametrize("ending", [".mp4", ".mov"])
def test_an_output_named_otherwise_keeps_the_ticks_of_the_source(tmp_path: Path, context: Maker, ending: str) -> None:
    source = clip(tmp_path / "clip.mkv", pts=[0, 33, 66, 500, 520, 1001], time_base=Fraction(1, 1000))
    out = run(source, context(preset="ultrafast", out=tmp_path / f"out{ending}"))
    assert play(out).times == play(source).times


@pytest.mark.parametrize("ending", [".mkv", ".webm"])
@pytest.mark.parametrize("sound", [False, True])
def test_coarser_ticks_are_off_by_half_of_one_at_most(
    tmp_path: Path, context: Maker, ending: str, *, sound: bool
) -> None:
    source = clip(tmp_path / "clip.mp4", time_base=NTSC, pts=range(20), sound=sound)
    preset = {".mkv": "ultrafast", ".webm": "8"}[ending]
    after = play(run(source, context(preset=preset, out=tmp_path / f"out{ending}")))
    before = play(source)
    moved = round((after.times[0] - before.times[0]) * 1000)  # as sound begins before zero, which Matroska cannot say
    assert moved == (21 if sound and ending == ".mkv" else 0)
    for ours, theirs in zip(after.times, before.times, strict=True):
        assert abs(ours - theirs - Fraction(moved, 1000)) <= (Fraction(1, 1000) if moved else Fraction(1, 2000))


@pytest.mark.parametrize("ending", [".mp4", ".mov"])
def test_frames_outside_an_edit_are_not_shown(tmp_path: Path, blurred: RUN, ending: str) -> None:
    source = with_edit(clip(tmp_path / f"clip{ending}", pts=range(20), options={"bf": "2"}), begin=5, end=15)
    out = blurred(source)
    assert len(play(out).times) == len(play(source).times) == 10
    assert_same_times(source, out)


def test_times_that_do_not_rise_are_moved_and_reported(tmp_path: Path, context: Maker) -> None:
    """Two pictures at one time, as cheap cameras write them."""
    source = clip(tmp_path / "clip.mp4", pts=[0, 1, 2, 5, 6, 7], options={"bf": "0"})
    data = source.read_bytes()
    assert data.count(struct.pack(">II", 1, 3 * 512)) == 1  # in `stts`: one picture lasts three frames
    source.write_bytes(data.replace(struct.pack(">II", 1, 3 * 512), struct.pack(">II", 1, 0)))
    assert len(set(play(source).times)) == 5
    origin = split(source, context()).frames.origin()
    assert origin
    assert origin.moved == 1
    times = play(run(source, context(preset="ultrafast"))).times
    assert len(times) == 6
    assert times == sorted(set(times))


# Damage


def test_a_transport_stream_that_starts_in_the_middle_is_damaged(tmp_path: Path, context: Maker) -> None:
    whole = clip(tmp_path / "whole.ts", pts=range(60), options={"g": "25", "bf": "0", "sc_threshold": "0"}, sound=True)
    data = whole.read_bytes()
    source = tmp_path / "clip.ts"
    source.write_bytes(data[188 * (len(data) // 188 // 4) :])
    with pytest.raises(SourceError, match=r"is damaged: \d+ .* --damaged accept") as caught:
        run(source, context(preset="ultrafast"))
    assert caught.value.exit_code == 3
    out = run(source, context(preset="ultrafast", damaged="accept"))
    before, after = play(source), play(out)
    assert [t - after.times[0] for t in after.times] == [t - before.times[0] for t in before.times]
    assert float(after.sounds[0][0][0] - after.times[0]) == pytest.approx(
        float(before.sounds[0][0][0] - before.times[0]), abs=0.001
    )


@pytest.mark.parametrize("ending", [".mkv", ".mp4", ".ts", ".flv"])
@pytest.mark.parametrize("audio", ["keep", "distort"])
def test_a_cut_file_that_is_accepted_stays_in_time(tmp_path: Path, context: Maker, ending: str, audio: str) -> None:
    whole = clip(tmp_path / f"whole{ending}", pts=range(50), options={"g": "10"}, sound=True)
    if ending == ".mp4":
        fast = tmp_path / "fast.mp4"
        with av.open(str(whole)) as one, av.open(str(fast), "w", options={"movflags": "+faststart"}) as container:
            copies = {s.index: container.add_stream_from_template(s) for s in one.streams}
            for packet in one.demux():
                if packet.size:
                    packet.stream = copies[packet.stream_index]
                    container.mux(packet)
        whole = fast
    source = tmp_path / f"clip{ending}"
    source.write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    if ending != ".ts":  # which promises nothing
        with pytest.raises(SourceError, match="--damaged accept"):
            run(source, context(preset="ultrafast"))
    out = run(source, context(preset="ultrafast", damaged="accept", audio=audio))
    shown, after = media.Reader(source, media.probe(source)), play(out)
    times = [frame.pts * shown.time_base for frame in shown]
    assert [t - after.times[0] for t in after.times] == [t - times[0] for t in times]
    if audio == "keep":
        before = play_sound(source)
        assert [data for _, data in after.sounds[0]] == [data for _, data in before]
        assert float(after.sounds[0][0][0] - after.times[0]) == pytest.approx(float(before[0][0] - times[0]), abs=0.001)


def play_sound(path: Path) -> list[tuple[Fraction, bytes]]:
    found = []
    with av.open(str(path)) as container:
        packets = container.demux(container.streams.audio[0])
        while True:
            try:
                packet = next(packets)
            except (StopIteration, av.FFmpegError):
                return found
            if packet.size:
                data = bytes(packet)
                adts = 7 if path.suffix == ".ts" and data[0] == 0xFF else 0
                found.append((packet.pts * packet.time_base, data[adts:]))
