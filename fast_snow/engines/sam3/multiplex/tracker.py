"""SAM 3.1's tracker through the package `sam3`: buckets of 16 objects, carried in one pass of the network."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Final

import torch

from fast_snow.config import Sam3Config
from fast_snow.engines.sam3.multiplex import model
from fast_snow.engines.sam3.multiplex.network import MultiplexNetwork
from fast_snow.engines.sam3.multiplex.propagation import propagate
from fast_snow.engines.sam3.opening import opened_tracker
from fast_snow.engines.sam3.package.scene import BatchedWindow, Carried, pieces_that_fit
from fast_snow.engines.sam3.session import Started
from fast_snow.engines.torch_runtime import devices
from fast_snow.protocols import Progress, Tracker, silent

_BUCKET_BYTES = 3 << 30  # an upper estimate at full size: 16 objects with three masks each, memory encoder, attention
_MOST_BUCKETS = 8


def open_tracker(
    config: Sam3Config, *, device: str, patience: int | None = None, progress: Progress = silent
) -> AbstractContextManager[Tracker]:
    """Open SAM 3.1's tracker with its trained weights, as `opened_tracker` does.

    Raises:
        ConfigError: no such device, or there are no weights.
        EngineError: the package has no SAM 3.1.
        InputError: the weights are damaged or of another network.
    """

    def load(place: torch.device) -> MultiplexNetwork:
        tracker = model.load(config.model_path, place)
        return MultiplexNetwork(tracker, place, devices.precision(config.precision, place))

    return opened_tracker(load, _Window, config, device=device, patience=patience, progress=progress)


class _Window(BatchedWindow[MultiplexNetwork]):
    name = "SAM 3.1"

    def carry(self, objects: Sequence[Started]) -> Sequence[Carried]:
        def attempt(most: int) -> Sequence[Carried]:
            return propagate(self.scene, objects, most=most, tick=self.meter(0, len(objects)))

        return self.fitting(attempt, len(objects))

    def that_fit(self) -> int:
        return self.scene.network.slots * (pieces_that_fit(self.scene.network, _BUCKET_BYTES, _MOST_BUCKETS) or 1)


serving: Final = _Window.serving
