"""Sim(3): similarities between worlds, how they are estimated and what they do to a geometry.

Each window of a long clip is perceived in a world of its own, which for monocular depth also has a scale of its own.
The frames that two windows share show the same pixels, so each such pixel gives one point in either world, and the
similarity between the worlds is what maps one set of points onto the other.
"""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np
from jaxtyping import Bool, Float64, Int64

from fast_snow.errors import FastSnowError, FastSnowWarning
from fast_snow.types import Geometry, ReadOnlyArrays

MAX_POINTS: Final = 20_000
"""Pixels that align two windows: the residual of so many is far below that of the depth itself."""
MIN_POINTS: Final = 100
"""With fewer shared pixels than this the cameras of the shared frames say more than the points."""
HUBER_DELTA: Final = 0.1
"""Residuals above this share of the median one weigh less: close to the least sum of distances, yet smooth at zero."""
MAX_ROUNDS: Final = 100
"""Errors may shrink by as little as a quarter per round: five rounds can leave scale 30 % off."""
CONVERGED: Final = 1e-4
"""Reweighting ends where the residual of no point changes by more than this share of the median one."""
_ROUNDING: Final = float(np.finfo(np.float32).eps)
"""Residuals of this share of the points' distance are rounding: depth has single precision."""

Influence = Callable[[Float64[np.ndarray, " n"]], Float64[np.ndarray, " n"]]
"""Maps residuals, in units of their median, to the factors by which points then weigh less."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Similarity(ReadOnlyArrays):
    """A Sim(3) transform `p_a = scale · R · p_b + t`; variables that hold one are named `T_a_b`.

    Attributes:
        scale: length in `a` of one unit of `b`, positive.
        R: rotation from `b` to `a`.
        t: the origin of `b` in `a`.
    """

    scale: float
    R: Float64[np.ndarray, "3 3"]
    t: Float64[np.ndarray, "3"]


def identity() -> Similarity:
    """Return the similarity that changes nothing."""
    return Similarity(scale=1.0, R=np.eye(3), t=np.zeros(3))


def inverse(T_a_b: Similarity) -> Similarity:
    """Return `T_b_a`."""
    return Similarity(scale=1 / T_a_b.scale, R=T_a_b.R.T, t=-(T_a_b.R.T @ T_a_b.t) / T_a_b.scale)


def apply(T_a_b: Similarity, points: Float64[np.ndarray, "*batch 3"]) -> Float64[np.ndarray, "*batch 3"]:
    """Return points of `b` in coordinates of `a`."""
    mapped: np.ndarray = T_a_b.scale * (points @ T_a_b.R.T) + T_a_b.t
    return mapped


def estimate(
    source: Float64[np.ndarray, "n 3"],
    target: Float64[np.ndarray, "n 3"],
    weight: Float64[np.ndarray, " n"] | None = None,
    *,
    with_scale: bool = True,
) -> Similarity:
    """Estimate the similarity that maps `source` onto `target` with the least weighted sum of squared residuals.

    Args:
        source: points in `b`.
        target: the same points in `a`.
        weight: not negative, one per point; all equal where it is not given.
        with_scale: whether scale is estimated; otherwise it is 1.

    Returns:
        `T_a_b`.

    Raises:
        FastSnowError: fewer than three weighted points, or all of them on one line: rotation is then not determined.

    Reference:
        Umeyama, Least-squares estimation of transformation parameters between two point patterns, TPAMI 1991,
        equations 40 to 43.
    """
    share = np.full(len(source), 1.0) if weight is None else weight
    total = share.sum()
    if np.count_nonzero(share) < 3 or not math.isfinite(total):
        raise FastSnowError(f"similarity: got {np.count_nonzero(share)} usable points, expected at least 3")
    share = share / total
    source_mean, target_mean = share @ source, share @ target
    centred = source - source_mean
    covariance = (target - target_mean).T @ (share[:, None] * centred)
    U, strength, Vt = np.linalg.svd(covariance)
    if not strength[1] > 1e-12 * strength[0]:
        raise FastSnowError("similarity: all points lie on one line, expected three that do not")
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(U) * np.linalg.det(Vt))])
    R = (U * sign) @ Vt
    scale = float(strength @ sign / (share @ (centred**2).sum(axis=1))) if with_scale else 1.0
    return Similarity(scale=scale, R=R, t=target_mean - scale * (R @ source_mean))


def estimate_robust(
    source: Float64[np.ndarray, "n 3"],
    target: Float64[np.ndarray, "n 3"],
    weight: Float64[np.ndarray, " n"] | None = None,
    *,
    with_scale: bool = True,
    start: Similarity | None = None,
) -> Similarity:
    """Estimate like `estimate`, but let gross errors in some of the points hardly count.

    Points are reweighted by the influence function of Geman and McClure, which forgets far points but finds only the
    optimum that is near: it starts from `start`, or from a Huber estimate, which has one optimum but is drawn towards
    gross errors of the source.

    Args:
        source: points in `b`.
        target: the same points in `a`.
        weight: not negative, one per point: the inverse variance of its residual, up to a common factor.
        with_scale: whether scale is estimated; otherwise it is 1.
        start: a guess of `T_a_b`.

    Returns:
        `T_a_b`.

    Raises:
        FastSnowError: as `estimate`.

    Reference:
        Geman and McClure, Bayesian image analysis: an application to single photon emission tomography, 1985; Holland
        and Welsch, Robust regression using iteratively reweighted least-squares, 1977.
    """
    base = np.ones(len(source)) if weight is None else weight
    fit = partial(estimate, source, target, with_scale=with_scale)
    if start is None:
        start = _reweighted(fit(base), fit, source, target, base, _huber)
    return _reweighted(start, fit, source, target, base, _geman_mcclure)


def _reweighted(
    T_target_source: Similarity,
    fit: Callable[[Float64[np.ndarray, " n"]], Similarity],
    source: Float64[np.ndarray, "n 3"],
    target: Float64[np.ndarray, "n 3"],
    base: Float64[np.ndarray, " n"],
    influence: Influence,
) -> Similarity:
    deviation = np.sqrt(base)
    rounding = _ROUNDING * float(np.median((deviation * np.linalg.norm(target, axis=1))[base > 0]))
    previous = np.full(len(source), np.inf)
    for _ in range(MAX_ROUNDS):
        residual = deviation * np.linalg.norm(target - apply(T_target_source, source), axis=1)
        median = float(np.median(residual[base > 0]))
        if median <= rounding or np.abs(residual - previous).max() <= CONVERGED * median:
            break
        T_target_source = fit(base * influence(residual / median))
        previous = residual
    return T_target_source


def _huber(residual: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    return HUBER_DELTA / np.maximum(residual, HUBER_DELTA)


def _geman_mcclure(residual: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    factor: np.ndarray = 1 / (1 + residual**2) ** 2
    return factor


def align_geometry(T_a_b: Similarity, geometry: Geometry) -> Geometry:
    """Carry a geometry from world `b` to world `a`: poses and depths both scale, so points move rigidly together."""
    T_camera_a = np.tile(np.eye(4), (len(geometry), 1, 1))
    T_camera_a[:, :3, :3] = geometry.T_camera_world[:, :3, :3] @ T_a_b.R.T
    T_camera_a[:, :3, 3] = T_a_b.scale * geometry.T_camera_world[:, :3, 3] - T_camera_a[:, :3, :3] @ T_a_b.t
    return replace(geometry, depth=geometry.depth * np.float32(T_a_b.scale), T_camera_world=T_camera_a)


def align_windows(previous: Geometry, current: Geometry, shared: int, *, conf_thresh: float) -> Similarity:
    """Estimate the similarity between the worlds of two neighbouring windows.

    The cameras of the shared frames and the median ratio of their depths give a first guess; the points of the pixels
    whose depth both windows trust refine it. A pixel weighs `sqrt(c1 · c2) / d²`: the two confidences, and an error of
    depth that grows with depth. Scale stays 1 where both windows are metric.

    Args:
        previous: its last `shared` frames are the first of `current`.
        current: on the same analysis grid.
        shared: how many frames both windows hold, at least 1.
        conf_thresh: pixels whose confidence is below this in either window are left out.

    Returns:
        `T_previous_current`: maps the world of `current` to that of `previous`.

    Warns:
        FastSnowWarning: too few pixels are trusted in both; the cameras of the shared frames align the windows instead.
    """
    before, after = previous[len(previous) - shared :], current[:shared]
    with_scale = not (previous.metric and current.metric)
    pixel = _trusted(before, after, conf_thresh)
    both = _measured(before) & _measured(after)
    T_previous_current = _align_cameras(before, after, both, with_scale=with_scale)
    if len(pixel) < MIN_POINTS:
        warnings.warn(
            f"windows share {len(pixel)} pixels of trusted depth, fewer than {MIN_POINTS}: aligned by cameras alone",
            FastSnowWarning,
            stacklevel=2,
        )
        return T_previous_current
    pixel = _thinned(pixel)
    depth = before.depth.ravel()[pixel].astype(np.float64)
    confidence = np.sqrt(before.confidence.ravel()[pixel].astype(np.float64) * after.confidence.ravel()[pixel])
    return estimate_robust(
        _points(after, pixel),
        _points(before, pixel),
        confidence / depth**2,
        with_scale=with_scale,
        start=T_previous_current,
    )


def disagreement(
    T_previous_current: Similarity, previous: Geometry, current: Geometry, shared: int, *, conf_thresh: float
) -> tuple[Float64[np.ndarray, " n"], float]:
    """Measure how well a similarity joins two neighbouring windows, which are as in `align_windows`.

    Returns:
        Of pixels that both windows trust, the distance between the two points as a share of depth; and the largest
        distance between the two places of a shared frame's camera, as a share of median depth (NaN without depth).
    """
    before, after = previous[len(previous) - shared :], current[:shared]
    pixel = _thinned(_trusted(before, after, conf_thresh))
    if not len(pixel):
        return np.zeros(0), math.nan
    depth = before.depth.ravel()[pixel].astype(np.float64)
    apart = np.linalg.norm(_points(before, pixel) - apply(T_previous_current, _points(after, pixel)), axis=1)
    centres = [-_rotate_back(each.T_camera_world, each.T_camera_world[:, :3, 3]) for each in (before, after)]
    moved = np.linalg.norm(centres[0] - apply(T_previous_current, centres[1]), axis=1)
    return apart / depth, float(moved.max() / np.median(depth))


def _trusted(before: Geometry, after: Geometry, conf_thresh: float) -> Int64[np.ndarray, " n"]:
    """Return the flat indices of pixels whose depth is trusted in both."""
    lower = np.minimum(before.confidence, after.confidence)
    return np.flatnonzero(_measured(before) & _measured(after) & (lower >= conf_thresh) & (lower > 0))


def _thinned(pixel: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " k"]:
    """Return at most `MAX_POINTS` of some pixels, evenly spread."""
    return pixel[np.linspace(0, len(pixel) - 1, min(len(pixel), MAX_POINTS)).astype(np.int64)]


def _measured(geometry: Geometry) -> Bool[np.ndarray, "n h w"]:
    measured: np.ndarray = np.isfinite(geometry.depth) & (geometry.depth > 0)
    return measured


def _points(geometry: Geometry, pixel: Int64[np.ndarray, " n"]) -> Float64[np.ndarray, "n 3"]:
    """Return the world coordinates of pixels given by flat index over frames, rows and columns."""
    frame, v, u = np.unravel_index(pixel, geometry.depth.shape)
    K = geometry.intrinsics[frame]
    x = (u - K[:, 0, 2] - K[:, 0, 1] * (v - K[:, 1, 2]) / K[:, 1, 1]) / K[:, 0, 0]
    ray = np.stack([x, (v - K[:, 1, 2]) / K[:, 1, 1], np.ones(len(pixel))], axis=1)
    in_camera = ray * geometry.depth.ravel()[pixel, None]
    T_camera_world = geometry.T_camera_world[frame]
    return _rotate_back(T_camera_world, in_camera - T_camera_world[:, :3, 3])


def _rotate_back(
    T_camera_world: Float64[np.ndarray, "n 4 4"], vector: Float64[np.ndarray, "n 3"]
) -> Float64[np.ndarray, "n 3"]:
    """Return directions in the world, given in the camera."""
    rotated: np.ndarray = np.einsum("nji,nj->ni", T_camera_world[:, :3, :3], vector)
    return rotated


def _align_cameras(
    before: Geometry, after: Geometry, both: Bool[np.ndarray, "n h w"], *, with_scale: bool
) -> Similarity:
    """Align by each shared camera's centre and axes, whose lengths are as the depths that both windows give."""
    reach, ratio = 1.0, 1.0
    if both.any() and with_scale:
        reach = float(np.median(after.depth[both]))
        ratio = float(np.median(before.depth[both] / after.depth[both]))
    return estimate(_frames(after, reach), _frames(before, reach * ratio), with_scale=with_scale)


def _frames(geometry: Geometry, reach: float) -> Float64[np.ndarray, "m 3"]:
    """Return the centre of every camera and the tips of its three axes, `reach` long."""
    T_camera_world = geometry.T_camera_world
    centre = -_rotate_back(T_camera_world, T_camera_world[:, :3, 3])
    return np.concatenate([centre, (centre[:, None] + reach * T_camera_world[:, :3, :3]).reshape(-1, 3)])
