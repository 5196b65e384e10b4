"""Detectors in packages of others: what is missing is told in one line, and nothing is fetched behind one's back."""

import importlib
import re
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from unittest.mock import MagicMock

import numpy as np
import pytest

from faceblur import detectors, weights
from faceblur.detectors import packages
from faceblur.detectors.base import FLOOR
from faceblur.errors import FaceblurError, MissingError, UsageError


@pytest.fixture
def weight_utils() -> ModuleType:
    """What both packages have: the module with the function that downloads."""
    module = ModuleType("weight_utils")
    module.__dict__["download_weights_if_necessary"] = lambda **_: pytest.fail("it went to fetch something")
    return module


def without(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """As if these packages were not installed."""
    for name in names:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr("faceblur.detectors.packages.find_spec", lambda name: None)


def one_line(error: FaceblurError) -> str:
    assert "\n" not in str(error)
    return str(error)


@pytest.mark.parametrize(
    ("name", "package", "install"),
    [
        ("mtcnn", "mtcnn", "pip install mtcnn tensorflow"),
        ("retinaface", "retinaface.commons.backend_utils", "pip install retina-face"),
        ("deepface.opencv", "deepface.commons.weight_utils", "pip install deepface"),
    ],
)
def test_a_missing_package_is_told_with_the_command_that_brings_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, package: str, install: str
) -> None:
    without(monkeypatch, package)
    with pytest.raises(MissingError, match=install) as caught:
        detectors.create(name, [tmp_path])
    one_line(caught.value)


def test_a_model_file_is_taken_from_the_first_folder_that_has_it(weight_utils: ModuleType, tmp_path: Path) -> None:
    for folder in ("second", "third"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "toy.onnx").touch()
    with packages.ours(weight_utils, [tmp_path / name for name in ("first", "second", "third")]):
        found = weight_utils.download_weights_if_necessary(
            file_name="toy.onnx", source_urls=["https://example.org/toy"]
        )
    assert found == str(tmp_path / "second" / "toy.onnx")


@pytest.mark.parametrize(
    "place",
    [
        {"source_url": "https://example.org/toy.onnx"},
        {"source_url": ["https://example.org/toy.onnx", "https://example.com/toy.onnx"]},
        {"source_urls": ["https://example.org/toy.onnx", "https://example.com/toy.onnx"]},
        {"source_url": "https://example.org/toy.onnx.bz2", "compress_type": "bz2"},
    ],
)
def test_a_missing_model_file_is_told_with_its_name_and_place_and_never_fetched(
    weight_utils: ModuleType, tmp_path: Path, place: dict[str, object]
) -> None:
    with packages.ours(weight_utils, [tmp_path]), pytest.raises(MissingError) as caught:
        weight_utils.download_weights_if_necessary(file_name="toy.onnx", **place)
    said = one_line(caught.value)
    assert all(part in said for part in ("toy.onnx", "https://example.org/toy.onnx", str(tmp_path), "FACEBLUR_WEIGHTS"))
    assert list(tmp_path.iterdir()) == []


def test_a_model_file_of_the_table_must_be_the_right_one(weight_utils: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "retinaface.h5").write_bytes(b"something else")
    with packages.ours(weight_utils, [tmp_path]), pytest.raises(MissingError, match="SHA-256"):
        weight_utils.download_weights_if_necessary(file_name="retinaface.h5", source_urls=[])


def test_the_package_gets_its_own_function_back(weight_utils: ModuleType, tmp_path: Path) -> None:
    before = weight_utils.download_weights_if_necessary
    with pytest.raises(ZeroDivisionError), packages.ours(weight_utils, [tmp_path]):
        raise ZeroDivisionError
    assert weight_utils.download_weights_if_necessary is before


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("deepface:yunet", "deepface.yunet"),
        ("deepface.yunet", "deepface.yunet"),
        ("deepface:yunet@0.50@flip", "deepface.yunet@0.5@flip"),
    ],
)
def test_a_detector_of_deepface_has_one_name_however_it_is_written(written: str, name: str) -> None:
    assert detectors.resolve(written) == name
    assert all(letter.isalnum() or letter in "@_-." for letter in name)


@pytest.mark.parametrize("name", ["deepface", "deepface.", "deepface./../x", "deepface.a.b", "deepface:a:b", "haar.x"])
def test_a_name_that_would_be_no_folder_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=r"there are: .*deepface\.NAME"):
        detectors.resolve(name)


def test_without_deepface_its_detectors_can_still_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faceblur.detectors.deepface.find_spec", lambda name: None)
    assert detectors.resolve("deepface:anything") == "deepface.anything"


class TestDeepFace:
    """With deepface installed."""

    @pytest.fixture(autouse=True)
    def _needs_it(self) -> None:
        pytest.importorskip("deepface", reason="deepface is not installed")

    @pytest.fixture
    def without_network(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """Neither a place to fetch weights from, nor weights in the home of the user."""
        row = weights.TABLE["retinaface"]
        monkeypatch.setitem(weights.TABLE, "retinaface", replace(row, urls=()))
        monkeypatch.setenv("DEEPFACE_HOME", str(tmp_path))
        monkeypatch.setattr("requests.head", lambda *_, **__: pytest.fail("it went to fetch something"))

    def on(self, engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Lets retina-face, which remembers its engine and its model, start anew on this engine."""
        backend = pytest.importorskip("retinaface.commons.backend_utils", reason="retina-face is not installed")
        if engine == "tensorflow":
            pytest.importorskip("tensorflow", reason="TensorFlow is not installed", exc_type=ImportError)
            pytest.importorskip("tf_keras", reason="tf-keras is not installed")
        monkeypatch.setenv("DEEPFACE_BACKEND_ENGINE", engine)
        monkeypatch.setattr(backend, "_backend_engine", None)
        for name in ("retinaface.RetinaFace", "deepface.models.face_detection.RetinaFace"):
            package, _, last = name.rpartition(".")
            parent = importlib.import_module(package)
            monkeypatch.setitem(sys.modules, name, None)  # so that it is gone afterwards, too
            monkeypatch.delitem(sys.modules, name)
            monkeypatch.setattr(parent, last, None, raising=False)
            monkeypatch.delattr(parent, last)

    def test_a_detector_that_it_does_not_have_is_refused_with_those_it_has(self) -> None:
        with pytest.raises(UsageError, match=r"no detector 'magic'; there are: .*opencv.*mtcnn"):
            detectors.resolve("deepface:magic")

    @pytest.mark.parametrize(
        ("backend", "package", "install"),
        [
            ("dlib", "dlib", "pip install dlib"),
            ("fastmtcnn", "facenet_pytorch", "pip install facenet-pytorch"),
            ("mediapipe", "mediapipe", "pip install mediapipe"),
            ("mtcnn", "mtcnn", "pip install mtcnn"),
            ("retinaface", "retinaface", "pip install retina-face"),
            ("yolov8n", "ultralytics", "pip install ultralytics"),
        ],
    )
    def test_what_one_of_them_lacks_is_told_with_the_command_that_brings_it(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, backend: str, package: str, install: str
    ) -> None:
        monkeypatch.delitem(sys.modules, "deepface.models.face_detection.RetinaFace", raising=False)
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(MissingError, match=install) as caught:
            detectors.create(f"deepface.{backend}", [tmp_path])
        one_line(caught.value)

    def test_weights_that_are_missing_are_told_and_not_fetched(self, tmp_path: Path) -> None:
        with pytest.raises(MissingError, match=r"deploy\.prototxt .*https://.*deploy\.prototxt") as caught:
            detectors.create("deepface.ssd", [tmp_path])
        assert str(tmp_path) in one_line(caught.value)

    @pytest.mark.parametrize(("engine", "file"), [("tensorflow", "retinaface.h5"), ("onnx", "retinaface.onnx")])
    def test_weights_that_retina_face_lacks_are_told_and_not_fetched(
        self, without_network: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, engine: str, file: str
    ) -> None:
        self.on(engine, monkeypatch)
        (folder := tmp_path / "weights").mkdir()
        with pytest.raises(MissingError, match=re.escape(file)) as caught:
            detectors.create("deepface.retinaface", [folder])
        assert str(folder) in one_line(caught.value)
        assert list(tmp_path.iterdir()) == [folder]

    def test_retina_face_reads_the_file_that_faceblur_found(
        self, without_network: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        read = []
        self.on("onnx", monkeypatch)
        monkeypatch.setattr("onnxruntime.InferenceSession", lambda path, **_: read.append(path) or MagicMock())
        (tmp_path / "retinaface.onnx").touch()
        detectors.create("deepface.retinaface", [tmp_path])
        assert read == [str(tmp_path / "retinaface.onnx")]

    def test_what_it_finds_is_evidence_whatever_its_confidence_says(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        detector = detectors.create("deepface.opencv", [tmp_path])
        from deepface.models.Detector import FacialAreaRegion

        found = [FacialAreaRegion(3, 4, 10, 20, confidence=score) for score in (None, -1.0, 0.5, 7.0)]
        monkeypatch.setattr(
            "deepface.models.face_detection.OpenCv.OpenCvClient.detect_faces", lambda self, img: list(found)
        )
        [rows] = detector.batch([np.zeros((64, 64, 3), np.uint8)])
        assert rows.tolist() == [[3, 4, 13, 24, score] for score in (1.0, FLOOR, 0.5, 1.0)]

    def test_a_confidence_that_is_no_number_does_not_pass_for_no_face(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        detector = detectors.create("deepface.opencv", [tmp_path])
        from deepface.models.Detector import FacialAreaRegion

        monkeypatch.setattr(
            "deepface.models.face_detection.OpenCv.OpenCvClient.detect_faces",
            lambda self, img: [FacialAreaRegion(3, 4, 10, 20, confidence=float("nan"))],
        )
        with pytest.raises(ValueError, match="none"):
            detector.detect([np.zeros((64, 64, 3), np.uint8)])


def test_weights_of_mtcnn_that_are_no_numbers_do_not_pass_for_no_face(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stage = type(
        "Stage", (), {"name": "one", "model": type("Model", (), {"get_weights": lambda self: [np.array([np.nan])]})()}
    )
    module = ModuleType("mtcnn")
    module.__dict__["MTCNN"] = type("MTCNN", (), {"stages": [stage()]})
    monkeypatch.setitem(sys.modules, "mtcnn", module)
    with pytest.raises(ValueError, match="none"):
        detectors.create("mtcnn", [tmp_path])
