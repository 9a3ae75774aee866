"""Opens a tracker of the SAM family; leaving frees its memory and closes its sessions, whoever still holds them.

Image features, most of the cost, are computed once per frame and shared by all objects and passes; a propagation
touches only the objects added since the last one. Returned masks own their buffers.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch

from fast_snow.config import VideoTrackerConfig
from fast_snow.engines.sam3.session import FollowedWindow, tracking
from fast_snow.engines.torch_runtime import devices, memory
from fast_snow.protocols import Progress, Tracker

PrepareWindow = Callable[..., FollowedWindow]
"""Takes network, configuration, patience, progress, frames and analysis grid."""


@contextmanager
def opened_tracker(
    load: Callable[[torch.device], Any],
    prepare: PrepareWindow,
    config: VideoTrackerConfig,
    *,
    device: str,
    patience: int | None,
    progress: Progress,
) -> Iterator[Tracker]:
    """Open a tracker: `load` returns its network on a device, `prepare` the frames of a session for it.

    The device is `auto`, `cpu`, `cuda` or `cuda:N`. An object is no longer looked for after `patience` frames in a row
    without it; None never gives up.

    Raises:
        ConfigError: no such device, or as `load` raises it.
    """
    place = devices.choose_device(device)
    try:
        with tracking(partial(prepare, load(place), config, patience, progress), config) as tracker:
            yield tracker
    finally:
        memory.release(place)
