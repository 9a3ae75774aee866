"""What the trackers of the package `sam3` look at, and what they say of some objects in one frame."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int32

from fast_snow.config import Sam3Config
from fast_snow.engines.sam3.features import Features, KeptFeatures, state_waits_on_host
from fast_snow.engines.sam3.images import network_images
from fast_snow.engines.sam3.package.network import Seen
from fast_snow.engines.sam3.session import Absences, FrameMasks
from fast_snow.engines.torch_runtime.mask_runs import encode_logits
from fast_snow.types import Frames, GridShape


@runtime_checkable
class EncodingNetwork(Protocol):
    """What turns images into features: the network of SAM3, or of SAM 3.1."""

    device: torch.device
    side: int

    def encode(self, image: Float[torch.Tensor, "1 3 s s"]) -> Sequence[torch.Tensor]:
        """Return the feature maps of an image."""
        ...


Network = TypeVar("Network", bound=EncodingNetwork)


@dataclass(frozen=True, slots=True, eq=False)
class Scene(Generic[Network]):
    """The network and the window that it looks at.

    Attributes:
        network: computes.
        features: of the window's images.
        grid: height and width of the analysis grid.
        memory_on_host: whether the memory of objects waits in host memory.
        absences: begin to count, for objects that are carried in one direction.
    """

    network: Network
    features: Features
    grid: GridShape
    memory_on_host: bool
    absences: Callable[[], Absences]


class Carried(NamedTuple):
    """Some objects in one frame."""

    frame: int
    found: FrameMasks


def scene_of(
    network: Network, config: Sam3Config, patience: int | None, frames: Frames, grid: GridShape
) -> Scene[Network]:
    """Prepare a window.

    Args:
        network: what looks at it.
        config: where things wait, and the threshold on scores.
        patience: frames in a row without an object after which it is no longer looked for; None never gives up.
        frames: the window.
        grid: height and width of the analysis grid.
    """
    device = network.device
    images = network_images(frames.image, side=network.side, device=device, on_host=config.offload_video_to_cpu)
    kept = KeptFeatures(config.features, frames=len(frames), device=device)
    on_host = state_waits_on_host(config.offload_state_to_cpu, device)
    absences = partial(Absences, config.score_threshold_detection, patience)
    return Scene(network, Features(images, network.encode, kept), grid, on_host, absences)


def on_grid(local_id: Int32[np.ndarray, " m"], seen: Seen, grid: GridShape) -> FrameMasks:
    """Return objects as the network sees them, on the analysis grid, with the score that it gives them."""
    score = seen.presence[:, 0].float().sigmoid().cpu().numpy()
    return FrameMasks(local_id, encode_logits(seen.logits[:, 0], grid), score)
