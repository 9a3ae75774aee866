"""Masks moved by whole pixels."""

import numpy as np

from fast_snow.types import Masks


def shift(masks: Masks, du: int, dv: int) -> Masks:
    """Move masks right by `du` and down by `dv` pixels; what leaves the grid is cut off.

    Args:
        masks: on any grid.
        du: columns.
        dv: rows.

    Returns:
        The moved masks on the same grid; masks that leave it stay as empty entries.
    """
    height, width = masks.shape
    row = masks.start // max(width, 1) + dv
    first = np.maximum(masks.start % max(width, 1) + du, 0)
    last = np.minimum((masks.stop - 1) % max(width, 1) + du, width - 1)
    kept = (row >= 0) & (row < height) & (first <= last)
    counts = np.concatenate([[0], np.cumsum(kept)])
    return Masks(
        start=(row * width + first)[kept].astype(np.int32),
        stop=(row * width + last + 1)[kept].astype(np.int32),
        offset=counts[masks.offset].astype(np.int32),
        shape=masks.shape,
    )
