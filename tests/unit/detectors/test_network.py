"""Running networks: tiny ones, made here, of which every answer is known."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from faceblur import detectors
from faceblur.detectors import network
from faceblur.detectors.network import Network, Tensor, alike, blob
from faceblur.errors import MissingError

FLOAT = TensorProto.FLOAT
SAVED = (1, 3, 16, 16)


def save(
    path: Path, nodes: Sequence[onnx.NodeProto], outputs: Sequence[str] = ("y",), *, as_inputs: bool = False
) -> Path:
    """A network with the input "x" and the constant "two", saved for pictures of 16 × 16."""
    inputs = [helper.make_tensor_value_info("x", FLOAT, SAVED)]
    if as_inputs:
        inputs.insert(0, helper.make_tensor_value_info("two", FLOAT, ()))
    graph = helper.make_graph(
        nodes,
        "tiny",
        inputs,
        [helper.make_tensor_value_info(name, FLOAT, SAVED) for name in outputs],
        [helper.make_tensor("two", FLOAT, (), [2.0])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


def doubling() -> list[onnx.NodeProto]:
    return [helper.make_node("Mul", ["x", "two"], ["y"])]


def filled(value: float, height: int = 16, width: int = 16, count: int = 1) -> Tensor:
    return np.full((count, 3, height, width), value, np.float32)


@pytest.mark.parametrize("size", [(16, 16), (1, 1), (40, 24)])
def test_a_network_saved_for_one_size_takes_any(tmp_path: Path, size: tuple[int, int]) -> None:
    out = Network(save(tmp_path / "a.onnx", doubling())).run(filled(3, *size))["y"]
    assert out.tolist() == filled(6, *size).tolist()


def test_a_network_saved_for_one_picture_takes_several(tmp_path: Path) -> None:
    assert Network(save(tmp_path / "a.onnx", doubling())).run(filled(3, count=4))["y"].shape == (4, 3, 16, 16)


def test_a_network_whose_size_must_stay_refuses_others(tmp_path: Path) -> None:
    network = Network(save(tmp_path / "a.onnx", doubling()), any_size=False)
    assert network.run(filled(3))["y"].shape == SAVED
    with pytest.raises(Exception, match="invalid dimensions"):
        network.run(filled(3, 40, 24))


def test_constants_that_were_saved_as_inputs_are_constants(tmp_path: Path) -> None:
    network = Network(save(tmp_path / "a.onnx", doubling(), as_inputs=True))
    assert network._session.get_overridable_initializers() == []
    assert network.run(filled(3))["y"].max() == 6


def test_the_file_is_left_as_it_is(tmp_path: Path) -> None:
    path = save(tmp_path / "a.onnx", doubling(), as_inputs=True)
    before = path.read_bytes()
    Network(path)
    assert path.read_bytes() == before


def test_outputs_are_told_apart_by_name(tmp_path: Path) -> None:
    nodes = [*doubling(), helper.make_node("Neg", ["x"], ["z"])]
    network = Network(save(tmp_path / "a.onnx", nodes, ("z", "y")))
    assert network.outputs == ("z", "y")
    assert {name: value.max() for name, value in network.run(filled(3)).items()} == {"z": -3, "y": 6}


@pytest.mark.parametrize("value", [-1.0, 0.0], ids=["not a number", "infinite"])
def test_an_answer_that_is_not_finite_does_not_pass_for_no_face(tmp_path: Path, value: float) -> None:
    network = Network(save(tmp_path / "a.onnx", [helper.make_node("Log", ["x"], ["y"])]))
    one_bad = filled(1)
    one_bad[0, 2, 15, 15] = value
    with pytest.raises(ValueError, match="numbers that are none"):
        network.run(one_bad)


def test_one_bad_output_of_several_is_enough(tmp_path: Path) -> None:
    nodes = [*doubling(), helper.make_node("Log", ["x"], ["z"])]
    with pytest.raises(ValueError, match="numbers that are none"):
        Network(save(tmp_path / "a.onnx", nodes, ("y", "z"))).run(filled(-1))


def test_one_thread_gives_what_all_give(tmp_path: Path) -> None:
    path = save(tmp_path / "a.onnx", doubling())
    assert np.array_equal(Network(path, threads=1).run(filled(3))["y"], Network(path).run(filled(3))["y"])


def test_a_batch_gives_what_its_pictures_give(tmp_path: Path) -> None:
    many = Network(save(tmp_path / "a.onnx", doubling()))
    pictures = np.arange(2 * 3 * 4 * 4, dtype=np.float32).reshape(2, 3, 4, 4)
    assert np.array_equal(many.run(pictures)["y"], np.concatenate([many.run(p[None])["y"] for p in pictures]))


def test_what_a_network_answers_about_several_pictures_in_one_row_is_told_apart(tmp_path: Path) -> None:
    rows = helper.make_node("Constant", [], ["rows"], value=helper.make_tensor("", TensorProto.INT64, (3,), [1, -1, 2]))
    folding = Network(save(tmp_path / "a.onnx", [rows, helper.make_node("Reshape", ["x", "rows"], ["y"])]))
    pictures = np.arange(2 * 3 * 4 * 4, dtype=np.float32).reshape(2, 3, 4, 4)
    assert folding.run(pictures)["y"].tolist() == pictures.reshape(2, 24, 2).tolist()


def test_what_does_not_lie_in_one_piece_is_answered_like_its_copy(tmp_path: Path) -> None:
    tiny = Network(save(tmp_path / "a.onnx", doubling()))
    mirrored = np.arange(3 * 4 * 4, dtype=np.float32).reshape(1, 3, 4, 4)[..., ::-1]
    assert tiny.run(mirrored)["y"].tolist() == (2 * mirrored).tolist()


def test_an_answer_stays_what_it_is_when_the_next_picture_comes(tmp_path: Path) -> None:
    tiny = Network(save(tmp_path / "a.onnx", doubling()))
    first = tiny.run(filled(3))["y"]
    tiny.run(filled(5))
    assert first.tolist() == filled(6).tolist()


def test_a_network_in_half_precision_takes_and_gives_float32(tmp_path: Path) -> None:
    path = save(tmp_path / "a.onnx", doubling())
    [two] = onnx.load_from_string(network._model(path, any_size=True, half=True)).graph.initializer
    assert two.data_type == TensorProto.FLOAT16
    out = Network(path, half=True).run(filled(3, 40, 24))["y"]
    assert (out.dtype, out.tolist()) == (np.float32, filled(6, 40, 24).tolist())


def test_pictures_of_one_size_are_looked_at_together_up_to_so_many() -> None:
    sizes = [(8, 4), (4, 8), (8, 4), (8, 4)]
    pictures = [np.zeros((height, width, 3), np.uint8) for width, height in sizes]
    assert list(alike(pictures, lambda width, height: width // 4)) == [[0, 2], [3], [1]]


@pytest.fixture
def a_build_for_gpus(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An onnxruntime that says it can use a GPU; whether it can is found out anew, before the test and after it."""
    import onnxruntime

    providers = ["CUDAExecutionProvider", *onnxruntime.get_available_providers()]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: list(dict.fromkeys(providers)))
    network.no_gpu.cache_clear()
    yield
    network.no_gpu.cache_clear()


def test_without_a_build_for_gpus_the_processor_needs_no_words() -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("a build for GPUs is installed")
    assert "onnxruntime-gpu is not installed" in network.no_gpu()
    assert network.notice() == ""
    assert network.at_once(64, 64) == 1


@pytest.mark.filterwarnings("ignore:Specified provider")
@pytest.mark.usefixtures("a_build_for_gpus")
def test_a_gpu_that_does_not_answer_is_told_and_the_processor_takes_its_place(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    if not network.no_gpu():
        pytest.skip("there is a GPU")
    capfd.readouterr()
    assert Network(save(tmp_path / "a.onnx", doubling())).run(filled(3))["y"].max() == 6
    assert network.notice() == f"the processor does the work of a GPU: {network.no_gpu()}"
    assert network.notice() in detectors.notices("centerface@full")
    assert network.notice() not in detectors.notices("haar")  # which would not use one
    assert capfd.readouterr().out == ""  # which may be read by a program


def test_a_gpu_without_room_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA failure 2: out of memory ; GPU=0 ; hostname=vm")

    path = save(tmp_path / "a.onnx", doubling())
    monkeypatch.setattr(network, "no_gpu", lambda: "")
    monkeypatch.setattr(network, "_session", full)
    with pytest.raises(MissingError, match=r"the GPU cannot take a.onnx \(out of memory\): start fewer workers"):
        Network(path)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            "/onnxruntime_src/cuda_call.cc:122 [with ERRTYPE = cudaError; bool THRW = true] CUDA failure 35: CUDA "
            "driver version is insufficient for CUDA runtime version ; GPU=-1 ; hostname=vm ; line=336 ; expr=x;",
            "CUDA driver version is insufficient for CUDA runtime version",
        ),
        ("Failed to allocate memory\nat several places", "Failed to allocate memory"),
    ],
)
def test_of_what_onnxruntime_says_only_the_reason_is_told(error: str, reason: str) -> None:
    assert network._reason(RuntimeError(error)) == reason


def test_a_picture_becomes_planes_in_its_own_order() -> None:
    image = np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8)
    assert blob(image).tolist() == [[[[1, 4]], [[2, 5]], [[3, 6]]]]


def test_pictures_of_one_size_become_one_batch() -> None:
    images = [np.full((2, 3, 3), value, np.uint8) for value in (1, 2)]
    assert blob(*images).tolist() == np.concatenate([blob(image) for image in images]).tolist()


def test_red_comes_first_where_a_network_wants_it_and_so_does_its_mean() -> None:
    image = np.array([[[1, 2, 3]]], np.uint8)
    assert blob(image, rgb=True, mean=(3, 0, 0), scale=2).ravel().tolist() == [0, 4, 2]


def test_nothing_is_kept_for_anybody_to_collect(tmp_path: Path) -> None:
    """onnxruntime would note a number of this machine in the home folder, and events to send."""
    path = save(tmp_path / "a.onnx", doubling())
    home = tmp_path / "home"
    home.mkdir()
    code = f"""
import time
from pathlib import Path
import numpy as np
from faceblur.detectors.network import Network
Network(Path({str(path)!r}), 1).run(np.zeros((1, 3, 16, 16), np.float32))
time.sleep(1)
"""
    environment = {k: v for k, v in os.environ.items() if k not in ("CI", "ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME")}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment | {"HOME": str(home)})
    assert [p for p in home.rglob("*") if p.is_file()] == []


def test_batches_of_another_length_are_other_shapes_after_which_memory_is_released(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny, released = Network(save(tmp_path / "a.onnx", doubling())), list[int]()
    monkeypatch.setattr(network, "_shapes", set())
    monkeypatch.setattr(network, "release", lambda: released.append(count))
    for count in [*range(1, 17), 1, 16, 17]:
        tiny.run(filled(3, count=count))
    assert released == [17]


def test_memory_does_not_grow_with_the_number_of_sizes(tmp_path: Path) -> None:
    """As of photos, each of which has another: here each is too large for the room that those before it left."""
    grows = (
        "import sys; from pathlib import Path; import numpy as np; from faceblur.detectors.network import Network\n"
        "def held(): return int(Path('/proc/self/status').read_text().split('VmRSS:')[1].split()[0]) / 1000\n"
        "network = Network(Path(sys.argv[1]))\n"
        "network.run(np.zeros((1, 3, 1000, 500), np.float32))\n"
        "before = held()\n"
        "for more in range(1, 49): network.run(np.zeros((1, 3, 1000, 500 + 4 * more), np.float32))\n"
        "print(held() - before)"
    )
    path = save(tmp_path / "a.onnx", doubling())
    told = subprocess.run([sys.executable, "-c", grows, str(path)], capture_output=True, text=True, check=True)
    assert float(told.stdout) < 170  # MB; 16 such pictures take 110, all 48 of them 340
