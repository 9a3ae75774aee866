"""The GPUs of this machine, asked of the driver alone: torch need not be there, nor be loaded."""

import ctypes
from dataclasses import dataclass
from functools import cache

_DRIVER = "libcuda.so.1"
_CAPABILITY_MAJOR, _CAPABILITY_MINOR = 75, 76  # CUdevice_attribute of the driver's interface
_LONGEST_NAME = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """One GPU, as the driver names it; its compute capability is like `9.0`."""

    name: str
    memory_bytes: int
    compute_capability: str


@cache
def gpus() -> tuple[Gpu, ...]:
    """Return the GPUs that the CUDA driver offers this process; none where there is no driver."""
    try:
        driver = ctypes.CDLL(_DRIVER)
    except OSError:
        return ()
    count = ctypes.c_int()
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return ()
    return tuple(_gpu(driver, index) for index in range(count.value))


def _gpu(driver: ctypes.CDLL, index: int) -> Gpu:
    device, memory, name = ctypes.c_int(), ctypes.c_size_t(), ctypes.create_string_buffer(_LONGEST_NAME)
    driver.cuDeviceGet(ctypes.byref(device), index)
    driver.cuDeviceGetName(name, _LONGEST_NAME, device)
    driver.cuDeviceTotalMem_v2(ctypes.byref(memory), device)
    capability = []
    for attribute in (_CAPABILITY_MAJOR, _CAPABILITY_MINOR):
        value = ctypes.c_int()
        driver.cuDeviceGetAttribute(ctypes.byref(value), attribute, device)
        capability.append(str(value.value))
    return Gpu(name=name.value.decode(), memory_bytes=memory.value, compute_capability=".".join(capability))


def gpu_count() -> int:
    """Return how many GPUs there are."""
    return len(gpus())
