"""What the tests of FastSAM share: weights of a small random network, and torch on one thread."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("torch")
    pytest.importorskip("ultralytics")
    from tests.engines.fastsam.networks import write_weights

    return write_weights(tmp_path_factory.mktemp("fastsam") / "random.pt")


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Sums in another order differ in their last digits, and these networks are too small for threads to help."""
    if find_spec("torch") is None:
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
