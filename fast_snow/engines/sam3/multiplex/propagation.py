"""Objects carried through the window in two sweeps, each beginning at its first prompts; others join on the way."""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

import numpy as np
import torch
from jaxtyping import Bool, Int32

from fast_snow.engines.sam3.multiplex.buckets import Joining, states_of_sweep
from fast_snow.engines.sam3.multiplex.network import MultiplexNetwork
from fast_snow.engines.sam3.package.network import Seen
from fast_snow.engines.sam3.package.prompted import decode_prompts
from fast_snow.engines.sam3.package.scene import Carried, Scene, on_grid
from fast_snow.engines.sam3.session import Started


def propagate(
    scene: Scene[MultiplexNetwork], objects: Sequence[Started], *, most: int, tick: Callable[[int], None]
) -> Sequence[Carried]:
    """Track objects from the frames in which they are prompted to both ends of the window.

    The result is upstream's: for each sweep and state one session, to which masks are added in the frames of the
    prompts. Objects of a state share memory, so they influence each other. A state carries at most `most` of the
    objects. `tick` is told how many objects more are done with a frame.

    Returns:
        Every object in every frame of the window once, but for frames after all of its state were gone for long.
    """
    carried: list[Carried] = []

    def take(some: Carried) -> None:
        carried.append(some)
        tick(len(some.found.local_id))

    local_id = np.array([each.local_id for each in objects], np.int32)
    prompted = _prompted(scene, objects, batch=most)
    at = [each.frame for each in objects]
    for frame in sorted(set(at)):
        index = [i for i, each in enumerate(at) if each == frame]
        take(Carried(frame, on_grid(local_id[index], _some(prompted, index), scene.grid)))
    for reverse in (False, True):
        states = states_of_sweep(at, frames=len(scene.features), bucket=scene.network.slots, most=most, reverse=reverse)
        for joining in states:
            for some in _sweep(scene, local_id, joining, prompted, reverse=reverse):
                take(some)
    return carried


def not_shared(inside: Bool[torch.Tensor, "m 1 h w"]) -> Bool[torch.Tensor, "m 1 h w"]:
    """Take the pixels that several masks cover from all of them, as upstream's SAM 3.1 does with mask prompts."""
    return inside & (inside.sum(dim=0, keepdim=True) == 1)


def _prompted(scene: Scene[MultiplexNetwork], objects: Sequence[Started], *, batch: int) -> Seen:
    """Decode all prompts, a frame at a time; returns the objects in their order."""
    order = sorted(range(len(objects)), key=lambda i: objects[i].frame)
    parts: list[Seen] = []
    for frame, together in groupby(order, key=lambda i: objects[i].frame):
        prompts = [objects[i].prompt for i in together]
        maps = scene.features.of(frame)
        parts.append(decode_prompts(scene.network, maps, prompts, scene.grid, batch=batch, settle=not_shared))
    return _some(Seen(*(torch.cat(each) for each in zip(*parts, strict=True))), np.argsort(order).tolist())


def _sweep(
    scene: Scene[MultiplexNetwork],
    local_id: Int32[np.ndarray, " m"],
    joining: Joining,
    prompted: Seen,
    *,
    reverse: bool,
) -> Iterator[Carried]:
    """Carry the objects of one state from frame to frame, until all are gone; where they join is not reported."""
    network, features, absences = scene.network, scene.features, scene.absences()
    memory = network.memory(on_host=scene.memory_on_host)
    index: list[int] = []
    expected = sum(len(each) for each in joining.values())
    begin = next(iter(joining))
    for frame in range(begin, -1, -1) if reverse else range(begin, len(features)):
        maps = features.of(frame)
        tracked = None
        if index:
            tracked = network.follow(
                maps, memory, frame, num_frames=len(features), reverse=reverse, remember=frame not in joining
            )
            found = on_grid(local_id[index], tracked, scene.grid)
            absences.note(found)
            yield Carried(frame, found)
        if frame in joining:
            network.join(maps, memory, frame, tracked, _some(prompted, joining[frame]))
            index += joining[frame]
        if len(index) == expected and all(absences.gone(each) for each in local_id[index].tolist()):
            return


def _some(seen: Seen, index: Sequence[int]) -> Seen:
    return Seen(*(each[list(index)] for each in seen))
