"""STEP tokens from masks and geometry: tau, c and s of every object of one frame."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from typing import Final

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32

from fast_snow.config import DepthFilterConfig, StepConfig
from fast_snow.kernels.back_projection import object_statistics
from fast_snow.kernels.grid_coverage import coverage
from fast_snow.kernels.mask_erosion import erode
from fast_snow.kernels.mask_measures import area, bounding_boxes, moments
from fast_snow.types import FrameGeometry, Health, ImageRegion, Masks, ObjectStatistics, Sighting, StepToken

LARGEST: Final = float(np.finfo(np.float32).max)
ROUNDING: Final = 8 * float(np.finfo(np.float32).eps)
"""What a coordinate may be off, as a share of the distance from the camera: depth, ray and product are each rounded."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FrameTokens:
    """The STEP tokens of one frame.

    Attributes:
        index: which of the frame's masks each token describes.
        tokens: one per kept mask.
        unplaced_index: which of the masks have too few pixels of trusted depth.
        unplaced: one per such mask.
        health: how many masks there were, how many were dropped by which gate, and how many pixels.
    """

    index: Int32[np.ndarray, " k"]
    tokens: tuple[StepToken, ...]
    unplaced_index: Int32[np.ndarray, " u"]
    unplaced: tuple[Sighting, ...]
    health: Health


def observe(
    masks: Masks,
    score: Float32[np.ndarray, " m"],
    geometry: FrameGeometry,
    *,
    t: int,
    depth_filter: DepthFilterConfig = DepthFilterConfig(),
    step: StepConfig = StepConfig(),
) -> FrameTokens:
    """Describe every object of one frame by its STEP token.

    Tau is that of the masks as they are; c and s are those of the pixels inside `step.mask_margin`, because depth near
    a mask's border is often that of what lies behind. No object is dropped for its margin: it narrows, if need be to 0.

    Args:
        masks: the objects, on the grid of the geometry.
        score: the tracker's confidence in each.
        geometry: depth and camera of the frame; the extent limit applies only where it is metric.
        t: index of the frame in the clip.
        depth_filter: which pixels and objects are kept.
        step: grid and threshold of tau, and the margin.

    Returns:
        The tokens of the objects that are kept, in the order of `masks`.

    Reference:
        SNOW, arXiv 2512.16461, section 3: S = (tau, c, s, theta).
    """
    measure = partial(_measure, geometry=geometry, conf_thresh=depth_filter.conf_thresh)
    inner = erode(masks, step.mask_margin)
    within = measure(inner)
    statistics = _narrower_where_short(within, masks, measure, step.mask_margin, depth_filter.min_points)
    enough = statistics.count >= depth_filter.min_points
    camera = np.linalg.inv(geometry.T_camera_world)[:3, 3]
    plausible = _plausible(statistics, camera, depth_filter.max_extent if geometry.metric else LARGEST)
    index = np.flatnonzero(enough & plausible).astype(np.int32)
    short = np.flatnonzero(~enough).astype(np.int32)
    in_image = _in_image(masks, score, t, step)
    tokens = tuple(_token(in_image(i), i, statistics) for i in index.tolist())
    dropped = Health(
        masks=len(masks),
        small_dropped=int(np.count_nonzero(~enough)),
        no_depth_dropped=int(np.count_nonzero(statistics.count == 0)),
        oversized_dropped=int(np.count_nonzero(enough & ~plausible)),
    )
    unplaced = tuple(in_image(i) for i in short.tolist())
    health = dropped + _pixels(inner, within)
    return FrameTokens(index=index, tokens=tokens, unplaced_index=short, unplaced=unplaced, health=health)


def _measure(masks: Masks, *, geometry: FrameGeometry, conf_thresh: float) -> ObjectStatistics:
    depth, confidence = geometry.depth, geometry.confidence
    K, T_camera_world = geometry.intrinsics, geometry.T_camera_world
    return object_statistics(masks, depth, confidence, K, T_camera_world, conf_thresh=conf_thresh)


def _pixels(inner: Masks, within: ObjectStatistics) -> Health:
    """Count the pixels that were to be measured, and those whose depth could not be used."""
    pixels = int(area(inner).sum())
    return Health(mask_pixels=pixels, untrusted_pixels=pixels - int(within.count.sum()))


def _narrower_where_short(
    within: ObjectStatistics,
    masks: Masks,
    measure: Callable[[Masks], ObjectStatistics],
    margin: int,
    min_points: int,
) -> ObjectStatistics:
    """Measure masks again, with a narrower margin or none, where too little was found inside `margin`."""
    values = {each.name: getattr(within, each.name).copy() for each in fields(ObjectStatistics)}
    for narrower in reversed(range(margin)):
        short = np.flatnonzero(values["count"] < min_points)
        if len(short) == 0:
            break
        again = measure(erode(masks[short], narrower))
        for name, value in values.items():
            value[short] = getattr(again, name)
    return ObjectStatistics(**values)


def _plausible(
    statistics: ObjectStatistics, camera: Float64[np.ndarray, "3"], max_extent: float
) -> Bool[np.ndarray, " m"]:
    """Tell which extents are at most `max_extent`, up to the rounding of the float32 points they come from."""
    extent = np.max(statistics.high - statistics.low, axis=1, initial=0.0)
    reach = np.max(np.abs(np.concatenate([statistics.low - camera, statistics.high - camera], axis=1)), axis=1)
    return extent <= max_extent + ROUNDING * reach


def _in_image(masks: Masks, score: Float32[np.ndarray, " m"], t: int, step: StepConfig) -> Callable[[int], Sighting]:
    """Return what tells of each mask by its index what is known without depth: tau, and its region."""
    cells, moment = coverage(masks, step.grid_size), moments(masks)
    pixels, box = area(masks), bounding_boxes(masks).astype(np.int32)

    def sighting(i: int) -> Sighting:
        row, col = np.nonzero(cells[i] > step.iou_threshold)
        share = cells[i][row, col]
        if 0 < step.max_tau_per_step < len(share):
            best = np.sort(np.argsort(-share, kind="stable")[: step.max_tau_per_step])
            row, col, share = row[best], col[best], share[best]
        centroid, covariance = np.split(moment[i].astype(np.float32), [2])
        return Sighting(
            t=t,
            row=row.astype(np.uint8),
            col=col.astype(np.uint8),
            coverage=share,
            score=float(score[i]),
            region=ImageRegion(area=int(pixels[i]), box=box[i], centroid=centroid, covariance=covariance),
        )

    return sighting


def _token(seen: Sighting, i: int, statistics: ObjectStatistics) -> StepToken:
    return StepToken(
        t=seen.t,
        row=seen.row,
        col=seen.col,
        coverage=seen.coverage,
        centroid=statistics.mean[i].astype(np.float32),
        sigma=statistics.sigma[i].astype(np.float32),
        low=statistics.low[i].astype(np.float32),
        high=statistics.high[i].astype(np.float32),
        num_points=int(statistics.count[i]),
        score=seen.score,
        region=seen.region,
    )
