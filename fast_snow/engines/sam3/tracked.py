"""From what the network says of each object in one frame to the masklets that are kept."""

import numpy as np
from jaxtyping import Float32, Int32

from fast_snow.types import Masks, TrackedFrame


def tracked_frame(
    run_id: int, local_id: Int32[np.ndarray, " m"], masks: Masks, score: Float32[np.ndarray, " m"], threshold: float
) -> TrackedFrame:
    """Keep the masklets that are seen in one frame.

    Args:
        run_id: which propagation they come from.
        local_id: their numbers in the tracking session.
        masks: one per masklet, possibly empty.
        score: confidence in [0, 1].
        threshold: masklets that score below this are dropped.

    Returns:
        The masklets that are not empty and score at least `threshold`, by ascending number.
    """
    pixels = np.diff(masks.offset) > 0
    kept = np.flatnonzero(pixels & (score >= threshold))
    kept = kept[np.argsort(local_id[kept], kind="stable")]
    return TrackedFrame(
        run_id=np.full(len(kept), run_id, np.int32),
        local_id=local_id[kept],
        masks=masks[kept],
        score=score[kept],
    )
