"""Attention over many keys without a score matrix in memory.

The tracker attends from 5184 pixels to 36288 of the memory: the scores alone are 750 MB per object in fp32. Torch's
fused kernels never hold them; where a device has none, queries are taken a few at a time, which is the same sum.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch.nn.attention import SDPBackend, sdpa_kernel

SCORES_AT_ONCE = 1 << 26
"""Entries of the score matrix that may exist at a time: 256 MiB in fp32."""
Attend = Callable[..., torch.Tensor]
"""A function like torch's `scaled_dot_product_attention`."""


class KeyRange(NamedTuple):
    """Keys from `first` to before `end`."""

    first: int
    end: int


class SameKeys(NamedTuple):
    """Objects of a batch that attend to the same ranges of the batch's keys."""

    objects: list[int]
    ranges: tuple[KeyRange, ...]


def has_fused_kernel(device: torch.device, dtype: torch.dtype, *, width: int, heads: int = 1) -> bool:
    """Tell whether torch attends without a score matrix, with so many channels per head."""
    some = torch.zeros((1, heads, 64, width), device=device, dtype=dtype)
    return int(torch._fused_sdp_choice(some, some, some)) != int(SDPBackend.MATH.value)


def scaled_dot_product(
    query: Float[torch.Tensor, "*b q c"],
    key: Float[torch.Tensor, "*b k c"],
    value: Float[torch.Tensor, "*b k d"],
    dropout_p: float = 0.0,
    scale: float | None = None,
    scores: int = SCORES_AT_ONCE,
) -> Float[torch.Tensor, "*b q d"]:
    """Attend with torch's plain arithmetic, so many queries at a time as bound the entries of the score matrix.

    Exactly the attention of all queries at once, for inference.
    """
    if dropout_p:
        raise ValueError(f"attention in pieces: got dropout {dropout_p}, expected none; it is for inference")
    per_query = max(1, query[..., 0, 0].numel()) * key.shape[-2]
    rows = max(1, scores // per_query)
    with sdpa_kernel(SDPBackend.MATH):
        pieces = [
            torch.nn.functional.scaled_dot_product_attention(some, key, value, scale=scale)
            for some in torch.split(query, rows, dim=-2)
        ]
    return torch.cat(pieces, dim=-2)


def attend_to_own(
    query: Float[torch.Tensor, "m h q c"],
    key: Float[torch.Tensor, "m h k c"],
    value: Float[torch.Tensor, "m h k d"],
    dropout_p: float = 0.0,
    *,
    attend: Attend,
    alike: Sequence[SameKeys],
) -> Float[torch.Tensor, "m h q d"]:
    """Attend, each object to its own keys only; a fused kernel that knows no masks can do it."""
    if len(alike) == 1:  # as long as the longest memory, all of them
        return attend(query, key, value, dropout_p=dropout_p)
    order = [i for each in alike for i in each.objects]
    found = [
        attend(query[objects], *(_own(each, objects, ranges) for each in (key, value)), dropout_p=dropout_p)
        for objects, ranges in alike
    ]
    return torch.cat(found)[torch.tensor(order, device=query.device).argsort()]


def _own(keys: torch.Tensor, objects: Sequence[int], ranges: Sequence[KeyRange]) -> torch.Tensor:
    return torch.cat([keys[objects, :, first:end] for first, end in ranges], dim=2)
