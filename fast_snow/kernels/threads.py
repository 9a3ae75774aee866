"""Kernels on several cores.

Numba's own parallel loops are not used: the one threading layer that every platform has must not be entered from two
Python threads at once, and kernels run beside engine threads. Here each thread calls a kernel that has released the
interpreter lock, on its own masks; every mask is measured by one thread, so results do not depend on their number.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numba
import numpy as np
from jaxtyping import Int64

Result = TypeVar("Result")

WORTH_A_THREAD = 2**19
"""Pixels worth of work that outweigh starting a thread (about 0.1 ms)."""

PER_CORE: int = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]

_most = PER_CORE


def limit(count: int) -> None:
    """Set how many threads a kernel may use in this process; 0 takes one per core."""
    global _most
    _most = count or PER_CORE


def over_masks(kernel: Callable[[int, int], Result], work: Int64[np.ndarray, " m"]) -> list[Result]:
    """Call a kernel on consecutive ranges of masks, at once.

    Args:
        kernel: called with the first mask of a range and one past its last; must release the interpreter lock.
        work: how much there is to do for each mask, in pixels or what costs as much.

    Returns:
        What the calls returned, in the order of the masks.
    """
    done = np.cumsum(work)
    total = int(done[-1]) if len(done) else 0
    pieces = max(1, min(_most, total // WORTH_A_THREAD))
    inner = np.searchsorted(done, total * np.arange(1, pieces) / pieces).tolist()
    first, last = [0, *inner], [*inner, len(work)]
    if pieces == 1:
        return [kernel(first[0], last[0])]
    with ThreadPoolExecutor(pieces - 1) as pool:
        others = [pool.submit(kernel, *piece) for piece in zip(first[1:], last[1:], strict=True)]
        return [kernel(first[0], last[0]), *(other.result() for other in others)]
