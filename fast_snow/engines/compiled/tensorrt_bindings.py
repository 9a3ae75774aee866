"""TensorRT's Python bindings: imported where they are used, their absence explained, their log kept for errors."""

from collections.abc import Mapping
from typing import Any

import torch

from fast_snow.errors import ConfigError

Untyped = Any
"""An object of the bindings, which have no types."""

OLDEST_MAJOR = 10
_INSTALL = 'uv pip install -e ".[gpu]"'
_LONGEST_LOG = 500
_DTYPES: Mapping[str, torch.dtype] = {
    "FLOAT": torch.float32,
    "HALF": torch.float16,
    "BF16": torch.bfloat16,
    "INT64": torch.int64,
    "INT32": torch.int32,
    "INT8": torch.int8,
    "UINT8": torch.uint8,
    "BOOL": torch.bool,
}


def import_tensorrt() -> Untyped:
    """Import TensorRT; raises ConfigError where it is not installed, is only the registry's stub, or is too old."""
    try:
        import tensorrt
    except Exception as error:  # noqa: BLE001 (a stub whose libraries are missing raises what it likes)
        raise ConfigError(
            f"TensorRT cannot be imported ({_one_line(error)}): {_INSTALL}, or use the onnx backend"
        ) from None
    if not hasattr(tensorrt, "Runtime"):
        raise ConfigError(f"TensorRT is installed without its library: {_INSTALL}, or use the onnx backend")
    if int(tensorrt.__version__.split(".")[0]) < OLDEST_MAJOR:
        raise ConfigError(f"TensorRT {tensorrt.__version__} is too old, expected {OLDEST_MAJOR} or newer: {_INSTALL}")
    return tensorrt


def recorder(trt: Untyped) -> Untyped:
    """Return a logger that prints nothing; its `last_error()` tells, in one line, the errors since it was last asked.

    TensorRT reports most failures by returning None or False and logging why.
    """
    worth_keeping = (trt.ILogger.Severity.INTERNAL_ERROR, trt.ILogger.Severity.ERROR)

    class Recorder(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)  # pybind11 insists on the explicit call
            self._errors: list[str] = []

        def log(self, severity: Untyped, msg: str) -> None:
            if severity in worth_keeping:
                self._errors = [*self._errors[-2:], _one_line(msg)]

        def last_error(self) -> str:
            messages, self._errors = "; ".join(self._errors)[-_LONGEST_LOG:], []
            return messages or "TensorRT gave no reason"

    return Recorder()


def torch_dtype(trt: Untyped, dtype: Untyped) -> torch.dtype | None:
    """Return torch's name of a TensorRT type; None where it has none."""
    named = (name for name in _DTYPES if getattr(trt.DataType, name, None) == dtype)
    name = next(named, None)
    return None if name is None else _DTYPES[name]


def _one_line(messages: object) -> str:
    return " ".join(str(messages).split())
