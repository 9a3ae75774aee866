"""The objects of one frame: clusters, prompts, masks, STEP tokens, and rounds over what no mask took.

Reference: SNOW, arXiv 2512.16461, sections 3.1, 3.2 and Algorithm 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float32

from fast_snow.baselines.clusters import Cloud, back_project, cluster_points, draw_prompts
from fast_snow.baselines.geometry import plausible_shape
from fast_snow.baselines.masks_from_points import MasksOfPoints
from fast_snow.baselines.snow_config import SnowConfig
from fast_snow.config import Config, StepConfig
from fast_snow.kernels.mask_iou import pairwise_iou
from fast_snow.kernels.mask_measures import area
from fast_snow.kernels.masks import decode
from fast_snow.step import observe
from fast_snow.types import Detections, Geometry, Masks, StepToken


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ProposedObjects:
    """The objects of one frame; each token belongs to the mask at its place."""

    masks: Masks
    tokens: tuple[StepToken, ...]

    def and_also(self, more: "ProposedObjects") -> "ProposedObjects":
        """Return these objects and some more."""
        masks = Masks.concatenate([self.masks, more.masks], self.masks.shape)
        return ProposedObjects(masks=masks, tokens=self.tokens + more.tokens)


def objects_of_frame(
    masks_of: MasksOfPoints, geometry: Geometry, i: int, *, t: int, config: Config, settings: SnowConfig
) -> ProposedObjects:
    """Find the objects of one frame.

    Points that no plausible object took are clustered again, `settings.rounds` times. The paper's text says so;
    its Algorithm 1, taken by the letter, would end after the first clustering at its N_iter of 1.

    Args:
        masks_of: asked for the frame's image.
        geometry: in the graph's world.
        i: the frame's place in it.
        t: index of the frame in the clip.
        config: the depth filter, the grid of tau and the seed.
        settings: of SNOW.

    Returns:
        The objects, those of the first round first.
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
        prompts = _prompts(left, rng, settings)
        if len(prompts) == 0:
            break
        fresh = drop_repeats(masks_of(prompts), objects.masks, iou_thresh=settings.repeat_iou_thresh)
        objects = objects.and_also(_encoded(fresh, geometry, i, t=t, config=config, settings=settings))
        left = left.select(~_inside(left, objects.masks))
    return objects


def _prompts(points: Cloud, rng: np.random.Generator, settings: SnowConfig) -> Float32[np.ndarray, "k count 2"]:
    label = cluster_points(points.xyz, min_cluster_size=settings.min_cluster_size, min_samples=settings.min_samples)
    return draw_prompts(points.uv, label, count=settings.points_per_cluster, rng=rng)


def drop_repeats(detections: Detections, before: Masks, *, iou_thresh: float) -> Detections:
    """Drop masks that are empty or repeat another: one object often has more than one cluster.

    Args:
        detections: masks with scores.
        before: masks that stay in any case.
        iou_thresh: two masks above this IoU are one.

    Returns:
        Of masks that repeat each other, the one of the best score; in the order of `detections`.
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
    observed = observe(
        detections.masks,
        detections.score,
        replace(geometry[i], metric=False),  # the limit of length is SNOW's own
        t=t,
        depth_filter=config.depth_filter,
        step=plain(config.step),
    )
    plausible = np.flatnonzero(plausible_shape(observed.tokens, metric=geometry.metric, settings=settings))
    return ProposedObjects(
        masks=detections.masks[observed.index[plausible]], tokens=_at(observed.tokens, plausible.tolist())
    )


def plain(step: StepConfig) -> StepConfig:
    """Return the settings by which all points in a mask count: the margin is Fast-SNOW's."""
    return replace(step, mask_margin=0)


def _at(tokens: Sequence[StepToken], index: Sequence[int]) -> tuple[StepToken, ...]:
    return tuple(tokens[i] for i in index)


def _inside(points: Cloud, masks: Masks) -> Bool[np.ndarray, " n"]:
    """Tell which points lie in any mask."""
    taken = np.any(decode(masks), axis=0)
    return taken[points.uv[:, 1], points.uv[:, 0]]
