"""Erosion by plain NumPy on dense stacks."""

import numpy as np


def erode(dense: np.ndarray, margin: int) -> np.ndarray:
    """Keep pixels whose neighbours up to `margin` rows and columns away are all inside, or beyond the grid."""
    count, height, width = dense.shape
    padded = np.pad(dense, ((0, 0), (margin, margin), (margin, margin)), constant_values=True)
    kept = np.ones((count, height, width), np.bool_)
    for dv in range(2 * margin + 1):
        for du in range(2 * margin + 1):
            kept &= padded[:, dv : dv + height, du : du + width]
    return kept
