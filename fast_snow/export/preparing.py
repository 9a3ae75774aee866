"""Which networks to compile, from what the user asked for."""

import warnings
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from fast_snow import weights
from fast_snow.config import Config
from fast_snow.engines import hardware
from fast_snow.engines.compiled.network import Arrays
from fast_snow.errors import ConfigError, FastSnowWarning
from fast_snow.export.exportable import Exportable
from fast_snow.protocols import Progress, silent
from fast_snow.types import GridShape, ImageStack

if TYPE_CHECKING:
    from fast_snow.export.exporting import Exported

CompiledModel = Literal["fastsam", "da3"]
MODELS: tuple[CompiledModel, ...] = ("fastsam", "da3")
COMPARED = 16
"""Frames of a video that are enough to compare networks on."""
_PRECISIONS = ("auto", "fp32", "fp16")
_TARGETS = ("onnx", "tensorrt")
_SMALLEST_SIDE = 16
_PACKAGES: Final[Mapping[str, tuple[str, ...]]] = {
    "fastsam": ("onnx", "onnxruntime", "torch", "ultralytics"),
    "da3": ("onnx", "onnxruntime", "torch", "depth_anything_3"),
}
"""What exporting imports."""


def compile_networks(
    config: Config,
    *,
    model: str = "all",
    precision: str = "auto",
    shape: tuple[int, int] = (720, 1280),
    target: str = "onnx",
    force: bool = False,
    images: ImageStack | None = None,
    progress: Progress = silent,
) -> "tuple[Exported, ...]":
    """Compile networks for videos of one frame size.

    Args:
        config: says where weights are, where compiled networks go, and at what size networks see a frame.
        model: `fastsam`, `da3` or `all`, which takes those whose weights are there.
        precision: `fp32`, `fp16` or `auto`: fp16 where there is a GPU, else fp32.
        shape: height and width of the video's frames; a network's own input size stands for itself.
        target: `onnx`, or `tensorrt` for both.
        force: make even what is up to date.
        images: frames of such a video, on which networks are compared with torch; generated ones by default.
        progress: told what is being made.

    Returns:
        The artefacts.

    Raises:
        ConfigError: a word that is none of these, missing packages, no TensorRT or GPU, or no weights.
        EngineError: a network could not be compiled, or differs too much from torch; what was there stays.
    """
    _check(model, precision, shape, target)
    _require_packages(model, target)
    from fast_snow.export.exporting import export_engines  # imports onnx
    from fast_snow.export.tensorrt_engine import of_device

    chosen = _precision(config, precision, target)
    models = _with_weights(config, model)
    return export_engines(
        (_sampled(_prepare(config, each, chosen, shape), config, each, images) for each in models),
        weights.on_disk(config.engines.compiled_path),
        tensorrt=of_device(config.runtime.device) if target == "tensorrt" else None,
        force=force,
        progress=progress,
    )


def network_size(config: Config, model: CompiledModel, shape: tuple[int, int]) -> GridShape:
    """Return height and width at which a network sees frames of a video of a shape."""
    if model == "fastsam":
        from fast_snow.engines.fastsam import preprocessing as fastsam

        return fastsam.network_size(*shape, config.fastsam.imgsz)
    from fast_snow.engines.da3 import preprocessing as da3

    return da3.network_size(*shape, config.da3.process_res)


def _check(model: str, precision: str, shape: tuple[int, int], target: str) -> None:
    for name, got, allowed in (
        ("model", model, (*MODELS, "all")),
        ("precision", precision, _PRECISIONS),
        ("target", target, _TARGETS),
    ):
        if got not in allowed:
            raise ConfigError(f"--{name}: got {got!r}, expected {', '.join(allowed)}")
    if min(shape) < _SMALLEST_SIDE:
        raise ConfigError(f"--shape: got {shape[0]}x{shape[1]}, expected height x width of a video like 720x1280")


def _require_packages(model: str, target: str) -> None:
    needed = dict.fromkeys(package for each in MODELS if model in (each, "all") for package in _PACKAGES[each])
    missing = [each for each in needed if find_spec(each) is None]
    if missing:
        extras = "models,gpu" if target == "tensorrt" else "models,onnx"
        raise ConfigError(f'export-engines: needs {", ".join(missing)}: uv pip install -e ".[{extras}]"')


def _with_weights(config: Config, model: str) -> tuple[CompiledModel, ...]:
    wanted = MODELS if model == "all" else tuple(each for each in MODELS if each == model)
    located = {each: weights.locate(config, each) for each in wanted}
    lacking = {
        each: f"{each}: no weights in {found.folder}, where {' and '.join(found.problems)}: {found.remedy}"
        for each, found in located.items()
        if not found.complete
    }
    if len(lacking) == len(wanted):
        raise ConfigError("; ".join(lacking.values()))
    for each in lacking.values():
        warnings.warn(f"{each}; it is skipped", FastSnowWarning, stacklevel=2)
    return tuple(each for each in wanted if each not in lacking)


def _precision(config: Config, precision: str, target: str) -> str:
    if precision != "auto":
        return precision
    on_gpu = target == "tensorrt" or (config.runtime.device != "cpu" and hardware.gpu_count() > 0)
    return "fp16" if on_gpu else "fp32"


def _sampled(exportable: Exportable, config: Config, model: CompiledModel, images: ImageStack | None) -> Exportable:
    """Return a model that is compared on frames of a video, over and over where more are asked for."""
    if images is None:
        return exportable

    def sample(count: int) -> Arrays:
        wanted = images[np.arange(count) % len(images)]
        if model == "fastsam":
            from fast_snow.engines.fastsam import preprocessing as fastsam

            with ThreadPoolExecutor(1) as pool:
                return {"images": fastsam.to_network(wanted, config.fastsam.imgsz, pool)}
        from fast_snow.engines.da3.preprocessing import preprocess

        return {"images": preprocess(wanted, config.da3.process_res)}

    return replace(exportable, sample=sample)


def _prepare(config: Config, model: CompiledModel, precision: str, shape: tuple[int, int]) -> Exportable:
    frame = network_size(config, model, shape)
    located = weights.locate(config, model)
    if model == "fastsam":
        from fast_snow.export import fastsam

        return fastsam.prepare_fastsam(
            located.folder / located.files[0], precision=precision, config=config.fastsam, frame=frame
        )
    from fast_snow.export import da3

    return da3.prepare_da3(located.folder, precision=precision, config=config.da3, frame=frame)
