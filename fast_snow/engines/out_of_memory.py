"""What an engine does where memory runs out: smaller pieces, and a clear word where the smallest do not fit.

Torch is asked only where it is loaded already: compiled networks run without it.
"""

import gc
import re
import sys
import warnings
from collections.abc import Callable
from typing import Any, Final, TypeVar

from fast_snow.errors import EngineError, FastSnowWarning

Made = TypeVar("Made")

_BY_LIBRARIES: Final = re.compile(r"CUBLAS_STATUS_ALLOC_FAILED|CUDNN_STATUS_\w*ALLOC|CUDA error: out of memory")
"""What a `RuntimeError` says where not torch's allocator but a library of CUDA, or the driver, found no memory."""


def in_smaller_pieces(
    attempt: Callable[[int], Made], largest: int, *, what: str, advice: str, smallest: int = 1
) -> Made:
    """Do a piece of work, with pieces half the size each time memory runs out, which is warned of.

    Memory runs out where `attempt`, which does the whole work in pieces of a size, raises `MemoryError`, torch's
    `OutOfMemoryError` or the `RuntimeError` of a library of CUDA. `what` and `advice` are for messages.

    Raises:
        EngineError: the smallest pieces do not fit either.
    """
    size = largest
    while True:
        try:
            return attempt(size)
        except (MemoryError, RuntimeError) as error:
            if not _is_exhaustion(error):
                raise
        # Only now, after the handler: the exception holds the frames that hold the memory.
        free = _release()
        if size <= smallest:
            raise EngineError(f"{what}: {size} did not fit into {free}; {advice}")
        size = max(smallest, size // 2)
        warnings.warn(f"{what}: out of memory: retrying with {size}", FastSnowWarning, stacklevel=2)


def _is_exhaustion(error: Exception) -> bool:
    torch: Any = sys.modules.get("torch")
    by_allocator = isinstance(error, MemoryError) or (torch is not None and isinstance(error, torch.OutOfMemoryError))
    return by_allocator or _BY_LIBRARIES.search(str(error)) is not None


def _release() -> str:
    """Give back what nothing uses any more; say what is free."""
    gc.collect()
    torch: Any = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return "the memory of this machine"
    torch.cuda.empty_cache()
    return f"the {torch.cuda.mem_get_info()[0] / 2**30:.1f} GiB of GPU memory that are free"
