"""How much objects of one frame overlap, by mask or by box."""

from typing import Literal

import numpy as np
from jaxtyping import Bool, Float32, Float64
from scipy.optimize import linear_sum_assignment

from fast_snow.errors import InputError
from fast_snow.evaluation.truth import ObjectsInFrame
from fast_snow.kernels.mask_iou import pairwise_iou
from fast_snow.kernels.mask_measures import area
from fast_snow.kernels.masks import select

Region = Literal["mask", "box"]
MOSTLY = 0.5
"""An object that lies in ignored pixels by more than this share, and is no known object, counts neither way."""


def similarity(truth: ObjectsInFrame, found: ObjectsInFrame, by: Region) -> Float64[np.ndarray, "t f"]:
    """Return the IoU of every true object with every found one.

    Raises:
        InputError: masks are to be compared, and one side has none or they are of another size.
    """
    if not (len(truth) and len(found)):
        return np.zeros((len(truth), len(found)))
    if by == "box":
        return box_iou(truth.box_xyxy, found.box_xyxy)
    if truth.masks is None or found.masks is None:
        whose = "the ground truth has" if truth.masks is None else "the result has"
        raise InputError(f"frame {truth.frame}: {whose} no masks; compare by box")
    if truth.masks.shape != found.masks.shape:
        raise InputError(
            f"frame {truth.frame}: the ground truth is {_size(truth.masks.shape)} pixels, the result"
            f" {_size(found.masks.shape)}; bring the result to the annotated size first (tracking.as_objects)"
        )
    return pairwise_iou(truth.masks, found.masks).astype(np.float64)


def box_iou(a: Float32[np.ndarray, "m 4"], b: Float32[np.ndarray, "k 4"]) -> Float64[np.ndarray, "m k"]:
    """Return the IoU of boxes `(x0, y0, x1, y1)`, half-open."""
    first, second = a.astype(np.float64)[:, None], b.astype(np.float64)[None]
    sides = np.minimum(first[..., 2:], second[..., 2:]) - np.maximum(first[..., :2], second[..., :2])
    shared = np.clip(sides, 0, None).prod(axis=2)
    union = _box_area(first) + _box_area(second) - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def counted(truth: ObjectsInFrame, found: ObjectsInFrame, iou: Float64[np.ndarray, "t f"]) -> Bool[np.ndarray, " f"]:
    """Tell which found objects count: all but those that lie mostly in ignored pixels and match no true object.

    Reference:
        Voigtlaender et al., MOTS: multi-object tracking and segmentation, CVPR 2019, section 4.
    """
    if truth.ignore is None or found.masks is None or not len(found):
        return np.ones(len(found), np.bool_)
    true, match = linear_sum_assignment(-iou)
    matched = np.isin(np.arange(len(found)), match[iou[true, match] > MOSTLY])
    with_ignored = pairwise_iou(found.masks, truth.ignore)[:, 0].astype(np.float64)
    own = area(found.masks)
    shared = with_ignored * (own + area(truth.ignore)) / (1 + with_ignored)
    return matched | (shared <= MOSTLY * own)


def keep(objects: ObjectsInFrame, which: Bool[np.ndarray, " m"]) -> ObjectsInFrame:
    """Return some of the objects."""
    return ObjectsInFrame(
        frame=objects.frame,
        object_id=objects.object_id[which],
        box_xyxy=objects.box_xyxy[which],
        masks=None if objects.masks is None else select(objects.masks, which),
        ignore=objects.ignore,
    )


def _box_area(box: Float64[np.ndarray, "*b 4"]) -> Float64[np.ndarray, "*b"]:
    area: np.ndarray = np.clip(box[..., 2:] - box[..., :2], 0, None).prod(axis=-1)
    return area


def _size(shape: tuple[int, int]) -> str:
    return f"{shape[0]} x {shape[1]}"
