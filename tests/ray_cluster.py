"""A Ray cluster of this machine, for as long as a test."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def ray_cluster(monkeypatch: pytest.MonkeyPatch, cpus: int = 2) -> Iterator[None]:
    """Start a cluster whose processes import what this one does."""
    ray = pytest.importorskip("ray")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    ray.init(num_cpus=cpus, include_dashboard=False, object_store_memory=10**8, log_to_driver=False)
    try:
        yield
    finally:
        ray.shutdown()
