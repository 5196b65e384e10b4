"""How well detectors find what is labelled in photographs, and how well it would be hidden in each photo by itself."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from math import inf
from pathlib import Path
from statistics import fmean, median

import cv2
import numpy as np

from faceblur import calibration, detectors, images, stills, temporal
from faceblur.context import Context
from faceblur.detectors.base import Detector
from faceblur.domain import Detection, Json, Region
from faceblur.errors import FaceblurError, MissingError, SourceError, UsageError
from faceblur.evaluation import precision
from faceblur.evaluation.masks import Mask, mask, window
from faceblur.evaluation.truth import ALL, LEVELS, Faces, read
from faceblur.options import Options
from faceblur.temporal.shots import shots
from faceblur.temporal.tracks import belief

HIDDEN = 0.7  # share of a face's box that must be hidden for the face to be covered
SIZES_PX = (8, 12, 16, 24, 48, 96, inf)  # widths of faces
_BOXED = (*stills.KINDS["heic"], *stills.KINDS["avif"])  # OpenCV does not read them, or does not turn them upright
_BASE = "centerface"  # whose time others are compared with


@dataclass(frozen=True, slots=True)
class Seen:
    """What one detector, or several together, made of one photo of `width` by `height` pixels.

    `said` is what it found, `rows` (N, 5) left, top, right, bottom and score of that taken together; `believed` (N,)
    whether it would be hidden. `hidden` is the share of each labelled box that would be, `extra` the share of the
    picture that would be beyond all of them. `seconds` is what detecting took, in one thread.
    """

    width: int
    height: int
    said: tuple[Detection, ...]
    rows: precision.Reals
    believed: Mask
    hidden: tuple[float, ...]
    extra: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Bin:
    """Faces at least `low` px and less than `high` px wide: how many there are, and how many are covered."""

    low: float
    high: float
    faces: int
    covered: int

    @property
    def missed(self) -> float | None:
        """Share of the faces that is not covered, 0 to 1; None without faces."""
        return (self.faces - self.covered) / self.faces if self.faces else None

    def __str__(self) -> str:
        return f"{self.low:g}+ px" if self.high == inf else f"{self.low:g}-{self.high:g} px"


@dataclass(frozen=True)
class Result:
    """What one detector, or several together, made of all photos: `faces` and `seen` by the photo's name.

    `options` say what it would hide of what it found; `missing` which detectors could not be had, and what took their
    place.
    """

    name: str
    folder: Path
    faces: Mapping[str, Faces]
    seen: Mapping[str, Seen]
    options: Options
    missing: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def sets(self) -> list[str]:
        """The sets of faces that count which the labels know: easy, medium and hard, or all."""
        known = {name for faces in self.faces.values() for name in faces.sets}
        return [level for level in LEVELS if level in known] or [ALL]

    @property
    def widest(self) -> str:
        """The set by which precision and recall are judged."""
        return self.sets[-1]

    @cached_property
    def judged(self) -> precision.Judged:
        """All detections, by the usual rule."""
        return self._judged(self.widest)

    @cached_property
    def curve(self) -> precision.Curve:
        """Precision and recall at every score, by the usual rule."""
        return precision.curve(self.judged)

    def average(self, counts: str) -> float:
        """Average precision by WIDER FACE's protocol, over the faces of one set."""
        return precision.wider(self._judged(counts, pixel=True)).area

    def number(self, counts: str) -> int:
        """How many faces are in a set."""
        return sum(len(faces.sets.get(counts, ())) for faces in self.faces.values())

    @cached_property
    def operating(self) -> tuple[float, float]:
        """Precision and recall of what would be hidden."""
        judged = self._judged(self.widest, believed=True)
        right, said = int((judged.marks == precision.RIGHT).sum()), int((judged.marks != precision.LEFT_OUT).sum())
        return right / max(said, 1), right / max(judged.faces, 1)

    def covered(self, low: float = SIZES_PX[0], high: float = inf) -> Bin:
        """The faces of some widths in pixels: all but those that are ignored even by "all"."""
        shares = [share for width, share in self._shares if low <= width < high]
        return Bin(low, high, len(shares), sum(share >= HIDDEN for share in shares))

    @property
    def bins(self) -> list[Bin]:
        """The faces by width."""
        return [self.covered(low, high) for low, high in pairwise(SIZES_PX)]

    @property
    def extra(self) -> float:
        """Mean share of a photo that would be hidden beyond all that is labelled."""
        return fmean(seen.extra for seen in self.seen.values())

    @property
    def milliseconds(self) -> tuple[float, float]:
        """Median and mean of what detecting took for a photo, in one thread."""
        times = [1000 * seen.seconds for seen in self.seen.values()]
        return median(times), fmean(times)

    def missed(self) -> list[tuple[str, int]]:
        """(photo, index of the box) of every face that is not covered, the largest first; those below 8 px too."""
        found = [
            (name, index)
            for name, faces in self.faces.items()
            for index in sorted(faces.sets[ALL])
            if self.seen[name].hidden[index] < HIDDEN
        ]
        return sorted(found, key=lambda miss: (-self.faces[miss[0]].boxes[miss[1]].width, miss))

    def trade(self, thresholds: Sequence[float]) -> list[tuple[float, float]]:
        """(`extra`, share of the faces at least 8 px wide that is not covered) at each of some thresholds."""
        lowest = temporal.Settings(min(thresholds), self.options.grow)
        extras: list[list[float]] = [[] for _ in thresholds]
        shares: list[list[float]] = [[] for _ in thresholds]
        for name, seen in self.seen.items():
            faces = self.faces[name]
            regions = temporal.regions(seen.said, lowest)
            for at, threshold in enumerate(thresholds):
                likely = [region for region in regions if region.score >= threshold]
                hidden, extra = _hidden(likely, (seen.width, seen.height), faces, self.options.shape)
                extras[at].append(extra)
                shares[at] += [hidden[i] for i in faces.sets[ALL] if faces.boxes[i].width >= SIZES_PX[0]]
        missed = [sum(share < HIDDEN for share in part) / max(len(part), 1) for part in shares]
        return list(zip(map(fmean, extras), missed, strict=True))

    def to_json(self) -> Json:
        at, found = self.operating
        middle, mean = self.milliseconds
        facts: Json = {"name": self.name, "photos": len(self.seen)}
        facts |= {"detectors": list(self.options.members), "missing": dict(self.missing)}
        facts["faces"] = {name: self.number(name) for name in [*self.sets, *({ALL} - set(self.sets))]}
        facts["ap"] = {name: round(self.average(name), 4) for name in self.sets}
        facts |= {"map50": round(self.curve.area, 4), "precision": round(at, 4), "recall": round(found, 4)}
        facts |= {"f1": round(f1(at, found), 4)}
        whole, large = self.covered(), self.covered(SIZES_PX[-2])
        for part in (whole, large):
            facts[f"covered_{part.low:g}px"] = None if part.missed is None else round(1 - part.missed, 4)
        facts["sizes"] = {str(part): {"faces": part.faces, "covered": part.covered} for part in self.bins}
        facts |= {"extra": round(self.extra, 4), "ms_median": round(middle, 2), "ms_mean": round(mean, 2)}
        return facts

    @cached_property
    def _shares(self) -> list[tuple[float, float]]:
        """(width, share that would be hidden) of every face."""
        return [
            (faces.boxes[index].width, self.seen[name].hidden[index])
            for name, faces in self.faces.items()
            for index in faces.sets[ALL]
        ]

    def _judged(self, counts: str, *, pixel: bool = False, believed: bool = False) -> precision.Judged:
        parts = []
        for name, faces in self.faces.items():
            seen = self.seen[name]
            rows = seen.rows[seen.believed] if believed else seen.rows
            parts.append(precision.judge(rows, faces.boxes, faces.sets.get(counts, frozenset()), pixel=pixel))
        return precision.Judged.together(parts)


def photos(
    folder: Path,
    truth: Path,
    context: Context,
    combinations: Sequence[str],
    limit: int | None = None,
    *,
    only: str | None = None,
    failed: Callable[[FaceblurError], None] | None = None,
) -> list[Result]:
    """What some combinations of detectors, such as "fast+yunet", make of the photos in a folder, one result each.

    Photos without labels are left out; `limit` takes that many, spread evenly; `only` is the class of the labels that
    count, of YOLO's and Pascal VOC's. All look at a photo before anybody looks at the next one, in turns, so that
    whatever else the machine does slows all alike. A photo that cannot be read is left out, and `failed` is told why;
    without it, and where none can be read, SourceError. UsageError for labels that are about a picture of another size.
    """
    names, labels = _labelled(folder, truth, context, limit, only)
    asked = {name: replace(context.options, detector=name, photos=True) for name in combinations}
    equipped = {name: replace(context, options=o).equipped() for name, o in asked.items()}
    options = {name: able.options for name, (able, _) in equipped.items()}
    members = list(dict.fromkeys(member for o in options.values() for member in o.members))
    faces: dict[str, Faces] = {}
    seen: dict[str, dict[str, Seen]] = {name: {} for name in combinations}
    with _one_thread(), context.progress.step(folder.name, "evaluate", len(names)) as step:
        models = {name: detectors.create(name, context.options.weights, threads=1) for name in members}
        for turn, name in enumerate(names):
            context.stop.check()
            try:
                picture = photo(folder / name)
            except (SourceError, MissingError) as error:
                if failed is None:
                    raise
                failed(error)
            else:
                labels[name].check(name, picture.shape[1], picture.shape[0])
                if not faces:
                    _look(models, picture, 0)  # the first time takes longer
                faces[name] = labels[name].on(picture.shape[1], picture.shape[0])
                said = _look(models, picture, turn)
                for combination, chosen in options.items():
                    parts = [said[member] for member in chosen.members]
                    seen[combination][name] = _seen(picture, parts, faces[name], chosen)
            step.advance()
            context.progress.update(step)
    if not faces:
        raise SourceError(f"none of the {len(names)} photos in {folder} can be read")
    return [Result(name, folder, faces, seen[name], options[name], equipped[name][1]) for name in combinations]


def photo(path: Path) -> images.Image:
    """A photo as (H, W, 3) uint8 BGR, turned as its EXIF says; SourceError when it cannot be read.

    MissingError for HEIC without its package.
    """
    if path.suffix.lower() in _BOXED:
        still = stills.read(path)
        return images.plain(np.repeat(still.image, 3, axis=2) if still.grey else still.image)
    data = np.frombuffer(images.read_bytes(path), np.uint8)
    try:
        picture = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except cv2.error:  # a header that promises more pixels than OpenCV allows
        picture = None
    if picture is None:
        raise SourceError(f"{path} is not a photo that can be read; leave it out or replace it")
    return picture.astype(np.uint8, copy=False)


def f1(at: float, found: float) -> float:
    """The harmonic mean of precision and recall."""
    return 2 * at * found / (at + found) if at + found else 0.0


def times(results: Sequence[Result]) -> list[float | None]:
    """How many times as long as with `centerface` each took for all photos; None where that is not among them."""
    base = next((result.milliseconds[1] for result in results if result.name == _BASE), None)
    return [result.milliseconds[1] / base if base else None for result in results]


def _labelled(
    folder: Path, truth: Path, context: Context, limit: int | None, only: str | None
) -> tuple[list[str], dict[str, Faces]]:
    """The names of the photos to look at, and their labels."""
    if not folder.is_dir():
        raise SourceError(f"{folder} is not a folder of photos")
    paths = (path for path in folder.rglob("*") if path.suffix.lower() in stills.ENDINGS and path.is_file())
    found = sorted(path.relative_to(folder).as_posix() for path in paths)
    labels = read(truth, set(found))
    names = [name for name in found if name in labels]
    if not names:
        raise UsageError(f"{truth} names none of the {len(found)} photos in {folder}: is it about other ones?")
    if len(names) < len(found):
        context.progress.say(f"{len(found) - len(names)} of {len(found)} photos have no labels and are left out")
    count = min(limit or len(names), len(names))
    return [names[i * len(names) // count] for i in range(count)], _of_class(labels, only, truth, context)


def _of_class(labels: dict[str, Faces], only: str | None, truth: Path, context: Context) -> dict[str, Faces]:
    """The labels that are of one class, where one is asked for."""
    classes = sorted({name for faces in labels.values() for name in faces.classes})
    if only is None:
        if len(classes) > 1:
            context.progress.say(f"labels of all classes count ({', '.join(classes)}); choose one with --class")
        return labels
    if only not in classes:
        known = f"there are {', '.join(classes)}" if classes else "they tell no classes apart"
        raise UsageError(f"--class {only}: no label in {truth} is of it, {known}")
    return {name: faces.only(only) for name, faces in labels.items()}


@contextmanager
def _one_thread() -> Iterator[None]:
    """OpenCV in one thread, as the networks are."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def _look(models: Mapping[str, Detector], picture: images.Image, turn: int) -> dict[str, tuple[list[Detection], float]]:
    """What each says about a photo, and the seconds it took; another one begins at each turn."""
    said = {}
    names = list(models)
    for name in names[turn % len(names) :] + names[: turn % len(names)]:
        began = time.perf_counter()
        [found] = models[name].detect([picture])
        said[name] = found, time.perf_counter() - began
    return said


def _seen(
    picture: images.Image, parts: Sequence[tuple[list[Detection], float]], faces: Faces, options: Options
) -> Seen:
    height, width = picture.shape[:2]
    said = tuple(detection for found, _ in parts for detection in found)
    settings = temporal.Settings(options.threshold, options.grow)
    rows, believed = _together(said, settings)
    shares, extra = _hidden(temporal.regions(said, settings), (width, height), faces, options.shape)
    return Seen(width, height, said, rows, believed, shares, extra, sum(seconds for _, seconds in parts))


def _hidden(
    regions: Sequence[Region], size: tuple[int, int], faces: Faces, shape: str
) -> tuple[tuple[float, ...], float]:
    """The share of each labelled box that regions hide, and the share of a photo of that size beyond all of them."""
    hidden = mask(regions, *size, shape)
    rest = hidden.copy()
    for box in faces.boxes:
        rest[window(box, hidden)] = False
    return tuple(_mean(hidden[window(box, hidden)]) for box in faces.boxes), float(rest.mean())


def _mean(part: Mask) -> float:
    return float(part.mean()) if part.size else 1.0  # outside of the picture there is nothing to hide


def _together(said: Sequence[Detection], settings: temporal.Settings) -> tuple[precision.Reals, Mask]:
    """(N, 5) what was found, and (N,) whether that would be hidden. In a photo every chain is one detection.

    Of one detector the boxes and scores are its own; of several they are fused as the solve does it, with probabilities
    for scores.
    """
    shot = next(shots([temporal.Evidence(1, 0, tuple(said))], 1 / 30))
    odds = [belief(shot, np.array([index])) for index in range(len(shot.odds))]
    believed = np.array(odds) >= calibration.logit(settings.threshold)
    if len({detection.detector for detection in said}) < 2:
        rows = [[*detection.box.to_json(), detection.score] for detection in said]
        return np.array(rows, dtype=np.float64).reshape(-1, 5), believed
    middle, half = np.stack([shot.middle.real, shot.middle.imag], axis=1), np.exp(shot.size) / 2
    scores = 1 / (1 + np.exp(-shot.odds))
    return np.concatenate([middle - half, middle + half, scores[:, None]], axis=1), believed
