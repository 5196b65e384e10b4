"""What `import faceblur` offers to Python."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import faceblur
from conftest import picture
from faceblur import redaction


def test_import_alone_loads_nothing_heavy() -> None:
    code = "import sys, faceblur; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"cv2", "av", "numpy", "click", "onnxruntime"} & set(loaded)


def test_what_is_slow_to_import_and_seldom_needed_waits_until_it_is() -> None:
    code = "import sys, faceblur.pipeline; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"scipy", "onnxruntime", "skimage", "rich"} & set(loaded)


@pytest.mark.parametrize("name", faceblur.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    assert getattr(faceblur, name).__doc__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing_of_ours"):
        _ = faceblur.nothing_of_ours


def test_no_module_hides_a_public_name() -> None:
    folder = Path(str(faceblur.__file__)).parent
    modules = {path.stem for path in folder.glob("*.py")} | {path.name for path in folder.iterdir() if path.is_dir()}
    assert not modules & set(faceblur.__all__)


def test_run_from_python_is_quiet_and_gives_the_path(
    clip: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    options = faceblur.Options(input=tmp_path / "input", output=tmp_path / "output", detector="null")
    path = faceblur.run(clip, options)
    assert path == tmp_path / "output" / "clip" / "clip-blurred.mp4"
    assert path.is_file()
    assert capfd.readouterr() == ("", "")


def test_a_loaded_detector_and_redact_hide_a_picture() -> None:
    image = picture(faces=[(20, 20, 40, 40)])
    detector = faceblur.create_detector("null", [])
    [found] = detector.detect([image])
    hidden = faceblur.redact(image, faceblur.regions(found), faceblur.Style("solid"))
    assert (hidden[22:38, 22:38] == 0).all()
    assert (image[22:38, 22:38] == (0, 255, 0)).all()
    assert faceblur.redact is redaction.redact
    assert hidden.dtype == np.uint8
