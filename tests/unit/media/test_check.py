"""What was written is measured and compared with what it must be, and later with its report."""

import json
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from conftest import moving_face, picture, write_clip
from faceblur import media
from faceblur.context import Context
from faceblur.errors import MediaError
from faceblur.pipeline import run, split

Maker = Callable[..., Context]


@pytest.fixture
def made(tmp_path: Path, context: Maker) -> tuple[Path, Any]:
    """A finished video with sound, and the checks of its report."""
    clip = write_clip(tmp_path / "clip.mp4", moving_face(10), sound=True)
    job = split(clip, context())
    return run(clip, context(preset="ultrafast")), job.reports.last()["blurred"]["checks"]


def doctored(path: Path, change: Callable[[Any], None] = lambda _: None, **how: Any) -> Path:
    """A copy of the streams, with a change to the container before anything is written, or to packets."""
    target = path.with_name(f"doctored{path.suffix}")
    with av.open(str(path)) as source, av.open(str(target), "w", options=how.get("options", {})) as container:
        streams = [s for s in source.streams if s.type not in how.get("without", ())]
        copies = {s.index: container.add_stream_from_template(s) for s in streams}
        change(container)
        for packet in source.demux(streams):
            if packet.size:
                if packet.stream.type == "audio":
                    packet.pts += how.get("late", 0)
                    packet.dts += how.get("late", 0)
                packet.stream = copies[packet.stream_index]
                container.mux(packet)
    target.replace(path)
    return path


def tagged(container: Any) -> None:
    container.metadata["comment"] = "Anna"


def spoken(container: Any) -> None:
    container.streams.audio[0].metadata["language"] = "fra"


def test_a_finished_video_is_the_same_as_long_as_nobody_touches_it(made: tuple[Path, Any]) -> None:
    path, checks = made
    assert media.again(path, json.loads(json.dumps(checks))) == []
    assert checks == media.measure(path) | {"sound": ["copied"]}
    assert [stream["codec"] for stream in checks["streams"]] == ["h264", "aac"]


@pytest.mark.parametrize(
    ("deed", "line"),
    [
        (lambda p: doctored(p, tagged), "tags 1: comment=Anna instead of None"),
        (lambda p: doctored(p, spoken), "streams 2.language: fra instead of None"),
        (lambda p: doctored(p, without=["audio"]), "sound_packets: 0 instead of"),
        (lambda p: doctored(p, late=4800), "streams 2.times_sha256: "),
        (lambda p: write_clip(p, moving_face(9), sound=True), "frames: 9 instead of 10"),
        (lambda p: write_clip(p, moving_face(10, 64, 48), sound=True), "width: 64 instead of 96"),
        (lambda p: write_clip(p, [picture(seed=n) for n in range(10)]), "streams 1.content_sha256: "),
        (lambda p: p.write_bytes(p.read_bytes()[:-200]), ""),
        (lambda p: p.write_bytes(b"nothing"), "cannot be read as a video"),
        (lambda p: p.unlink(), "does not exist"),
    ],
    ids=["tag", "language", "silent", "late", "shorter", "smaller", "other", "cut", "no-video", "gone"],
)
def test_a_video_that_somebody_touched_differs(
    made: tuple[Path, Any], deed: Callable[[Path], object], line: str
) -> None:
    path, checks = made
    deed(path)
    differences = media.again(path, checks)
    assert [d for d in differences if line in d], differences


def test_a_tag_of_anybody_else_is_no_output_of_ours(tmp_path: Path) -> None:
    path, clock = tmp_path / "clip.mp4", media.Clock(Fraction(1, 25), (0, 1, 2), 3)
    media.write(path, moving_face(3), clock, media.choose((96, 64)), None)
    media.verify(path, clock, (96, 64), None)
    with pytest.raises(MediaError, match="comment=Anna"):
        media.verify(doctored(path, tagged), clock, (96, 64), None)


def voice(path: Path, *, seconds: float = 3, late: float = 0) -> media.Soundtrack:
    """Noise in bursts, as of words."""
    rng = np.random.default_rng(3)
    loud = np.repeat(rng.uniform(0, 0.5, int(seconds * 10)) ** 2, 4800)
    sound = (loud * rng.uniform(-1, 1, len(loud))).astype(np.float32)
    return media.write_sound(path, np.roll(sound, int(late * 48000)), 48000)


@pytest.mark.parametrize(
    ("change", "message"),
    [("late", "beside its time"), ("short", "sound ends at"), ("none", "number of audio streams")],
)
@pytest.mark.parametrize("distort", [False, True])
def test_sound_encoded_anew_must_be_that_of_the_source(
    tmp_path: Path, change: str, message: str, *, distort: bool
) -> None:
    track = replace(voice(tmp_path / "voice.m4a"), distort=distort)
    wrong = {
        "late": voice(tmp_path / "late.m4a", late=0.1),
        "short": voice(tmp_path / "short.m4a", seconds=2.5),
        "none": None,
    }[change]
    path, clock = tmp_path / "out.webm", media.Clock(Fraction(1, 25), tuple(range(75)), 75)
    encoding = media.choose((32, 32), wish=media.Wish("vp9", crf=40))
    media.write(path, [picture(32, 32)] * 75, clock, encoding, track)
    assert media.verify(path, clock, (32, 32), track)["sound"] == ["distorted" if distort else "transcoded"]
    media.write(path, [picture(32, 32)] * 75, clock, encoding, wrong and replace(wrong, distort=distort))
    with pytest.raises(MediaError, match=message):
        media.verify(path, clock, (32, 32), track)
