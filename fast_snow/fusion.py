"""Fusion: which masklets of different runs are one object in a frame.

Recorded identities are the user's ground truth, whatever the masks' overlap.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32

from fast_snow.config import FusionConfig
from fast_snow.kernels.mask_iou import pairwise_iou
from fast_snow.types import NO_SOURCE, Columns, Observations, TrackedFrame

MaskletName = tuple[int, int]
"""`(run_id, local_id)`."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class PlacedMasklets(TrackedFrame):
    """Masklets and where they are.

    Attributes:
        centroid: in world coordinates.
    """

    centroid: Float32[np.ndarray, "m 3"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class FrameObjects(PlacedMasklets):
    """The observed masklets of one frame.

    Attributes:
        t: index in the clip.
    """

    t: int

    def name(self, i: int) -> MaskletName:
        """Return the name of masklet `i`."""
        return int(self.run_id[i]), int(self.local_id[i])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NamedFrame(Columns):
    """The observations of one frame and the objects they are."""

    objects: FrameObjects
    tokens: Observations
    object_id: Int32[np.ndarray, " m"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Affinity:
    """How well masklets (rows) agree with other masklets (columns), and where that makes them one object."""

    iou: Float32[np.ndarray, "a b"]
    distance: Float64[np.ndarray, "a b"]
    same: np.ndarray


def affinity_of(frame: FrameObjects, others: PlacedMasklets, *, config: FusionConfig, metric: bool) -> Affinity:
    """Compare a frame's masklets (rows) with others on the same grid (columns).

    Two masklets of different runs are one object above `cross_run_iou_thresh` and, where centroids are in metres
    (`metric`), within `merge_centroid_dist_m`. Masklets of one recorded identity always are; those of two never.
    """
    iou = pairwise_iou(frame.masks, others.masks)
    difference = frame.centroid[:, None].astype(np.float64) - others.centroid[None]
    distance = np.linalg.norm(difference, axis=2)
    same = (iou > config.cross_run_iou_thresh) & (frame.run_id[:, None] != others.run_id[None])
    if metric:
        same &= distance < config.merge_centroid_dist_m
    same = same & ~differ(frame.source_id, others.source_id) | agree(frame.source_id, others.source_id)
    return Affinity(iou=iou, distance=distance, same=same)


def best_first(frame: FrameObjects) -> list[int]:
    """Return masklets by falling score, recorded ones first; the older run wins a tie, so that the order is fixed."""
    return np.lexsort((frame.local_id, frame.run_id, -frame.score, frame.source_id == NO_SOURCE)).tolist()


def group(frame: FrameObjects, affinity: Affinity) -> dict[int, list[int]]:
    """Group the masklets that are one object in this frame; maps the best member to all members."""
    groups: dict[int, list[int]] = {}
    for i in best_first(frame):
        leaders = [leader for leader in groups if affinity.same[i, leader]]
        if leaders:
            groups[max(leaders, key=lambda leader: affinity.iou[i, leader])].append(i)
        else:
            groups[i] = [i]
    return groups


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
