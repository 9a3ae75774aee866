"""What was freed goes back to the operating system."""

import platform
from pathlib import Path

import numpy as np
import pytest

from fast_snow.freed_memory import return_freed_memory

_SIZE, _COUNT = 60_000, 1000  # bytes; too small for the C library to map each by itself


def resident() -> int:
    """Return the bytes of this process that lie in memory."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="malloc_trim is glibc's")
def test_freed_arrays_are_given_back_though_the_heaps_end_is_in_use():
    arrays = [np.ones(_SIZE, np.uint8) for _ in range(_COUNT)]
    pins = arrays[:: _COUNT // 10] + arrays[-1:]
    del arrays
    before = resident()
    return_freed_memory()
    assert before - resident() > _SIZE * _COUNT / 2
    assert len(pins) == 11
