"""What a TensorRT engine takes: reading it from its file, its tensors, and the profile for given shapes."""

from collections.abc import Mapping
from math import prod
from pathlib import Path

import torch

from fast_snow.engines.compiled.tensorrt_bindings import Untyped, torch_dtype
from fast_snow.errors import EngineError

Shapes = tuple[tuple[int, ...], ...]
"""One shape per input, in the engine's order."""


Tensors = Mapping[str, torch.dtype]
"""The types of inputs or outputs by name, in the engine's order."""


def load_engine(path: Path, trt: Untyped, runtime: Untyped, log: Untyped) -> Untyped:
    """Read an engine; it must not outlive the runtime.

    Raises:
        EngineError: there is no such file, or TensorRT cannot load it here.
    """
    try:
        engine = runtime.deserialize_cuda_engine(path.read_bytes())
    except OSError as error:
        raise EngineError(
            f"{path}: {error.strerror}; fast-snow export-engines --target tensorrt builds engines"
        ) from None
    if engine is None:
        raise EngineError(
            f"{path}: TensorRT {trt.__version__} cannot load it: damaged, or built for another GPU or version; build it"
            f" here with fast-snow export-engines --target tensorrt --force ({log.last_error()})"
        )
    return engine


def tensors(path: Path, trt: Untyped, engine: Untyped) -> tuple[Tensors, Tensors]:
    """Return the inputs and the outputs of an engine.

    Raises:
        EngineError: one of them has a type that torch lacks, or stands for a shape.
    """
    inputs, outputs = dict[str, torch.dtype](), dict[str, torch.dtype]()
    for index in range(engine.num_io_tensors):
        name = engine.get_tensor_name(index)
        dtype = torch_dtype(trt, engine.get_tensor_dtype(name))
        if dtype is None or engine.is_shape_inference_io(name):
            raise EngineError(f"{path.name}: tensor {name} is of a kind that is not supported")
        is_input = engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT
        (inputs if is_input else outputs)[name] = dtype
    return inputs, outputs


def profile_for(path: Path, engine: Untyped, inputs: Tensors, shapes: Shapes) -> int:
    """Return the optimisation profile that takes the shapes and whose usual ones are nearest.

    Raises:
        EngineError: no profile takes the shapes; says which they take.
    """
    distances: dict[int, int] = {}
    ranges = []
    for index in range(engine.num_optimization_profiles):
        bounds = [engine.get_tensor_profile_shape(each, index) for each in inputs]
        ranges.append(" and ".join(f"{tuple(low)} to {tuple(high)}" for low, _, high in bounds))
        if all(_within(shape, low, high) for shape, (low, _, high) in zip(shapes, bounds, strict=True)):
            distances[index] = sum(
                abs(prod(shape) - prod(usual)) for shape, (_, usual, _) in zip(shapes, bounds, strict=True)
            )
    if not distances:
        raise EngineError(
            f"{path.name}: got {' and '.join(map(str, shapes))}, the engine takes {'; or '.join(ranges)};"
            " give fewer frames at once, or build it for other sizes: fast-snow export-engines --target tensorrt"
        )
    return min(distances, key=distances.__getitem__)


def _within(shape: tuple[int, ...], low: Untyped, high: Untyped) -> bool:
    return len(shape) == len(low) and all(a <= s <= b for a, s, b in zip(low, shape, high, strict=True))
