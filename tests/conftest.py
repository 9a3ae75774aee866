"""Fixtures that several test modules share."""

from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, database=None, deadline=None)  # kernels compile first
settings.load_profile("repeatable")

CLIPS = Path(__file__).resolve().parents[2] / "shared" / "clips"


@pytest.fixture(scope="session")
def clips() -> Path:
    """The folder of real recordings beside the checkout; tests that need it are skipped where it is not."""
    if not CLIPS.is_dir():
        pytest.skip("real clips are not here: expected ../shared/clips beside the checkout")
    return CLIPS
