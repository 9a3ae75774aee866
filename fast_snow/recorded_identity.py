"""What recorded identities say of two masks: they are the user's ground truth, whatever the masks' overlap."""

import numpy as np
from jaxtyping import Bool, Float32, Int32

from fast_snow.types import NO_SOURCE


def differ(a: Int32[np.ndarray, " a"], b: Int32[np.ndarray, " b"]) -> Bool[np.ndarray, "a b"]:
    """Tell which pairs are of two recorded identities that differ; arguments are `source_id`s."""
    recorded = (a != NO_SOURCE)[:, None] & (b != NO_SOURCE)[None, :]
    return recorded & (a[:, None] != b[None, :])


def agree(a: Int32[np.ndarray, " a"], b: Int32[np.ndarray, " b"]) -> Bool[np.ndarray, "a b"]:
    """Tell which pairs are of one recorded identity; arguments are `source_id`s."""
    return (a != NO_SOURCE)[:, None] & (a[:, None] == b[None, :])


def corrected(
    iou: Float32[np.ndarray, "a b"], a: Int32[np.ndarray, " a"], b: Int32[np.ndarray, " b"]
) -> Float32[np.ndarray, "a b"]:
    """Return IoU, but 1 between masks of one recorded identity and -1 between those of two."""
    return np.where(agree(a, b), np.float32(1), np.where(differ(a, b), np.float32(-1), iou))
