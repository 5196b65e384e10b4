"""Labels of photos: every format says the same about the same photo, and what is none is told in one line."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from faceblur.domain import Box
from faceblur.errors import SourceError, UsageError
from faceblur.evaluation.truth import ALL, Faces, read

NAME = "0--Parade/a.jpg"
FACES = (Box(10, 20, 30, 50), Box(40, 20, 60, 40))


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def cells(*values: object) -> np.ndarray:
    """A MATLAB cell array (N, 1)."""
    array = np.empty((len(values), 1), dtype=object)
    array[:, 0] = values
    return array


def wider(folder: Path, invalid: tuple[int, int] = (0, 0), hard: tuple[int, ...] = (1, 2)) -> Path:
    """The four files of WIDER FACE's protocol about one photo; easy is the first face."""
    boxes = np.array([[b.left, b.top, b.width, b.height] for b in FACES], dtype=np.int32)
    whole = {
        "event_list": cells("0--Parade"),
        "file_list": cells(cells("a")),
        "face_bbx_list": cells(cells(boxes)),
        "invalid_label_list": cells(cells(np.array([[v] for v in invalid]))),
    }
    savemat(folder / "wider_face_val.mat", whole)
    for level, indices in (("easy", (1,)), ("medium", (1,)), ("hard", hard)):
        savemat(folder / f"wider_{level}_val.mat", {"gt_list": cells(cells(np.array([[i] for i in indices])))})
    return folder


PLAIN = f"# {NAME} 100 200\n10 20 30 50\n40 20 60 40\n# other.jpg 5 5\n# third.jpg 5 5\n1 1 2 2\n"
WIDER = f"{NAME}\n2\n10 20 20 30 0 0 0 0 0 0 \n40 20 20 20 0 0 0 0 0 0 \nnone.jpg\n0\n0 0 0 0 0 0 0 0 0 0 \n"
CSV = f"file,img_w,img_h,x,y,w,h,text\n{NAME},100,200,10.0,20,20,30,AB 1\n{NAME},100,200,40,20,20,20,\n"
JSON = json.dumps({NAME: {"boxes": [b.to_json() for b in FACES]}})
VOC = "".join(
    f"<object><name>face</name><difficult>0</difficult><bndbox><xmin>{b.left + 1}</xmin><ymin>{b.top + 1}</ymin>"
    f"<xmax>{b.right}</xmax><ymax>{b.bottom}</ymax></bndbox></object>"
    for b in FACES
)
FILES = {
    "labels.txt": PLAIN,
    "wider_face_val_bbx_gt.txt": WIDER,
    "labels.csv": CSV,
    "labels.json": JSON,
    "yolo/0--Parade/a.txt": "0 0.2 0.175 0.2 0.15\n0 0.5 0.15 0.2 0.1\n",
    "voc/0--Parade/a.xml": f"<annotation>{VOC}</annotation>",
}


@pytest.mark.parametrize("name", FILES)
def test_every_format_says_the_same(name: str, tmp_path: Path) -> None:
    path = write(tmp_path / name, FILES[name])
    found = read(path.parents[1] if "/" in name else path, {NAME})
    faces = found[NAME].on(100, 200)
    assert list(found) == [NAME]
    assert np.allclose([b.to_json() for b in faces.boxes], [b.to_json() for b in FACES])
    assert faces.sets == {ALL: {0, 1}}


@pytest.mark.parametrize("named", ["folder", "file"])
def test_the_files_of_wider_face_count_from_1_and_name_what_counts(named: str, tmp_path: Path) -> None:
    folder = wider(tmp_path)
    faces = read(folder if named == "folder" else folder / "wider_face_val.mat", {NAME, "0--Parade/b.jpg"})[NAME]
    assert faces.boxes == FACES
    assert faces.sets == {ALL: {0, 1}, "easy": {0}, "medium": {0}, "hard": {0, 1}}


def test_json_names_what_counts_from_0(tmp_path: Path) -> None:
    value = {NAME: {"boxes": [b.to_json() for b in FACES], "easy": [], "medium": [1], "hard": [0, 1]}}
    faces = read(write(tmp_path / "labels.json", json.dumps(value)), {NAME})[NAME]
    assert faces.sets == {ALL: {0, 1}, "easy": set(), "medium": {1}, "hard": {0, 1}}


@pytest.mark.parametrize("name", ["mat", "text", "voc"])
def test_faces_too_bad_to_judge_are_kept_but_do_not_count(name: str, tmp_path: Path) -> None:
    if name == "mat":
        path = wider(tmp_path, invalid=(0, 1))
    elif name == "text":
        path = write(tmp_path / "gt.txt", WIDER.replace("40 20 20 20 0 0 0 0", "40 20 20 20 0 0 0 1"))
    else:
        last = "<difficult>1".join(VOC.rsplit("<difficult>0", 1))
        path = write(tmp_path / "voc/0--Parade/a.xml", f"<annotation>{last}</annotation>").parents[1]
    faces = read(path, {NAME})[NAME]
    assert faces.boxes == FACES
    assert faces.sets[ALL] == {0}


def test_a_photo_without_faces_is_labelled_too(tmp_path: Path) -> None:
    names = {"none.jpg", "other.jpg"}
    assert read(write(tmp_path / "gt.txt", WIDER), names)["none.jpg"].boxes == ()
    assert read(write(tmp_path / "labels.txt", PLAIN), names)["other.jpg"].boxes == ()
    assert read(write(tmp_path / "yolo/none.txt", "").parent, names)["none.jpg"].boxes == ()


def test_boxes_without_an_area_do_not_count() -> None:
    faces = Faces.of([Box(1, 1, 1, 5), *FACES], {1})
    assert (faces.boxes, faces.sets) == (FACES, {ALL: {1}})


def test_files_beside_that_no_photo_is_called_after_are_not_read(tmp_path: Path) -> None:
    write(tmp_path / "classes.txt", "face\nplate\n")
    write(tmp_path / "a.txt", "0 0.5 0.5 0.1 0.1\n")
    assert list(read(tmp_path, {"a.jpg", "b.jpg"})) == ["a.jpg"]


@pytest.mark.parametrize(("name", "wanted"), [("yolo", "0"), ("voc", "face")])
def test_labels_of_one_class_can_be_taken_alone(name: str, wanted: str, tmp_path: Path) -> None:
    if name == "yolo":
        write(tmp_path / "0--Parade/a.txt", "1 0.5 0.5 0 0\n1 0.1 0.1 0.1 0.1\n0 0.2 0.175 0.2 0.15\n")
    else:
        plate = VOC.replace("<name>face", "<name>plate", 1).replace("<difficult>0", "<difficult>1")
        write(tmp_path / "0--Parade/a.xml", f"<annotation>{plate}</annotation>")
    faces = read(tmp_path, {NAME})[NAME]
    alone = faces.only(wanted)
    assert (alone.boxes, alone.classes) == (faces.boxes[1:], (wanted,))
    assert alone.sets == {ALL: {0} if name == "yolo" else set()}


# The picture's size


SIZED = {
    "labels.txt": PLAIN,
    "labels.csv": CSV,
    "labels.json": json.dumps({NAME: {"boxes": [], "width": 100, "height": 200}}),
    "voc/0--Parade/a.xml": f"<annotation><size><width>100</width><height>200</height></size>{VOC}</annotation>",
}


@pytest.mark.parametrize("name", SIZED)
def test_labels_that_state_the_size_of_another_picture_are_refused(name: str, tmp_path: Path) -> None:
    path = write(tmp_path / name, SIZED[name])
    faces = read(path.parents[1] if "/" in name else path, {NAME})[NAME]
    faces.check(NAME, 100, 200)
    with pytest.raises(UsageError, match=f"{NAME} are about 100x200 pixels, the photo has 200x100"):
        faces.check(NAME, 200, 100)


UNSIZED = {name: FILES[name] for name in FILES if name not in {"labels.txt", "labels.csv"}} | {
    "labels.csv": f"file,x,y,w,h\n{NAME},10,20,20,30\n",
    "blank.csv": f"file,img_w,img_h,x,y,w,h\n{NAME},,,10,20,20,30\n",
    "zero/0--Parade/a.xml": f"<annotation><size><width>0</width><height>0</height></size>{VOC}</annotation>",
}


@pytest.mark.parametrize("name", UNSIZED)
def test_labels_that_state_no_size_are_about_any_picture(name: str, tmp_path: Path) -> None:
    path = write(tmp_path / name, UNSIZED[name])
    faces = read(path.parents[1] if "/" in name else path, {NAME})[NAME]
    assert faces.size is None
    faces.check(NAME, 3, 5)


def test_two_sizes_of_one_photo_are_a_source_error_that_names_the_line(tmp_path: Path) -> None:
    path = write(tmp_path / "labels.csv", CSV.replace("100,200,40", "100,201,40"))
    with pytest.raises(SourceError, match=r"labels\.csv, line 3: .* another size"):
        read(path, {NAME})


# What is no label


REVERSED = {
    "labels.txt": (PLAIN.replace("40 20 60 40", "60 20 40 40"), "line 3"),
    "gt.txt": (WIDER.replace("40 20 20 20", "40 20 20 -20"), "line 4"),
    "labels.csv": (CSV.replace("40,20,20,20", "40,20,-20,20"), "line 3"),
    "labels.json": (JSON.replace("60, 40", "60, 10"), NAME),
    "voc/0--Parade/a.xml": (f"<annotation>{VOC.replace('<xmax>60', '<xmax>6')}</annotation>", "object 2"),
}


@pytest.mark.parametrize("name", REVERSED)
def test_a_reversed_box_is_a_source_error_that_names_the_file_and_the_place(name: str, tmp_path: Path) -> None:
    text, place = REVERSED[name]
    path = write(tmp_path / name, text)
    with pytest.raises(SourceError, match=rf"{path.name}, {place}: the box .* ends before it begins"):
        read(path.parents[1] if "/" in name else path, {NAME})


BAD = {
    "labels.txt": ["1 2 3 4\n", "# a.jpg 1 1\n1 2 3\n", "# a.jpg\n", "# a.jpg 1 1\n1 2 3 nan\n"],
    "gt.txt": ["a.jpg\nmany\n", "a.jpg\n2\n1 2 3 4\n", "a.jpg\n1\n1 2\n", "a.jpg"],
    "labels.json": ["", "[]", '{"a.jpg": []}', '{"a.jpg": {"boxes": [[1, 2, 3, 4]], "hard": [1]}}'],
    "labels.csv": ["file,x,y,w\na.jpg,1,2,3\n", "file,x,y,w,h\na.jpg,1,2,3,wide\n", "file,x,y,w,h\na.jpg,1\n"],
    "yolo/a.txt": ["0 1 2", "0 10 20 30 40", "face 0.1 0.1 0.1 0.1"],
    "voc/a.xml": ["", "<annotation>", "<a><object><bndbox/></object></a>"],
    "labels.doc": ["x"],
    "wider_face_val.mat": ["no MATLAB file at all, but long enough to look at " * 10],
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in BAD.items() for text in texts])
def test_what_cannot_be_read_is_a_source_error_of_one_line_that_names_it(name: str, text: str, tmp_path: Path) -> None:
    path = write(tmp_path / name, text)
    with pytest.raises(SourceError, match=Path(name).name) as raised:
        read(path.parent if "/" in name else path, {"a.jpg"})
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize("name", ["missing.json", "."])
def test_what_is_not_there_is_a_source_error(name: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        read(tmp_path / name, {"a.jpg"})


def test_text_in_another_encoding_is_a_source_error(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes(b"file,x\n\xff\xfe")
    with pytest.raises(SourceError, match="not UTF-8"):
        read(path, {"a.jpg"})


def test_a_list_that_points_beyond_the_faces_is_a_source_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no face 2 of 2"):
        read(wider(tmp_path, hard=(1, 3)), {NAME})
