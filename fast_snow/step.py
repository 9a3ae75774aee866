"""STEP tokens from masks and geometry: tau, c and s of every object of one frame."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Final

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32

from fast_snow.config import Config, DepthFilterConfig, StepConfig
from fast_snow.kernels.back_projection import object_statistics
from fast_snow.kernels.depth_range import depth_ranges
from fast_snow.kernels.grid_coverage import coverage
from fast_snow.kernels.mask_erosion import erode
from fast_snow.kernels.mask_measures import area, bounding_boxes, moments
from fast_snow.types import (
    NO_SOURCE,
    Cells,
    DepthOrigin,
    FrameGeometry,
    Health,
    Masks,
    ObjectStatistics,
    Observations,
    SceneGraph,
    Sightings,
)
from fast_snow.types.values import offsets

LARGEST: Final = float(np.finfo(np.float32).max)
ROUNDING: Final = 8 * float(np.finfo(np.float32).eps)
"""What a coordinate may be off, as a share of the distance from the camera: depth, ray and product are each rounded."""
ESTIMATED_MARGIN: Final = 2
"""What a `step.mask_margin` of `auto` is where depth or masks are estimated."""
SIGMA_ACROSS: Final = 0.005
"""Standard deviation of a centroid across the line of sight, as a share of the distance: 0.3 degrees."""
SIGMA_OF_GUESS: Final = 0.5
"""The same along it of depth that is a guess."""
SIGMA_ALONG: Final[Mapping[DepthOrigin, float]] = {
    DepthOrigin.SENSOR: 0.01,
    DepthOrigin.NETWORK: 0.05,
    DepthOrigin.TRIANGULATED: 0.05,
    DepthOrigin.GROUND_PLANE_PRIOR: SIGMA_OF_GUESS,
}
"""The same of depth by its origin: round numbers for what such depth usually does."""
_GUESSED: Final = float(np.nextafter(np.float32(0.5), np.float32(1)))
"""Triangulated depth of less confidence is argued for (what moves stands on the ground), not measured."""


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
    tokens: Observations
    unplaced_index: Int32[np.ndarray, " u"]
    unplaced: Sightings
    health: Health


def observe(
    masks: Masks,
    score: Float32[np.ndarray, " m"],
    geometry: FrameGeometry,
    *,
    t: int,
    rotation: Float32[np.ndarray, "m 3"] | None = None,
    growth: Float32[np.ndarray, "m 2"] | None = None,
    depth_filter: DepthFilterConfig = DepthFilterConfig(),
    step: StepConfig = StepConfig(),
) -> FrameTokens:
    """Describe every object of one frame by its STEP token.

    Tau is that of the masks as they are; c and s are those of the pixels inside `step.mask_margin`, because depth near
    a mask's border is often that of what lies behind; of these, what a gap in depth parts from most of the object is
    left out (`depth_filter.remove_outliers`). No object is dropped for its margin: it narrows, if need be to 0. The
    masks are on the grid of the geometry; the extent limit applies only where that is metric. A margin of `auto` is
    that of estimated masks (see `settled`). Tokens are in the order of `masks`.

    Reference:
        SNOW, arXiv 2512.16461, section 3: S = (tau, c, s, theta).
    """
    measure = partial(_measure, geometry=geometry, depth_filter=depth_filter)
    margin = ESTIMATED_MARGIN if step.mask_margin == "auto" else step.mask_margin
    inner = erode(masks, margin)
    within, outliers = measure(inner)
    statistics = _narrower_where_short(within, masks, measure, margin, depth_filter.min_points)
    enough = statistics.count >= depth_filter.min_points
    camera = np.linalg.inv(geometry.T_camera_world)[:3, 3]
    plausible = _plausible(statistics, camera, depth_filter.max_extent if geometry.metric else LARGEST)
    index = np.flatnonzero(enough & plausible).astype(np.int32)
    short = np.flatnonzero(~enough).astype(np.int32)
    seen = _in_image(masks, score, (rotation, growth), t, step)
    shares = _sigma_shares(inner, within, geometry, depth_filter)
    sigma = np.linalg.norm(statistics.mean - camera, axis=1)[:, None] * shares
    tokens = _placed(seen[index], statistics[index], sigma[index])
    health = _dropped(statistics, enough, plausible) + _pixels(inner, within, outliers)
    return FrameTokens(index=index, tokens=tokens, unplaced_index=short, unplaced=seen[short], health=health)


def _dropped(statistics: ObjectStatistics, enough: Bool[np.ndarray, " m"], plausible: Bool[np.ndarray, " m"]) -> Health:
    return Health(
        masks=len(enough),
        small_dropped=int(np.count_nonzero(~enough)),
        no_depth_dropped=int(np.count_nonzero(statistics.count == 0)),
        oversized_dropped=int(np.count_nonzero(enough & ~plausible)),
    )


def settled(config: Config, origins: Collection[DepthOrigin], source_ids: Collection[int]) -> Config:
    """Return the settings by which objects are measured: `auto` settled, and plain statistics of what is recorded.

    Recorded is depth from sensors alone, with identities of all masks (`source_ids`) that the input gives.
    """
    recorded = set(origins) == {DepthOrigin.SENSOR} and NO_SOURCE not in source_ids
    margin = config.step.mask_margin
    if margin == "auto":
        margin = 0 if recorded else ESTIMATED_MARGIN
    remove = config.depth_filter.remove_outliers and not recorded
    return replace(
        config,
        step=replace(config.step, mask_margin=margin),
        depth_filter=replace(config.depth_filter, remove_outliers=remove),
    )


def settled_for(config: Config, graph: SceneGraph) -> Config:
    """Return the settings by which the objects of a finished graph were measured."""
    sources = [each.source_id for each in graph.tracks.values()]
    return settled(config, graph.depth_origin, [NO_SOURCE if each is None else each for each in sources])


def _measure(
    masks: Masks, *, geometry: FrameGeometry, depth_filter: DepthFilterConfig
) -> tuple[ObjectStatistics, Int32[np.ndarray, " m"]]:
    """Measure masks, and count what a gap in depth parts from each."""
    depth, confidence, conf_thresh = geometry.depth, geometry.confidence, depth_filter.conf_thresh
    bounds, outliers = None, np.zeros(len(masks), np.int32)
    if depth_filter.remove_outliers:
        bounds, outliers = depth_ranges(masks, depth, confidence, conf_thresh=conf_thresh)
    K, T_camera_world = geometry.intrinsics, geometry.T_camera_world
    statistics = object_statistics(masks, depth, confidence, K, T_camera_world, conf_thresh=conf_thresh, bounds=bounds)
    return statistics, outliers


def _pixels(inner: Masks, within: ObjectStatistics, outliers: Int32[np.ndarray, " m"]) -> Health:
    """Count the pixels that were to be measured, those whose depth could not be used, and the outliers."""
    pixels, left_out = int(area(inner).sum()), int(outliers.sum())
    untrusted = pixels - int(within.count.sum()) - left_out
    return Health(mask_pixels=pixels, untrusted_pixels=untrusted, outlier_pixels=left_out)


def _narrower_where_short(
    within: ObjectStatistics,
    masks: Masks,
    measure: Callable[[Masks], tuple[ObjectStatistics, Int32[np.ndarray, " m"]]],
    margin: int,
    min_points: int,
) -> ObjectStatistics:
    """Measure masks again, with a narrower margin or none, where too little was found inside `margin`."""
    values = {each.name: getattr(within, each.name).copy() for each in fields(ObjectStatistics)}
    for narrower in reversed(range(margin)):
        short = np.flatnonzero(values["count"] < min_points)
        if len(short) == 0:
            break
        again, _ = measure(erode(masks[short], narrower))
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


def _in_image(
    masks: Masks,
    score: Float32[np.ndarray, " m"],
    texture: tuple[Float32[np.ndarray, "m 3"] | None, Float32[np.ndarray, "m 2"] | None],
    t: int,
    step: StepConfig,
) -> Sightings:
    """Return what is known of each mask without depth: tau, and its region."""
    (rotation, growth), share = texture, coverage(masks, step.grid_size)
    moment = moments(masks).astype(np.float32)
    kept = share > step.iou_threshold
    if step.max_tau_per_step:
        flat = share.reshape(len(masks), step.grid_size**2)
        best = np.zeros(flat.shape, np.bool_)
        order = np.argsort(-flat, axis=1, kind="stable")
        np.put_along_axis(best, order[:, : step.max_tau_per_step], values=True, axis=1)
        kept &= best.reshape(share.shape)
    _, row, col = np.nonzero(kept)
    cells = Cells(
        offset=offsets(np.count_nonzero(kept, axis=(1, 2))),
        row=row.astype(np.uint8),
        col=col.astype(np.uint8),
        coverage=share[kept],
    )
    return Sightings(
        t=np.full(len(masks), t, np.int32),
        cells=cells,
        score=score.astype(np.float64),
        area=area(masks).astype(np.int32),
        box=bounding_boxes(masks).astype(np.int32),
        uv=moment[:, :2],
        moments=moment[:, 2:],
        rotation=np.full((len(masks), 3), np.nan, np.float32) if rotation is None else rotation,
        growth=np.full((len(masks), 2), np.nan, np.float32) if growth is None else growth,
    )


def _sigma_shares(
    inner: Masks, within: ObjectStatistics, geometry: FrameGeometry, depth_filter: DepthFilterConfig
) -> Float64[np.ndarray, "m 2"]:
    """Return standard deviations of centroids across and along the line of sight, as shares of the distance.

    Of triangulated depth, that part counts as a guess which is argued for only.
    """
    usual = SIGMA_ALONG[geometry.origin]
    guessed = np.zeros(len(inner))
    if geometry.origin is DepthOrigin.TRIANGULATED:
        sure, _ = _measure(inner, geometry=geometry, depth_filter=replace(depth_filter, conf_thresh=_GUESSED))
        guessed = 1 - sure.count / np.maximum(within.count, 1)
    along = np.hypot(usual, SIGMA_OF_GUESS * np.clip(guessed, 0, 1))
    return np.stack([np.full(len(inner), SIGMA_ACROSS), along], axis=1)


def _placed(seen: Sightings, statistics: ObjectStatistics, centroid_sigma: Float64[np.ndarray, "m 2"]) -> Observations:
    return seen.extended(
        Observations,
        centroid=statistics.mean.astype(np.float32),
        sigma=statistics.sigma.astype(np.float32),
        low=statistics.low.astype(np.float32),
        high=statistics.high.astype(np.float32),
        num_points=statistics.count,
        centroid_sigma=centroid_sigma.astype(np.float32),
    )
