"""What the trackers of the package `sam3` look at, and what they say of some objects in one frame."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Final, Generic, NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int, Int32

from fast_snow.config import Sam3Config
from fast_snow.engines.out_of_memory import in_smaller_pieces
from fast_snow.engines.sam3.features import Features, KeptFeatures, state_waits_on_host
from fast_snow.engines.sam3.images import network_images
from fast_snow.engines.sam3.package.network import Seen
from fast_snow.engines.sam3.session import Absences, FrameMasks, Started, tracking
from fast_snow.engines.torch_runtime import memory
from fast_snow.engines.torch_runtime.mask_runs import encode_logits
from fast_snow.protocols import Progress, Tracker, silent
from fast_snow.types import Frames, GridShape

_FULL_SIDE: Final = 1008
_ADVICE: Final = "close other programs on it, or set --sam3.features recompute or a smaller --sam3.object-batch"


@runtime_checkable
class SamNetwork(Protocol):
    """What turns images into features and prompts into objects: the network of SAM3, or of SAM 3.1."""

    device: torch.device
    side: int
    mask_side: int
    mask_input_side: int

    def encode(self, image: Float[torch.Tensor, "1 3 s s"]) -> Sequence[torch.Tensor]:
        """Return the feature maps of an image."""
        ...

    def start_from_points(
        self, maps: Sequence[torch.Tensor], xy: Float[torch.Tensor, "m p 2"], label: Int[torch.Tensor, "m p"]
    ) -> Seen:
        """Start objects from points in pixels of the network's input (labels as in `prompting`)."""
        ...

    def start_from_masks(self, maps: Sequence[torch.Tensor], inside: Float[torch.Tensor, "m 1 i i"]) -> Seen:
        """Start objects from masks in [0, 1] of `mask_input_side` pixels."""
        ...

    def computing(self) -> AbstractContextManager[None]:
        """Compute for inference, in this network's precision, on its device."""
        ...


Made = TypeVar("Made")
Network = TypeVar("Network", bound=SamNetwork)


@dataclass(frozen=True, slots=True, eq=False)
class Scene(Generic[Network]):
    """The network and the window that it looks at; `absences` begins to count, for one direction."""

    network: Network
    features: Features
    grid: GridShape
    memory_on_host: bool
    absences: Callable[[], Absences]


class Carried(NamedTuple):
    """Some objects in one frame."""

    frame: int
    found: FrameMasks


def on_grid(local_id: Int32[np.ndarray, " m"], seen: Seen, grid: GridShape) -> FrameMasks:
    """Return objects as the network sees them, on the analysis grid, with the score that it gives them."""
    score = seen.presence[:, 0].float().sigmoid().cpu().numpy()
    return FrameMasks(local_id, encode_logits(seen.logits[:, 0], grid), score)


class BatchedWindow(ABC, Generic[Network]):
    """The frames of a session, and how many objects at once fit into memory beside them."""

    name: ClassVar[str]
    """Of the network, for messages."""

    def __init__(
        self,
        network: Network,
        config: Sam3Config,
        patience: int | None,
        progress: Progress,
        frames: Frames,
        grid: GridShape,
    ) -> None:
        device = network.device
        images = network_images(frames.image, side=network.side, device=device, on_host=config.offload_video_to_cpu)
        kept = KeptFeatures(config.features, frames=len(frames), device=device)
        on_host = state_waits_on_host(config.offload_state_to_cpu, device)
        absences = partial(Absences, config.score_threshold_detection, patience)
        self.scene = Scene(network, Features(images, network.encode, kept), grid, on_host, absences)
        self._largest_batch = config.object_batch
        self._progress = progress

    @classmethod
    def serving(
        cls, network: Network, config: Sam3Config, patience: int | None = None, progress: Progress = silent
    ) -> AbstractContextManager[Tracker]:
        """Track with a network that is at hand."""
        return tracking(partial(cls, network, config, patience, progress), config)

    @abstractmethod
    def carry(self, objects: Sequence[Started]) -> Sequence[Carried]:
        """Return all that is found of at least one object, in any order."""

    @abstractmethod
    def that_fit(self) -> int:
        """Return how many objects at once surely fit."""

    def follow(self, objects: Sequence[Started]) -> Sequence[Sequence[FrameMasks]]:
        """Return, per frame, all that is found of objects, in any number of pieces."""
        found: list[list[FrameMasks]] = [[] for _ in range(len(self.scene.features))]
        with self.scene.network.computing():
            for each in self.carry(objects):
                found[each.frame].append(each.found)
        return found

    def close(self) -> None:
        """Free the features; the tracker may stay open."""
        self.scene.features.close()
        memory.release(self.scene.network.device)

    def meter(self, done: int, objects: int) -> Callable[[int], None]:
        """Count frames, an object's share of a frame at a time, of a batch that `done` objects came before."""
        frames = len(self.scene.features)
        shares = done * frames

        def tick(count: int) -> None:
            nonlocal shares
            shares += count
            self._progress(self.name, shares // objects, frames)

        return tick

    def fitting(self, work: Callable[[int], Made], count: int) -> Made:
        """Do work on `count` objects, so many at once as fit."""
        most = min(count, self._largest_batch or self.that_fit())

        def attempt(batch: int) -> Made:
            made = work(batch)
            if batch < most:
                self._largest_batch = batch  # what is done next fits no better
            return made

        return in_smaller_pieces(attempt, most, what=f"{self.name}: objects per batch", advice=_ADVICE)


def pieces_that_fit(network: SamNetwork, bytes_at_full_size: int, most: int) -> int | None:
    """Return how many pieces of work take half of the free memory, at least 1 and at most `most`; None on a CPU."""
    free = memory.free_bytes(network.device)
    if free is None:
        return None
    each = max(1, round(bytes_at_full_size * (network.side / _FULL_SIDE) ** 2))
    return max(1, min(most, free // (2 * each)))
