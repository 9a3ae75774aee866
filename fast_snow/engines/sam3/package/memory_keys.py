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


Numbered = list[tuple[int, torch.Tensor]]
"""What an object remembers, with the rank or the distance of each frame."""


def _spatial(
    tracker: UpstreamTracker, memories: Sequence[Recalled], place: torch.Tensor, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    rows, ranks = _filled([each.spatial for each in memories], dtype)
    tokens = rows.flatten(2).transpose(1, 2)  # objects and frames, pixels, channels
    of_time = tracker.maskmem_tpos_enc[[rank - 1 for rank in ranks], 0]  # the prompt's code is the last
    position = place.flatten(2).transpose(1, 2) + of_time
    count, channels = len(memories), tokens.shape[-1]
    return tokens.reshape(count, -1, channels), position.reshape(count, -1, channels)


def _pointers(
    tracker: UpstreamTracker, memories: Sequence[Recalled], num_frames: int, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    rows, away = _filled([each.pointers for each in memories], dtype)
    longest = min(num_frames, int(tracker.max_obj_ptrs_in_encoder))
    of_time = tracker._get_tpos_enc(away, max_abs_pos=longest, device=rows.device)
    split = int(tracker.hidden_dim // tracker.mem_dim)  # a pointer is so many keys
    count, channels = len(memories), int(tracker.mem_dim)
    position = of_time.repeat_interleave(split, dim=0)
    return rows.reshape(count, -1, channels), position.reshape(count, -1, channels)


def _filled(remembered: Sequence[Numbered], dtype: torch.dtype) -> tuple[torch.Tensor, list[int]]:
    """Return the memories of all objects as rows, and their numbers; zeros where one has fewer than another."""
    most = max(map(len, remembered))
    nothing = 0, torch.zeros_like(remembered[0][0][1], dtype=dtype)
    flat = [pair for each in remembered for pair in (*each, *[nothing] * (most - len(each)))]
    return torch.cat([row.to(dtype) for _, row in flat]), [number for number, _ in flat]


def _alike(memories: Sequence[Recalled], area: int, spatial_keys: int, split: int) -> tuple[SameKeys, ...]:
    groups: dict[tuple[int, int], list[int]] = {}
    for i, each in enumerate(memories):
        groups.setdefault((len(each.spatial) * area, len(each.pointers) * split), []).append(i)
    return tuple(
        SameKeys(objects, (KeyRange(0, frames), KeyRange(spatial_keys, spatial_keys + pointers)))
        for (frames, pointers), objects in groups.items()
    )
