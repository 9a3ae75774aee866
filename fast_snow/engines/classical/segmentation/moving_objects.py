"""Regions that move by themselves: motion evidence of all frames, sharpened by the colours it shares through time.

Motion alone is blurred around an object by the width of the flow's patches, and absent where an object stands still for
a moment. Its colours are neither: colour models of what moves and of what lies around it are pooled over neighbouring
frames, and motion and colour together are spread along even surfaces.
"""

from collections.abc import Sequence
from concurrent.futures import Executor
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Int32, UInt8

from fast_snow.engines.classical.appearance import histogram, log_odds, sigmoid
from fast_snow.engines.classical.edge_aware import affinity, smooth

Posterior = Float32[np.ndarray, "h w"]

_MOTION_WEIGHT = 1.5
_COLOUR_WEIGHT = 2.0
_STRENGTH = 30.0
EDGE_SIGMA = 14.0  # L*a*b* levels
_SPAN = 3  # frames before and after that share a colour model
_ROUNDS = 3
_AROUND = 12  # working pixels
_CLEARLY_STILL = -1.0
_STILL_ON_AVERAGE = -1.0
_RING = 4  # working pixels


class View(NamedTuple):
    """What one frame looks like on the working grid: its colours, and their fine bins."""

    lab: UInt8[np.ndarray, "h w 3"]
    bins: Int32[np.ndarray, "h w"]


def moving_probability(
    views: Sequence[View], evidence: Sequence[Float32[np.ndarray, "h w"]], pool: Executor
) -> list[Posterior]:
    """Tell how likely each pixel belongs to something that moves by itself.

    Args:
        views: looks of every frame.
        evidence: of motion, of every frame.
        pool: runs frames side by side.

    Returns:
        Probability, per frame.
    """
    disc = cv2.getStructuringElement(cv2.MORPH_RECT, (2 * _AROUND + 1,) * 2)
    around = [cv2.dilate((each > 0).astype(np.uint8), disc).view(np.bool_) for each in evidence]
    moving = [np.where(each > 0.3, sigmoid(2.0 * each), 0.0).astype(np.float32) for each in evidence]
    probability: list[Posterior] = []
    for _ in range(_ROUNDS):
        colours = list(pool.map(_colours, views, moving, around))
        pooled = [_pooled(colours, frame) for frame in range(len(views))]
        moving.clear()  # with what follows: not held twice
        probability.clear()
        probability = list(pool.map(_infer, views, evidence, pooled))
        moving = [_seeds(*each) for each in zip(probability, evidence, strict=True)]
    return probability


def _seeds(probability: Posterior, evidence: Float32[np.ndarray, "h w"]) -> Posterior:
    """Keep what probably moves and is not clearly still, so that a colour alone never seeds its own model."""
    return np.where((probability > 0.5) & (evidence > _CLEARLY_STILL), probability, np.float32(0.0))


def _colours(
    view: View, moving: Posterior, around: Bool[np.ndarray, "h w"]
) -> tuple[Float32[np.ndarray, " bins"], Float32[np.ndarray, " bins"]]:
    return histogram(view.bins, moving), histogram(view.bins, ((moving == 0) & around).astype(np.float32))


def _pooled(
    colours: Sequence[tuple[Float32[np.ndarray, " bins"], Float32[np.ndarray, " bins"]]], frame: int
) -> Float32[np.ndarray, " bins"]:
    near = colours[max(0, frame - _SPAN) : frame + _SPAN + 1]
    return log_odds(np.sum([each[0] for each in near], axis=0), np.sum([each[1] for each in near], axis=0))


def _infer(view: View, evidence: Float32[np.ndarray, "h w"], odds: Float32[np.ndarray, " bins"]) -> Posterior:
    both = _MOTION_WEIGHT * evidence + _COLOUR_WEIGHT * odds[view.bins]
    return smooth(sigmoid(both), affinity(view.lab, EDGE_SIGMA), _STRENGTH)


def moving_labels(
    probability: Posterior, evidence: Float32[np.ndarray, "h w"], *, least: int, most: int
) -> Int32[np.ndarray, "h w"]:
    """Number the connected regions that move.

    Args:
        probability: of belonging to something that moves.
        evidence: of motion; a region whose pixels do not move themselves only shares colours with one that does.
        least: pixels of the smallest region.
        most: pixels of the largest region.

    Returns:
        0 where nothing moves, then 1, 2 …
    """
    count, labels = cv2.connectedComponents((probability > 0.5).astype(np.uint8), connectivity=4)
    size = np.bincount(labels.ravel(), minlength=count)
    evident = np.bincount(labels.ravel(), evidence.ravel(), count)
    keep = (size >= least) & (size <= most) & (evident > _STILL_ON_AVERAGE * size)
    keep[0] = False
    number = np.where(keep, np.cumsum(keep), 0).astype(np.int32)
    return number[labels]


def border_contrast(labels: Int32[np.ndarray, "h w"], probability: Posterior) -> Float32[np.ndarray, " m"]:
    """Tell how sharply each moving region ends: mean probability inside, less that just outside, squared.

    Of one object's regions in several frames, the sharpest is the best outlined.
    """
    ring = cv2.getStructuringElement(cv2.MORPH_RECT, (2 * _RING + 1,) * 2)
    contrast = np.zeros(int(labels.max()), np.float32)
    for i in range(len(contrast)):
        inside = labels == i + 1
        outside = cv2.dilate(inside.view(np.uint8), ring).view(np.bool_) & ~inside
        around = float(probability[outside].mean()) if outside.any() else 0.0
        contrast[i] = max(0.0, float(probability[inside].mean()) - around) ** 2
    return contrast


def clearly_moving(labels: Int32[np.ndarray, "h w"], evidence: Float32[np.ndarray, "h w"]) -> Float32[np.ndarray, " m"]:
    """Rate each region by its mean evidence of motion, in [0, 1]; 0 where only its colours are those of what moves."""
    size = np.maximum(np.bincount(labels.ravel()), 1)
    total = np.bincount(labels.ravel(), evidence.ravel(), len(size))
    return np.clip(total / size, 0.0, 1.0)[1:].astype(np.float32)


def motion_step(
    labels: Int32[np.ndarray, "h w"], relative: Sequence[Float32[np.ndarray, "h w 2"]]
) -> Float32[np.ndarray, " m"]:
    """Return by how many pixels each region moves against what lies around it, towards both neighbouring frames."""
    step = np.zeros(int(labels.max()), np.float32)
    near, far = (np.ones((2 * reach + 1,) * 2, np.uint8) for reach in (_RING, 2 * _RING))
    for i in range(len(step)):
        inside = (labels == i + 1).astype(np.uint8)
        around = (cv2.dilate(inside, far) > cv2.dilate(inside, near)) & (labels == 0)
        if around.any():
            apart = [_median(each[inside > 0]) - _median(each[around]) for each in relative]
            step[i] = min((float(np.linalg.norm(each)) for each in apart), default=0.0)
    return step


def _median(flow: Float32[np.ndarray, "p 2"]) -> Float32[np.ndarray, "2"]:
    return np.median(np.ascontiguousarray(flow.T), axis=1)
