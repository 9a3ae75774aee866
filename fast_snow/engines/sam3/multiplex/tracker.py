"""SAM 3.1's tracker through the package `sam3`: buckets of 16 objects, carried in one pass of the network.

Returned masks own their buffers. Each propagation touches only the objects added since the last one; image features are
computed once per frame and shared by all of them.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial

from fast_snow.config import Sam3Config
from fast_snow.engines.out_of_memory import in_smaller_pieces
from fast_snow.engines.sam3.multiplex import model
from fast_snow.engines.sam3.multiplex.network import MultiplexNetwork
from fast_snow.engines.sam3.multiplex.propagation import propagate
from fast_snow.engines.sam3.package.scene import Carried, scene_of
from fast_snow.engines.sam3.session import FrameMasks, Started, tracking
from fast_snow.engines.torch_runtime import devices, memory
from fast_snow.protocols import Progress, Tracker, silent
from fast_snow.types import Frames, GridShape

_BUCKET_BYTES = 3 << 30  # an upper estimate at full size: 16 objects with three masks each, memory encoder, attention
_FULL_SIDE = 1008
_MOST_BUCKETS = 8
_ADVICE = "close other programs on it, or set --sam3.features recompute or a smaller --sam3.object-batch"


@contextmanager
def open_tracker(
    config: Sam3Config, *, device: str, patience: int | None = None, progress: Progress = silent
) -> Iterator[Tracker]:
    """Open SAM 3.1's tracker with its trained weights.

    Args:
        config: its parameters.
        device: where torch computes: `auto`, `cpu`, `cuda` or `cuda:N`.
        patience: frames in a row without an object after which it is no longer looked for; None never gives up.
        progress: told how many frames are done, all objects together.

    Yields:
        The tracker.

    Raises:
        ConfigError: no such device, or there are no weights.
        EngineError: the package has no SAM 3.1.
        InputError: the weights are damaged or of another network.
    """
    on = devices.choose_device(device)
    tracker = model.load(config.model_path, on)
    network = MultiplexNetwork(tracker, on, devices.precision(config.precision, on))
    del tracker
    try:
        with serving(network, config, patience, progress) as opened:
            del network
            yield opened
    finally:
        memory.release(on)


def serving(
    network: MultiplexNetwork, config: Sam3Config, patience: int | None = None, progress: Progress = silent
) -> AbstractContextManager[Tracker]:
    """Track with a network that is at hand; leaving closes the sessions that are still open.

    Args:
        network: the network.
        config: everything but the weights.
        patience: frames in a row without an object after which it is no longer looked for; None never gives up.
        progress: told how many frames are done.

    Returns:
        What opens the tracker.
    """
    return tracking(partial(_Window, network, config, patience, progress), config)


class _Window:
    """The frames of a session, and how many objects fit into memory beside them."""

    def __init__(
        self,
        network: MultiplexNetwork,
        config: Sam3Config,
        patience: int | None,
        progress: Progress,
        frames: Frames,
        grid: GridShape,
    ) -> None:
        self._scene = scene_of(network, config, patience, frames, grid)
        self._most = config.object_batch
        self._progress = progress

    def follow(self, objects: Sequence[Started]) -> Sequence[Sequence[FrameMasks]]:
        found: list[list[FrameMasks]] = [[] for _ in range(len(self._scene.features))]
        with self._scene.network.computing():
            for each in self._fitting(objects):
                found[each.frame].append(each.found)
        return found

    def close(self) -> None:
        self._scene.features.close()
        memory.release(self._scene.network.device)

    def _fitting(self, objects: Sequence[Started]) -> Sequence[Carried]:
        first = min(len(objects), self._most or _that_fit(self._scene.network))

        def attempt(most: int) -> Sequence[Carried]:
            done = 0

            def tick(count: int) -> None:
                nonlocal done
                done += count
                self._progress("SAM 3.1", done // len(objects), len(self._scene.features))

            found = propagate(self._scene, objects, most=most, tick=tick)
            if most < first:
                self._most = most  # objects that are added later fit no better
            return found

        return in_smaller_pieces(attempt, first, what="SAM 3.1: objects per batch", advice=_ADVICE)


def _that_fit(network: MultiplexNetwork) -> int:
    free = memory.free_bytes(network.device)
    if free is None:
        return network.slots
    per_bucket = max(1, round(_BUCKET_BYTES * (network.side / _FULL_SIDE) ** 2))
    return network.slots * max(1, min(_MOST_BUCKETS, free // (2 * per_bucket)))
