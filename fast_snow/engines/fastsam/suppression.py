"""Non-maximum suppression of boxes, greedy from the best score down."""

from typing import no_type_check

import numba
import numpy as np
from jaxtyping import Float32, Int64


def suppress(
    box_xyxy: Float32[np.ndarray, "n 4"], score: Float32[np.ndarray, " n"], *, iou_threshold: float, most: int
) -> Int64[np.ndarray, " k"]:
    """Pick boxes, each unless a better one that was picked overlaps it too much.

    Args:
        box_xyxy: boxes in any unit.
        score: their scores; of equal ones the earlier box is the better.
        iou_threshold: a box is dropped where its IoU with a picked one is above this.
        most: how many boxes are picked at most.

    Returns:
        Indices of the boxes picked, best first.

    Reference:
        `torchvision.ops.nms`, whose arithmetic in float32 it repeats.
    """
    order = np.argsort(-score, kind="stable")
    return order[_suppress(np.ascontiguousarray(box_xyxy[order]), iou_threshold, most)]


@numba.njit(cache=True, nogil=True)
@no_type_check
def _suppress(box: np.ndarray, iou_threshold: float, most: int) -> np.ndarray:
    """Pick from sorted boxes; each is compared with those picked, whose number is bounded."""
    count = len(box)
    area = (box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1])
    picked = np.empty(min(count, most), np.int64)
    number = 0
    zero = np.float32(0)
    for candidate in range(count):
        if number == len(picked):
            break
        kept = True
        for rank in range(number):
            other = picked[rank]
            width = min(box[other, 2], box[candidate, 2]) - max(box[other, 0], box[candidate, 0])
            height = min(box[other, 3], box[candidate, 3]) - max(box[other, 1], box[candidate, 1])
            overlap = max(zero, width) * max(zero, height)
            union = area[other] + area[candidate] - overlap
            # Two boxes of no area have no IoU (0 / 0), and neither drops the other.
            if union != zero and overlap / union > iou_threshold:
                kept = False
                break
        if kept:
            picked[number] = candidate
            number += 1
    return picked[:number]
