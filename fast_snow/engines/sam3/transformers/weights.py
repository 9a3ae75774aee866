"""SAM3's tracker as transformers builds it, from a folder on disk."""

from pathlib import Path
from typing import Final

import torch
from transformers import Sam3TrackerVideoModel

from fast_snow.engines.torch_runtime import transformers_folder
from fast_snow.engines.torch_runtime.transformers_folder import Expected

_EXPECTED: Final = Expected(
    setting="sam3.model_path",
    network="SAM3's tracker",
    kinds=("sam3_video", "sam3_tracker_video"),  # all of SAM3 for videos, as published, or its tracker alone
    remedy="run fast-snow fetch-models sam3-hf",
)
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
    network: torch.nn.Module = transformers_folder.load(Sam3TrackerVideoModel, folder, _EXPECTED)
    if precision != torch.float32:
        for layer in network.modules():
            if isinstance(layer, _IN_HALF):
                layer.to(precision)
    return network.to(device)
