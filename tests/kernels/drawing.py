"""Dense masks for tests: drawn by hypothesis or at random."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

WIDEST = 70  # more than one 64-bit word


def dense_masks(least: int = 0) -> st.SearchStrategy[np.ndarray]:
    """Stacks of any density on small grids, also with whole rows and masks of one value."""
    shape = st.tuples(st.integers(least, 3), st.integers(1, 6), st.integers(1, WIDEST))
    return shape.flatmap(lambda size: hnp.arrays(np.bool_, size, elements=st.booleans(), fill=st.booleans()))


def random_masks(seed: int, count: int, height: int, width: int) -> np.ndarray:
    """Masks from empty to full, with noise and with long runs."""
    random = np.random.default_rng(seed)
    noise = random.random((count, height, width)) < np.linspace(0, 1, count)[:, None, None]
    noise[::2] = np.repeat(noise[::2, :, : -(-width // 9)], 9, axis=2)[:, :, :width]
    return noise
