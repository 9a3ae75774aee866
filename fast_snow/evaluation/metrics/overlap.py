"""How far the objects of two annotations of one frame overlap: by masks or by boxes, and with what is to be ignored."""

from typing import Final, Literal

import numpy as np
from jaxtyping import Float64

from fast_snow.errors import InputError
from fast_snow.evaluation.ground_truth import ObjectsInFrame
from fast_snow.kernels.mask_iou import pairwise_iou
from fast_snow.kernels.mask_measures import area
from fast_snow.kernels.masks import decode
from fast_snow.types import Masks

By = Literal["mask", "box"]

NO_PIXELS: Final = (0, 0)

PixelCounts = Float64[np.ndarray, "a b"]


def iou(truth: ObjectsInFrame, predicted: ObjectsInFrame, *, by: By) -> Float64[np.ndarray, "a b"]:
    """Compute the IoU of every true object with every predicted one.

    Args:
        truth: `a` objects of one frame.
        predicted: `b` objects of the same frame.
        by: what overlaps.

    Returns:
        Values in [0, 1].

    Raises:
        InputError: masks are asked for and missing, or on grids of different sizes.
    """
    if by == "box":
        common = _common_of_boxes(truth, predicted)
        own, other = _box_area(truth), _box_area(predicted)
    else:
        masks, others = _masks(truth, "true"), _masks(predicted, "predicted")
        _check_sizes(truth.frame, masks, others)
        common = _common_of_masks(masks, others)
        own, other = area(masks).astype(np.float64), area(others).astype(np.float64)
    union = own[:, None] + other - common
    return np.divide(common, union, out=np.zeros_like(union), where=common > 0)


def share_ignored(truth: ObjectsInFrame, predicted: ObjectsInFrame, *, by: By) -> Float64[np.ndarray, " b"]:
    """Compute the share of each predicted object that lies in what the truth says to ignore.

    Args:
        truth: its `ignore` counts.
        predicted: `b` objects of the same frame.
        by: what of a predicted object lies there; boxes are taken to the nearest pixels.

    Returns:
        Values in [0, 1]; 0 for an object without pixels.

    Raises:
        InputError: masks are asked for and missing, or on grids of different sizes.
    """
    if truth.ignore is None or len(predicted) == 0:
        return np.zeros(len(predicted))
    if by == "box":
        inside, own = _ignored_of_boxes(truth.ignore, predicted)
    else:
        masks = _masks(predicted, "predicted")
        _check_sizes(truth.frame, truth.ignore, masks)
        inside = _common_of_masks(truth.ignore, masks).sum(axis=0)
        own = area(masks).astype(np.float64)
    return np.divide(inside, own, out=np.zeros_like(own), where=own > 0)


def _common_of_masks(masks: Masks, others: Masks) -> PixelCounts:
    """Count the pixels in common.

    The kernel answers in float32, but pixels are whole: they follow exactly from the IoU for masks of up to 8 million
    pixels, and with them ratios that are as exact as those of the reference tools.
    """
    if len(masks) == 0 or len(others) == 0:
        return np.zeros((len(masks), len(others)))
    ratio = pairwise_iou(masks, others).astype(np.float64)
    both = area(masks)[:, None].astype(np.float64) + area(others)
    return np.rint(ratio * both / (1 + ratio))


def _masks(objects: ObjectsInFrame, whose: str) -> Masks:
    if objects.masks is not None:
        return objects.masks
    if len(objects) > 0:
        raise InputError(f"frame {objects.frame}: the {whose} objects have boxes alone; compare by boxes")
    nothing = np.zeros(0, np.int32)
    return Masks(start=nothing, stop=nothing, offset=np.zeros(1, np.int32), shape=NO_PIXELS)


def _check_sizes(frame: int, truth: Masks, predicted: Masks) -> None:
    """Refuse masks of different sizes; no masks at all, of 0 × 0 pixels, fit any size."""
    if truth.shape != predicted.shape and NO_PIXELS not in (truth.shape, predicted.shape):
        (height, width), (predicted_height, predicted_width) = truth.shape, predicted.shape
        raise InputError(
            f"frame {frame}: the truth is of {width} x {height} pixels, the prediction of {predicted_width} x "
            f"{predicted_height}; bring it to the truth's size (`tracking.as_objects`)"
        )


def _common_of_boxes(truth: ObjectsInFrame, predicted: ObjectsInFrame) -> PixelCounts:
    box, other = truth.box_xyxy.astype(np.float64)[:, None], predicted.box_xyxy.astype(np.float64)
    low, high = np.maximum(box[..., :2], other[..., :2]), np.minimum(box[..., 2:], other[..., 2:])
    return np.prod(np.maximum(high - low, 0), axis=-1)


def _box_area(objects: ObjectsInFrame) -> Float64[np.ndarray, " m"]:
    box = objects.box_xyxy.astype(np.float64)
    return np.prod(np.maximum(box[:, 2:] - box[:, :2], 0), axis=-1)


def _ignored_of_boxes(
    ignore: Masks, predicted: ObjectsInFrame
) -> tuple[Float64[np.ndarray, " b"], Float64[np.ndarray, " b"]]:
    """Count the pixels of each box, and how many of them are ignored."""
    height, width = ignore.shape
    summed = np.zeros((height + 1, width + 1))
    summed[1:, 1:] = decode(ignore).any(axis=0).cumsum(axis=0).cumsum(axis=1)
    corner = np.rint(predicted.box_xyxy).astype(np.int64)
    own = np.prod(np.maximum(corner[:, 2:] - corner[:, :2], 0), axis=1).astype(np.float64)
    x0, x1 = np.clip(corner[:, [0, 2]].T, 0, width)
    y0, y1 = np.clip(corner[:, [1, 3]].T, 0, height)
    inside: np.ndarray = summed[y1, x1] - summed[y0, x1] - summed[y1, x0] + summed[y0, x0]
    return inside, own
