"""Which regions of a region tree look like objects."""

import numpy as np
from jaxtyping import Float32

from fast_snow.engines.classical.region_tree import RegionTree

_CLEAR_CONTRAST = 10.0  # L*a*b* units along the border


def objectness(tree: RegionTree) -> Float32[np.ndarray, " k"]:
    """Score regions by how much they look like a whole thing.

    A thing contrasts with what lies around it, far more than its parts do with each other, is compact, and is not cut
    by the image border.

    Args:
        tree: of one frame.

    Returns:
        In [0, 1]; 0 for the whole image.
    """
    outline = tree.perimeter + tree.at_border
    above = np.where(tree.parent >= 0, tree.height[tree.parent], 0.0)
    lasting = (above - tree.height) / np.maximum(above, 1e-9)
    size = np.prod(tree.box[:, 2:] - tree.box[:, :2], axis=1)
    roundness = np.minimum(4 * np.pi * tree.area / np.maximum(0.8 * outline, 1) ** 2, 1)
    score = (
        (1 - np.exp(-tree.contrast / _CLEAR_CONTRAST))
        * (0.3 + 0.7 * lasting)
        * (0.4 + 0.6 * tree.area / size)
        * (0.4 + 0.6 * np.sqrt(roundness))
        * (1 - 0.7 * tree.at_border / np.maximum(outline, 1))
    )
    return np.where(tree.parent >= 0, score, 0.0).astype(np.float32)
