"""Which candidate regions of a frame become detections."""

import numpy as np
from jaxtyping import Bool, Float32, Int32, Int64

_SAME = 0.5  # IoU above which two regions are one
_PART = 0.7  # share of a still region inside a moving one that makes it a part of it


def joint_labels(
    first: Int32[np.ndarray, "h w"], second: Int32[np.ndarray, "h w"]
) -> tuple[Int64[np.ndarray, " atoms"], Int64[np.ndarray, " atoms"], Float32[np.ndarray, " atoms"]]:
    """Intersect two labellings of one image.

    Returns:
        Per non-empty intersection, its label in the first, its label in the second, and its area.
    """
    width = int(second.max()) + 1
    atom, area = np.unique(first.astype(np.int64) * width + second, return_counts=True)
    return atom // width, atom % width, area.astype(np.float32)


def choose(
    members: Bool[np.ndarray, "k atoms"],
    area: Float32[np.ndarray, " atoms"],
    score: Float32[np.ndarray, " k"],
    moves: Bool[np.ndarray, " k"],
    most: int,
) -> Int64[np.ndarray, " chosen"]:
    """Pick regions, best first, that are not the same as, nor a part of a moving one among, those picked before.

    Args:
        members: which atoms make up which candidate.
        area: of each atom.
        score: of each candidate; 0 is never picked.
        moves: whether a candidate moves by itself; these are picked first.
        most: how many to pick.

    Returns:
        Indices of candidates.
    """
    weight = members.astype(np.float32)
    shared = (weight * area) @ weight.T
    size = np.diag(shared)
    iou = shared / np.maximum(size[:, None] + size[None, :] - shared, 1)
    inside = shared / np.maximum(size[:, None], 1)
    clash = (iou > _SAME) | ((inside > _PART) & moves[None, :])
    chosen: list[int] = []
    for i in np.lexsort((-score, ~moves)):
        if len(chosen) == most:
            break
        if score[i] > 0 and not clash[i, chosen].any():
            chosen.append(int(i))
    return np.array(chosen, np.int64)
