"""Streams and graphs without a GPU: work is done when it is queued, except while a graph is captured."""

from contextlib import contextmanager

import torch

from fast_snow.engines.compiled.cuda_streams import Cuda, Stream
from tests.engines.compiled import fake_tensorrt


class FakeStream(Stream):
    def __init__(self, handle, *, can_capture):
        self.handle = handle
        self.capturing = False
        self.captured = self.replayed = self.enqueued = 0
        self._can_capture = can_capture
        self._inside = False
        self._graph = []

    @contextmanager
    def ordered(self):
        assert not self._inside
        self._inside = True
        try:
            yield
        finally:
            self._inside = False

    def enqueue(self, work):
        assert self._inside, "work must be ordered with the caller's"
        self.enqueued += 1
        if self.capturing:
            self._graph.append(work)
        else:
            work()

    def capture(self, work):
        assert self._inside
        if not self._can_capture:
            raise RuntimeError("operation not permitted\nwhen stream is capturing")
        self.capturing, self._graph = True, []
        try:
            work()
        finally:
            self.capturing = False
        self.captured += 1
        graph = self._graph

        def replay():
            assert self._inside, "a graph is replayed on the current stream"
            self.replayed += 1
            for each in graph:
                each()

        return replay

    def synchronize(self):
        pass


class FakeCuda(Cuda):
    def __init__(self, *, can_capture=True, largest_pinned=1 << 30):
        self.streams = []
        self._can_capture = can_capture
        self._largest_pinned = largest_pinned

    def device(self, name):  # noqa: ARG002
        return torch.device("cpu")

    def stream(self, device):  # noqa: ARG002
        handle = 0x1000 + len(fake_tensorrt.STREAMS)
        stream = FakeStream(handle, can_capture=self._can_capture)
        fake_tensorrt.STREAMS[handle] = stream
        self.streams.append(stream)
        return stream

    def pinned(self, shape, dtype):
        made = torch.empty(shape, dtype=dtype)
        if made.numel() > self._largest_pinned:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate a lot")
        return made
