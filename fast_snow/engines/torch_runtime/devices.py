"""Which device torch computes on, and in which precision."""

import torch

from fast_snow.errors import ConfigError

_BF16_SINCE = (8, 0)
"""Compute capability from which bf16 has tensor cores (Ampere)."""


def choose_device(name: str) -> torch.device:
    """Return the device that a setting names: `auto` (the first GPU if there is one), `cpu`, `cuda` or `cuda:N`.

    Raises:
        ConfigError: no such device.
    """
    if name == "auto":
        return torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"runtime.device: got {name!r}, expected auto, cpu, cuda or cuda:N") from None
    if device.type == "cpu":
        return device
    if device.type != "cuda":
        raise ConfigError(f"runtime.device: got {name!r}, expected auto, cpu, cuda or cuda:N")
    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if (device.index or 0) >= found:
        raise ConfigError(
            f"runtime.device: got {name!r}, but torch {torch.__version__} sees {found} CUDA devices;"
            " check the driver and that torch is a CUDA build, or choose --runtime.device cpu"
        )
    return torch.device("cuda", device.index or 0)


def half_precision(device: torch.device) -> torch.dtype:
    """Return the fastest precision that a device computes in: bf16, else fp16, and fp32 on a CPU."""
    if device.type != "cuda":
        return torch.float32
    return torch.bfloat16 if torch.cuda.get_device_capability(device) >= _BF16_SINCE else torch.float16


def autocast(device: torch.device, dtype: torch.dtype) -> torch.autocast:
    """Return the context in which a network computes in a precision; without effect for fp32."""
    half = dtype != torch.float32
    return torch.autocast(device.type, dtype=dtype if half else None, enabled=half)


def precision(setting: str, device: torch.device) -> torch.dtype:
    """Return the precision that a setting names: `auto`, `bf16`, `fp16` or `fp32`."""
    named = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
    return half_precision(device) if setting == "auto" else named[setting]
