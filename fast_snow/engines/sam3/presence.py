"""Masks as SAM3's decoder answers them: upstream voids those of objects whose presence logit is not positive.

That makes memory of what is certainly seen only. What is reported is decided by `sam3.score_threshold_detection`, which
without the masks of unlikely objects could not be below 0.5.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float


@contextmanager
def decoded_masks(decoder: torch.nn.Module) -> Iterator[list[Float[torch.Tensor, "m 1 h w"]]]:
    """Collect, for each call of a mask decoder, the mask logits with the highest predicted IoU of each object, in fp32.

    SAM 3.1's decoder answers for all slots of its buckets.
    """
    collected: list[torch.Tensor] = []

    def note(_decoder: torch.nn.Module, _inputs: object, answer: tuple[torch.Tensor, ...] | dict[str, Any]) -> None:
        masks, overlap = (answer["masks"], answer["iou_pred"]) if isinstance(answer, dict) else answer[:2]
        logits, iou = masks.flatten(0, -4), overlap.flatten(0, -2)
        best = iou.argmax(dim=-1)
        collected.append(logits[torch.arange(len(best), device=best.device), best][:, None].float())

    handle = decoder.register_forward_hook(note)
    try:
        yield collected
    finally:
        handle.remove()
