"""Where the faces, or other things of one kind, are in photographs: the formats in which people label them.

Read as whole photos: WIDER FACE's .mat and text files, the project's own text and JSON, CSV, YOLO's text, Pascal VOC.
"""

import csv
import io
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any, Self
from xml.etree import ElementTree

from faceblur import images
from faceblur.domain import Box
from faceblur.errors import SourceError, UsageError

ALL = "all"
LEVELS = ("easy", "medium", "hard")  # of WIDER FACE; each holds the one before

_WIDER = "wider_face_val.mat"
_WIDER_LEVEL = "wider_{}_val.mat"
_INVALID = 7  # the column of WIDER's text that says a face is not valid


@dataclass(frozen=True, slots=True)
class Faces:
    """The things that are labelled in one photo.

    `sets` names the indices of the boxes that count, for "all" and where they are known "easy", "medium" and "hard";
    boxes in none of them, such as those too bad to judge, are ignored. Boxes are pixels of the picture as it is stored
    upright, right and bottom exclusive; or shares of its width and height, where `relative`. `size` is the picture's
    width and height, where the labels state it; `classes` say what each box is of, where they tell things apart.
    """

    boxes: tuple[Box, ...]
    sets: Mapping[str, frozenset[int]]
    relative: bool = False
    size: tuple[int, int] | None = None
    classes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        boxes: Iterable[Box],
        ignored: Collection[int] = (),
        *,
        relative: bool = False,
        size: tuple[int, int] | None = None,
        classes: Sequence[str] = (),
    ) -> Self:
        """All of some boxes but those whose indices are `ignored`. Boxes without an area are left out."""
        boxes = tuple(boxes)
        every = cls(boxes, {ALL: frozenset(range(len(boxes))) - set(ignored)}, relative, size, tuple(classes))
        return every._kept([index for index, box in enumerate(boxes) if box.area > 0])

    def only(self, name: str) -> Self:
        """The things of one class."""
        return self._kept([index for index, found in enumerate(self.classes) if found == name])

    def _kept(self, indices: Sequence[int]) -> Self:
        sets = {
            counts: frozenset(place for place, index in enumerate(indices) if index in those)
            for counts, those in self.sets.items()
        }
        classes = tuple(self.classes[index] for index in indices) if self.classes else ()
        return replace(self, boxes=tuple(self.boxes[index] for index in indices), sets=sets, classes=classes)

    def check(self, photo: str, width: int, height: int) -> None:
        """UsageError when the labels are about a picture of another size than a photo's, upright, in pixels."""
        if self.size not in (None, (width, height)):
            about, has = ("{}x{}".format(*size) for size in (self.size, (width, height)) if size)
            wanted = "take the labels of these photos"
            raise UsageError(f"the labels of {photo} are about {about} pixels, the photo has {has} upright: {wanted}")

    def on(self, width: int, height: int) -> Self:
        """The same in pixels of a picture of that size."""
        if not self.relative:
            return self
        boxes = (Box(b.left * width, b.top * height, b.right * width, b.bottom * height) for b in self.boxes)
        return replace(self, boxes=tuple(boxes), relative=False)


class _BadBoxError(ValueError):
    """A box that says what cannot be; it names the line or the photo."""


def read(path: Path, names: Collection[str]) -> dict[str, Faces]:
    """The labels of those of some photos, named as in "folder/name.jpg", that a file or folder says something about.

    SourceError, in one line, when it cannot be read or is in none of the formats.
    """
    reader = _reader(path, names)
    try:
        return reader()
    except SourceError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, ElementTree.ParseError, csv.Error) as error:
        raise _no_labels(path, error) from error


def _no_labels(path: Path, error: Exception) -> SourceError:
    reason = " ".join(str(error).split()) or "it ends too early"
    if isinstance(error, _BadBoxError):
        return SourceError(f"{path}, {reason}")
    return SourceError(f"{path} is not a file of labels ({type(error).__name__}: {reason})")


def _reader(path: Path, names: Collection[str]) -> Callable[[], dict[str, Faces]]:
    """What reads a file or folder, by what it is called and how it begins."""
    if path.is_dir():
        if (path / _WIDER).is_file():
            return lambda: _wider_mat(path, names)
        for ending, one in ((".txt", _yolo), (".xml", _voc)):
            found = _beside(path, names, ending)
            if found:
                return partial(_each, found, one)
        raise SourceError(f"{path} holds no {_WIDER}, and no .txt (YOLO) or .xml (Pascal VOC) named like a photo")
    text = _text(path) if path.suffix.lower() != ".mat" else ""
    formats: dict[str, Callable[[], dict[str, Faces]]] = {
        ".mat": lambda: _wider_mat(path.parent, names),
        ".json": lambda: _chosen(_json(text), names),
        ".csv": lambda: _chosen(_csv(text), names),
        ".txt": lambda: _chosen((_plain if text.lstrip().startswith("#") else _wider_text)(text), names),
    }
    if path.suffix.lower() not in formats:
        raise SourceError(f"{path}: labels are read from .json, .csv, .txt and .mat files, and from folders")
    return formats[path.suffix.lower()]


def _text(path: Path) -> str:
    try:
        return images.read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceError(f"{path} is not a file of labels: it is not UTF-8 text") from error


def _chosen(labels: Iterable[tuple[str, Faces]], names: Collection[str]) -> dict[str, Faces]:
    return {name: faces for name, faces in labels if name in names}


def _beside(folder: Path, names: Iterable[str], ending: str) -> dict[str, Path]:
    """The file of labels of each photo that has one: named as the photo, but for the ending."""
    paths = ((name, folder / PurePosixPath(name).with_suffix(ending)) for name in names)
    return {name: path for name, path in paths if path.is_file()}


def _each(paths: Mapping[str, Path], one: Callable[[str], Faces]) -> dict[str, Faces]:
    labels = {}
    for name, path in paths.items():
        try:
            labels[name] = one(_text(path))
        except (LookupError, TypeError, ValueError, AttributeError, ElementTree.ParseError) as error:
            raise _no_labels(path, error) from error
    return labels


# WIDER FACE


def _wider_mat(folder: Path, names: Collection[str]) -> dict[str, Faces]:
    """The files of the official protocol; `gt_list` holds the 1-based indices of the faces that count."""
    whole = _mat(folder / _WIDER)
    levels = {level: _mat(folder / _WIDER_LEVEL.format(level))["gt_list"] for level in LEVELS}
    labels = {}
    for e, event in enumerate(whole["event_list"][:, 0]):
        for p, photo in enumerate(whole["file_list"][e, 0][:, 0]):
            name = f"{event[0]}/{photo[0]}.jpg"
            if name in names:
                rows = whole["face_bbx_list"][e, 0][p, 0]
                boxes = tuple(_sized(name, *map(float, row)) for row in rows.tolist())
                valid = frozenset((whole["invalid_label_list"][e, 0][p, 0].ravel() == 0).nonzero()[0].tolist())
                sets = {level: frozenset((lists[e, 0][p, 0].ravel() - 1).tolist()) for level, lists in levels.items()}
                labels[name] = _counted(boxes, {ALL: valid} | sets)
    return labels


def _mat(path: Path) -> Mapping[str, Any]:
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    data = images.read_bytes(path)
    try:
        found: Mapping[str, Any] = loadmat(io.BytesIO(data))
    except (MatReadError, ValueError, TypeError, NotImplementedError, OSError) as error:
        raise SourceError(f"{path} is not a file that MATLAB wrote ({' '.join(str(error).split())})") from error
    return found


def _wider_text(text: str) -> Iterator[tuple[str, Faces]]:
    """WIDER FACE's wider_face_val_bbx_gt.txt: a name, how many faces, a line of each with left, top, width, height."""
    rows = _lines(text)
    for _, name in rows:
        count = int(next(rows, ("", "no number"))[1])
        faces = [(at, [float(v) for v in row.split()]) for at, row in islice(rows, max(count, 1))]  # zeros for none
        if len(faces) < count:
            raise ValueError(f"{name} has {len(faces)} lines of {count}")
        invalid = {i for i, (_, face) in enumerate(faces) if len(face) > _INVALID and face[_INVALID]}
        yield name, Faces.of((_sized(at, *face[:4]) for at, face in faces[:count]), invalid)


# The project's own


def _plain(text: str) -> Iterator[tuple[str, Faces]]:
    """A line "# folder/name.jpg width height", and a line "left top right bottom" for each face."""
    parts: list[tuple[str, tuple[int, int] | None, list[Box]]] = []
    for at, line in _lines(text):
        if line.startswith("#"):
            name, width, height = line[1:].strip().rsplit(maxsplit=2)
            parts.append((name, _size(int(width), int(height)), []))  # a name with blanks and no size would be cut
        else:
            parts[-1][2].append(_corners(at, line.split()))
    for name, size, boxes in parts:
        yield name, Faces.of(boxes, size=size)


def _json(text: str) -> Iterator[tuple[str, Faces]]:
    """{"folder/name.jpg": {"boxes": [[left, top, right, bottom], ...], "hard": [0-based indices that count], ...}}.

    With "width" and "height" of the picture, or without.
    """
    for name, value in json.loads(text).items():
        boxes = tuple(_corners(name, box) for box in value["boxes"])
        sets = {level: frozenset(map(int, value[level])) for level in LEVELS if level in value}
        size = _size(value.get("width"), value.get("height"))
        yield name, replace(_counted(boxes, {ALL: frozenset(range(len(boxes)))} | sets), size=size)


def _csv(text: str) -> Iterator[tuple[str, Faces]]:
    """A row for each thing, with a header that names at least file, x, y (left, top), w and h in pixels.

    The picture's width and height are read where there are img_w and img_h.
    """
    boxes: dict[str, list[Box]] = {}
    sizes: dict[str, tuple[int, int] | None] = {}
    rows = csv.DictReader(io.StringIO(text))
    for row in rows:
        name, at = row["file"], f"line {rows.line_num}"
        boxes.setdefault(name, []).append(_sized(at, *(float(row[key]) for key in ("x", "y", "w", "h"))))
        size = _size(row.get("img_w"), row.get("img_h"))
        if sizes.setdefault(name, size) != size:
            raise _BadBoxError(f"{at}: {name} has another size than in the lines before")
    for name, found in boxes.items():
        yield name, Faces.of(found, size=sizes[name])


# Others', a file for each photo


def _yolo(text: str) -> Faces:
    """A line for each thing: class, middle x, middle y, width and height as shares of the picture."""
    rows = [(at, [float(v) for v in line.split()]) for at, line in _lines(text)]
    for _, row in rows:
        if len(row) < 5 or not all(0 <= v <= 1 for v in row[1:5]):
            raise ValueError(f"{row} is not class, x, y, width and height from 0 to 1")
    boxes = (_sized(at, x - w / 2, y - h / 2, w, h) for at, (_, x, y, w, h, *_) in rows)
    return Faces.of(boxes, relative=True, classes=[f"{row[0]:g}" for _, row in rows])


def _voc(text: str) -> Faces:
    """Pascal VOC's XML; pixels count from 1, right and bottom are inclusive. What is difficult is ignored."""
    tree = ElementTree.fromstring(text)
    objects = tree.findall("object")
    boxes = []
    for number, thing in enumerate(objects, start=1):
        left, top, right, bottom = (thing.findtext(f"bndbox/{key}") for key in ("xmin", "ymin", "xmax", "ymax"))
        boxes.append(_corners(f"object {number}", [left, top, right, bottom]))
    difficult = {i for i, thing in enumerate(objects) if (thing.findtext("difficult") or "0").strip() == "1"}
    size = _size(tree.findtext("size/width"), tree.findtext("size/height"))
    classes = [(thing.findtext("name") or "").strip() for thing in objects]
    placed = (Box(b.left - 1, b.top - 1, b.right, b.bottom) for b in boxes)
    return Faces.of(placed, difficult, size=size, classes=classes)


def _lines(text: str) -> Iterator[tuple[str, str]]:
    """("line N", the line) of the lines that are not blank."""
    stripped = ((f"line {number}", line.strip()) for number, line in enumerate(text.splitlines(), start=1))
    return (pair for pair in stripped if pair[1])


def _size(width: Any, height: Any) -> tuple[int, int] | None:
    """A picture's size, where it is stated: some programs write 0 for one that they do not know."""
    size = int(float(width or 0)), int(float(height or 0))
    return size if min(size) > 0 else None


def _counted(boxes: tuple[Box, ...], sets: Mapping[str, frozenset[int]]) -> Faces:
    """Faces with indices that are checked; without an area they count in no set, but keep their place."""
    beyond = sorted(i for indices in sets.values() for i in indices if not 0 <= i < len(boxes))
    if beyond:
        raise ValueError(f"there is no face {beyond[0]} of {len(boxes)}")
    solid = frozenset(i for i, box in enumerate(boxes) if box.area > 0)
    return Faces(boxes, {name: indices & solid for name, indices in sets.items()})


def _sized(at: str, left: float, top: float, width: float, height: float) -> Box:
    return _corners(at, [left, top, left + width, top + height])


def _corners(at: str, values: Sequence[Any]) -> Box:
    """A box, which may be empty; an error that says where it is when it is turned inside out."""
    left, top, right, bottom = values
    box = Box.from_json([left, top, right, bottom])
    if box.width < 0 or box.height < 0:
        corners = " ".join(f"{v:g}" for v in box.to_json())
        raise _BadBoxError(f"{at}: the box {corners} (left, top, right, bottom) ends before it begins")
    return box
