"""The scene from above: the camera's path and the objects' tracks on the ground plane of the world."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from jaxtyping import Float32, Float64
from scipy.spatial.transform import Rotation

from fast_snow.types import SceneGraph, Track
from fast_snow.viewing.palette import color_of

OUTLIERS: Final = 0.02
"""The share of object positions, at either end of each axis, that need not be in sight."""
MARGIN: Final = 0.12


def top_view(graph: SceneGraph, shown: Sequence[int]) -> dict[str, Any]:
    """Return what the page draws from above, for the frames it shows.

    Args:
        graph: the scene graph.
        shown: the `t` of each shown frame, ascending.

    Returns:
        JSON values: `bounds` (x0, x1, z0, z1), `ego` and `tracks`; all times are indices into `shown`.
    """
    index = {t: i for i, t in enumerate(shown)}
    return {"bounds": _bounds(graph), "ego": _ego(graph, index), "tracks": _tracks(graph, index)}


def _tracks(graph: SceneGraph, index: Mapping[int, int]) -> list[dict[str, Any]]:
    return [_track(track, index) for track in graph.tracks.values()]


def _track(track: Track, index: Mapping[int, int]) -> dict[str, Any]:
    seen = [each for each in track.observations if each.t in index]
    return {
        "id": track.object_id,
        "color": color_of(track.object_id),
        "at": [index[each.t] for each in seen],
        "x": [_brief(each.centroid[0]) for each in seen],
        "z": [_brief(each.centroid[2]) for each in seen],
        "box": [[_brief(end[axis]) for axis in (0, 2) for end in (each.low, each.high)] for each in seen],
    }


def _ego(graph: SceneGraph, index: Mapping[int, int]) -> dict[str, Any]:
    ego = graph.ego[np.isin(graph.ego.t, list(index))]
    return {
        "at": [index[t] for t in ego.t.tolist()],
        "x": [_brief(x) for x in ego.position[:, 0]],
        "z": [_brief(z) for z in ego.position[:, 2]],
        "heading": [_heading(q) for q in ego.quaternion_xyzw],
        "half_view": _half_view(graph),
    }


def _heading(quaternion_xyzw: Float32[np.ndarray, "4"]) -> float | None:
    """Return the direction of the optical axis seen from above, in radians from Z towards X; None where unknown."""
    q = quaternion_xyzw.astype(np.float64)
    if not np.linalg.norm(q) > 0:
        return None
    x, _, z = Rotation.from_quat(q).apply([0.0, 0.0, 1.0])
    return _brief(math.atan2(x, z))


def _half_view(graph: SceneGraph) -> float:
    """Return half of the horizontal angle of view in radians; that of a usual camera where intrinsics are unknown."""
    fx = graph.ego.intrinsics[:, 0]
    known = fx[fx > 0]
    if not len(known) or not graph.analysis_grid[1]:
        return 0.5
    return math.atan(graph.analysis_grid[1] / 2 / float(np.median(known)))


def _bounds(graph: SceneGraph) -> list[float]:
    """Return x0, x1, z0, z1 around the camera's path and nearly all object positions."""
    objects = np.array([each.centroid for track in graph.tracks.values() for each in track.observations], np.float64)
    objects = objects.reshape(-1, 3)
    low, high = _range(graph.ego.position.astype(np.float64))
    if len(objects):
        near, far = np.quantile(objects, [OUTLIERS, 1 - OUTLIERS], axis=0)
        low, high = np.minimum(low, near), np.maximum(high, far)
    margin = MARGIN * max(float((high - low)[[0, 2]].max()), 1e-3)
    return [_brief(low[0] - margin), _brief(high[0] + margin), _brief(low[2] - margin), _brief(high[2] + margin)]


def _range(points: Float64[np.ndarray, "n 3"]) -> tuple[Float64[np.ndarray, "3"], Float64[np.ndarray, "3"]]:
    return points.min(axis=0, initial=0.0), points.max(axis=0, initial=0.0)


def _brief(value: float | np.floating[Any]) -> float:
    """Return a number with the digits that a plot can show."""
    return float(f"{float(value):.5g}")
