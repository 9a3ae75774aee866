"""A network that transformers builds from a folder on disk; nothing is fetched and nothing in it is executed."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers.utils import logging

from fast_snow import untrusted_json
from fast_snow.engines.torch_runtime.checkpoints import warn_of_unknown
from fast_snow.errors import ConfigError
from fast_snow.limits import CHECKPOINT_JSON_FILE
from fast_snow.weights import damage

_CONFIG: Final = "config.json"
_WEIGHTS: Final = "model.safetensors"
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
_TIMM_NAME: Final = re.compile(r"[A-Za-z0-9_.]+")
_TIMM_ARGUMENTS: Final = frozenset({"depth", "embed_dim", "features_only", "in_chans", "out_indices"})
"""What `config.json` may ask of timm for a backbone: others make it fetch networks or unpickle files."""
_SHOWN: Final = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a folder should hold: the setting that names it, a network of some kinds, and else the remedy."""

    setting: str
    network: str
    kinds: tuple[str, ...]
    remedy: str


def load_folder(architecture: Any, folder: Path, expected: Expected) -> Any:  # noqa: ANN401 (transformers is not typed)
    """Load a network of transformers in fp32 on the CPU, without gradients and in evaluation mode.

    Attention never holds its whole score matrix. It warns of tensors that the network does not have.

    Raises:
        ConfigError: the folder holds no such network, or files that are damaged or do not belong together.
    """
    for name in (_CONFIG, _WEIGHTS):
        problem = damage(folder / name)
        if problem is not None:
            raise _unusable(expected, f"{folder / name} {problem}")
    described: Any = untrusted_json.load(folder / _CONFIG, limit=CHECKPOINT_JSON_FILE)
    kind = described.get("model_type") if isinstance(described, dict) else None
    if kind not in expected.kinds:
        wanted = " or ".join(expected.kinds)
        raise _unusable(expected, f"{folder / _CONFIG} describes {kind or 'no known network'}, expected {wanted}")
    outside = next(_outside_folder(described), None)
    if outside is not None:
        raise _unusable(expected, f"{folder / _CONFIG} asks timm for {outside[:_SHOWN]}, which is not allowed")
    network, report = _read(architecture, folder, expected)
    missing, misshapen = sorted(report["missing_keys"]), sorted(name for name, *_ in report["mismatched_keys"])
    if missing or misshapen:
        raise _unusable(
            expected,
            f"{folder / _WEIGHTS} does not fit {_CONFIG}: {len(missing)} tensors are missing and"
            f" {len(misshapen)} of another shape, like {(missing + misshapen)[0]}",
        )
    warn_of_unknown(report["unexpected_keys"], folder / _WEIGHTS, expected.network)
    return network.eval().requires_grad_(False)


def _outside_folder(described: Any) -> Iterator[str]:  # noqa: ANN401 (any JSON)
    """Find what a description has timm read from elsewhere."""
    if isinstance(described, list):
        for each in described:
            yield from _outside_folder(each)
    if not isinstance(described, dict):
        return
    name, arguments = described.get("architecture", ""), described.get("model_args") or {}
    if not (isinstance(name, str) and _TIMM_NAME.fullmatch(name or "_")):
        yield repr(name)
    if not isinstance(arguments, dict) or arguments.keys() - _TIMM_ARGUMENTS:
        yield f"model_args {sorted(arguments)}"
    for each in described.values():
        yield from _outside_folder(each)


def _read(architecture: Any, folder: Path, expected: Expected) -> tuple[Any, dict[str, Any]]:  # noqa: ANN401
    try:
        with _silence():
            read: tuple[Any, dict[str, Any]] = architecture.from_pretrained(
                folder,
                local_files_only=True,
                use_safetensors=True,
                attn_implementation="sdpa",
                dtype=torch.float32,
                ignore_mismatched_sizes=True,  # refused by the caller, by name
                output_loading_info=True,
            )
    except _UNREADABLE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise _unusable(expected, f"{folder} cannot be loaded as {expected.network} ({reason})") from error
    return read


def _unusable(expected: Expected, what: str) -> ConfigError:
    return ConfigError(f"{expected.setting}: {what}; {expected.remedy}")


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
