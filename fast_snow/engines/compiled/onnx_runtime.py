"""Compiled networks on ONNX Runtime."""

import contextlib
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from fast_snow.engines import hardware
from fast_snow.engines.compiled.network import Arrays, Network
from fast_snow.errors import ConfigError, EngineError

_CUDA, _CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
_ONLY_FATAL = 4
_MEMORY_RAN_OUT = ("out of memory", "failed to allocate memory", "smaller than requested bytes", "bad_alloc")
_DTYPES: Mapping[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(uint8)": np.uint8,
    "tensor(bool)": np.bool_,
}

Provider = str | tuple[str, dict[str, Any]]


def has_cuda() -> bool:
    """Tell whether this build of ONNX Runtime can use a GPU of NVIDIA."""
    return _CUDA in onnxruntime.get_available_providers()


@contextmanager
def open_network(path: Path, *, device: str = "cpu", threads: int = 0) -> Iterator[Network]:
    """Load an ONNX file. Outputs belong to the caller; leaving frees the session, and the network answers no more.

    `auto` takes the GPU where there is one and ONNX Runtime can use it; 0 threads are one per core.

    Yields:
        The network. It raises `MemoryError` where memory runs out (the caller can retry in smaller pieces) and
        `EngineError` for everything else, wrong inputs among it.

    Raises:
        ConfigError: ONNX Runtime cannot compute on that device.
        EngineError: the file is missing, damaged or needs operators that ONNX Runtime does not have.
    """
    network = _Session(path, _providers(device), threads)
    try:
        yield network
    finally:
        network.close()


class _Session:
    """One loaded file."""

    def __init__(self, path: Path, providers: list[Provider], threads: int) -> None:
        self._path = path
        session = _load(path, providers, threads)
        self._session: onnxruntime.InferenceSession | None = session
        self._dtypes = {each.name: _DTYPES.get(each.type) for each in session.get_inputs()}
        self._outputs = [each.name for each in session.get_outputs()]

    def __call__(self, inputs: Arrays) -> Arrays:
        if self._session is None:
            raise EngineError(f"{self._path.name}: was called after it was closed")
        self._check(inputs)
        try:
            answers = self._session.run(self._outputs, dict(inputs))
        except Exception as error:  # noqa: BLE001 (ONNX Runtime's errors have no common base)
            raise _translated(error, self._path) from None
        return dict(zip(self._outputs, answers, strict=True))

    def close(self) -> None:
        self._session = None

    def _check(self, inputs: Arrays) -> None:
        if set(inputs) != set(self._dtypes):
            raise EngineError(
                f"{self._path.name}: got inputs {', '.join(sorted(inputs))}, expected {', '.join(sorted(self._dtypes))}"
            )
        for name, dtype in self._dtypes.items():
            if dtype is not None and inputs[name].dtype != dtype:
                raise EngineError(
                    f"{self._path.name}: input {name} is {inputs[name].dtype}, expected {np.dtype(dtype).name}"
                )


def _load(path: Path, providers: list[Provider], threads: int) -> onnxruntime.InferenceSession:
    if not path.is_file():
        raise EngineError(f"{path}: no such ONNX file; create it with fast-snow export-engines")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = _ONLY_FATAL
    if providers[0] != _CPU:
        _load_cuda_libraries()
    try:
        # Weights beside the file are found by its folder, so it is loaded by path.
        session = onnxruntime.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # noqa: BLE001 (ONNX Runtime's errors have no common base)
        raise _translated(error, path, loading=True) from None
    if providers[0] != _CPU and _CUDA not in session.get_providers():
        raise EngineError(
            f"{path.name}: ONNX Runtime could not start its CUDA provider (a library of CUDA or cuDNN is missing or of"
            " another version); repair the installation, or choose --runtime.device cpu"
        )
    return session


def _load_cuda_libraries() -> None:
    """Load CUDA and cuDNN from the packages that pip installed, where the system has none; failure shows at loading."""
    onnxruntime.set_default_logger_severity(_ONLY_FATAL)
    if hasattr(onnxruntime, "preload_dlls"):
        with contextlib.redirect_stdout(io.StringIO()):  # it prints what it does not find
            onnxruntime.preload_dlls()


def _providers(device: str) -> list[Provider]:
    kind, _, index = device.partition(":")
    if kind not in ("auto", "cpu", "cuda") or (index and (kind != "cuda" or not index.isdecimal())):
        raise ConfigError(f"runtime.device: got {device!r}, expected auto, cpu, cuda or cuda:N")
    usable = has_cuda()
    count = hardware.gpu_count()
    if kind == "cpu" or (kind == "auto" and not (usable and count)):
        return [_CPU]
    if not usable:
        raise ConfigError(
            f"runtime.device: got {device!r}, but ONNX Runtime {onnxruntime.__version__} has only"
            f" {', '.join(onnxruntime.get_available_providers())}; pip uninstall onnxruntime and pip install"
            " onnxruntime-gpu, or choose --runtime.device cpu"
        )
    if int(index or 0) >= count:
        raise ConfigError(
            f"runtime.device: got {device!r}, but there are {count} GPUs; check the driver, or choose"
            " --runtime.device cpu"
        )
    # Same-as-requested growth: the default doubles its arena, which starves the engines that share the GPU.
    return [(_CUDA, {"device_id": int(index or 0), "arena_extend_strategy": "kSameAsRequested"}), _CPU]


def _translated(error: Exception, path: Path, *, loading: bool = False) -> Exception:
    message = " ".join(str(error).split())
    if isinstance(error, MemoryError) or any(each in message.lower() for each in _MEMORY_RAN_OUT):
        return MemoryError(f"{path.name}: out of memory in ONNX Runtime ({message[:200]})")
    if loading:
        return EngineError(
            f"{path}: ONNX Runtime {onnxruntime.__version__} cannot load it; fast-snow export-engines --force makes it"
            f" anew ({message[:300]})"
        )
    return EngineError(f"{path.name}: ONNX Runtime failed ({message[:300]})")
