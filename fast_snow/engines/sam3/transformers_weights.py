"""SAM3's tracker as transformers builds it, from a folder on disk; nothing is fetched and nothing in it is executed."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import Sam3TrackerVideoModel
from transformers.utils import logging

from fast_snow.errors import ConfigError
from fast_snow.weights import damage

_CONFIG: Final = "config.json"
_WEIGHTS: Final = "model.safetensors"
_KINDS: Final = ("sam3_video", "sam3_tracker_video")
"""What `config.json` may say it describes: all of SAM3 for videos, as published, or its tracker alone."""
_REMEDY: Final = "run fast-snow fetch-models sam3-hf"
_UNREADABLE: Final = (
    OSError,
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    SafetensorError,
    StrictDataclassError,
)
"""What transformers was seen to raise where the files are whole but do not belong together."""
_REPORTING: Any = logging  # partly typed
_IN_HALF: Final = (torch.nn.Linear, torch.nn.Conv2d, torch.nn.ConvTranspose2d)
"""Layers whose weights autocast would convert at every call: converting them once gives the same numbers."""


def load(folder: Path, device: torch.device, precision: torch.dtype) -> torch.nn.Module:
    """Load the tracker with the image encoder that it shares with the detector.

    Args:
        folder: `config.json` and `model.safetensors`, of all of SAM3 for videos or of its tracker alone.
        device: where it will compute.
        precision: what it will compute in; under autocast where that is not fp32.

    Returns:
        The network in evaluation mode; attention never holds its whole score matrix.

    Raises:
        ConfigError: the folder holds no such network, or files that are damaged or do not belong together.
    """
    for name in (_CONFIG, _WEIGHTS):
        problem = damage(folder / name)
        if problem is not None:
            raise ConfigError(f"sam3.model_path: {folder / name} {problem}; {_REMEDY}")
    _check_kind(folder / _CONFIG)
    network = _read(folder).eval().requires_grad_(False)
    if precision != torch.float32:
        for layer in network.modules():
            if isinstance(layer, _IN_HALF):
                layer.to(precision)
    return network.to(device)


def _check_kind(path: Path) -> None:
    described: Any = json.loads(path.read_bytes())
    kind = described.get("model_type") if isinstance(described, dict) else None
    if kind not in _KINDS:
        raise ConfigError(
            f"sam3.model_path: {path} describes {kind or 'no known network'}, expected {' or '.join(_KINDS)}; {_REMEDY}"
        )


def _read(folder: Path) -> torch.nn.Module:
    try:
        with _silence():
            loaded: Any = Sam3TrackerVideoModel.from_pretrained(
                folder,
                local_files_only=True,
                use_safetensors=True,
                attn_implementation="sdpa",
                dtype=torch.float32,
                ignore_mismatched_sizes=True,  # refused below, by name
                output_loading_info=True,
            )
    except _UNREADABLE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ConfigError(
            f"sam3.model_path: {folder} cannot be loaded as SAM3's tracker ({reason}); {_REMEDY}"
        ) from error
    network, told = loaded
    missing, misshapen = sorted(told["missing_keys"]), sorted(name for name, *_ in told["mismatched_keys"])
    if missing or misshapen:
        raise ConfigError(
            f"sam3.model_path: {folder / _WEIGHTS} does not fit {_CONFIG}: {len(missing)} tensors are missing and"
            f" {len(misshapen)} of another shape, like {(missing + misshapen)[0]}; {_REMEDY}"
        )
    module: torch.nn.Module = network
    return module


@contextmanager
def _silence() -> Iterator[None]:
    """Keep transformers from drawing progress bars and from logging what is checked here; leave it as it was."""
    bars, level = _REPORTING.is_progress_bar_enabled(), _REPORTING.get_verbosity()
    _REPORTING.disable_progress_bar()
    _REPORTING.set_verbosity(_REPORTING.CRITICAL)
    try:
        yield
    finally:
        _REPORTING.set_verbosity(level)
        if bars:
            _REPORTING.enable_progress_bar()
