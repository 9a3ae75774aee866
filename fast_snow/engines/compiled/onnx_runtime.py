"""Compiled networks on ONNX Runtime."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import onnxruntime

from fast_snow.engines.compiled.network import Arrays, Network


@contextmanager
def open_network(path: Path, *, device: str = "cpu", threads: int = 0) -> Iterator[Network]:
    """Load an ONNX file; outputs belong to the caller.

    Args:
        path: of the file.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        threads: 0 takes one per core.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]

    def run(inputs: Arrays) -> Arrays:
        return dict(zip(names, session.run(names, dict(inputs)), strict=True))

    yield run
