"""The GPUs of this machine, asked of the driver alone: torch need not be there, nor be loaded."""

import ctypes
from dataclasses import dataclass
from functools import cache

_DRIVER, _MANAGEMENT = "libcuda.so.1", "libnvidia-ml.so.1"
_CAPABILITY_MAJOR, _CAPABILITY_MINOR = 75, 76  # CUdevice_attribute of the driver's interface
_LONGEST_NAME = 256
_LONGEST_BUS_ID = 32


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


def gpu_use() -> tuple[float, ...]:
    """Return for each GPU of this process the share of the last second or less in which it computed, for anybody.

    Empty where there are none, or where the driver does not say (parts of a GPU, other kinds of devices).
    """
    if not gpus() or (management := _management()) is None:
        return ()
    return tuple(use for index in range(len(gpus())) if (use := _use(management, index)) is not None)


@cache
def _management() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL(_MANAGEMENT)
    except OSError:
        return None
    return None if library.nvmlInit_v2() else library


def _use(management: ctypes.CDLL, index: int) -> float | None:
    """Return how busy a GPU is; found by its place on the bus, as the driver shows each process GPUs of its own."""
    driver, device, handle = ctypes.CDLL(_DRIVER), ctypes.c_int(), ctypes.c_void_p()
    bus_id, percent = ctypes.create_string_buffer(_LONGEST_BUS_ID), (ctypes.c_uint * 2)()  # of computing, of memory
    failed = (
        driver.cuDeviceGet(ctypes.byref(device), index)
        or driver.cuDeviceGetPCIBusId(bus_id, _LONGEST_BUS_ID, device)
        or management.nvmlDeviceGetHandleByPciBusId_v2(bus_id, ctypes.byref(handle))
        or management.nvmlDeviceGetUtilizationRates(handle, percent)
    )
    return None if failed else percent[0] / 100
