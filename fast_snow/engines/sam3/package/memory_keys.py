"""The memories of a batch of objects as keys of one attention, though each object remembers other frames than the next.

Upstream lays out one memory for the whole batch: all its objects were prompted in one frame and share the choice of the
frames that they remember. Here every object has its own: keys are filled up to the longest memory of the batch, and
objects with as many frames and pointers attend together, to exactly what they remember.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float

from fast_snow.engines.sam3.package.attention import KeyRange, SameKeys
from fast_snow.engines.sam3.package.memory import Recalled
from fast_snow.engines.sam3.package.workarounds import UpstreamTracker


class MemoryKeys(NamedTuple):
    """What a batch of `m` objects attends to, with codes of place and time, and which keys are whose.

    Spatial memory of each object's frames comes first, then its pointers (`pointer_tokens` keys); zeros where it has
    fewer.
    """

    memory: Float[torch.Tensor, "m k c"]
    position: Float[torch.Tensor, "m k c"]
    pointer_tokens: int
    alike: tuple[SameKeys, ...]


def memory_keys(
    tracker: UpstreamTracker,
    memories: Sequence[Recalled],
    place: Float[torch.Tensor, "1 c h w"],
    *,
    num_frames: int,
    dtype: torch.dtype,
) -> MemoryKeys:
    """Lay out what each object of a batch looks at.

    `place` is the position code of spatial memory. Upstream scales time by `num_frames` of the window where it is
    short.
    """
    spatial, spatial_position = _spatial(tracker, memories, place, dtype)
    pointers, pointer_position = _pointers(tracker, memories, num_frames, dtype)
    area = place.shape[-2] * place.shape[-1]
    return MemoryKeys(
        memory=torch.cat([spatial, pointers], dim=1),
        position=torch.cat([spatial_position, pointer_position], dim=1),
        pointer_tokens=pointers.shape[1],
        alike=_alike(memories, area, spatial.shape[1], int(tracker.hidden_dim // tracker.mem_dim)),
    )


def _spatial(
    tracker: UpstreamTracker, memories: Sequence[Recalled], place: torch.Tensor, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    most = max(len(each.spatial) for each in memories)
    nothing = torch.zeros_like(place, dtype=dtype)
    rows, ranks = [], []
    for each in memories:
        missing = most - len(each.spatial)
        rows += [one.to(dtype) for _, one in each.spatial] + [nothing] * missing
        ranks += [rank for rank, _ in each.spatial] + [0] * missing
    tokens = torch.cat(rows).flatten(2).transpose(1, 2)  # objects and frames, pixels, channels
    of_time = tracker.maskmem_tpos_enc[[rank - 1 for rank in ranks], 0]  # the prompt's code is the last
    position = place.flatten(2).transpose(1, 2) + of_time
    count, channels = len(memories), tokens.shape[-1]
    return tokens.reshape(count, -1, channels), position.reshape(count, -1, channels)


def _pointers(
    tracker: UpstreamTracker, memories: Sequence[Recalled], num_frames: int, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    most = max(len(each.pointers) for each in memories)
    nothing = torch.zeros_like(memories[0].pointers[0][1], dtype=dtype)
    rows, away = [], []
    for each in memories:
        missing = most - len(each.pointers)
        rows += [pointer.to(dtype) for _, pointer in each.pointers] + [nothing] * missing
        away += [distance for distance, _ in each.pointers] + [0] * missing
    longest = min(num_frames, int(tracker.max_obj_ptrs_in_encoder))
    of_time = tracker._get_tpos_enc(away, max_abs_pos=longest, device=nothing.device)
    split = int(tracker.hidden_dim // tracker.mem_dim)  # a pointer is so many keys
    count, channels = len(memories), int(tracker.mem_dim)
    tokens = torch.cat(rows).reshape(count, most * split, channels)
    return tokens, of_time.repeat_interleave(split, dim=0).reshape(count, most * split, channels)


def _alike(memories: Sequence[Recalled], area: int, spatial_keys: int, split: int) -> tuple[SameKeys, ...]:
    groups: dict[tuple[int, int], list[int]] = {}
    for i, each in enumerate(memories):
        groups.setdefault((len(each.spatial) * area, len(each.pointers) * split), []).append(i)
    return tuple(
        SameKeys(objects, (KeyRange(0, frames), KeyRange(spatial_keys, spatial_keys + pointers)))
        for (frames, pointers), objects in groups.items()
    )
