"""SAM3 in torch, as transformers builds it: tracks prompted objects through a window.

Objects are carried one after the other, as transformers does; image features, most of the cost, are shared by all of
them and by both passes. Returned masks own their buffers.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import torch
from transformers import Sam3TrackerVideoModel

from fast_snow.config import Sam3Config
from fast_snow.engines.sam3.session import tracking
from fast_snow.engines.sam3.transformers.masklets import TransformersNetwork
from fast_snow.engines.sam3.transformers.window import TransformersWindow
from fast_snow.engines.torch_runtime import devices, memory, transformers_folder
from fast_snow.engines.torch_runtime.transformers_folder import Expected
from fast_snow.protocols import Progress, Tracker, silent
from fast_snow.weights import on_disk

_EXPECTED: Final = Expected(
    setting="sam3.model_path",
    network="SAM3's tracker",
    kinds=("sam3_video", "sam3_tracker_video"),  # all of SAM3 for videos, as published, or its tracker alone
    remedy="run fast-snow fetch-models sam3-hf",
)
_IN_HALF: Final = (torch.nn.Linear, torch.nn.Conv2d, torch.nn.ConvTranspose2d)
"""Layers whose weights autocast would convert at every call: converting them once gives the same numbers."""


@contextmanager
def open_tracker(config: Sam3Config, *, device: str, progress: Progress = silent) -> Iterator[Tracker]:
    """Load SAM3's tracker; leaving frees its memory and closes its sessions, whoever still holds them.

    Args:
        config: its parameters.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        progress: told how many frames are done.

    Yields:
        The tracker.

    Raises:
        ConfigError: no such device, or `sam3.model_path` holds no such network or damaged files.
    """
    place = devices.choose_device(device)
    precision = devices.precision(config.precision, place)
    network = TransformersNetwork(
        module=load(on_disk(config.model_path), place, precision),
        device=place,
        precision=precision,
        state_on_host=config.offload_state_to_cpu is True,
    )
    try:
        with tracking(partial(TransformersWindow, network, config, progress), config) as tracker:
            del network
            yield tracker
    finally:
        memory.release(place)


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
    network: torch.nn.Module = transformers_folder.load_folder(Sam3TrackerVideoModel, folder, _EXPECTED)
    if precision != torch.float32:
        for layer in network.modules():
            if isinstance(layer, _IN_HALF):
                layer.to(precision)
    return network.to(device)
