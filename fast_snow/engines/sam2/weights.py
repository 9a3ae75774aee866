"""SAM2's image model as transformers builds it, from a folder on disk; nothing is fetched and nothing is executed."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import Sam2Model
from transformers.utils import logging

from fast_snow.errors import ConfigError
from fast_snow.weights import damage

_CONFIG: Final = "config.json"
_WEIGHTS: Final = "model.safetensors"
_KINDS: Final = ("sam2", "sam2_video")
"""What `config.json` may say it describes: the image model, or the video model as published, which holds it."""
_REMEDY: Final = f"put {_CONFIG} and {_WEIGHTS} of SAM2 there (facebook/sam2.1-hiera-large)"
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
_REPORTING: Any = logging  # partly typed


def load(folder: Path, device: torch.device) -> Any:  # noqa: ANN401 (transformers is not typed)
    """Load the image model.

    Args:
        folder: `config.json` and `model.safetensors`, of the image model or of the video model that holds it.
        device: where it will compute.

    Returns:
        transformers' `Sam2Model` in evaluation mode, fp32.

    Raises:
        ConfigError: the folder holds no such network, or files that are damaged or do not belong together.
    """
    for name in (_CONFIG, _WEIGHTS):
        problem = damage(folder / name)
        if problem is not None:
            raise ConfigError(f"snow.model_path: {folder / name} {problem}; {_REMEDY}")
    _check_kind(folder / _CONFIG)
    return _read(folder).eval().requires_grad_(False).to(device)


def _check_kind(path: Path) -> None:
    described: Any = json.loads(path.read_bytes())
    kind = described.get("model_type") if isinstance(described, dict) else None
    if kind not in _KINDS:
        raise ConfigError(
            f"snow.model_path: {path} describes {kind or 'no known network'}, expected {' or '.join(_KINDS)}; {_REMEDY}"
        )


def _read(folder: Path) -> Any:  # noqa: ANN401
    try:
        with _silence():
            loaded: Any = Sam2Model.from_pretrained(
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
        raise ConfigError(f"snow.model_path: {folder} cannot be loaded as SAM2 ({reason}); {_REMEDY}") from error
    network, told = loaded
    missing, misshapen = sorted(told["missing_keys"]), sorted(name for name, *_ in told["mismatched_keys"])
    if missing or misshapen:
        raise ConfigError(
            f"snow.model_path: {folder / _WEIGHTS} does not fit {_CONFIG}: {len(missing)} tensors are missing and"
            f" {len(misshapen)} of another shape, like {(missing + misshapen)[0]}; {_REMEDY}"
        )
    return network


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
