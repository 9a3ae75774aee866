"""SAM3's tracker through the package `sam3`: objects in batches, whichever frames they are prompted in.

Returned masks own their buffers. Each propagation touches only the objects added since the last one; image features are
computed once per frame and shared by all of them.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from importlib.util import find_spec
from typing import TypeVar

from fast_snow.config import Sam3Config
from fast_snow.engines.out_of_memory import in_smaller_pieces
from fast_snow.engines.sam3.package import model
from fast_snow.engines.sam3.package.network import TrackingNetwork
from fast_snow.engines.sam3.package.propagation import Begun, begin, sweep
from fast_snow.engines.sam3.package.scene import Carried, scene_of
from fast_snow.engines.sam3.package.workarounds import compile_as_upstream
from fast_snow.engines.sam3.session import FrameMasks, Started, tracking
from fast_snow.engines.torch_runtime import devices, memory
from fast_snow.errors import ConfigError
from fast_snow.protocols import Progress, Tracker, silent
from fast_snow.types import Frames, GridShape

Made = TypeVar("Made")

_OBJECT_BYTES = 400 << 20  # an upper estimate at full size: keys and values of the memory, decoder, memory encoder
_FULL_SIDE = 1008
_LARGEST_BATCH = 64  # more at once is no faster
_BATCH_WITHOUT_GPU = 16
_ADVICE = "close other programs on it, or set --sam3.features recompute or a smaller --sam3.object-batch"


@contextmanager
def open_tracker(
    config: Sam3Config, *, device: str, patience: int | None = None, progress: Progress = silent
) -> Iterator[Tracker]:
    """Open SAM3's tracker with its trained weights.

    Args:
        config: its parameters.
        device: where torch computes: `auto`, `cpu`, `cuda` or `cuda:N`.
        patience: frames in a row without an object after which it is no longer looked for; None never gives up.
        progress: told how many frames are done, all batches of objects together.

    Yields:
        The tracker.

    Raises:
        ConfigError: no such device, there are no weights, or FlashAttention 3 was asked for and is not there.
        InputError: the weights are damaged or of another network.
    """
    on = devices.choose_device(device)
    if config.fp8_attention and not (on.type == "cuda" and find_spec("flash_attn_interface")):
        raise ConfigError(
            f"sam3.fp8_attention: got device {on} without FlashAttention 3, expected a GPU and its module"
            " flash_attn_interface; switch the setting off"
        )
    tracker = model.load(config.model_path, on)
    if config.compile_decoder:
        compile_as_upstream(tracker)
    precision = devices.precision(config.precision, on)
    network = TrackingNetwork(tracker, on, precision, fp8_attention=config.fp8_attention)
    del tracker
    try:
        with serving(network, config, patience, progress) as opened:
            del network
            yield opened
    finally:
        memory.release(on)


def serving(
    network: TrackingNetwork, config: Sam3Config, patience: int | None = None, progress: Progress = silent
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
    """The frames of a session, and the batch of objects that fits into memory beside them."""

    def __init__(
        self,
        network: TrackingNetwork,
        config: Sam3Config,
        patience: int | None,
        progress: Progress,
        frames: Frames,
        grid: GridShape,
    ) -> None:
        self._scene = scene_of(network, config, patience, frames, grid)
        self._largest_batch = config.object_batch
        self._progress = progress

    def follow(self, objects: Sequence[Started]) -> Sequence[Sequence[FrameMasks]]:
        found: list[list[FrameMasks]] = [[] for _ in range(len(self._scene.features))]
        with self._scene.network.computing():
            beginnings = self._fitting(lambda batch: begin(self._scene, objects, batch=batch), len(objects))
            carried = beginnings.found + self._swept(beginnings.objects)
        for each in carried:
            found[each.frame].append(each.found)
        return found

    def close(self) -> None:
        self._scene.features.close()
        memory.release(self._scene.network.device)

    def _swept(self, objects: Sequence[Begun]) -> list[Carried]:
        """Carry objects through the window, batch by batch; those that are done stay so where memory runs out."""
        carried: list[Carried] = []
        done, frames = 0, len(self._scene.features)

        def attempt(batch: int) -> None:
            nonlocal done
            while done < len(objects):
                some = objects[done : done + batch]
                carried.extend(sweep(self._scene, some, tick=self._meter(done, len(objects))))
                done += len(some)
                self._progress("SAM3", done * frames // len(objects), frames)

        self._fitting(attempt, len(objects))
        return carried

    def _meter(self, done: int, objects: int) -> Callable[[int], None]:
        """Count frames, an object's share of a frame at a time, of a batch that `done` objects came before."""
        frames = len(self._scene.features)
        shares = done * frames

        def tick(count: int) -> None:
            nonlocal shares
            shares += count
            self._progress("SAM3", shares // objects, frames)

        return tick

    def _fitting(self, work: Callable[[int], Made], count: int) -> Made:
        most = min(count, self._largest_batch or _that_fit(self._scene.network))

        def attempt(batch: int) -> Made:
            made = work(batch)
            if batch < most:
                self._largest_batch = batch  # what is done next fits no better
            return made

        return in_smaller_pieces(attempt, most, what="SAM3: objects per batch", advice=_ADVICE)


def _that_fit(network: TrackingNetwork) -> int:
    free = memory.free_bytes(network.device)
    if free is None:
        return _BATCH_WITHOUT_GPU
    per_object = max(1, round(_OBJECT_BYTES * (network.side / _FULL_SIDE) ** 2))
    return max(1, min(_LARGEST_BATCH, free // (2 * per_object)))
