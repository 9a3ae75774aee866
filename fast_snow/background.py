"""How what rests moves in the image from frame to frame, and whether the camera's poses say the same.

It is measured on points that were found again, those on objects left out, by the homography that most of them follow:
exact for a camera that turns, that of the dominant surface for one that moves. How far it may be off is told by what
two halves of the image say, over several ways to halve it; points near each other err together, so that whole cells of
the image go to one half.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import cv2
import numpy as np
from jaxtyping import Bool, Float64

from fast_snow.cameras import project, rays, unproject
from fast_snow.kernels.masks import decode
from fast_snow.types import BackgroundMotion, DepthOrigin, Frames, Geometry, GridShape, Masks, PointMatches

Places = Float64[np.ndarray, "k 2"]
_Homography = Float64[np.ndarray, "3 3"]

_INLIER: Final = 1.0
"""Pixels."""
_LEAST_MATCHES: Final = 20
_LEAST_SHARE: Final = 0.3
"""Of the points follow the homography; of fewer it is chance, or the motion of something else."""
_HALVES: Final = 8
_CELLS: Final = 4
"""Cells of the image in each direction."""
_LEAST_SIGMA: Final = 0.05
"""Pixels: what points that are followed may all be off together."""
_CONTRADICTED: Final = (4.0, 0.2)
"""A pose contradicts the images where it misses half of the points by so many pixels, and by this share of their
motion."""
_MARGIN: Final = 7
"""Pixels around an object's mask that may still be the object's."""


def with_background(geometry: Geometry, frames: Frames, masks: Sequence[Masks]) -> Geometry:
    """Return the geometry with the motion of the background in each frame.

    Args:
        geometry: of the frames.
        frames: with their matches; those of other pairs of frames than neighbours are not used.
        masks: of the objects in each frame; what is on them does not count.
    """
    tried = BackgroundMotion.untried(len(frames))
    columns = {name: getattr(tried, name).copy() for name in ("matches", "shift", "shift_sigma", "turn_sigma")}
    for i in range(1, len(frames)):
        matches = frames.matches[i]
        if matches is None or matches.t != frames.t[i - 1]:
            continue
        found = _motion(geometry, i, *_on_background(matches, frames.image.shape[1:3], geometry.grid, masks[i - 1]))
        if found is not None:
            for name, value in found.items():
                columns[name][i] = value
        elif geometry.origin is DepthOrigin.GROUND_PLANE_PRIOR:  # the poses rest on nothing else
            columns["matches"][i] = 0
    return replace(geometry, background=BackgroundMotion(**columns))


def _on_background(
    matches: PointMatches, size: GridShape, grid: GridShape, masks: Masks
) -> tuple[Places, Places, Places, Places]:
    """Return the matched points on the analysis grid: those off all objects, then all of them."""
    scale = np.array(grid[::-1]) / np.array(size[::-1])
    before, now = ((each.astype(np.float64) + 0.5) * scale - 0.5 for each in (matches.before, matches.now))
    covered = decode(masks).any(axis=0).astype(np.uint8) if len(masks) else np.zeros(grid, np.uint8)
    covered = np.asarray(cv2.dilate(np.asarray(covered), np.ones((2 * _MARGIN + 1,) * 2, np.uint8)))
    row, column = np.clip(np.rint(before[:, ::-1]).astype(int), 0, np.array(grid) - 1).T
    free = covered[row, column] == 0
    return before[free], now[free], before, now


def _motion(
    geometry: Geometry, i: int, before: Places, now: Places, all_before: Places, all_now: Places
) -> dict[str, object] | None:
    """Return the motion of the background to frame `i`; None where it cannot be told."""
    if len(before) < max(_LEAST_MATCHES, _LEAST_SHARE * len(all_before)):
        # Objects cover nearly all: what most of the points do is then the best that is known.
        before, now = all_before, all_now
    homography, inlier = robust_homography(before, now)
    if homography is None or inlier.sum() < max(_LEAST_MATCHES, _LEAST_SHARE * len(before)):
        return None
    height, width = geometry.grid
    middle = np.array([[(width - 1) / 2, (height - 1) / 2]])
    shift = _moved(homography, middle)[0] - middle[0]
    sigma = np.hypot(_halves_disagree(before[inlier], now[inlier], middle, geometry.grid), _LEAST_SIGMA)
    missed = _missed(geometry, i, before, now)
    if len(missed) >= _LEAST_MATCHES:
        least, share = _CONTRADICTED
        way = float(np.median(np.linalg.norm(now - before, axis=1)))
        if np.median(np.linalg.norm(missed, axis=1)) > max(least, share * way):
            return {"matches": 0}
    turn = _pose_sigma(geometry, missed, sigma) / float(geometry.intrinsics[i, :2, :2].diagonal().mean())
    return {"matches": int(inlier.sum()), "shift": shift, "shift_sigma": sigma, "turn_sigma": turn}


def _pose_sigma(geometry: Geometry, missed: Places, sigma: Float64[np.ndarray, "2"]) -> float:
    """Return by how many pixels a pose errs: by what it misses most points, and by how little these tell of it.

    Args:
        geometry: of the pose.
        missed: by which it misses points; few where depth is known of few.
        sigma: of the motion in the middle of the image.
    """
    if len(missed) < _LEAST_MATCHES:
        return float(np.sqrt((sigma**2).mean()))
    off = np.median(missed, axis=0)
    if geometry.origin is not DepthOrigin.GROUND_PLANE_PRIOR:
        # Whatever moves points by depth is no error of the turn.
        sigma = np.hypot(1.4826 * np.median(np.abs(missed - off), axis=0) / _CELLS, _LEAST_SIGMA)
    return float(np.sqrt((sigma**2 + off**2).mean()))


def robust_homography(before: Places, now: Places) -> tuple[_Homography | None, Bool[np.ndarray, " k"]]:
    """Return the homography that most matches follow, and which ones do.

    Reference:
        Barath et al., MAGSAC++, a fast, reliable and accurate robust estimator, CVPR 2020.
    """
    nothing = np.zeros(len(before), bool)
    if len(before) < _LEAST_MATCHES:
        return None, nothing
    how = cv2.UsacParams()
    how.score = cv2.SCORE_METHOD_MAGSAC
    how.threshold = _INLIER
    how.maxIterations = 2000
    how.randomGeneratorState = 0
    found, inlier = cv2.findHomography(before, now, how)
    if found is None or not np.isfinite(found).all() or not found[2, 2]:
        return None, nothing
    return np.asarray(found, np.float64), np.asarray(inlier).ravel().astype(bool)


def _moved(homography: _Homography, places: Places) -> Places:
    return cv2.perspectiveTransform(places[None], homography)[0]


def _halves_disagree(before: Places, now: Places, middle: Places, grid: GridShape) -> Float64[np.ndarray, "2"]:
    """Return the standard deviation of the motion in the middle of the image, from what halves of the image say."""
    cell = (before[:, ::-1] * _CELLS / np.array(grid)).astype(int).clip(0, _CELLS - 1) @ (_CELLS, 1)
    rng = np.random.default_rng(0)
    squares = []
    for _ in range(_HALVES):
        first = rng.permutation(_CELLS**2)[cell] % 2 == 0
        ends = []
        for half in (first, ~first):
            fit, _ = cv2.findHomography(before[half], now[half]) if half.sum() >= _LEAST_MATCHES // 2 else (None, None)
            if fit is not None:
                ends.append(_moved(np.asarray(fit, np.float64), middle)[0])
        if len(ends) == 2:
            squares.append((ends[1] - ends[0]) ** 2)
    if not squares:
        return np.full(2, _INLIER)
    # A half is off by sqrt(2) of what all are, two halves differ by sqrt(2) of that.
    return np.asarray(np.sqrt(np.median(squares, axis=0) / 0.4549) / 2)


def _missed(geometry: Geometry, i: int, before: Places, now: Places) -> Places:
    """Return by how much depth and poses miss where points are in frame `i`; only of points that have a depth."""
    row, column = np.clip(np.rint(before[:, ::-1]).astype(int), 0, np.array(geometry.grid) - 1).T
    depth = geometry.depth[i - 1][row, column].astype(np.float64)
    T_camera_world = geometry.T_camera_world[[i - 1, i]].copy()
    if geometry.origin is DepthOrigin.GROUND_PLANE_PRIOR:
        depth = np.ones_like(depth)
        T_camera_world[:, :3, 3] = 0.0
    there = np.isfinite(depth) & (depth > 0)
    world = unproject(before[there], depth[there], geometry.intrinsics[i - 1], np.linalg.inv(T_camera_world[0]))
    seen, _ = project(world, geometry.intrinsics[i], T_camera_world[1])
    missed = now[there] - seen
    return missed[np.isfinite(missed).all(axis=1)]


def turned(before: Places, now: Places, intrinsics: Float64[np.ndarray, "3 3"]) -> Float64[np.ndarray, "3 3"] | None:
    """Return how a camera that stays in place turns between two images (`R_now_before`), as most matches say.

    None where they do not tell.
    """
    homography, inlier = robust_homography(before, now)
    if homography is None or inlier.sum() < max(_LEAST_MATCHES, _LEAST_SHARE * len(before)):
        return None
    a, b = (rays(each[inlier], intrinsics) for each in (before, now))
    a, b = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (a, b))
    u, _, vt = np.linalg.svd(b.T @ a)
    return np.asarray(u @ np.diag([1.0, 1.0, np.linalg.det(u @ vt)]) @ vt)
