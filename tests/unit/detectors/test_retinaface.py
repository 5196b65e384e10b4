"""RetinaFace with small networks of the same inputs and outputs, on both engines: a painted green square is a face."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from skimage import data

from conftest import SHARED, picture
from faceblur import detectors, report, weights
from faceblur.context import Context
from faceblur.detectors.base import Detector
from faceblur.errors import MissingError, UsageError
from faceblur.images import Image
from faceblur.options import Options, cache_folder

STRIDES = (32, 16, 8)
CHANNELS = (("scores", 4), ("boxes", 8), ("landmarks", 20))
GREEN, SURE = np.array([-2.0, 1.0, 0.0]) / 255, 0.9  # of red, green, blue

pytestmark = pytest.mark.skipif(not find_spec("retinaface"), reason="retina-face is not installed")


def layer(part: str, channels: int, weak: float, shift: float) -> tuple[np.ndarray, np.ndarray]:
    """(3, C) weights and (C,) constants of the last layer: the second square of a cell is a face where it is green.

    On all others it says `weak`. The box is moved by `shift` times its width to the right.
    """
    factors, constants = np.zeros((3, channels), np.float32), np.zeros(channels, np.float32)
    if part == "scores":
        factors[:, 3], constants[3] = GREEN * SURE, weak
    if part == "boxes":
        constants[4] = shift
    return factors, constants


def onnx_network(path: Path, weak: float = 0.0, shift: float = 0.0) -> None:
    nodes = [helper.make_node("Transpose", ["data"], ["nchw"], perm=[0, 3, 1, 2])]
    constants, outputs = [], []
    for stride in STRIDES:
        pooled = f"pooled_{stride}"
        nodes.append(
            helper.make_node("AveragePool", ["nchw"], [pooled], kernel_shape=[stride] * 2, strides=[stride] * 2)
        )
        for part, channels in CHANNELS:
            name = f"{part}_{stride}"
            factors, offsets = layer(part, channels, weak, shift)
            constants.append(numpy_helper.from_array(factors.T[:, :, None, None].copy(), f"{name}_w"))
            constants.append(numpy_helper.from_array(offsets, f"{name}_b"))
            nodes.append(helper.make_node("Conv", [pooled, f"{name}_w", f"{name}_b"], [f"{name}_nchw"]))
            nodes.append(helper.make_node("Transpose", [f"{name}_nchw"], [name], perm=[0, 2, 3, 1]))
            shape = ["n", f"h{stride}", f"w{stride}", channels]
            outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    data = helper.make_tensor_value_info("data", TensorProto.FLOAT, ["n", "h", "w", 3])
    graph = helper.make_graph(nodes, "small", [data], outputs, constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(path))


def keras_network(keras: Any) -> Any:
    data = keras.layers.Input(shape=(None, None, 3))
    outputs = []
    for stride in STRIDES:
        pooled = keras.layers.AveragePooling2D(stride)(data)
        outputs += [keras.layers.Conv2D(channels, 1, name=f"{part}_{stride}")(pooled) for part, channels in CHANNELS]
    return keras.Model(inputs=data, outputs=outputs)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Chooses the engine as a person does, though the package remembers what it chose before."""

    def choose(name: str) -> None:
        monkeypatch.setenv("DEEPFACE_BACKEND_ENGINE", name)
        monkeypatch.setattr("retinaface.commons.backend_utils._backend_engine", None)

    return choose


@pytest.fixture(params=["onnx", "tensorflow"])
def small(
    request: pytest.FixtureRequest,
    engine: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Callable[..., Detector]:
    """A maker of detectors with a small network, through the whole path of the real ones."""

    def with_onnx(**settings: float) -> None:
        onnx_network(tmp_path / "retinaface.onnx", **settings)

    def with_tensorflow(**settings: float) -> None:
        from faceblur.detectors import packages

        keras = packages.load("tf_keras", "", 1)
        module = packages.load("retinaface.model.retinaface_model", "")
        network = keras_network(keras)
        for stride in STRIDES:
            for part, channels in CHANNELS:
                factors, constants = layer(part, channels, **({"weak": 0.0, "shift": 0.0} | settings))
                network.get_layer(f"{part}_{stride}").set_weights([factors[None, None], constants])
        path = tmp_path / "retinaface.h5"
        network.save_weights(str(path))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        row = weights.Weights("retinaface", path.name, path.stat().st_size, digest, "none")
        monkeypatch.setitem(weights.TABLE, "retinaface", row)
        # The real one builds its layers, reads the file into them by this function, and returns them.
        monkeypatch.setattr(module, "build_model", lambda: module.load_weights(keras_network(keras)))

    if request.param == "tensorflow":
        pytest.importorskip("tensorflow", reason="TensorFlow is not installed", exc_type=ImportError)
        pytest.importorskip("tf_keras", reason="tf-keras is not installed")
    prepare = {"onnx": with_onnx, "tensorflow": with_tensorflow}[request.param]

    def make(name: str = "retinaface", **settings: float) -> Detector:
        engine(request.param)
        prepare(**settings)
        return detectors.create(name, [tmp_path], threads=1)

    return make


def boxes(detector: Detector, image: Image) -> list[tuple[list[float], float]]:
    (found,) = detector.detect([image])
    return [(one.box.to_json(), one.score) for one in found]


def test_a_face_is_found_where_it_is(small: Callable[..., Detector]) -> None:
    assert boxes(small(), picture(320, 256, [(64, 96, 72, 104)])) == [([64, 96, 80, 112], 0.9)]


def test_a_box_is_moved_by_a_share_of_its_square(small: Callable[..., Detector]) -> None:
    assert boxes(small(shift=0.25), picture(320, 256, [(64, 96, 72, 104)])) == [([68, 96, 84, 112], 0.9)]


def test_boxes_are_in_pixels_of_the_picture_at_whatever_size_it_is_looked_at(small: Callable[..., Detector]) -> None:
    image = picture(640, 512, [(128, 192, 144, 208)])
    assert boxes(small("retinaface@0.5"), image) == [([128, 192, 160, 224], 0.9)]


def test_the_network_gets_red_green_blue(small: Callable[..., Detector]) -> None:
    cyan, yellow = (np.full((64, 64, 3), colour, np.uint8) for colour in ((255, 255, 0), (0, 255, 255)))
    detector = small()
    assert boxes(detector, cyan)[0][1] == 0.9
    assert boxes(detector, yellow) == []


def test_scores_from_the_floor_on_come_through(small: Callable[..., Detector]) -> None:
    black = np.zeros((64, 64, 3), np.uint8)
    assert {score for _, score in boxes(small(weak=0.051), black)} == {0.051}
    assert boxes(small(weak=0.049), black) == []


def test_mistake_08_four_hundred_faces_are_four_hundred_detections(small: Callable[..., Detector]) -> None:
    corners = [(32 * i, 32 * j) for i in range(20) for j in range(20)]
    image = picture(640, 640, [(x, y, x + 8, y + 8) for x, y in corners])
    assert len(boxes(small(), image)) == 400


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (7, 5), (33, 65)])
def test_a_picture_of_any_size_is_answered(small: Callable[..., Detector], size: tuple[int, int]) -> None:
    assert boxes(small(), np.full((*size, 3), 90, np.uint8)) == []


def test_a_batch_equals_one_by_one(small: Callable[..., Detector]) -> None:
    detector = small()
    images = [picture(320, 256, [(64, 96, 72, 104)]), picture(70, 50), picture(128, 128, [(8, 8, 16, 16)])]
    assert detector.detect(images) == [detector.detect([image])[0] for image in images]


def test_a_score_that_is_no_number_does_not_pass_for_no_face(small: Callable[..., Detector]) -> None:
    with pytest.raises(ValueError, match="none"):
        boxes(small(weak=np.nan), picture(64, 64))


def test_both_engines_say_the_same(engine: Callable[[str], None], tmp_path: Path) -> None:
    """With the real weights, where both files are."""
    folders = [cache_folder(), SHARED / "data" / "weights"]
    if not all(any((folder / f"retinaface.{end}").is_file() for folder in folders) for end in ("h5", "onnx")):
        pytest.skip("needs retinaface.h5 and retinaface.onnx among the weights")
    image = np.ascontiguousarray(data.astronaut()[:256, 100:356, ::-1])
    found = []
    for name in ("onnx", "tensorflow"):
        engine(name)
        found.append(detectors.create("retinaface", folders, threads=1).detect([image])[0][0])
    assert found[0].box.iou(found[1].box) > 0.95
    assert found[0].score == pytest.approx(found[1].score, abs=0.01)


def test_missing_weights_for_onnx_are_told_with_file_and_places(engine: Callable[[str], None], tmp_path: Path) -> None:
    engine("onnx")
    with pytest.raises(MissingError, match=r"retinaface\.onnx .*https://.*retinaface\.onnx") as caught:
        detectors.create("retinaface", [tmp_path])
    assert str(tmp_path) in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not find_spec("tensorflow"), reason="TensorFlow is not installed")
def test_missing_weights_for_tensorflow_are_told_with_file_size_and_digest(
    engine: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    row = weights.TABLE["retinaface"]
    monkeypatch.setitem(weights.TABLE, "retinaface", replace(row, urls=()))
    engine("tensorflow")
    with pytest.raises(MissingError, match=rf"retinaface\.h5 \({row.size} bytes, SHA-256 {row.sha256}\)") as caught:
        detectors.create("retinaface", [tmp_path])
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("name", ["abacus", "pytorch"])
def test_an_engine_that_is_none_is_refused_with_the_variable_that_names_it(
    engine: Callable[[str], None], tmp_path: Path, name: str
) -> None:
    engine(name)
    for use in (lambda: detectors.create("retinaface", [tmp_path]), lambda: detectors.needs("retinaface")):
        with pytest.raises(UsageError, match=f"^[^\n]*{name}[^\n]*DEEPFACE_BACKEND_ENGINE to tensorflow or onnx$"):
            use()


@pytest.mark.parametrize(
    ("name", "listed", "unlisted"), [("tensorflow", ["retinaface"], []), ("onnx", [], ["retinaface.onnx"])]
)
def test_what_is_needed_depends_on_the_engine(
    engine: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, name: str, listed: list[str], unlisted: list[str]
) -> None:
    monkeypatch.setattr("retinaface.commons.backend_utils.is_backend_available", lambda backend: True)
    engine(name)
    assert (detectors.needs("retinaface@flip"), detectors.unlisted("retinaface@flip")) == (listed, unlisted)


def test_on_onnx_its_one_file_is_enough_and_named_in_the_report(
    engine: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("faceblur.weights.fetch", lambda name, *_: pytest.fail(f"it went to fetch {name}"))
    engine("onnx")
    onnx_network(file := tmp_path / "retinaface.onnx")
    context, missing = Context(Options(detector="retinaface", weights=(tmp_path,))).equipped()
    with context.detector("retinaface"):
        pass
    assert missing == {}
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert report.models("retinaface", [tmp_path]) == [{"file": "retinaface.onnx", "sha256": digest}]


def test_an_engine_that_faceblur_does_not_know_is_refused(
    engine: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    engine("pytorch")
    monkeypatch.setattr("retinaface.commons.backend_utils.is_backend_available", lambda backend: True)
    with pytest.raises(UsageError, match="DEEPFACE_BACKEND_ENGINE"):
        detectors.create("retinaface", [tmp_path])
