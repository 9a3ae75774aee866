"""Fixtures that several test modules share."""

import os
import signal
import ssl
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest
from hypothesis import settings

from tests import scenes

# For the processes of `-n`, which share the cores: threads of BLAS and torch that wait for each other hold them up.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# What runs in the background ignores Ctrl-C, as do the processes that it starts, unless told otherwise.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Without a deadline, since kernels compile first. `scripts/test --all` takes the thorough profile.
settings.register_profile("repeatable", derandomize=True, database=None, deadline=None, max_examples=30)
settings.register_profile("thorough", settings.get_profile("repeatable"), max_examples=150)
settings.load_profile("repeatable")

CLIPS = Path(__file__).resolve().parents[2] / "shared" / "clips"


@pytest.fixture(scope="session", autouse=True)
def _shared_scenes(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Let the processes of a run share the scenes that they render."""
    temporary = tmp_path_factory.getbasetemp()
    scenes.folder = (temporary.parent if "PYTEST_XDIST_WORKER" in os.environ else temporary) / "scenes"
    scenes.folder.mkdir(exist_ok=True)


@pytest.fixture(scope="session", autouse=True)
def _one_ssl_context() -> Iterator[None]:
    """Let all clients of a process share what takes most of opening one: the certificates that are read."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl, "create_default_context", lru_cache(ssl.create_default_context))
        yield


@pytest.fixture(scope="session")
def clips() -> Path:
    """The folder of real recordings beside the checkout; tests that need it are skipped where it is not."""
    if not CLIPS.is_dir():
        pytest.skip("real clips are not here: expected ../shared/clips beside the checkout")
    return CLIPS
