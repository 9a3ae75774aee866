"""The tracker of the package `sam3`, with weights from its official checkpoint."""

import pickle
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from fast_snow.engines.sam3.package.workarounds import (
    UpstreamTracker,
    built,
    import_builder,
    parameters_without_values,
    without_detector_neck,
)
from fast_snow.engines.torch_runtime.checkpoints import warn_of_unknown
from fast_snow.errors import ConfigError, InputError
from fast_snow.weights import damage, on_disk
from fast_snow.weights.integrity import require_cheap

_FILES = ("sam3.safetensors", "sam3.pt")
_PREFIXES = {"detector.backbone.vision_backbone.": "backbone.vision_backbone.", "tracker.": ""}
"""The checkpoint holds a detector and a tracker that share the detector's image encoder."""
_MULTIPLEX, _MULTIPLEX_PREFIX = "sam3.1_multiplex.pt", "tracker.model."
_UNSUPPORTED = (
    f"got the weights of SAM 3.1 ({_MULTIPLEX}), which the package sam3 does not support, expected those of SAM 3;"
    " run fast-snow fetch-models sam3"
)
_SHOWN = 3


def load(model_path: str, device: torch.device) -> UpstreamTracker:
    """Build the tracker with its trained weights.

    Args:
        model_path: folder with `sam3.pt` or `sam3.safetensors`.
        device: where it will compute.

    Returns:
        A `Sam3TrackerPredictor`, of which only the parts that `Sam3TrackerBase` has are used.

    Raises:
        ConfigError: there are no weights.
        InputError: the file is damaged or holds another network.
    """
    weights = _weights_file(on_disk(model_path))
    tensors = read(weights)
    with parameters_without_values():
        tracker = untrained(device)
    return without_detector_neck(with_weights(tracker, tensors, source=str(weights))).to(device)


def untrained(device: torch.device) -> UpstreamTracker:
    """Build the tracker at full size with random weights."""
    builder = import_builder()
    return built(lambda: builder.build_tracker(apply_temporal_disambiguation=True, with_backbone=True), device)


def with_weights(tracker: UpstreamTracker, tensors: Mapping[str, torch.Tensor], *, source: str) -> UpstreamTracker:
    """Give a tracker its weights.

    Args:
        tracker: the network, changed in place; its parameters may be without values.
        tensors: weights under the names of the tracker.
        source: where they come from, for messages.

    Returns:
        The same tracker.

    Raises:
        InputError: weights are missing or have other shapes.

    Warns:
        FastSnowWarning: there are weights that the tracker does not have.
    """
    state = tracker.state_dict()
    tables = {name for name, tensor in state.items() if tensor.is_complex()}  # of angles: not learned
    expected = {name: tuple(state[name].shape) for name in set(state) - (tables - set(tensors))}
    missing = sorted(set(expected) - set(tensors))
    if missing:
        raise InputError(f"{source}: {_some(missing)} missing of a SAM3 tracker; {_ADVICE}")
    wrong = [
        f"{name} {tuple(tensors[name].shape)}" for name in sorted(expected) if tensors[name].shape != expected[name]
    ]
    if wrong:
        first = wrong[0].split()[0]
        raise InputError(f"{source}: {_some(wrong)} of other shapes, expected {expected[first]}; {_ADVICE}")
    warn_of_unknown(set(tensors) - set(state), source, "a SAM3 tracker")
    loaded = {name: tensors[name].to(state[name].dtype) for name in expected}
    tracker.load_state_dict(loaded, strict=False, assign=True)
    return tracker


_ADVICE = "fetch the official weights of facebook/sam3 again (fast-snow fetch-models)"


def read(weights: Path) -> dict[str, torch.Tensor]:
    """Read the tracker's weights; nothing in the file is executed.

    Args:
        weights: the official checkpoint, or the same tensors as safetensors.

    Returns:
        Weights under the names of the tracker.

    Raises:
        InputError: the file is damaged or is not a checkpoint.
    """
    problem = damage(weights)
    if problem is not None:
        raise InputError(f"{weights}: not a readable checkpoint ({problem}); {_ADVICE}")
    try:
        if weights.suffix == ".safetensors":
            from safetensors.torch import load_file

            content: Any = load_file(weights)
        else:
            require_cheap(weights)
            content = torch.load(weights, map_location="cpu", weights_only=True, mmap=True)
    except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError, _safetensors_error()) as error:
        raise InputError(f"{weights}: not a readable checkpoint ({_first_line(error)}); {_ADVICE}") from None
    inner = content.get("model", content) if isinstance(content, dict) else content
    if not isinstance(inner, dict) or not all(
        isinstance(name, str) and isinstance(each, torch.Tensor) for name, each in inner.items()
    ):
        raise InputError(f"{weights}: got {type(content).__name__}, expected named weights; {_ADVICE}")
    if any(name.startswith(_MULTIPLEX_PREFIX) for name in inner):
        raise InputError(f"{weights}: {_UNSUPPORTED}")
    return _of_tracker(inner)


def _of_tracker(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {
        new + name.removeprefix(old): tensor
        for name, tensor in tensors.items()
        for old, new in _PREFIXES.items()
        if name.startswith(old)
    }


def _weights_file(folder: Path) -> Path:
    for name in _FILES:
        if (folder / name).is_file():
            return folder / name
    if (folder / _MULTIPLEX).is_file():
        raise ConfigError(f"sam3.model_path: {folder / _MULTIPLEX}: {_UNSUPPORTED}")
    raise ConfigError(
        f"sam3.model_path: got {str(folder)!r}, expected a folder with {' or '.join(_FILES)};"
        " run fast-snow fetch-models, or choose --engines.tracker classical"
    )


def _safetensors_error() -> type[Exception]:
    from safetensors import SafetensorError

    error: type[Exception] = SafetensorError
    return error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]


def _some(names: Iterable[str]) -> str:
    every = list(names)
    return ", ".join(every[:_SHOWN]) + (f" and {len(every) - _SHOWN} more" if len(every) > _SHOWN else "")
