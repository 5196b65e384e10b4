"""The output is the source but for what is hidden: every kind of clip, both ways, through frames and without them.

Each clip is made once and run four times: through frames and direct, with the codec that is taken by itself and with
FFV1, which loses nothing. A green rectangle moves through every picture; it is hidden by a black box.
"""

import itertools
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.codec.context import Flags
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from conftest import play, with_edit, write_tone
from faceblur import media
from faceblur.context import Context
from faceblur.domain import Box
from faceblur.options import Options
from faceblur.pipeline import run
from faceblur.verify import verify

WAYS = ("frames", "direct")
SHIFTED = (".ts", ".avi", ".wmv", ".gif")  # they count from anywhere; the time of their output begins at zero
FACE = 20  # px, the side of the painted rectangle
STRAY = 0.03  # share of the samples that PNG frames, which are RGB, may move by more than a step
BT709, BT601, HDR10, HLG, FULL = (1, 1, 1, 1), (1, 6, 6, 6), (1, 9, 16, 9), (1, 9, 18, 9), (2, 1, 1, 1)
LIGHT = {
    "x265-params": "log-level=none:master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)"
    "L(10000000,50):max-cll=1000,400"
}
GROUPS = {"bf": "3", "g": "6", "x264-params": "open-gop=1:scenecut=0:b-adapt=0"}
QUICK = {"hevc": "ultrafast", "av1": "12", "vp9": "8"}  # presets by output codec; elsewhere that of x264


@dataclass(frozen=True)
class Clip:
    """How a clip is made, and of what its output consists; times are in ticks of `time_base`.

    `rewritten` are the times that are written into the file in place of those that were encoded; an `edit` shows frames
    from its first to before its second number only. `sounds` are encoders with the language of each; the first sample
    is heard at `heard` seconds. `encoded` and `kept` are codec and pixel format of the output, `kept` that of the clip
    unless another is named.
    """

    ending: str = ".mp4"
    codec: str = "libx264"
    pixels: str = "yuv420p"
    kept: str = ""
    pts: Sequence[int] = range(8)
    time_base: Fraction = Fraction(1, 25)
    rewritten: Sequence[int] = ()
    edit: tuple[int, int] | None = None
    size: tuple[int, int] = (96, 64)
    rotation: int = 0
    aspect: Fraction | None = None
    colour: tuple[int, int, int, int] = BT709
    options: dict[str, str] = field(default_factory=dict)
    sounds: Sequence[tuple[str, str]] = ()
    heard: Fraction = Fraction(0)
    encoded: str = "h264"

    @property
    def numbers(self) -> range:
        """Those of the frames that are shown."""
        return range(*self.edit or (0, len(self.pts)))

    @property
    def is_grey(self) -> bool:
        return self.pixels.startswith("gray")

    @property
    def is_interlaced(self) -> bool:
        return "ilme" in self.options.get("flags", "")


AAC, GOOD = (("aac", "eng"),), {"qscale": "2"}
CLIPS = {
    "23.976": Clip(time_base=Fraction(1001, 24000)),
    "24": Clip(time_base=Fraction(1, 24)),
    "25": Clip(),
    "29.97": Clip(time_base=Fraction(1001, 30000)),
    "59.94": Clip(time_base=Fraction(1001, 60000)),
    "120": Clip(time_base=Fraction(1, 120), pts=range(24)),
    "variable-rate": Clip(time_base=Fraction(1, 1000), pts=[0, 33, 66, 100, 250, 270, 301, 333]),
    "gap": Clip(pts=[0, 1, 2, 3, 53, 54, 55]),
    "equal-times": Clip(".mkv", rewritten=[0, 1, 2, 2, 4, 5, 6, 6], options={"bf": "0"}),
    "late-start-mp4": Clip(pts=range(40, 48)),
    "late-start-mkv": Clip(".mkv", pts=range(40, 48)),
    "late-start-ts": Clip(".ts", pts=range(40, 48)),
    "b-frames": Clip(pts=range(16), options={"bf": "3", "b_strategy": "0"}),
    "open-gop": Clip(pts=range(18), options=GROUPS),
    "edit-list": Clip(pts=range(20), options={"bf": "2"}, edit=(5, 15)),
    "one-frame": Clip(pts=[0]),
    "odd-size": Clip(".mkv", "ffv1", size=(97, 63), encoded="ffv1"),
    "odd-size-h264": Clip(".mkv", pixels="yuv444p", size=(97, 63)),
    "turned-90": Clip(rotation=90),
    "turned-180": Clip(rotation=180),
    "turned-270": Clip(rotation=270),
    "aspect": Clip(aspect=Fraction(4, 3)),
    "aspect-turned": Clip(aspect=Fraction(4, 3), rotation=90),
    "h264-422": Clip(pixels="yuv422p"),
    "h264-444": Clip(pixels="yuv444p"),
    "h264-10": Clip(pixels="yuv420p10le"),
    "h264-422-10": Clip(".mkv", pixels="yuv422p10le"),
    "h264-444-10": Clip(pixels="yuv444p10le"),
    "h264-full-range": Clip(pixels="yuvj420p", kept="yuv420p", colour=FULL),
    "h264-bt601": Clip(colour=BT601),
    "hevc": Clip(codec="libx265", options={"x265-params": "log-level=none"}, encoded="hevc"),
    "hevc-hdr10": Clip(codec="libx265", pixels="yuv420p10le", colour=HDR10, options=LIGHT, encoded="hevc"),
    "hevc-hdr12": Clip(".mkv", "libx265", "yuv420p12le", colour=HDR10, options=LIGHT, encoded="hevc"),
    "hlg": Clip(
        ".mov", "libx265", "yuv422p10le", colour=HLG, options={"x265-params": "log-level=none"}, encoded="hevc"
    ),
    "av1-10": Clip(codec="libsvtav1", pixels="yuv420p10le", options={"preset": "12"}, encoded="av1"),
    "vp9": Clip(".webm", "libvpx-vp9", options={"cpu-used": "8", "b": "0"}, sounds=[("libopus", "")], encoded="vp9"),
    "prores": Clip(".mov", "prores_ks", "yuv422p10le", encoded="prores"),
    "prores-alpha": Clip(
        ".mov", "prores_ks", "yuva444p10le", kept="yuva444p12le", encoded="ffv1"
    ),  # decoded to 12 bits
    "ffv1-grey": Clip(".mkv", "ffv1", "gray", encoded="ffv1"),
    "ffv1-grey-16": Clip(".mkv", "ffv1", "gray16le", encoded="ffv1"),
    "ffv1-rgb": Clip(".mkv", "ffv1", "bgr0", encoded="ffv1"),
    "ffv1-rgb-16": Clip(".mkv", "ffv1", "gbrp16le", encoded="ffv1"),
    "ffv1-alpha": Clip(".mkv", "ffv1", "bgra", encoded="ffv1"),
    "ffv1-16": Clip(".mkv", "ffv1", "yuv444p16le", encoded="ffv1"),
    "ffv1-alpha-16": Clip(".mkv", "ffv1", "yuva444p16le", encoded="ffv1"),
    "mjpeg": Clip(".avi", "mjpeg", "yuvj420p", kept="yuv420p", colour=(2, 2, 2, 5), options=GOOD),
    "mpeg4-mp3": Clip(".avi", "mpeg4", options=GOOD, sounds=[("libmp3lame", "")]),
    "wmv": Clip(".wmv", "wmv2", options=GOOD, sounds=[("wmav2", "")]),
    "gif": Clip(".gif", "gif", "rgb8", kept="yuv444p"),
    "mpeg2-interlaced": Clip(".ts", "mpeg2video", options=GOOD | {"flags": "+ildct+ilme"}, sounds=[("ac3", "")]),
    "aac": Clip(sounds=AAC),
    "aac-mkv": Clip(".mkv", sounds=AAC),
    "aac-ts": Clip(".ts", sounds=AAC),
    "two-languages": Clip(sounds=[("aac", "eng"), ("aac", "fra")]),
    "opus": Clip(".mkv", sounds=[("libopus", "deu")]),
    "pcm": Clip(".mov", sounds=[("pcm_s16le", "eng")]),
    "mp3": Clip(sounds=[("libmp3lame", "eng")]),
    "flac": Clip(".mkv", sounds=[("flac", "eng")]),
    "ac3": Clip(".mkv", sounds=[("ac3", "eng")]),
    "late-video": Clip(pts=range(10, 18), sounds=AAC),
    "late-video-mkv": Clip(".mkv", pts=range(10, 18), sounds=AAC),
    "late-sound": Clip(pts=range(16), sounds=AAC, heard=Fraction(3, 10)),
    "late-sound-mkv": Clip(".mkv", pts=range(16), sounds=AAC, heard=Fraction(3, 10)),
}


def face(number: int) -> tuple[int, int, int, int]:
    """Where the face is painted in a frame, upright: left, top, right, bottom."""
    left = 8 + 2 * number
    return left, 20, left + FACE, 20 + FACE


def painted(number: int, clip: Clip) -> NDArray[Any]:
    """(H, W, 4) RGBA as stored, uint16: smooth moving colours with the noise of a camera, and the face."""
    width, height = clip.size
    rng = np.random.default_rng(number)
    x, y = np.arange(width)[None, :], np.arange(height)[:, None]
    waves = [np.sin(x / a + y / b + number / 4) for a, b in ((17, 23), (29, 13), (11, 31), (37, 19))]
    values = np.stack(waves, axis=2) * 0.2 + 0.45 + rng.normal(0, 0.006, (height, width, 1))
    image = np.rint(np.clip(values, 0, 1) * 65535).astype(np.uint16)
    left, top, right, bottom = face(number)
    image[top:bottom, left:right] = (0, 65535, 0, 65535)
    return np.ascontiguousarray(np.rot90(image, -clip.rotation // 90))


def written(path: Path, clip: Clip) -> Path:
    """Make a clip with PyAV alone."""
    reformatter, pts = VideoReformatter(), list(clip.pts)
    with av.open(str(path), "w") as container:
        options = {"crf": "8", "preset": "ultrafast"} if clip.codec.startswith("libx") else {}
        stream = container.add_stream(clip.codec, rate=round(1 / clip.time_base), options=options | clip.options)
        context: Any = stream.codec_context
        stream.height, stream.width = painted(0, clip).shape[:2]
        stream.pix_fmt = clip.pixels
        stream.time_base = context.time_base = clip.time_base
        context.color_range, context.color_primaries, context.color_trc, context.colorspace = clip.colour
        context.flags |= Flags.frame_duration
        if clip.rotation:
            stream.set_display_rotation(clip.rotation)
        if clip.aspect:
            context.sample_aspect_ratio = clip.aspect
        audios = [container.add_stream(name, rate=48000, layout="mono", bit_rate=128_000) for name, _ in clip.sounds]
        for audio, (_, language) in zip(audios, clip.sounds, strict=True):
            audio.metadata.update({"language": language} if language else {})
        lengths = [b - a for a, b in itertools.pairwise(pts)]
        packets = []
        for number, (stamp, length) in enumerate(zip(pts, [*lengths, (lengths or [1])[-1]], strict=True)):
            frame = av.VideoFrame.from_ndarray(painted(number, clip), format="rgba64le")
            matrix = clip.colour[3] if clip.colour[3] != media.UNKNOWN else 5
            frame = reformatter.reformat(
                frame, format=clip.pixels, dst_colorspace=matrix, dst_color_range=max(1, clip.colour[0])
            )
            frame.pts, frame.duration, frame.time_base = stamp, length, clip.time_base
            frame.color_range, frame.color_primaries, frame.color_trc, frame.colorspace = clip.colour
            packets += stream.encode(frame)
        packets += stream.encode(None)
        if clip.rewritten:
            for packet, stamp in zip(packets, clip.rewritten, strict=True):
                packet.pts = packet.dts = round(stamp * clip.time_base / packet.time_base)
        for packet in packets:
            container.mux(packet)
        for pitch, audio in enumerate(audios, start=1):
            write_tone(container, audio, clip.heard, (pts[-1] + 1) * clip.time_base, 440.0 * pitch)
    return with_edit(path, begin=clip.edit[0], end=clip.edit[1]) if clip.edit else path


@dataclass(frozen=True)
class Film:
    """What PyAV alone finds in a file."""

    path: Path

    @cached_property
    def frames(self) -> list[av.VideoFrame]:
        with av.open(str(self.path)) as container:
            return list(container.decode(video=0))

    @cached_property
    def times(self) -> list[Fraction]:
        return [frame.pts * frame.time_base for frame in self.frames]

    @cached_property
    def last(self) -> Fraction:
        """How long the last frame lasts, in seconds; 0 where the file does not say."""
        return self.frames[-1].duration * self.frames[-1].time_base

    @cached_property
    def tick(self) -> Fraction:
        with av.open(str(self.path)) as container:
            return container.streams.video[0].time_base

    @cached_property
    def sounds(self) -> list[list[tuple[Fraction, bytes]]]:
        return play(self.path).sounds

    @cached_property
    def languages(self) -> list[str | None]:
        with av.open(str(self.path)) as container:
            return [stream.language for stream in container.streams.audio]

    @cached_property
    def codec(self) -> str:
        with av.open(str(self.path)) as container:
            return container.streams.video[0].codec_context.codec.canonical_name


@dataclass(eq=False)
class Case:
    """A clip on the way: its source, and what came out of it each way."""

    clip: Clip
    folder: Path
    source: Film
    _made: dict[tuple[str, str], Film] = field(default_factory=dict)

    def context(self, way: str, **more: object) -> Context:
        options = Options(
            input=self.folder / "input",
            output=self.folder / way,
            detector="null",
            style="solid",
            shape="box",
            preset=QUICK.get(self.clip.encoded, "ultrafast"),
            no_frames=way == "direct",
        )
        return Context(replace(options, **more))  # type: ignore[arg-type]

    def made(self, way: str, codec: str = "same") -> Film:
        """What comes out that way; a clip whose own codec is FFV1 comes out once."""
        key = (way, "same" if codec == self.clip.encoded else codec)
        if key not in self._made:
            if key[1] == "ffv1":
                self.made(way)  # whose evidence and frames are not made again
                context = self.context(way, out=self.folder / way / "lossless.mkv", codec=codec, preset=None)
            else:
                context = self.context(way)
                if self.clip.is_grey:  # green is grey there, and no face to the detector
                    self._decide(way)
            self._made[key] = Film(run(self.source.path, context))
            shutil.copy(self.folder / way / "clip" / "report.json", self.report(*key))
        return self._made[key]

    def report(self, way: str, codec: str) -> Path:
        """The report that was written with what came out."""
        return self.folder / way / f"{'same' if codec == self.clip.encoded else codec}.json"

    def _decide(self, way: str) -> None:
        folder = self.folder / way / "clip"
        folder.mkdir(parents=True)
        boxes = [[number + 1, list(face(number))] for number in self.clip.numbers]
        decision = {"id": "1", "action": "hide", "kind": "face", "boxes": boxes}
        (folder / "decisions.jsonl").write_text(json.dumps(decision) + "\n")

    def said(self, way: str, what: str) -> dict[str, object]:
        """What is stored in a folder of the job: the JSON of each file, by name."""
        self.made(way)
        folder = self.folder / way / "clip" / what
        return {str(p.relative_to(folder)): json.loads(p.read_bytes()) for p in sorted(folder.rglob("*.json"))}

    def outside(self, way: str, number: int, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Which samples of a plane of `shape` lie outside what is hidden in a frame counted from 0."""
        width, height = self.clip.size
        across, down = -(-width // shape[1]), -(-height // shape[0])
        free = np.ones((height, width), bool)
        told: Any = self.said(way, "regions")[f"frame_{number + 1:010}.json"]
        for region in told["regions"]:
            box = Box.from_json(region["box"]).grow(0.06)  # with the soft edge
            left, top = (max(0, int(v) // 4 * 4 - 4) for v in (box.left, box.top))
            free[top : int(box.bottom) // 4 * 4 + 8, left : int(box.right) // 4 * 4 + 8] = False
        return free[::down, ::across]


@pytest.fixture(scope="module", params=CLIPS)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    clip: Clip = CLIPS[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "input").mkdir()
    return Case(clip, folder, Film(written(folder / "input" / f"clip{clip.ending}", clip)))


both = pytest.mark.parametrize("way", WAYS)


def zero(before: Film, after: Film) -> Fraction:
    """By how much the output's times lie before those of the source, where they may."""
    by = before.times[0] - after.times[0]
    if before.path.suffix in SHIFTED:
        return by
    if after.path.suffix in (".mkv", ".webm") and before.path.suffix not in (".mkv", ".webm") and before.sounds:
        assert -Fraction(1024, 48000) - Fraction(1, 1000) <= by <= Fraction(1, 1000)  # AAC begins before zero
        return by
    return Fraction(0)


def rising(times: Sequence[Fraction], tick: Fraction) -> list[Fraction]:
    """Times of which each that does not rise is moved to the next tick."""
    return list(itertools.accumulate(times, lambda last, time: time if time > last else last + tick))


def upright(plane: NDArray[Any], clip: Clip) -> NDArray[Any]:
    return np.rot90(plane, clip.rotation // 90)


def step(frame: av.VideoFrame) -> int:
    """A step of the samples of a frame, of 10 bits where they have more: so much is lost between YUV and RGB."""
    return 1 << max(0, frame.format.components[0].bits - 10)


@both
def test_every_frame_is_shown_when_it_is_in_the_source(case: Case, way: str) -> None:
    before, after = case.source, case.made(way)
    by, must = zero(before, after), rising(before.times, before.tick)
    assert len(after.times) == len(case.clip.numbers)
    assert all(abs(a + by - b) <= after.tick / 2 for a, b in zip(after.times, must, strict=True))
    if before.last:
        assert abs(after.last - before.last) <= 2 * after.tick


@both
def test_the_picture_is_upright_and_has_size_and_shape_of_the_source(case: Case, way: str) -> None:
    after = case.made(way)
    assert {(f.width, f.height, f.rotation) for f in after.frames} == {(*case.clip.size, 0)}
    aspect = case.clip.aspect or Fraction(1)
    assert (play(after.path).aspect or 1) == (1 / aspect if case.clip.rotation % 180 else aspect)


@both
def test_sound_is_that_of_the_source_packet_by_packet(case: Case, way: str) -> None:
    before, after = case.source, case.made(way)
    assert len(after.sounds) == len(case.clip.sounds)
    if case.clip.ending == ".wmv":  # which is encoded anew, as nothing that is written holds it
        return
    by, adts = zero(before, after), 7 if case.clip.ending == ".ts" and case.clip.sounds == AAC else 0
    for ours, theirs in zip(after.sounds, before.sounds, strict=True):
        assert len(theirs) > 3
        assert [data for _, data in ours] == [data[adts:] for _, data in theirs]
        assert all(abs(a + by - b) <= Fraction(1, 1000) for (a, _), (b, _) in zip(ours, theirs, strict=True))
    if any(language for _, language in case.clip.sounds):
        assert after.languages == [language for _, language in case.clip.sounds]


@both
def test_depth_chroma_alpha_colours_and_light_are_those_of_the_source(case: Case, way: str) -> None:
    [ours, *_], [theirs, *_] = case.made(way).frames, case.source.frames
    assert case.made(way).codec == case.clip.encoded
    assert ours.format.name.replace("yuvj", "yuv") == (case.clip.kept or case.clip.pixels)
    if ours.format.is_rgb or case.clip.ending == ".gif":
        return  # whose tags would say nothing
    assert (ours.color_range == media.FULL) == (theirs.color_range == media.FULL)
    tags = ("color_primaries", "color_trc", "colorspace")
    assert [getattr(ours, t) for t in tags] == [getattr(theirs, t) for t in tags]
    names = ("MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL")
    told = [{d.type.name: bytes(d) for d in f.side_data if d.type.name in names} for f in (ours, theirs)]
    assert told[0] == told[1]
    assert len(told[0]) == (2 if case.clip.options is LIGHT else 0)


@both
def test_samples_outside_of_what_is_hidden_are_those_of_the_source(case: Case, way: str) -> None:
    """All of them, bit by bit; on the way through frames, which are RGB, some are a step off, and few are more."""
    must = case.source.frames
    if case.clip.is_interlaced:  # a frame is made from two fields
        must = [shown.frame for shown in media.Reader(case.source.path, media.probe(case.source.path))]
    moved = total = 0
    for number, (ours, theirs) in enumerate(zip(case.made(way, "ffv1").frames, must, strict=True)):
        for ours_, plane in zip(media.planes(ours), media.planes(theirs), strict=True):
            theirs_ = upright(plane, case.clip)
            free = case.outside(way, number, (theirs_.shape[0], theirs_.shape[1]))
            assert free.any()
            off = np.abs(ours_[free].astype(np.int64) - theirs_[free])
            moved, total = moved + np.count_nonzero(off > (step(theirs) if way == "frames" else 0)), total + off.size
    assert moved / total <= (STRAY if way == "frames" else 0)


@pytest.mark.parametrize("what", ["detections", "motion", "regions"])
def test_what_is_found_and_hidden_is_the_same_both_ways(case: Case, what: str) -> None:
    assert case.said("direct", what) == case.said("frames", what)
    if what == "regions":
        told: Any = case.said("direct", what)
        assert all(v["regions"] for name, v in told.items() if name.startswith("frame_"))


@both
@pytest.mark.parametrize("codec", ["same", "ffv1"])
def test_the_output_is_what_its_report_says(case: Case, way: str, codec: str) -> None:
    after, path = case.made(way, codec), case.report(way, codec)
    report = json.loads(path.read_bytes())
    assert report["frames"] == report["blurred"]["checks"]["frames"] == len(case.clip.numbers)
    assert verify(after.path, case.context(way), path) == report["blurred"]


@both
@pytest.mark.parametrize("codec", ["same", "ffv1"])
def test_the_face_is_seen_in_no_frame(case: Case, way: str, codec: str) -> None:
    for number, frame in zip(case.clip.numbers, case.made(way, codec).frames, strict=True):
        left, top, right, bottom = face(number)
        assert frame.to_ndarray(format="bgr24")[top + 1 : bottom - 1, left + 1 : right - 1].max() < 60
