"""SAM3's tracker through the package `sam3`: objects in batches, later ones beside those that are already tracked.

Returned masks own their buffers. Each propagation touches only the objects added since the last one; image features are
computed once per frame and shared by all of them.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from itertools import groupby
from operator import attrgetter

from fast_snow.config import Sam3Config
from fast_snow.engines.out_of_memory import in_smaller_pieces
from fast_snow.engines.sam3.features import Features, KeptFeatures
from fast_snow.engines.sam3.images import network_images
from fast_snow.engines.sam3.package import model
from fast_snow.engines.sam3.package.network import TrackingNetwork
from fast_snow.engines.sam3.package.propagation import Carried, Scene, propagate
from fast_snow.engines.sam3.session import FrameMasks, Started, tracking
from fast_snow.engines.torch_runtime import devices, memory
from fast_snow.protocols import Progress, Tracker, silent
from fast_snow.types import Frames, GridShape

_OBJECT_BYTES = 400 << 20  # an upper estimate at full size: keys and values of the memory, decoder, memory encoder
_FULL_SIDE = 1008
_LARGEST_BATCH = 64  # more at once is no faster
_BATCH_WITHOUT_GPU = 16
_ADVICE = "close other programs on it, or set --sam3.features recompute or a smaller --sam3.object-batch"


@contextmanager
def open_tracker(config: Sam3Config, *, device: str, progress: Progress = silent) -> Iterator[Tracker]:
    """Open SAM3's tracker with its trained weights.

    Args:
        config: its parameters.
        device: where torch computes: `auto`, `cpu`, `cuda` or `cuda:N`.
        progress: told how many frames are done, all batches of objects together.

    Yields:
        The tracker.

    Raises:
        ConfigError: no such device, or there are no weights.
        InputError: the weights are damaged or of another network.
    """
    on = devices.choose_device(device)
    tracker = model.load(config.model_path, on)
    try:
        with serving(TrackingNetwork(tracker, on, devices.precision(config.precision, on)), config, progress) as opened:
            del tracker
            yield opened
    finally:
        memory.release(on)


def serving(
    network: TrackingNetwork, config: Sam3Config, progress: Progress = silent
) -> AbstractContextManager[Tracker]:
    """Track with a network that is at hand; leaving closes the sessions that are still open.

    Args:
        network: the network.
        config: everything but the weights.
        progress: told how many frames are done.

    Returns:
        What opens the tracker.
    """
    return tracking(partial(_Window, network, config, progress), config)


class _Window:
    """The frames of a session, and the batch of objects that fits into memory beside them."""

    def __init__(
        self, network: TrackingNetwork, config: Sam3Config, progress: Progress, frames: Frames, grid: GridShape
    ) -> None:
        device, on_host = network.device, config.offload_video_to_cpu
        images = network_images(frames.image, side=network.side, device=device, on_host=on_host)
        kept = KeptFeatures(config.features, frames=len(frames), device=device)
        self._scene = Scene(network, Features(images, network.encode, kept), grid, config.offload_state_to_cpu)
        self._largest_batch = config.object_batch
        self._progress = progress

    def follow(self, objects: Sequence[Started]) -> Sequence[Sequence[FrameMasks]]:
        found: list[list[FrameMasks]] = [[] for _ in range(len(self._scene.features))]
        by_frame = attrgetter("frame")
        meter = _Meter(self._progress, len(objects), len(found))
        with self._scene.network.computing():
            for _, together in groupby(sorted(objects, key=by_frame), key=by_frame):
                for each in self._fitting(list(together), meter):
                    found[each.frame].append(each.found)
                meter.settle()
        return found

    def close(self) -> None:
        self._scene.features.close()
        memory.release(self._scene.network.device)

    def _fitting(self, objects: Sequence[Started], meter: "_Meter") -> Sequence[Carried]:
        most = min(len(objects), self._largest_batch or _that_fit(self._scene.network))

        def attempt(batch: int) -> Sequence[Carried]:
            meter.again()
            found = propagate(self._scene, objects, batch=batch, tick=meter.tick)
            if batch < most:
                self._largest_batch = batch  # objects of the next prompt frame fit no better
            return found

        return in_smaller_pieces(attempt, most, what="SAM3: objects per batch", advice=_ADVICE)


class _Meter:
    """Counts frames, an object's share of a frame at a time."""

    def __init__(self, progress: Progress, objects: int, frames: int) -> None:
        self._progress, self._objects, self._frames = progress, objects, frames
        self._settled = 0
        self._current = 0

    def tick(self, objects: int) -> None:
        self._current += objects
        self._progress("SAM3", (self._settled + self._current) // self._objects, self._frames)

    def again(self) -> None:
        self._current = 0

    def settle(self) -> None:
        self._settled += self._current
        self._current = 0


def _that_fit(network: TrackingNetwork) -> int:
    free = memory.free_bytes(network.device)
    if free is None:
        return _BATCH_WITHOUT_GPU
    per_object = max(1, round(_OBJECT_BYTES * (network.side / _FULL_SIDE) ** 2))
    return max(1, min(_LARGEST_BATCH, free // (2 * per_object)))
