"""The few things TensorRT needs of CUDA, by way of torch: a stream, graphs captured on it, pinned memory."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from fast_snow.engines.torch_runtime import devices
from fast_snow.errors import ConfigError

Replay = Callable[[], None]


class Stream:
    """A queue of work on a GPU."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream: Any = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self.handle = int(self._stream.cuda_stream)
        """The stream as a CUDA handle."""

    @contextmanager
    def ordered(self) -> Iterator[None]:
        """Put torch's work on the stream: after what the caller has queued, and before what the caller queues next."""
        caller = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(caller)
        with torch.cuda.stream(self._stream):
            yield
        caller.wait_stream(self._stream)

    def capture(self, work: Callable[[], None]) -> Replay:
        """Record work as a CUDA graph without doing it, and return what does it; `ordered` says on which stream.

        Raises:
            RuntimeError: the work cannot be captured.
        """
        graph = torch.cuda.CUDAGraph()
        # thread_local: other engines' threads may allocate while this one captures.
        with torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
            work()
        return graph.replay

    def synchronize(self) -> None:
        """Wait until the stream's work is done."""
        self._stream.synchronize()


class Cuda:
    """What depends on there being a GPU."""

    def device(self, name: str) -> torch.device:
        """Return the GPU that a setting names: `auto`, `cuda` or `cuda:N`.

        Raises:
            ConfigError: it is not a GPU, or not there.
        """
        device = devices.choose_device(name)
        if device.type != "cuda":
            raise ConfigError(
                f"runtime.device: got {name!r}, but TensorRT needs an NVIDIA GPU and torch sees"
                f" {torch.cuda.device_count()}; use the torch or onnx backend"
            )
        return device

    def stream(self, device: torch.device) -> Stream:
        """Return a new stream."""
        return Stream(device)

    def pinned(self, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        """Return uninitialised host memory that the GPU can read and write; torch keeps it for the next call."""
        return torch.empty(shape, dtype=dtype, pin_memory=True)


def to_device(array: np.ndarray, cuda: Cuda, device: torch.device) -> torch.Tensor:
    """Copy an array to the device by way of pinned memory, on the current stream."""
    staged = cuda.pinned(array.shape, torch.from_numpy(np.empty(0, array.dtype)).dtype)
    staged.numpy()[...] = array
    return staged.to(device, non_blocking=True)


def to_host(tensor: torch.Tensor, cuda: Cuda) -> torch.Tensor:
    """Begin to copy a tensor to pinned memory, on the current stream; it is there once the stream is synchronised."""
    return cuda.pinned(tuple(tensor.shape), tensor.dtype).copy_(tensor, non_blocking=True)
