"""The GPUs of this machine, asked of the driver alone: torch need not be there, nor be loaded."""

import ctypes
from functools import cache

_DRIVER = "libcuda.so.1"


@cache
def gpu_count() -> int:
    """Return how many GPUs the CUDA driver offers this process; 0 where there is no driver."""
    try:
        driver = ctypes.CDLL(_DRIVER)
    except OSError:
        return 0
    count = ctypes.c_int()
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return 0
    return count.value
