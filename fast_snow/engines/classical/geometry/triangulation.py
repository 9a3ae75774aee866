"""Dense depth from optical flow between images with known poses."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Bool, Float32, Float64, UInt8

from fast_snow.engines.classical.flow import consistency, flow_between
from fast_snow.engines.classical.neighbour_flow import NeighbourFlow
from fast_snow.engines.classical.warping import Flow
from fast_snow.types import ReadOnlyArrays

FLOW_SIGMA = 0.5
"""Pixels; the error of DIS flow where it comes back to where it started."""
HALF_CONFIDENCE_ERROR = 0.1
"""A pixel whose depth has this relative standard deviation gets confidence 0.5."""
_FAR_BASELINE = 0.06
"""A partner is far enough away where the cameras are this share of the typical depth apart: 3.4 degrees."""
_MAX_RETURN_ERROR = 1.0
"""Pixels; flow that comes back worse than this says nothing about motion."""
_MOVING_RESIDUAL = 2.0
"""Pixels; good flow that misses the epipolar line by more belongs to something that moves."""
_OVER_MEDIAN = 4.0
"""Times the median miss of the image's good flow: poses that do not fit the images to the pixel let everything miss."""
_AT_ONCE = 8
"""Images whose flow is held at once."""

Map = Float32[np.ndarray, "h w"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TriangulatedDepth(ReadOnlyArrays):
    """What motion says of one image.

    Attributes:
        depth: along the optical axis; 0 where there is none.
        confidence: in [0, 1]: `1 / (1 + (e / 0.1)²)` for a relative standard deviation `e` of the depth.
        inconsistent: pixels whose flow is good but is not that of a static point at a finite distance.
    """

    depth: Map
    confidence: Map
    inconsistent: Bool[np.ndarray, "h w"]


def triangulate(
    gray: UInt8[np.ndarray, "n h w"],
    intrinsics: Float64[np.ndarray, "n 3 3"],
    T_camera_world: Float64[np.ndarray, "n 4 4"],
    typical_depth: Float64[np.ndarray, " n"],
    *,
    max_gap: int,
    pool: Executor,
    report: Callable[[int, int], None],
    neighbours: Callable[[], Sequence[NeighbourFlow]] | None = None,
) -> Iterator[TriangulatedDepth]:
    """Triangulate every pixel of every image from its flow to an earlier and a later image.

    Args:
        gray: consecutive images.
        intrinsics: pinhole matrices of their grid.
        T_camera_world: world-to-camera poses.
        typical_depth: of each image's static points; sets how far apart two cameras have to be.
        max_gap: partners are at most so many frames away.
        pool: runs flow and images side by side.
        report: told how many images are done, of how many.
        neighbours: returns the flow from each image but the last to the next, where it is known already.

    Yields:
        Depth, confidence and inconsistent pixels of each image, in the unit of the poses.
    """
    centre = -np.einsum("nji,nj->ni", T_camera_world[:, :3, :3], T_camera_world[:, :3, 3])
    partners = [_partners(i, centre, _FAR_BASELINE * typical_depth[i], max_gap) for i in range(len(gray))]
    adjacent = any(abs(j - i) == 1 for i, others in enumerate(partners) for j in others)
    flow = partial(_flow, gray, neighbours() if neighbours is not None and adjacent else ())

    def fused(i: int) -> TriangulatedDepth:
        return _fuse([_view(intrinsics, T_camera_world, flows, i, j) for j in partners[i]], gray.shape[1:])

    flows: dict[tuple[int, int], Flow] = {}
    for first in range(0, len(gray), _AT_ONCE):
        batch = range(first, min(first + _AT_ONCE, len(gray)))
        wanted = {pair: None for i in batch for j in partners[i] for pair in ((i, j), (j, i)) if pair not in flows}
        flows.update(zip(wanted, pool.map(flow, wanted), strict=True))
        for i, measured in zip(batch, pool.map(fused, batch), strict=True):
            yield measured
            report(i + 1, len(gray))
        flows = {pair: each for pair, each in flows.items() if max(pair) >= batch.stop}


def _flow(gray: UInt8[np.ndarray, "n h w"], known: Sequence[NeighbourFlow], pair: tuple[int, int]) -> Flow:
    i, j = pair
    if known and abs(j - i) == 1:
        return (known[i].forward if j > i else known[j].backward).unpacked()
    return flow_between(gray[i], gray[j])


def _partners(i: int, centre: Float64[np.ndarray, "n 3"], baseline: float, max_gap: int) -> list[int]:
    """Return the nearest earlier and later image far enough away, else the last within reach."""
    found = []
    for direction in (-1, 1):
        reach = [j for j in range(i + direction, i + direction * (max_gap + 1), direction) if 0 <= j < len(centre)]
        far = (j for j in reach if np.linalg.norm(centre[j] - centre[i]) >= baseline)
        found += [next(far, reach[-1])] if reach else []
    return found


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _View:
    """What the flow to one other image says: inverse depth, its information, and whether the flow is good."""

    inverse_depth: Map
    information: Map
    good: Bool[np.ndarray, "h w"]
    residual: Map


def _view(
    intrinsics: Float64[np.ndarray, "n 3 3"],
    T_camera_world: Float64[np.ndarray, "n 4 4"],
    flows: dict[tuple[int, int], Flow],
    i: int,
    j: int,
) -> _View:
    """Solve for inverse depth along each pixel's epipolar line by least squares.

    A pixel `x` at inverse depth `rho` is seen in image `j` at `a + rho · b` (homogeneous), with `a = K_j R K_i⁻¹ x` and
    `b = K_j t`: two equations that are linear in `rho`.
    """
    flow, K_j = flows[i, j], intrinsics[j]
    T_j_i = T_camera_world[j] @ np.linalg.inv(T_camera_world[i])
    height, width = flow.shape[:2]
    u, v = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    H = (K_j @ T_j_i[:3, :3] @ np.linalg.inv(intrinsics[i])).astype(np.float32)
    a = [row[0] * u + (row[1] * v + row[2]) for row in H]
    b = (K_j @ T_j_i[:3, 3]).astype(np.float32)
    u, v = u + flow[..., 0], v + flow[..., 1]
    p = b[0] - u * b[2], b[1] - v * b[2]
    q = u * a[2] - a[0], v * a[2] - a[1]
    tiny = np.float32(1e-12)
    pp = np.maximum(p[0] * p[0] + p[1] * p[1], tiny)
    rho = (p[0] * q[0] + p[1] * q[1]) / pp
    in_front = a[2] + rho * b[2]
    residual = np.abs(p[0] * q[1] - p[1] * q[0]) / np.sqrt(pp) / np.maximum(np.abs(a[2]), tiny)
    returned = consistency(flow, flows[j, i])
    variance = FLOW_SIGMA**2 + residual**2 + returned**2
    usable = (in_front > 0) & np.isfinite(returned)
    pixels_per_rho = np.sqrt(pp) / np.maximum(np.abs(in_front), tiny)
    information = np.where(usable, pixels_per_rho**2 / variance, np.float32(0))
    return _View(inverse_depth=rho, information=information, good=returned < _MAX_RETURN_ERROR, residual=residual)


def _largest_miss(view: _View) -> float:
    """Return by how many pixels the good flow to static points may miss their epipolar lines."""
    small = view.good & (view.residual < _MOVING_RESIDUAL / _OVER_MEDIAN)
    if 2 * np.count_nonzero(small) > np.count_nonzero(view.good) or not view.good.any():
        return _MOVING_RESIDUAL  # so is the median, which takes far longer
    return max(_MOVING_RESIDUAL, _OVER_MEDIAN * float(np.median(view.residual[view.good])))


def _fuse(views: Sequence[_View], shape: tuple[int, ...]) -> TriangulatedDepth:
    """Average inverse depth by information; views that disagree inflate the variance."""
    information, weighted = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for view in views:
        information += view.information
        weighted += view.information * view.inverse_depth
    tiny = np.float32(1e-12)
    rho = weighted / np.maximum(information, tiny)
    disagreement = np.zeros(shape, np.float32)
    good, moving = np.zeros(shape, bool), np.ones(shape, bool)
    for view in views:
        disagreement += view.information * (view.inverse_depth - rho) ** 2
        good |= view.good
        misses = view.residual > _largest_miss(view)
        moving &= ~view.good | misses | (view.inverse_depth <= 0)
    positive = (rho > 0) & (information > 0)
    variance = np.maximum(disagreement, 1.0) / np.maximum(information, tiny)
    relative = np.sqrt(variance) / np.where(positive, rho, 1.0)
    confidence = np.where(positive, 1.0 / (1.0 + (relative / HALF_CONFIDENCE_ERROR) ** 2), 0.0)
    return TriangulatedDepth(
        depth=np.where(positive, 1.0 / np.maximum(rho, tiny), 0.0).astype(np.float32),
        confidence=confidence.astype(np.float32),
        inconsistent=good & moving,
    )
