"""Trackers of the SAM family in transformers, which share prompts, memory and calls: what is special to each."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch

from fast_snow.engines.torch_runtime import transformers_folder
from fast_snow.engines.torch_runtime.squares import Normalization
from fast_snow.engines.torch_runtime.transformers_folder import Expected

_IN_HALF: Final = (torch.nn.Linear, torch.nn.Conv2d, torch.nn.ConvTranspose2d)
"""Layers whose weights autocast would convert at every call: converting them once gives the same numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """A tracker as transformers has it: its classes, and what images and the folder of its weights must be like."""

    name: str
    model: Any
    session: Any
    normalization: Normalization
    expected: Expected


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TransformersNetwork:
    """The network, where it computes, and whether the memory of the objects waits in host memory."""

    architecture: Architecture
    module: Any
    device: torch.device
    precision: torch.dtype
    state_on_host: bool

    @property
    def side(self) -> int:
        """Height and width of its input in pixels."""
        return int(self.module.config.image_size)


def load(architecture: Architecture, folder: Path, device: torch.device, precision: torch.dtype) -> torch.nn.Module:
    """Load a tracker in evaluation mode; attention never holds its whole score matrix.

    It computes under autocast where the precision is not fp32.
    """
    network: torch.nn.Module = transformers_folder.load_folder(architecture.model, folder, architecture.expected)
    if precision != torch.float32:
        for layer in network.modules():
            if isinstance(layer, _IN_HALF):
                layer.to(precision)
    return network.to(device)
