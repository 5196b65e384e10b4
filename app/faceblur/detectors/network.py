"""Running an ONNX network: pictures of any size, on an NVIDIA GPU where there is one, else on the processor."""

import re
from collections.abc import Callable, Iterator, Sequence
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
_CPU, _CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
# What detectors say is to be the same wherever they ran, but for the rounding of float32. TF32 has no more bits than
# float16. To try out all ways to convolve, anew for each size of picture, takes time, and may end with another way in
# each process. Workers that share a GPU are to take the memory they need, and not the next power of two.
_CUDA_OPTIONS = {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC", "arena_extend_strategy": "kSameAsRequested"}
_TINY = np.zeros((1, 1, 1, 1), np.float32)
_BATCH_PX = 8 * 1280 * 720  # for a GPU, which a single small picture does not fill; chosen, not measured
_MANY = 16  # shapes of input after which memory is released; those of a video are a few
_shapes: set[tuple[int, ...]] = set()  # since it was released last


class Network:
    """A network with one input (N, 3, H, W), read from an ONNX file whatever size that was saved for.

    With `half` it computes in float16, in which inputs and outputs stay float32.
    """

    def __init__(self, path: Path, threads: int = 0, *, any_size: bool = True, half: bool = False) -> None:
        """`threads` is the number of processor threads, 0 for all.

        MissingError without the package onnxruntime, or where a GPU is there but has no room for the network.
        """
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
        model = _model(path, any_size, half)
        try:
            self._session = _session(model, options, gpu=not no_gpu())
        except Exception as error:  # onnxruntime has a class of its own for each code
            if no_gpu():
                raise
            raise MissingError(
                f"the GPU cannot take {path.name} ({_reason(error)}): start fewer workers, or work without it: "
                f"CUDA_VISIBLE_DEVICES=-1"
            ) from error
        self._place = "cuda" if _CUDA in self._session.get_providers() else "cpu"
        self._input = self._session.get_inputs()[0].name
        self.outputs: tuple[str, ...] = tuple(output.name for output in self._session.get_outputs())

    def run(self, blob: Tensor) -> dict[str, Tensor]:
        """Every output by name, (N, ...). ValueError for one that is not finite: that must not pass for "no face"."""
        _make_room(blob.shape)
        binding = self._session.io_binding()  # on a GPU all outputs stay there until the last one is made
        binding.bind_cpu_input(self._input, np.ascontiguousarray(blob))
        for name in self.outputs:
            binding.bind_output(name, self._place)
        self._session.run_with_iobinding(binding)
        values: list[Tensor] = binding.copy_outputs_to_cpu()
        if not all(np.isfinite(value).all() for value in values):
            raise ValueError("the network answered with numbers that are none")
        return {name: _of_each(value, len(blob)) for name, value in zip(self.outputs, values, strict=True)}


def _of_each(value: Tensor, count: int) -> Tensor:
    """(count, ...) what some networks, saved for one picture, answer about several as (1, count · ..., ...)."""
    return value if len(value) == count else value.reshape(count, -1, *value.shape[2:])


@cache
def no_gpu() -> str:
    """Why networks do not run on a GPU; empty where they do. Found out by running one, once in a process."""
    if not _is_for_gpus():
        return "the package onnxruntime-gpu is not installed, or onnxruntime took its place"
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what fails is told by whoever asked
    try:
        session = _session(_tiny(), options, gpu=True)
        if _CUDA not in session.get_providers():
            return "onnxruntime-gpu does not find the CUDA and cuDNN libraries it was built for"
        session.run(None, {"x": _TINY})
    except Exception as error:
        return _reason(error)
    return ""


def notice() -> str:
    """That no GPU is used, and why, for a person who has the onnxruntime for GPUs; else empty."""
    return f"the processor does the work of a GPU: {no_gpu()}" if _is_for_gpus() and no_gpu() else ""


def at_once(width: int, height: int) -> int:
    """How many pictures of that size in pixels a network that can should be given together.

    On a processor one: batches of 4 and 8 took 0.8 to 1.3 times as long for each picture, and as many times the memory.
    """
    return 1 if no_gpu() else max(1, _BATCH_PX // (width * height))


def alike(images: Sequence[Image], most: Callable[[int, int], int]) -> Iterator[list[int]]:
    """The indices of pictures to look at together: of one size each time, and at most `most(width, height)` of them."""
    sizes: dict[tuple[int, int], list[int]] = {}
    for i, image in enumerate(images):
        sizes.setdefault((image.shape[1], image.shape[0]), []).append(i)
    for size, indices in sizes.items():
        for start in range(0, len(indices), most(*size)):
            yield indices[start : start + most(*size)]


def release() -> None:
    """Give back the memory that networks worked in and do not need at the moment; it is taken again when they do."""
    try:
        import onnxruntime
    except ImportError:
        return
    options, request = onnxruntime.SessionOptions(), onnxruntime.RunOptions()
    _lend_memory(onnxruntime)
    options.add_session_config_entry("session.use_env_allocators", "1")
    request.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    _session(_tiny(), options, gpu=False).run(None, {"x": _TINY}, request)


def _make_room(shape: tuple[int, ...]) -> None:
    """Before a network gets an input of this shape: release, now and then, what was needed for others only.

    The pool keeps what it once took, in pieces that seldom fit another shape: among photos of many sizes it would grow
    with every one of them.
    """
    if shape not in _shapes and len(_shapes) >= _MANY:
        _shapes.clear()
        release()
    _shapes.add(shape)


def blob(*images: Image, rgb: bool = False, scale: float = 1.0, mean: tuple[float, float, float] = (0, 0, 0)) -> Tensor:
    """(N, 3, H, W) float32 of N (H, W, 3) BGR images: (value − mean) · scale, mean in the order of the result."""
    return np.asarray(cv2.dnn.blobFromImages(images, scale, mean=mean, swapRB=rgb, crop=False), dtype=np.float32)


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


def _is_for_gpus() -> bool:
    try:
        import onnxruntime
    except ImportError:
        return False
    return _CUDA in onnxruntime.get_available_providers()


def _session(model: bytes, options: Any, *, gpu: bool) -> Any:
    """A session of onnxruntime, which on its own would print to standard output that it goes on without the GPU."""
    import onnxruntime

    providers: list[Any] = [_CPU]
    if gpu:
        providers.insert(0, (_CUDA, _CUDA_OPTIONS))
    return onnxruntime.InferenceSession(model, options, providers=providers, enable_fallback=0)


def _tiny() -> bytes:
    """The least network that needs what others need of a GPU: it convolves one value of `_TINY`."""
    from onnx import TensorProto, helper

    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, _TINY.shape) for name in ("x", "y")]
    one = helper.make_tensor("one", TensorProto.FLOAT, _TINY.shape, [1.0])
    graph = helper.make_graph([helper.make_node("Conv", ["x", "one"], ["y"])], "tiny", values[:1], values[1:], [one])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


def _reason(error: Exception) -> str:
    """What went wrong, of the many lines in which onnxruntime tells where in its code."""
    told = re.search(r"failure \d+: (.+?) ; GPU", str(error))
    return told[1] if told else str(error).strip().partition("\n")[0][:300]


def _model(path: Path, any_size: bool, half: bool = False) -> bytes:
    """The file with its constants as constants, and with the sizes it was saved for left open; in float16 if `half`.

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
    return bytes((_halved(model) if half else model).SerializeToString())


def _halved(model: Any) -> Any:
    """The model in float16 but for its inputs and outputs."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    return convert_float_to_float16(model, keep_io_types=True)
