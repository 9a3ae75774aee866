"""What a window measures, in the unit of its graph, of lengths that are known in metres: camera height and depth."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32, Int64

from fast_snow.cameras import rays
from fast_snow.config import Config
from fast_snow.inputs.recording import SomeDepthReader
from fast_snow.step import SIGMA_ALONG
from fast_snow.types import Columns, DepthOrigin, FrameGeometry, Geometry

_FRAMES: Final = 8
_POINTS_ACROSS: Final = 24
_CANDIDATES: Final = 200
_TOLERANCE: Final = 0.02
"""Points of a floor are so near to it, as a share of their median distance."""
_UPRIGHT: Final = float(np.cos(np.radians(35)))
"""A floor is at most so far from level, as the camera is held."""
_ALIKE: Final = float(np.cos(np.radians(20)))
"""Its parts are turned from it by at most so much."""
_LEAST_SHARE: Final = 0.05
_MOST_BELOW: Final = 0.05
"""A floor holds at least, and has beneath it at most, such shares of all points."""
_LEAST_PIXELS: Final = 50
SENSOR_ERROR: Final = SIGMA_ALONG[DepthOrigin.SENSOR]
USUAL_ERROR: Final = 0.15
ROUGH_ERROR: Final = 0.3
"""What metric depth is off by in all frames alike, as a share: recorded, estimated, and by YOLO26-depth."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KnownLengths(Columns):
    """What was measured in each frame; NaN where nothing was.

    Attributes:
        t: index in the clip.
        height: of the camera above the floor, in the graph's unit.
        metres_per_unit: metric depth over that of the graph, the median of all pixels that have both.
        spread: of that ratio among the pixels, as a standard deviation and a share of it.
        error: of that ratio in all frames alike, as a share.
    """

    t: Int32[np.ndarray, " n"]
    height: Float64[np.ndarray, " n"]
    metres_per_unit: Float64[np.ndarray, " n"]
    spread: Float64[np.ndarray, " n"]
    error: Float64[np.ndarray, " n"]


def estimate_error(config: Config) -> float:
    """Return what estimated metric depth is off by in all frames alike, as a share."""
    usual = ROUGH_ERROR if config.engines.metric_depth == "yolo26-depth" else USUAL_ERROR
    return config.metric_depth.error or usual


def nothing_known(t: Int32[np.ndarray, " n"] | None = None) -> KnownLengths:
    """Return frames in which nothing was measured; none by default."""
    t = np.zeros(0, np.int32) if t is None else t
    names = ("height", "metres_per_unit", "spread", "error")
    return KnownLengths(t=t, **{name: np.full(len(t), np.nan) for name in names})


def known_lengths(
    geometry: Geometry,
    t: Int32[np.ndarray, " n"],
    source_frame: Int64[np.ndarray, " n"],
    *,
    with_height: bool,
    some_depth: SomeDepthReader | None,
    error: float = SENSOR_ERROR,
    conf_thresh: float,
) -> KnownLengths:
    """Measure in the frames of a window what is known in metres.

    Args:
        geometry: in the graph's unit.
        t: index of each frame in the clip.
        source_frame: the same in the input.
        with_height: whether the camera's height is asked for.
        some_depth: reads metric depth of some frames.
        error: what that is off by in all frames alike, as a share.
        conf_thresh: depth of less confidence is left out.
    """
    measured = nothing_known(t)
    if with_height:
        measured = replace(measured, height=camera_heights(geometry, conf_thresh))
    if some_depth is None:
        return measured
    ratios = [_depth_ratio(some_depth(k), geometry[i], conf_thresh) for i, k in enumerate(source_frame.tolist())]
    ratio, spread = np.array(ratios).reshape(-1, 2).T
    return replace(measured, metres_per_unit=ratio, spread=spread, error=np.full(len(t), error))


def camera_heights(geometry: Geometry, conf_thresh: float) -> Float64[np.ndarray, " n"]:
    """Return the camera's height above the floor in some of the frames; NaN in the others, and where no floor is seen.

    The floor is a plane: nearly level as the camera is held, beneath it, with hardly anything beneath it, and of such
    planes the one that most points lie in. Each frame has its own, so that their scatter tells how far to trust them.
    """
    heights = np.full(len(geometry), np.nan)
    for i in np.unique(np.linspace(0, len(geometry) - 1, _FRAMES).round().astype(int)).tolist():
        points, normals = _patches(geometry[i], conf_thresh)
        if len(points) >= _LEAST_PIXELS:
            heights[i] = _height_above_floor(points, normals)
    return heights


def _patches(frame: FrameGeometry, conf_thresh: float) -> tuple[Float64[np.ndarray, "m 3"], Float64[np.ndarray, "m 3"]]:
    """Return points on a coarse grid, in the camera's frame, and normals towards it from their neighbours there."""
    v, u = np.meshgrid(*(np.linspace(0, n - 1, _POINTS_ACROSS).round().astype(int) for n in frame.depth.shape))
    depth = np.where(_trusted(frame, conf_thresh), frame.depth, np.nan)[v, u].astype(np.float64)
    points = rays(np.stack([u, v], axis=-1).astype(np.float64), frame.intrinsics) * depth[..., None]
    normals = np.cross(points[2:, 1:-1] - points[:-2, 1:-1], points[1:-1, 2:] - points[1:-1, :-2]).reshape(-1, 3)
    points = points[1:-1, 1:-1].reshape(-1, 3)
    with np.errstate(divide="ignore", invalid="ignore"):
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    normals *= -np.sign(np.sum(normals * points, axis=1, keepdims=True))
    known = np.isfinite(points).all(axis=1) & np.isfinite(normals).all(axis=1)
    return points[known], normals[known]


def _trusted(frame: FrameGeometry, conf_thresh: float) -> Bool[np.ndarray, "h w"]:
    return np.isfinite(frame.depth) & (frame.depth > 0) & (frame.confidence >= conf_thresh)


def _height_above_floor(points: Float64[np.ndarray, "m 3"], normals: Float64[np.ndarray, "m 3"]) -> float:
    """Return how far the floor is from the origin; NaN where there is none. y points down."""
    level = np.flatnonzero(-normals[:, 1] > _UPRIGHT)
    tried = np.random.default_rng(0).permutation(level)[:_CANDIDATES]
    tolerance = _TOLERANCE * np.median(np.linalg.norm(points, axis=1))
    across = normals[tried]
    above = points @ across.T - np.sum(across * points[tried], axis=1)
    within = (np.abs(above) < tolerance) & (normals @ across.T > _ALIKE)
    share = within.mean(axis=0)
    sound = (share > _LEAST_SHARE) & ((above < -2 * tolerance).mean(axis=0) < _MOST_BELOW)
    if not sound.any():
        return np.nan
    floor = points[within[:, np.argmax(np.where(sound, share, 0))]]
    normal = np.linalg.svd(floor - floor.mean(axis=0), full_matrices=False)[2][2]
    return abs(float(normal @ floor.mean(axis=0)))


def _depth_ratio(
    recorded: Float32[np.ndarray, "h w"] | None, frame: FrameGeometry, conf_thresh: float
) -> tuple[float, float]:
    """Return the recorded depth over the frame's, and its spread, on the grid of the frame."""
    if recorded is None:
        return np.nan, np.nan
    rows, columns = (
        ((np.arange(n) + 0.5) * size / n).astype(int) for n, size in zip(frame.depth.shape, recorded.shape, strict=True)
    )
    on_grid = recorded[np.ix_(rows, columns)]
    both = _trusted(frame, conf_thresh) & np.isfinite(on_grid) & (on_grid > 0)
    if np.count_nonzero(both) < _LEAST_PIXELS:
        return np.nan, np.nan
    logs = np.log(on_grid[both].astype(np.float64) / frame.depth[both])
    middle = np.median(logs)
    return float(np.exp(middle)), float(1.4826 * np.median(np.abs(logs - middle)))
