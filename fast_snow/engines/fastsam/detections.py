"""From what FastSAM's network answers to detections on the analysis grid.

Reference:
    Ultralytics with `retina_masks=True`, whose results these equal where the grid is the frame's own.
"""

import math
from dataclasses import dataclass
from typing import no_type_check

import numba
import numpy as np
from jaxtyping import Float32, Int64

from fast_snow.config import FastSamConfig
from fast_snow.engines.fastsam.mask_logits import Content, encode_positive
from fast_snow.engines.fastsam.preprocessing import before
from fast_snow.kernels.mask_measures import area
from fast_snow.types import Detections, GridShape, Masks

BOXES, SCORES, COEFFICIENTS, PROTOTYPES = "boxes", "scores", "coefficients", "prototypes"
"""Names of the network's outputs."""

PROTOTYPE_STRIDE = 4
"""Pixels of the network's input per pixel of its mask prototypes."""

_NEAR_BORDER = 20
"""Pixels of the frame within which FastSAM pulls a box to the border."""

_WHOLE_FRAME_IOU = 0.9
"""IoU with the frame above which FastSAM takes a box for the whole frame."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NetworkOutput:
    """What the network answers for one frame, for each of its `a` anchors.

    Boxes are centre, width and height in pixels of the network's input, scores in [0, 1]; coefficients are of the mask
    prototypes, which are at a quarter of that input.
    """

    boxes: Float32[np.ndarray, "4 a"]
    scores: Float32[np.ndarray, " a"]
    coefficients: Float32[np.ndarray, "k a"]
    prototypes: Float32[np.ndarray, "k h w"]


def detections(answer: NetworkOutput, frame: GridShape, grid: GridShape, config: FastSamConfig) -> Detections:
    """Choose the objects of one frame and outline them, best first; masks without a pixel on the grid are dropped."""
    likely = np.flatnonzero(answer.scores > config.conf_threshold)
    centre, half = answer.boxes[:2, likely].T, answer.boxes[2:, likely].T / 2
    box = np.concatenate([centre - half, centre + half], axis=1)
    best = suppress(box, answer.scores[likely], iou_threshold=config.iou_threshold, most=config.max_det)
    chosen = likely[best]
    if not len(chosen):
        return Detections(masks=Masks.empty(grid), box_xyxy=np.zeros((0, 4), np.float32), score=np.zeros(0, np.float32))
    channels, *coarse = answer.prototypes.shape
    logits = answer.coefficients[:, chosen].T @ answer.prototypes.reshape(channels, -1)
    in_frame = _to_frame(box[best], (PROTOTYPE_STRIDE * coarse[0], PROTOTYPE_STRIDE * coarse[1]), frame)
    to_grid = np.array([grid[1] / frame[1], grid[0] / frame[0]] * 2, np.float32)
    masks = encode_positive(
        logits.reshape(-1, *coarse), _content((coarse[0], coarse[1]), frame), in_frame * to_grid, grid
    )
    seen = area(masks) > 0
    return Detections(
        masks=masks[seen],
        box_xyxy=(pulled_to_border(in_frame, frame) * to_grid)[seen],
        score=answer.scores[chosen][seen],
    )


def pulled_to_border(box_xyxy: Float32[np.ndarray, "m 4"], frame: GridShape) -> Float32[np.ndarray, "m 4"]:
    """Pull boxes that end near the frame's border to it, and take almost whole frames for whole ones, as FastSAM."""
    height, width = frame
    low, high = box_xyxy[:, :2], box_xyxy[:, 2:]
    end = np.array([width, height], np.float32)
    low = np.where(low < _NEAR_BORDER, np.float32(0), low)
    high = np.where(high > end - _NEAR_BORDER, end, high)
    covered = (high - low).clip(0).prod(axis=1) / np.float32(height * width)
    fills_frame = (covered > _WHOLE_FRAME_IOU)[:, None]
    return np.concatenate([np.where(fills_frame, 0, low), np.where(fills_frame, end, high)], axis=1).astype(np.float32)


def _to_frame(box_xyxy: Float32[np.ndarray, "m 4"], network: GridShape, frame: GridShape) -> Float32[np.ndarray, "m 4"]:
    """Bring boxes from the network's input to the frame and cut them to it."""
    size = _fitted(frame, network)
    offset = [before(network[1] - size[1]), before(network[0] - size[0])] * 2
    scale = np.array([size[1] / frame[1], size[0] / frame[0]] * 2, np.float32)
    return ((box_xyxy - np.array(offset, np.float32)) / scale).clip(0, [frame[1], frame[0]] * 2).astype(np.float32)


def _content(coarse: GridShape, frame: GridShape) -> Content:
    """Find the frame in maps of prototype size: they are enlarged until its border falls between pixels."""
    network = PROTOTYPE_STRIDE * coarse[0], PROTOTYPE_STRIDE * coarse[1]
    size = _fitted(frame, network)
    padding = (network[0] - size[0]) | (network[1] - size[1])
    enlarged = PROTOTYPE_STRIDE // math.gcd(PROTOTYPE_STRIDE, padding | padding // 2)
    maps = coarse[0] * enlarged, coarse[1] * enlarged
    height, width = _fitted(frame, maps)
    return Content(
        enlarged=enlarged, top=before(maps[0] - height), left=before(maps[1] - width), height=height, width=width
    )


def _fitted(frame: GridShape, box: GridShape) -> GridShape:
    """Return the size of a frame scaled to fit into a box."""
    scale = min(box[0] / frame[0], box[1] / frame[1])
    return max(round(frame[0] * scale), 1), max(round(frame[1] * scale), 1)


def suppress(
    box_xyxy: Float32[np.ndarray, "n 4"], score: Float32[np.ndarray, " n"], *, iou_threshold: float, most: int
) -> Int64[np.ndarray, " k"]:
    """Pick boxes, each unless a better one that was picked overlaps it by more than the threshold; best first.

    Of equal scores the earlier box is the better.

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
