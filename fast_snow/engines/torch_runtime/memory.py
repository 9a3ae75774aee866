"""What to do when a device's memory runs out: smaller pieces, and a clear word where the smallest do not fit."""

import gc
import warnings
from collections.abc import Callable
from typing import TypeVar

import torch

from fast_snow.errors import EngineError, FastSnowWarning

Made = TypeVar("Made")


def in_smaller_pieces(
    attempt: Callable[[int], Made], largest: int, *, what: str, advice: str, device: torch.device, smallest: int = 1
) -> Made:
    """Do a piece of work, with pieces half the size each time memory runs out.

    Args:
        attempt: does the whole work in pieces of the given size.
        largest: size of the pieces at first.
        what: the pieces, for messages, like "DA3: frames per chunk".
        advice: what the user can change where the smallest pieces do not fit.
        device: where the work is done.
        smallest: pieces are never smaller than this.

    Returns:
        What `attempt` returns.

    Raises:
        EngineError: the smallest pieces do not fit either.

    Warns:
        FastSnowWarning: pieces were made smaller.
    """
    size = largest
    while True:
        try:
            return attempt(size)
        except torch.OutOfMemoryError:
            pass  # leaves the handler first: the exception holds the frames that hold the memory
        release(device)
        if size <= smallest:
            raise EngineError(f"{what}: {size} did not fit into {_free(device)}; {advice}")
        size = max(smallest, size // 2)
        warnings.warn(f"{what}: memory ran out, went on with {size}", FastSnowWarning, stacklevel=2)


def release(device: torch.device) -> None:
    """Give memory that nothing uses any more back to the device."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def free_bytes(device: torch.device) -> int | None:
    """Return how much memory of a GPU is free, what torch keeps in reserve included; None on a CPU."""
    if device.type != "cuda":
        return None
    free, _ = torch.cuda.mem_get_info(device)
    return int(free) + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)


def _free(device: torch.device) -> str:
    free = free_bytes(device)
    return "the memory of this machine" if free is None else f"the {free / 2**30:.1f} GiB that are free on {device}"
