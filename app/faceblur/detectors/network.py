"""Running an ONNX network: pictures of any size, one session a process, on the processor or a GPU."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from faceblur.errors import MissingError
from faceblur.images import Image

Tensor = NDArray[np.float32]
_CHANNELS = 1  # the axis that no network leaves open
_MANY = 16  # shapes of input after which memory is released; those of a video are a few
_shapes: set[tuple[int, ...]] = set()  # since it was released last
_PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")


class Network:
    """A network with one input (N, 3, H, W), read from an ONNX file whatever size that was saved for."""

    def __init__(self, path: Path, threads: int = 0, *, any_size: bool = True) -> None:
        """`threads` is the number of processor threads, 0 for all; MissingError without the package onnxruntime."""
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingError("this detector needs the package onnxruntime: pip install onnxruntime") from error
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = threads
        _lend_memory(onnxruntime)
        options.add_session_config_entry("session.use_env_allocators", "1")
        options.enable_mem_pattern = False
        # Threads that wait for work by spinning take the processors from decoding and measuring motion.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        providers = [p for p in _PROVIDERS if p in onnxruntime.get_available_providers()]
        self._session = onnxruntime.InferenceSession(_model(path, any_size), options, providers=providers)
        self._input = self._session.get_inputs()[0].name
        self.outputs: tuple[str, ...] = tuple(output.name for output in self._session.get_outputs())

    def run(self, blob: Tensor) -> dict[str, Tensor]:
        """Every output by name. ValueError for one that is not finite: that must not pass for "no face"."""
        _make_room(blob.shape)
        values: Sequence[Any] = self._session.run(None, {self._input: blob})
        if not all(np.isfinite(value).all() for value in values):
            raise ValueError("the network answered with numbers that are none")
        return dict(zip(self.outputs, values, strict=True))


def release() -> None:
    """Give back the memory that networks worked in and do not need at the moment; it is taken again when they do."""
    try:
        import onnxruntime
    except ImportError:
        return
    from onnx import TensorProto, helper

    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "nothing", values[:1], values[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options, request = onnxruntime.SessionOptions(), onnxruntime.RunOptions()
    _lend_memory(onnxruntime)
    options.add_session_config_entry("session.use_env_allocators", "1")
    request.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=_PROVIDERS[-1:])
    session.run(None, {"x": np.zeros(1, np.float32)}, request)


def _make_room(shape: tuple[int, ...]) -> None:
    """Before a network gets an input of this shape: release, now and then, what was needed for others only.

    The pool keeps what it once took, in pieces that seldom fit another shape: among photos of many sizes it would grow
    with every one of them.
    """
    if shape not in _shapes and len(_shapes) >= _MANY:
        _shapes.clear()
        release()
    _shapes.add(shape)


def blob(
    image: Image, *, rgb: bool = False, scale: float = 1.0, mean: tuple[float, float, float] = (0, 0, 0)
) -> Tensor:
    """(1, 3, H, W) float32 of a (H, W, 3) BGR image: (value − mean) · scale, mean in the order of the result."""
    return np.asarray(cv2.dnn.blobFromImage(image, scale, mean=mean, swapRB=rgb, crop=False), dtype=np.float32)


@cache
def _lend_memory(onnxruntime: Any) -> None:
    """One pool of memory for all networks of the process, which grows by what is asked for and no more.

    With a pool of its own, in powers of two, CenterFace took 575 MB for a frame of 1080p and at half the size
    150 MB more; so it is 290 MB for both, in the same time.
    """
    kind, place = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, onnxruntime.OrtMemType.DEFAULT
    memory = onnxruntime.OrtMemoryInfo("Cpu", kind, 0, place)
    grow_as_asked = 1
    onnxruntime.create_and_register_allocator(memory, onnxruntime.OrtArenaCfg(0, grow_as_asked, -1, -1))


def _model(path: Path, any_size: bool) -> bytes:
    """The file with its constants as constants, and with the sizes it was saved for left open.

    Exporters used to list weights as inputs, which could change from call to call, so that nothing can be worked out in
    advance: as constants they make CenterFace twice as fast (measured: 34.6 s instead of 69.7 s for 250 photos).
    """
    import onnx

    model = onnx.load_from_string(path.read_bytes())
    graph = model.graph
    constants = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in constants]
    del graph.input[:]
    graph.input.extend(inputs)
    for value in (*graph.input, *graph.output) if any_size else ():
        for axis, dimension in enumerate(value.type.tensor_type.shape.dim):
            if axis != _CHANNELS:
                dimension.dim_param = f"{value.name}_{axis}"
    return bytes(model.SerializeToString())
