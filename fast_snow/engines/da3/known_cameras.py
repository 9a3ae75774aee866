"""Cameras that the input gives: what the network is told of them, and the scale of its answer in their world.

Reference:
    Depth Anything 3, `api.py`, methods `_normalize_extrinsics` and `_align_to_input_extrinsics_intrinsics`.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Float32, Float64

from fast_snow.cameras import rescale
from fast_snow.types import Frames, GeometryPrior, GridShape

Prior = Callable[[Frames], GeometryPrior]
SHORTEST_PATH: Final = 0.02
"""Of the median depth: over a shorter path the cameras do not tell the scale of depth."""
_SMALLEST_UNIT: Final = 0.1
"""Upstream's floor under the distance that becomes 1."""


class KnownCameras(NamedTuple):
    """The cameras of some frames, in the units and the world of the input; intrinsics refer to the analysis grid."""

    T_camera_world: Float64[np.ndarray, "n 4 4"]
    intrinsics: Float64[np.ndarray, "n 3 3"]
    metric: bool = True

    def part(self, frames: range) -> "KnownCameras":
        """Return the cameras of some of the frames."""
        rows = slice(frames.start, frames.stop)
        return KnownCameras(self.T_camera_world[rows], self.intrinsics[rows], self.metric)


def known_cameras(prior: GeometryPrior, image_size: GridShape, grid: GridShape) -> KnownCameras | None:
    """Return the cameras of an input on the analysis grid; None where it lacks poses or intrinsics.

    Intrinsics refer to the images where there is no depth.
    """
    if prior.T_camera_world is None or prior.intrinsics is None:
        return None
    size = image_size if prior.depth is None else (prior.depth.shape[1], prior.depth.shape[2])
    intrinsics = np.stack([rescale(K, size, grid) for K in prior.intrinsics])
    return KnownCameras(prior.T_camera_world, intrinsics, prior.metric)


def conditioning(cameras: KnownCameras) -> dict[str, Float32[np.ndarray, "n _ _"]]:
    """Return what the network is told: poses relative to the first camera, in units of the median distance from it."""
    relative = cameras.T_camera_world @ np.linalg.inv(cameras.T_camera_world[0])
    distance = np.linalg.norm(np.linalg.inv(relative)[:, :3, 3], axis=1)
    lower_median = np.sort(distance)[(len(distance) - 1) // 2]
    relative[:, :3, 3] /= max(float(lower_median), _SMALLEST_UNIT)
    return {"T_camera_world": relative.astype(np.float32), "intrinsics": cameras.intrinsics.astype(np.float32)}


def path_scale(
    given: Float64[np.ndarray, "n 4 4"], estimated: Float64[np.ndarray, "n 4 4"], median_depth: float
) -> float | None:
    """Return the length of one given unit in the network's units, from the distances between camera centres.

    Both have poses `T_camera_world` of the same frames.

    Returns:
        The median of the ratios of distances, weighted by the given distance; None where the path is shorter than
        `SHORTEST_PATH` of the depth.
    """
    first, second = np.triu_indices(len(given), 1)
    distance, measured = (
        np.linalg.norm(centre[first] - centre[second], axis=1)
        for centre in (np.linalg.inv(poses)[:, :3, 3] for poses in (given, estimated))
    )
    apart = distance > 0
    if not apart.any() or measured.max() < SHORTEST_PATH * median_depth:
        return None
    ratio, weight = measured[apart] / distance[apart], distance[apart]
    order = np.argsort(ratio)
    middle = int(np.searchsorted(np.cumsum(weight[order]), weight.sum() / 2))
    scale = float(ratio[order][min(middle, len(order) - 1)])
    return scale if scale > 0 else None
