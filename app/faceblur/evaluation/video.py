"""How well faces are hidden in a video whose faces are known: by what would be hidden, or by a finished video's pixels.

A truth file is JSON: {"width": W, "height": H, "frames": [[[left, top, right, bottom, id], ...], ...], "ignored":
[[[left, top, right, bottom], ...], ...]}, an entry for each frame, in pixels of the upright frame, right and bottom
exclusive. An id names the same person in every frame; whether an ignored face is hidden counts neither way.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import chain
from pathlib import Path
from statistics import fmean
from typing import Any, Self

import cv2
import numpy as np

from faceblur import chart, images, media, temporal
from faceblur.context import Context
from faceblur.domain import Box, Json, Motion, Region
from faceblur.errors import SourceError, UsageError
from faceblur.evaluation.masks import Mask, mask, window
from faceblur.evaluation.table import table
from faceblur.job import Job
from faceblur.pipeline import open_job
from faceblur.plan import LOOK, Plan
from faceblur.worker import Worker

HIDDEN = 0.95  # share of the middle of a face that must be hidden for the face to be
_MARGIN = 0.2  # on each side of a face, as a share of it, that is not its middle: eyes, nose and mouth are
_AROUND = 0.5  # margin around a face, as a share of it, that may be hidden along with it
_DARK = 40  # the brightest channel of a pixel that counts as black is below this; encoders do not keep black exact


@dataclass(frozen=True, slots=True)
class Labels:
    """The faces of one frame: (id, box) of those that must be hidden, and boxes of those that may be."""

    faces: tuple[tuple[str, Box], ...] = ()
    ignored: tuple[Box, ...] = ()


@dataclass(frozen=True, slots=True)
class Truth:
    """The faces of a video: its width and height in pixels, and the labels of every frame, in order."""

    width: int
    height: int
    frames: tuple[Labels, ...]

    @classmethod
    def read(cls, path: Path) -> Self:
        """The truth in a file; SourceError when it is none."""
        data = images.read_bytes(path)
        try:
            value = json.loads(data)
            pairs = zip(value["frames"], value["ignored"], strict=True)
            frames = tuple(_labels(faces, ignored) for faces, ignored in pairs)
            return cls(int(value["width"]), int(value["height"]), frames)
        except (LookupError, TypeError, ValueError, OverflowError, RecursionError) as error:
            wanted = "it must be JSON with width, height, and frames and ignored of equal length"
            raise SourceError(f"{path} is not a truth file ({type(error).__name__}: {error}); {wanted}") from error

    def check(self, frames: int, width: int, height: int) -> None:
        """UsageError unless a video of that many frames, of that size in pixels, is what the truth is about."""
        own, given = (len(self.frames), self.width, self.height), (frames, width, height)
        if own != given:
            about, has = ("{} frames of {}x{}".format(*facts) for facts in (own, given))
            raise UsageError(f"the truth is about {about}, the source has {has}: take the truth file of this source")


@dataclass(frozen=True, slots=True)
class Figures:
    """How well the faces of one video are hidden.

    `visible` counts the visible faces of each frame; `beyond` is the share of each picture, 0 to 1, that is hidden away
    from all faces (shorter where a finished video is). `faces` counts labelled face-frames, `people` the ids, `exposed`
    those visible in at least one frame, `longest` the frames in a row that somebody is visible. `steadiness` is how
    much the regions of a track in two frames after each other are alike, as a mean IoU, the camera's motion taken out.
    """

    name: str
    visible: tuple[int, ...]
    beyond: tuple[float, ...]
    faces: int
    people: int
    exposed: int
    longest: int
    regions: int | None = None
    steadiness: float | None = None

    @property
    def leaked(self) -> float:
        """Share of face-frames that are visible."""
        return sum(self.visible) / max(self.faces, 1)

    @property
    def shown(self) -> float:
        """Share of people who are visible in at least one frame."""
        return self.exposed / max(self.people, 1)

    @property
    def extra(self) -> float:
        """Mean share of the picture that is hidden away from all faces."""
        return fmean(self.beyond) if self.beyond else 0.0

    def to_json(self) -> Json:
        counts = {"leaked_faces": sum(self.visible), "faces": self.faces, "people_shown": self.exposed}
        shares = {"leaked": round(self.leaked, 4), "people": round(self.shown, 4), "extra": round(self.extra, 4)}
        more = {"all_people": self.people, "longest": self.longest, "regions": self.regions}
        steadiness = None if self.steadiness is None else round(self.steadiness, 4)
        return {"name": self.name} | shares | counts | more | {"steadiness": steadiness}


@dataclass
class Tally:
    """Counts visible faces, frame after frame."""

    visible: list[int] = field(default_factory=list)
    beyond: list[float] = field(default_factory=list)
    faces: int = 0
    people: set[str] = field(default_factory=set)
    exposed: set[str] = field(default_factory=set)
    longest: int = 0
    _runs: dict[str, int] = field(default_factory=dict)

    def add(self, labels: Labels, hidden: Mask | None, unlit: Mask | None = None) -> None:
        """Count the next frame, of which `hidden` is hidden; None for one that is missing, where all is visible.

        What is `unlit` shows nothing of a face, so it is left out of a face's share.
        """
        seen = [name for name, box in labels.faces if hidden is None or _share(box, hidden, unlit) < HIDDEN]
        self.faces += len(labels.faces)
        self.people.update(name for name, _ in labels.faces)
        self.exposed.update(seen)
        self.visible.append(len(seen))
        self._runs = {name: self._runs.get(name, 0) + 1 for name in seen}
        self.longest = max(self.longest, *self._runs.values(), 0)
        if hidden is not None:
            self.beyond.append(_beyond(labels, hidden))

    def figures(self, name: str) -> Figures:
        """What was counted so far."""
        shares = tuple(self.beyond)
        return Figures(name, tuple(self.visible), shares, self.faces, len(self.people), len(self.exposed), self.longest)


def video(source: Path, truth: Truth, context: Context, combinations: Sequence[str]) -> list[Figures]:
    """What detectors find in a source and the solve makes of it, for each of some combinations such as "fast+yunet".

    Two results each: solved over time, and every look by itself, which holds until the next one. Splits and detects
    what is missing; what will be hidden in the job is not changed, and decisions of people do not count.
    """
    job = open_job(source, context)
    workers = {name: _worker(job, context, name) for name in combinations}
    together = _worker(job, context, "+".join(combinations))
    look = {name: getattr(context.options, name) for name in LOOK}
    plan = replace(Plan(job.home, *job.extent()), **look)
    truth.check(len(plan.numbers), plan.width, plan.height)
    with job.workers.presence(together.token, together.own):
        together.detect(_seeing(plan, together))
        results = [_compared(name, job, _seeing(plan, worker), truth) for name, worker in workers.items()]
    return list(chain.from_iterable(results))


def leaks(source: Path, redacted: Path, truth: Truth) -> Figures:
    """What a finished video still shows, by its pixels: whatever made it, it must hide faces in solid black.

    Hidden is what is dark there and not in the source. Pictures of another size are scaled to the source's.
    """
    tally = Tally()
    finished = _pictures(redacted)
    count, (height, width) = 0, (truth.height, truth.width)
    for picture in _pictures(source):
        height, width = picture.shape[:2]
        if count < len(truth.frames) and (height, width) == (truth.height, truth.width):
            dark, other = _dark(picture), next(finished, None)
            hidden = None if other is None else _dark(_sized(other, width, height)) & ~dark
            tally.add(truth.frames[count], hidden, dark)
        count += 1
    truth.check(count, width, height)
    return tally.figures(redacted.name)


def steadiness(frames: Sequence[temporal.Evidence], solved: Sequence[temporal.Solved]) -> float | None:
    """The mean IoU of regions of one track in two frames after each other, the camera's motion taken out; no cuts.

    None when no track has two such regions.
    """
    values: list[float] = []
    before: Mapping[str, Box] = {}
    for frame, now in zip(frames, solved, strict=True):
        boxes = {region.track: region.box for region in now.regions if region.track}
        if frame.motion is not None and frame.motion.support >= temporal.CUT:
            values += [_moved(before[t], frame.motion).iou(box) for t, box in boxes.items() if t in before]
        before = boxes
    return fmean(values) if values else None


def lines(results: Sequence[Figures]) -> list[str]:
    """The figures as a table, for people."""
    rows = [("", "leaked", "", "people", "", "longest", "extra", "steady", "regions")]
    for r in results:
        leaked, people = f"{sum(r.visible)}/{r.faces}", f"{r.exposed}/{r.people}"
        steady = "-" if r.steadiness is None else f"{r.steadiness:.3f}"
        regions = "-" if r.regions is None else str(r.regions)
        shares = (f"{r.leaked:.2%}", leaked, f"{r.shown:.1%}", people)
        rows.append((r.name, *shares, str(r.longest), f"{r.extra:.2%}", steady, regions))
    return table(rows)


def plot(path: Path, results: Sequence[Figures]) -> None:
    """Write a PNG: visible faces, and what is hidden away from faces, over the frames, a line for each result."""
    visible = chart.Panel("visible faces", {r.name: r.visible for r in results})
    beyond = chart.Panel("% of picture hidden beyond faces", {r.name: [100 * v for v in r.beyond] for r in results})
    images.write(path, chart.draw([visible, beyond], "frame"))


def _labels(faces: Sequence[Sequence[Any]], ignored: Sequence[list[float]]) -> Labels:
    return Labels(tuple((str(name), _box(corners)) for *corners, name in faces), tuple(map(_box, ignored)))


def _box(corners: Sequence[float]) -> Box:
    box = Box.from_json(list(corners))
    if box.width < 0 or box.height < 0:
        raise ValueError(f"the box {box.to_json()} (left, top, right, bottom) ends before it begins")
    return box


def _worker(job: Job, context: Context, detector: str) -> Worker:
    asked = replace(context, options=replace(context.options, detector=detector))
    return Worker(job, asked.equipped(job.lacks, job.side)[0])


def _seeing(plan: Plan, worker: Worker) -> Plan:
    """The plan with all frames for each of a worker's own detectors, at its pace."""
    for name in worker.own:
        plan = plan.adding(name, plan.numbers, worker.context.options.pace)
    return plan


def _compared(name: str, job: Job, plan: Plan, truth: Truth) -> list[Figures]:
    frames = list(job.watch.evidence(plan))
    size, tick = (plan.width, plan.height), job.frames.clock(plan).time_base
    over_time = list(temporal.solve(frames, (), plan.settings, size, tick))
    alone = list(_alone(frames, plan, tick))
    return [
        _judged(name, frames, over_time, plan, truth),
        _judged(f"{name}, each look alone", frames, alone, plan, truth),
    ]


def _alone(frames: Sequence[temporal.Evidence], plan: Plan, tick: Fraction) -> Iterator[temporal.Solved]:
    size = (plan.width, plan.height)
    regions: tuple[Region, ...] = ()
    for frame in frames:
        if frame.looked is None or any(frame.looked.values()):
            [alone] = temporal.solve([replace(frame, motion=None)], (), plan.settings, size, tick)
            regions = alone.regions
        yield temporal.Solved(frame.number, regions)


def _judged(
    name: str,
    frames: Sequence[temporal.Evidence],
    solved: Sequence[temporal.Solved],
    plan: Plan,
    truth: Truth,
) -> Figures:
    tally = Tally()
    for labels, now in zip(truth.frames, solved, strict=True):
        tally.add(labels, mask(now.regions, plan.width, plan.height, plan.shape))
    regions = sum(len(now.regions) for now in solved)
    return replace(tally.figures(name), regions=regions, steadiness=steadiness(frames, solved))


def _share(box: Box, hidden: Mask, unlit: Mask | None) -> float:
    """The share of a face's middle that is hidden, of what is lit there; 1 where nothing is."""
    part = window(box.grow(-_MARGIN), hidden)
    values = hidden[part] if unlit is None else hidden[part][~unlit[part]]
    return float(values.mean()) if values.size else 1.0


def _beyond(labels: Labels, hidden: Mask) -> float:
    """The share of the picture that is hidden away from all faces."""
    rest = hidden.copy()
    for box in (*(box for _, box in labels.faces), *labels.ignored):
        rest[window(box.grow(_AROUND), hidden)] = False
    return float(rest.mean())


def _moved(box: Box, motion: Motion) -> Box:
    """Where the camera's motion takes a box, upright again."""
    x, y = (box.left + box.right) / 2, (box.top + box.bottom) / 2
    x, y = motion.a * x - motion.b * y + motion.dx, motion.b * x + motion.a * y + motion.dy
    half = math.hypot(motion.a, motion.b) / 2
    across, down = half * box.width, half * box.height
    return Box(x - across, y - down, x + across, y + down)


def _pictures(path: Path) -> Iterator[images.Image]:
    video = media.probe(path)
    return (images.plain(frame.image, video.colour[2]) for frame in media.Reader(path, video))


def _dark(picture: images.Image) -> Mask:
    top = np.array([_DARK - 1.0] * 3)
    return np.asarray(cv2.inRange(picture, np.zeros(3), top) > 0)


def _sized(picture: images.Image, width: int, height: int) -> images.Image:
    if picture.shape[:2] == (height, width):
        return picture
    return cv2.resize(picture, (width, height)).astype(np.uint8, copy=False)
