"""Objects carried from the frames in which they are prompted to both ends of the window."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

import numpy as np
import torch

from fast_snow.engines.sam3.package.memory import MemoryBank, Remembered
from fast_snow.engines.sam3.package.network import TrackingNetwork
from fast_snow.engines.sam3.package.prompted import decode_prompts, owner_of_pixels, remember
from fast_snow.engines.sam3.package.scene import Carried, Scene, on_grid
from fast_snow.engines.sam3.session import FrameMasks, Started


class Begun(NamedTuple):
    """An object as it is in the frame of its prompt."""

    local_id: int
    frame: int
    memory: Remembered


class Beginnings(NamedTuple):
    """Objects in the frames of their prompts: what they are tracked from, and what is seen of them there."""

    objects: list[Begun]
    found: list[Carried]


def begin(scene: Scene[TrackingNetwork], objects: Iterable[Started], *, batch: int) -> Beginnings:
    """Turn prompts in any frames into objects that can be tracked, by the frame of their prompts."""
    beginnings = Beginnings([], [])
    network, by_frame = scene.network, attrgetter("frame")
    for frame, same in groupby(sorted(objects, key=by_frame), key=by_frame):
        together = list(same)
        maps = scene.features.of(frame)
        seen = decode_prompts(network, maps, [each.prompt for each in together], scene.grid, batch=batch)
        owner = owner_of_pixels(seen.remembered().logits, network.side)
        for k in range(0, len(together), batch):
            index = range(k, min(k + batch, len(together)))
            memories = remember(network, maps, seen.remembered(), owner, index)
            for i, memory in zip(index, memories, strict=True):
                beginnings.objects.append(Begun(together[i].local_id, frame, memory))
        ids = np.array([each.local_id for each in together], np.int32)
        beginnings.found.append(Carried(frame, on_grid(ids, seen, scene.grid)))
    return beginnings


def sweep(scene: Scene[TrackingNetwork], objects: Sequence[Begun], *, tick: Callable[[int], None]) -> list[Carried]:
    """Carry objects forwards to the end of the window, then backwards to its start, as one batch.

    Every object joins after the frame of its prompt and has its own memory; for each of them the result is upstream's
    for this object alone in a session. An object that has been away for too long leaves the batch. `tick` is told how
    many objects were done with a frame.

    Returns:
        The objects in the frames in which they were looked for; those of their prompts are not among them.
    """
    limits, device = scene.network.memory_limits, scene.network.device
    banks = [
        MemoryBank(each.frame, each.memory, limits=limits, device=device, on_host=scene.memory_on_host)
        for each in objects
    ]
    prompted = [each.frame for each in objects]
    after, before = range(min(prompted) + 1, len(scene.features)), range(max(prompted) - 1, -1, -1)
    carried: list[Carried] = []
    for reverse, frames in ((False, after), (True, before)):
        absences = scene.absences()
        for frame in frames:
            joined = (i for i, at in enumerate(prompted) if (frame < at if reverse else frame > at))
            followed = [i for i in joined if not absences.gone(objects[i].local_id)]
            if followed:
                found = _step(scene, {objects[i].local_id: banks[i] for i in followed}, frame, reverse=reverse)
                absences.note(found)
                carried.append(Carried(frame, found))
                tick(len(followed))
        for bank in banks:
            bank.turn()
    return carried


def _step(scene: Scene[TrackingNetwork], banks: Mapping[int, MemoryBank], frame: int, *, reverse: bool) -> FrameMasks:
    """Find objects in a frame by their memory, and remember them there."""
    length = len(scene.features)
    memories = [bank.recall(frame, num_frames=length, reverse=reverse) for bank in banks.values()]
    seen, spatial, scores = scene.network.follow(scene.features.of(frame), memories, num_frames=length)
    rows = zip(banks.values(), torch.split(spatial, 1), torch.split(seen.pointer, 1), scores.tolist(), strict=True)
    for bank, memory, pointer, score in rows:
        bank.remember(frame, Remembered(spatial=memory, pointer=pointer, score=score))
    return on_grid(np.array([*banks], np.int32), seen, scene.grid)
