"""Objects carried from the frame in which they are prompted to both ends of the window."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Int32

from fast_snow.engines.sam3.features import Features
from fast_snow.engines.sam3.package.network import Seen, TrackingNetwork
from fast_snow.engines.sam3.package.prompted import decode_prompts, owner_of_pixels, remember
from fast_snow.engines.sam3.session import FrameMasks, Started
from fast_snow.engines.torch_runtime.mask_runs import encode_logits
from fast_snow.types import GridShape


class Carried(NamedTuple):
    """Objects of one batch in one frame."""

    frame: int
    found: FrameMasks


class Scene(NamedTuple):
    """The network and what it looks at."""

    network: TrackingNetwork
    features: Features
    grid: GridShape
    memory_on_host: bool


def propagate(
    scene: Scene, objects: Sequence[Started], *, batch: int, tick: Callable[[int], None]
) -> Sequence[Carried]:
    """Track the objects that are prompted in one frame.

    The result is upstream's for these objects in one session, propagated forwards, then backwards. Objects of one batch
    share the choice of the frames they remember (upstream takes the mean of their scores), so the batch has a slight
    influence where a frame's mean score is near upstream's threshold.

    Args:
        scene: the network, computing, and the window.
        objects: at least one; all prompted in the same frame.
        batch: how many are carried at once.
        tick: told how many objects more are done with a frame.

    Returns:
        For every batch, every frame of the window once.
    """
    at = objects[0].frame
    maps = scene.features.of(at)
    seen = decode_prompts(scene.network, maps, [each.prompt for each in objects], scene.grid, batch=batch)
    owner = owner_of_pixels(seen.remembered().logits, scene.network.side)
    carried: list[Carried] = []
    for k in range(0, len(objects), batch):
        index = np.arange(k, min(k + batch, len(objects)), dtype=np.int32)
        ids = np.array([objects[i].local_id for i in index.tolist()], np.int32)
        for frame, some in _sweeps(scene, at, seen, owner, index):
            carried.append(Carried(frame, _on_grid(ids, some, scene.grid)))
            tick(len(ids))
    return carried


def _sweeps(
    scene: Scene, at: int, seen: Seen, owner: torch.Tensor, index: Int32[np.ndarray, " k"]
) -> Iterator[tuple[int, Seen]]:
    network, features = scene.network, scene.features
    of = torch.from_numpy(index).to(network.device)
    prompted = remember(network, features.of(at), seen.remembered(), owner, index)
    bank = network.bank(at, prompted, on_host=scene.memory_on_host)
    yield at, Seen(*(each[of] for each in seen))
    for reverse, frames in ((False, range(at + 1, len(features))), (True, range(at - 1, -1, -1))):
        if reverse:
            bank.turn()
        for frame in frames:
            yield (
                frame,
                network.follow(
                    features.of(frame), bank, frame, count=len(index), num_frames=len(features), reverse=reverse
                ),
            )


def _on_grid(local_id: Int32[np.ndarray, " m"], seen: Seen, grid: GridShape) -> FrameMasks:
    score = seen.presence[:, 0].float().sigmoid().cpu().numpy()
    return FrameMasks(local_id, encode_logits(seen.logits[:, 0], grid), score)
