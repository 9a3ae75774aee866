"""Opens a tracker of the SAM family that transformers runs.

Objects are carried one after the other, as transformers does; image features, most of the cost, are shared by all of
them and by both passes. Returned masks own their buffers.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from fast_snow.config import Offload, VideoTrackerConfig
from fast_snow.engines.sam3.features import state_waits_on_host
from fast_snow.engines.sam3.session import tracking
from fast_snow.engines.sam3.transformers.network import Architecture, TransformersNetwork, load
from fast_snow.engines.sam3.transformers.window import TransformersWindow
from fast_snow.engines.torch_runtime import devices, memory
from fast_snow.protocols import Progress, Tracker
from fast_snow.weights import on_disk


@contextmanager
def open_architecture(
    architecture: Architecture,
    config: VideoTrackerConfig,
    *,
    device: str,
    offload_state: Offload,
    patience: int | None,
    progress: Progress,
) -> Iterator[Tracker]:
    """Load a tracker; leaving frees its memory and closes its sessions, whoever still holds them.

    Args:
        architecture: which tracker.
        config: its parameters.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        offload_state: whether the memory of the objects waits in host memory.
        patience: frames in a row without an object after which it is no longer looked for; None never gives up.
        progress: told how many frames are done.

    Yields:
        The tracker.

    Raises:
        ConfigError: no such device, or `model_path` holds no such network or damaged files.
    """
    place = devices.choose_device(device)
    precision = devices.precision(config.precision, place)
    network = TransformersNetwork(
        architecture=architecture,
        module=load(architecture, on_disk(config.model_path), place, precision),
        device=place,
        precision=precision,
        state_on_host=state_waits_on_host(offload_state, place),
    )
    try:
        with tracking(partial(TransformersWindow, network, config, patience, progress), config) as tracker:
            del network
            yield tracker
    finally:
        memory.release(place)
