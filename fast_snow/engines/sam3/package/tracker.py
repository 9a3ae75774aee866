"""SAM3's tracker through the package `sam3`: objects in batches, whichever frames they are prompted in."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from importlib.util import find_spec
from typing import Final

import torch

from fast_snow.config import Sam3Config
from fast_snow.engines.sam3.opening import opened_tracker
from fast_snow.engines.sam3.package import model
from fast_snow.engines.sam3.package.network import TrackingNetwork
from fast_snow.engines.sam3.package.propagation import Begun, begin, sweep
from fast_snow.engines.sam3.package.scene import BatchedWindow, Carried, pieces_that_fit
from fast_snow.engines.sam3.package.workarounds import compile_as_upstream
from fast_snow.engines.sam3.session import Started
from fast_snow.engines.torch_runtime import devices
from fast_snow.errors import ConfigError
from fast_snow.protocols import Progress, Tracker, silent

_OBJECT_BYTES = 400 << 20  # an upper estimate at full size: keys and values of the memory, decoder, memory encoder
_LARGEST_BATCH = 64  # more at once is no faster
_BATCH_WITHOUT_GPU = 16


def open_tracker(
    config: Sam3Config, *, device: str, patience: int | None = None, progress: Progress = silent
) -> AbstractContextManager[Tracker]:
    """Open SAM3's tracker with its trained weights, as `opened_tracker` does.

    Raises:
        ConfigError: no such device, there are no weights, or FlashAttention 3 was asked for and is not there.
        InputError: the weights are damaged or of another network.
    """

    def load(place: torch.device) -> TrackingNetwork:
        if config.fp8_attention and not (place.type == "cuda" and find_spec("flash_attn_interface")):
            raise ConfigError(
                f"sam3.fp8_attention: got device {place} without FlashAttention 3, expected a GPU and its module"
                " flash_attn_interface; switch the setting off"
            )
        tracker = model.load(config.model_path, place)
        if config.compile_decoder:
            compile_as_upstream(tracker)
        precision = devices.precision(config.precision, place)
        return TrackingNetwork(tracker, place, precision, fp8_attention=config.fp8_attention)

    return opened_tracker(load, _Window, config, device=device, patience=patience, progress=progress)


class _Window(BatchedWindow[TrackingNetwork]):
    name = "SAM3"

    def carry(self, objects: Sequence[Started]) -> Sequence[Carried]:
        beginnings = self.fitting(lambda batch: begin(self.scene, objects, batch=batch), len(objects))
        return beginnings.found + self._swept(beginnings.objects)

    def that_fit(self) -> int:
        return pieces_that_fit(self.scene.network, _OBJECT_BYTES, _LARGEST_BATCH) or _BATCH_WITHOUT_GPU

    def _swept(self, objects: Sequence[Begun]) -> list[Carried]:
        """Carry objects through the window, batch by batch; those that are done stay so where memory runs out."""
        carried: list[Carried] = []
        done = 0

        def attempt(batch: int) -> None:
            nonlocal done
            while done < len(objects):
                some = objects[done : done + batch]
                carried.extend(sweep(self.scene, some, tick=self.meter(done, len(objects))))
                done += len(some)
                self.meter(done, len(objects))(0)

        self.fitting(attempt, len(objects))
        return carried


serving: Final = _Window.serving
