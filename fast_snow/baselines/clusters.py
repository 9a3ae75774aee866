"""The point cloud of a frame, its clusters, and the points that stand for them."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from fast_snow.cameras import rays
from fast_snow.types import ReadOnlyArrays

NOISE = -1
"""Label of points that belong to no cluster."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cloud(ReadOnlyArrays):
    """Back-projected pixels of one frame.

    Attributes:
        uv: column and row of each point on the analysis grid.
        xyz: where it is in the camera's frame, so that clusters do not depend on how the camera's pose is rounded.
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

    Args:
        depth: along the optical axis.
        confidence: in [0, 1].
        intrinsics: K of the grid of `depth`.
        stride: in pixels; the first pixel taken is in the middle of the first square of so many.
        conf_thresh: least confidence of a pixel that counts.

    Returns:
        The points in raster order.
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
    """Find the dense parts of a point cloud.

    Args:
        xyz: the points; their unit does not matter.
        min_cluster_size: points of the smallest cluster.
        min_samples: neighbours that density is measured by.

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
    """Draw points of each cluster, all alike likely.

    Args:
        uv: pixel of each point.
        label: the cluster of each point, or `NOISE`.
        count: how many of each cluster; smaller clusters give some more than once.
        rng: where chance comes from.

    Returns:
        Per cluster, the pixels of its points.
    """
    members = [np.flatnonzero(label == each) for each in range(int(label.max(initial=NOISE)) + 1)]
    drawn = [uv[rng.choice(each, count, replace=len(each) < count)] for each in members]
    return np.array(drawn, np.float32).reshape(-1, count, 2)
