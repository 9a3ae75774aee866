"""Objects in the frame in which they are prompted: decoded in batches, then settled among each other.

As upstream does before tracking: where masks of one frame overlap, a pixel goes to the highest logit before memory is
made of it (later mask prompts come first before that). It is settled over all objects of the frame, so that the result
does not depend on how they are batched.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch.nn.functional import interpolate

from fast_snow.engines.sam3.package.memory import Remembered
from fast_snow.engines.sam3.package.network import ABSENT, Seen, TrackingNetwork
from fast_snow.engines.sam3.package.scene import SamNetwork
from fast_snow.engines.sam3.prompting import Points, box_points, single_points
from fast_snow.kernels.masks import decode
from fast_snow.types import BoxPrompt, GridShape, MaskPrompt, Masks, PointPrompt, Prompt

_SETTLED_AT_ONCE = 16
_NO_OVERLAP = -10.0  # upstream's logit for a pixel that went to another object
_Decode = Callable[[Sequence[Prompt]], Seen]
_Inside = Bool[torch.Tensor, "m 1 h w"]


def later_first(inside: _Inside) -> _Inside:
    """Give each pixel to the last of the masks that cover it, as upstream's SAM3 does."""
    later = torch.zeros_like(inside[:1])
    settled = torch.empty_like(inside)
    for i in reversed(range(len(inside))):
        settled[i] = inside[i] & ~later[0]
        later = later | inside[i : i + 1]
    return settled


def decode_prompts(
    network: SamNetwork,
    maps: Sequence[torch.Tensor],
    prompts: Sequence[Prompt],
    grid: GridShape,
    *,
    batch: int,
    settle: Callable[[_Inside], _Inside] = later_first,
) -> Seen:
    """Turn the prompts of one frame, of any kinds and on the analysis grid, into one object each.

    `settle` makes mask prompts disjoint.
    """
    decoders: dict[type, _Decode] = {
        BoxPrompt: lambda some: _from_points(network, maps, box_points(some, grid, network.side)),  # type: ignore[arg-type]
        PointPrompt: lambda some: _from_points(network, maps, single_points(some, grid, network.side)),  # type: ignore[arg-type]
        MaskPrompt: lambda some: _from_masks(network, maps, some, grid),  # type: ignore[arg-type]
    }
    order: list[int] = []
    parts: list[Seen] = []
    for kind, decoder in decoders.items():
        same = [i for i, each in enumerate(prompts) if isinstance(each, kind)]
        parts += [decoder([prompts[i] for i in same[k : k + batch]]) for k in range(0, len(same), batch)]
        order += same
    back = torch.from_numpy(np.argsort(order)).to(network.device)
    seen = Seen(*(torch.cat(each)[back] for each in zip(*parts, strict=True)))
    masks = [i for i, each in enumerate(prompts) if isinstance(each, MaskPrompt)]
    if masks:
        inside = settle(_dense([prompts[i] for i in masks], grid, network.device))  # type: ignore[misc]
        logits = _certain(inside, network.mask_side)
        seen.logits[torch.tensor(masks, device=network.device)] = logits
    return seen


def owner_of_pixels(logits: Float[torch.Tensor, "m 1 l l"], side: int) -> Int[torch.Tensor, "1 s s"]:
    """Return which object has the highest logit in each pixel of the network's input; the first of equals."""
    best = torch.full((1, side, side), -torch.inf, device=logits.device)
    owner = torch.zeros((1, side, side), dtype=torch.int64, device=logits.device)
    for k in range(0, len(logits), _SETTLED_AT_ONCE):
        value, index = _at_input(logits[k : k + _SETTLED_AT_ONCE], side).max(dim=0)
        higher = value > best
        best = torch.where(higher, value, best)
        owner = torch.where(higher, index + k, owner)
    return owner


def remember(
    network: TrackingNetwork, maps: Sequence[torch.Tensor], seen: Seen, owner: Int[torch.Tensor, "1 s s"], index: range
) -> list[Remembered]:
    """Make the memory that some of the objects prompted in a frame are tracked from.

    `owner` tells which of all of them each pixel belongs to.
    """
    of = torch.tensor(index, device=network.device)
    logits = _at_input(seen.logits[of], network.side)
    if len(seen.logits) > 1:
        own = owner[None] == of[:, None, None, None]
        logits = torch.where(own, logits, logits.clamp(max=_NO_OVERLAP))
    spatial = network.remember_prompted(maps, logits, seen.presence[of])
    pairs = zip(torch.split(spatial, 1), torch.split(seen.pointer[of], 1), strict=True)
    return [Remembered(spatial=memory, pointer=pointer, score=1.0) for memory, pointer in pairs]


def _from_points(network: SamNetwork, maps: Sequence[torch.Tensor], points: Points) -> Seen:
    xy, label = (torch.from_numpy(each).to(network.device) for each in points)
    return network.start_from_points(maps, xy, label)


def _from_masks(
    network: SamNetwork, maps: Sequence[torch.Tensor], prompts: Sequence[MaskPrompt], grid: GridShape
) -> Seen:
    inside = _dense(prompts, grid, network.device).float()
    side = (network.mask_input_side, network.mask_input_side)
    if inside.shape[-2:] != side:
        inside = interpolate(inside, size=side, mode="bilinear", align_corners=False, antialias=True)
    seen = network.start_from_masks(maps, inside)
    unsettled = seen.logits.new_empty((len(inside), 1, network.mask_side, network.mask_side))
    return Seen(unsettled, seen.pointer, seen.presence)


def _certain(inside: _Inside, side: int) -> Float[torch.Tensor, "m 1 l l"]:
    """Return masks as they were given, as certain logits."""
    logits = torch.where(inside, -ABSENT, ABSENT)
    return interpolate(logits, size=(side, side), mode="bilinear", align_corners=False, antialias=True)


def _dense(prompts: Sequence[MaskPrompt], grid: GridShape, device: torch.device) -> _Inside:
    return torch.tensor(decode(Masks.concatenate([each.mask for each in prompts], grid))).to(device)[:, None]


def _at_input(logits: Float[torch.Tensor, "m 1 l l"], side: int) -> Float[torch.Tensor, "m 1 s s"]:
    return interpolate(logits, size=(side, side), mode="bilinear", align_corners=False)
