"""Object proposals of one frame: point clusters, prompts, masks and STEP tokens, with rounds over unassigned points.

Reference: SNOW, arXiv 2512.16461, sections 3.1, 3.2 and Algorithm 1.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from fast_snow.baselines.association import plausible_shape
from fast_snow.baselines.masks_from_points import MasksOfPoints
from fast_snow.baselines.snow_config import SnowConfig
from fast_snow.cameras import rays
from fast_snow.config import Config
from fast_snow.kernels.mask_iou import pairwise_iou
from fast_snow.kernels.mask_measures import area
from fast_snow.kernels.masks import decode
from fast_snow.step import observe
from fast_snow.types import Detections, Geometry, Masks, ReadOnlyArrays, StepToken

NOISE: Final = -1
"""Label of points that belong to no cluster."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cloud(ReadOnlyArrays):
    """Back-projected pixels of one frame: column and row on the analysis grid, and the place.

    It is in the camera's frame, so that clusters do not depend on how the camera's pose is rounded.
    """

    uv: Int64[np.ndarray, "n 2"]
    xyz: Float64[np.ndarray, "n 3"]

    def __len__(self) -> int:
        return len(self.uv)

    def select(self, which: Bool[np.ndarray, " n"]) -> "Cloud":
        """Return some of the points."""
        return Cloud(uv=self.uv[which], xyz=self.xyz[which])


def back_project(
    depth: Float32[np.ndarray, "h w"],
    confidence: Float32[np.ndarray, "h w"],
    intrinsics: Float64[np.ndarray, "3 3"],
    *,
    stride: int,
    conf_thresh: float,
) -> Cloud:
    """Back-project every `stride`-th pixel, either way, whose depth can be used.

    The first pixel taken is in the middle of the first square of so many; one of less confidence than `conf_thresh`
    does not count. Points are in raster order.
    """
    v, u = (
        each.ravel() for each in np.mgrid[stride // 2 : depth.shape[0] : stride, stride // 2 : depth.shape[1] : stride]
    )
    d = depth[v, u].astype(np.float64)
    usable = np.isfinite(d) & (d > 0) & (confidence[v, u] >= conf_thresh)
    u, v, d = u[usable], v[usable], d[usable]
    uv = np.stack([u, v], axis=1)
    return Cloud(uv=uv.astype(np.int64), xyz=d[:, None] * rays(uv.astype(np.float64), intrinsics))


def cluster_points(
    xyz: Float64[np.ndarray, "n 3"], *, min_cluster_size: int, min_samples: int
) -> Int64[np.ndarray, " n"]:
    """Find the dense parts of a point cloud in any unit; density is measured by `min_samples` neighbours.

    Returns:
        The cluster of each point, numbered from 0, or `NOISE`; the same for the same points.

    Reference:
        SNOW, arXiv 2512.16461, section 3.1. HDBSCAN: Campello, Moulavi, Sander, Density-Based Clustering Based on
        Hierarchical Density Estimates, PAKDD 2013, as scikit-learn has it.
    """
    from sklearn.cluster import HDBSCAN

    if len(xyz) < max(min_cluster_size, min_samples + 1):
        return np.full(len(xyz), NOISE)
    hdbscan = HDBSCAN(min_cluster_size=min_cluster_size, min_samples=min_samples, algorithm="kd_tree", copy=True)
    return np.asarray(hdbscan.fit(xyz).labels_, dtype=np.int64)


def draw_prompts(
    uv: Int64[np.ndarray, "n 2"], label: Int64[np.ndarray, " n"], *, count: int, rng: np.random.Generator
) -> Float32[np.ndarray, "k count 2"]:
    """Draw `count` points of each cluster, all alike likely; smaller clusters give some more than once."""
    members = [np.flatnonzero(label == each) for each in range(int(label.max(initial=NOISE)) + 1)]
    drawn = [uv[rng.choice(each, count, replace=len(each) < count)] for each in members]
    return np.array(drawn, np.float32).reshape(-1, count, 2)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ProposedObjects:
    """The objects of one frame; each token belongs to the mask at its place."""

    masks: Masks
    tokens: tuple[StepToken, ...]


def objects_of_frame(
    masks_of: MasksOfPoints, geometry: Geometry, i: int, *, t: int, config: Config, settings: SnowConfig
) -> ProposedObjects:
    """Find the objects of one frame.

    Points that no plausible object took are clustered again, `settings.rounds` times. The paper's text says so; its
    Algorithm 1, taken by the letter, would end after the first clustering at its N_iter of 1. The frame is number `i`
    of the geometry, which is in the graph's world. Objects of the first round come first.
    """
    objects = ProposedObjects(masks=Masks.empty(geometry.grid), tokens=())
    left = back_project(
        geometry.depth[i],
        geometry.confidence[i],
        geometry.intrinsics[i],
        stride=settings.stride,
        conf_thresh=config.depth_filter.conf_thresh,
    )
    for number in range(settings.rounds + 1):
        rng = np.random.default_rng([config.runtime.seed, t, number])
        label = cluster_points(left.xyz, min_cluster_size=settings.min_cluster_size, min_samples=settings.min_samples)
        prompts = draw_prompts(left.uv, label, count=settings.points_per_cluster, rng=rng)
        if len(prompts) == 0:
            break
        fresh = drop_repeats(masks_of(prompts), objects.masks, iou_thresh=settings.repeat_iou_thresh)
        more = _encoded(fresh, geometry, i, t=t, config=config, settings=settings)
        masks = Masks.concatenate([objects.masks, more.masks], geometry.grid)
        objects = ProposedObjects(masks=masks, tokens=objects.tokens + more.tokens)
        taken = np.any(decode(objects.masks), axis=0)
        left = left.select(~taken[left.uv[:, 1], left.uv[:, 0]])
    return objects


def drop_repeats(detections: Detections, before: Masks, *, iou_thresh: float) -> Detections:
    """Drop masks that are empty or repeat another: one object often has more than one cluster.

    Of masks whose IoU is above the threshold the one of the best score stays, and those `before` in any case.
    """
    visible = np.asarray(area(detections.masks) > 0)
    repeated = np.any(pairwise_iou(detections.masks, before) > iou_thresh, axis=1)
    alike: np.ndarray = pairwise_iou(detections.masks, detections.masks) > iou_thresh
    kept: list[int] = []
    for i in np.argsort(-detections.score, kind="stable").tolist():
        if visible[i] and not repeated[i] and not alike[i, kept].any():
            kept.append(i)
    index = np.array(sorted(kept), np.int64)
    return detections[index]


def _encoded(
    detections: Detections, geometry: Geometry, i: int, *, t: int, config: Config, settings: SnowConfig
) -> ProposedObjects:
    """Describe masks by STEP tokens; those that are too small or implausible fall out and leave their points."""
    plain = with_plain_statistics(config)
    observed = observe(
        detections.masks,
        detections.score,
        replace(geometry[i], metric=False),  # the limit of length is SNOW's own
        t=t,
        depth_filter=plain.depth_filter,
        step=plain.step,
    )
    plausible = np.flatnonzero(plausible_shape(observed.tokens, metric=geometry.metric, settings=settings))
    tokens = tuple(observed.tokens[k] for k in plausible.tolist())
    return ProposedObjects(masks=detections.masks[observed.index[plausible]], tokens=tokens)


def with_plain_statistics(config: Config) -> Config:
    """Return the settings by which all points in a mask count: margin and removal of outliers are Fast-SNOW's."""
    step, depth_filter = replace(config.step, mask_margin=0), replace(config.depth_filter, remove_outliers=False)
    return replace(config, step=step, depth_filter=depth_filter)
