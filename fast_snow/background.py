"""How what rests moves in the image from frame to frame, and whether the camera's poses say the same.

It is measured on points that were found again, those on objects left out, by the homography that most of them follow:
exact for a camera that turns, that of the dominant surface for one that moves. How far it may be off is told by what
two halves of the image say, over several ways to halve it; points near each other err together, so that whole cells of
the image go to one half. What follows another surface is not in it, so that parallax between the cells adds to that.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import cv2
import numpy as np
from jaxtyping import Bool, Float64, Int64

from fast_snow.cameras import rays
from fast_snow.kernels.masks import decode
from fast_snow.point_matches import ENOUGH, Pair, common, find_features, match_features, rescaled
from fast_snow.types import BackgroundMotion, DepthOrigin, Frames, Geometry, GridShape, Masks, Transform

Places = Float64[np.ndarray, "_ 2"]
_Homography = Float64[np.ndarray, "3 3"]

_INLIERS: Final = (1.0, 3.0)
"""Pixels; the second where parallax leaves too few within the first."""
_LEAST_MATCHES: Final = 20
_LEAST_SHARE: Final = 0.3
"""Of the points follow the homography; of fewer it is chance, or the motion of something else."""
_MOSTLY_COVERED: Final = 0.7
"""Share of the image."""
_HALVES: Final = 8
_CELLS: Final = 4
"""Cells of the image in each direction."""
_PARALLAX: Final = 0.3
"""What rests nearer or farther than the dominant surface moves by up to this share more or less."""
_LEAST_IN_CELL: Final = 4
_LEAST_SIGMA: Final = 0.05
"""Pixels: what points that are followed may all be off together."""
_CONTRADICTED: Final = (2.0, 0.05)
"""A pose contradicts the images where it misses half of the points by so many pixels, and by this share of their
motion."""
_MARGIN: Final = 7
"""Pixels around an object's mask that may still be the object's."""


def with_background(geometry: Geometry, frames: Frames, masks: Sequence[Masks]) -> Geometry:
    """Return the geometry with the motion of the background in each frame.

    Of a camera that only turns (the depth is a guess), the turns are those of the background too.

    Args:
        geometry: of the frames.
        frames: with their points.
        masks: of the objects in each frame; what is on them does not count.
    """
    if any(each is None for each in frames.points):
        return geometry
    turns_only = geometry.origin is DepthOrigin.GROUND_PLANE_PRIOR
    tried = BackgroundMotion.untried(len(frames))
    columns = {name: getattr(tried, name).copy() for name in ("matches", "shift", "shift_sigma", "turn_sigma")}
    T_camera_world = geometry.T_camera_world.copy()
    for i in range(1, len(frames)):
        T_step = geometry.T_camera_world[i] @ np.linalg.inv(geometry.T_camera_world[i - 1])
        matches = _matches(frames, i, masks[i - 1], geometry.grid)
        homography, inlier = robust_homography(*matches)
        before, now = (each[inlier] for each in matches)
        if turns_only and homography is not None:
            T_step[:3, :3] = turned(before, now, geometry.intrinsics[i])
        T_camera_world[i] = T_step @ T_camera_world[i - 1]
        found = None if homography is None else _motion(geometry, T_step, homography, matches, inlier)
        if found is not None:
            for name, value in found.items():
                columns[name][i] = value
        elif turns_only:  # the poses rest on nothing else
            columns["matches"][i] = 0
    return replace(geometry, T_camera_world=T_camera_world, background=BackgroundMotion(**columns))


def _matches(frames: Frames, i: int, masks: Masks, grid: GridShape) -> Pair:
    """Return points off all objects that frame `i` shares with the one before, on the analysis grid.

    They are those that were followed, and features where these are few.
    """
    size = (frames.image.shape[1], frames.image.shape[2])
    before, now = _on_background(
        common(*(rescaled(each, size, grid) for each in frames.points[[i - 1, i]])), masks, grid
    )
    if len(before) >= ENOUGH:
        return before, now
    a, b = (find_features(cv2.cvtColor(each, cv2.COLOR_RGB2GRAY)) for each in frames.image[[i - 1, i]])
    one, other = match_features(a, b)
    scale = np.array(grid[::-1]) / np.array(size[::-1])
    found = _on_background(((a[0][one] + 0.5) * scale - 0.5, (b[0][other] + 0.5) * scale - 0.5), masks, grid)
    return np.concatenate([before, found[0]]), np.concatenate([now, found[1]])


def _on_background(matches: Pair, masks: Masks, grid: GridShape) -> Pair:
    """Return the matches off all objects; all of them where objects cover nearly all: most of these then rest."""
    before, now = matches
    covered = decode(masks).any(axis=0).astype(np.uint8) if len(masks) else np.zeros(grid, np.uint8)
    covered = np.asarray(cv2.dilate(np.asarray(covered), np.ones((2 * _MARGIN + 1,) * 2, np.uint8)))
    if covered.mean() > _MOSTLY_COVERED:
        return before, now
    row, column = np.clip(np.rint(before[:, ::-1]).astype(int), 0, np.array(grid) - 1).T
    free = covered[row, column] == 0
    return before[free], now[free]


def _motion(
    geometry: Geometry, T_step: Transform, homography: _Homography, matches: Pair, inlier: Bool[np.ndarray, " k"]
) -> dict[str, object]:
    """Return the motion of the background by the matches that follow it, and how far it may be off by all of them."""
    before, now = (each[inlier] for each in matches)
    height, width = geometry.grid
    middle = np.array([[(width - 1) / 2, (height - 1) / 2]])
    shift = _moved(homography, middle)[0] - middle[0]
    sigma = np.hypot(_halves_disagree(before, now, middle, geometry.grid), _LEAST_SIGMA)
    sigma = np.hypot(
        sigma, _cells_disagree(homography, matches, _PARALLAX * float(np.linalg.norm(shift)), geometry.grid)
    )
    turns_only, K = geometry.origin is DepthOrigin.GROUND_PLANE_PRIOR, geometry.intrinsics[0]
    missed = _missed(K, T_step, before, now)
    if len(missed) < _LEAST_MATCHES or (not turns_only and contradicts(K, T_step, before, now)):
        return {"matches": 0}
    off, pose_sigma = float(np.median(np.linalg.norm(missed, axis=1))), sigma
    if not turns_only:
        # What depth makes of the way of points is no error of the pose.
        spread = np.abs(missed - np.median(missed, axis=0))
        pose_sigma = np.hypot(1.4826 * np.median(spread, axis=0) / _CELLS, _LEAST_SIGMA)
    turn = float(np.sqrt((pose_sigma**2).mean() + off**2)) / float(K[0, 0])
    return {"matches": len(before), "shift": shift, "shift_sigma": sigma, "turn_sigma": turn}


def robust_homography(before: Places, now: Places) -> tuple[_Homography | None, Bool[np.ndarray, " k"]]:
    """Return the homography that most matches follow, and which ones do; None where too few do.

    Reference:
        Barath et al., MAGSAC++, a fast, reliable and accurate robust estimator, CVPR 2020.
    """
    least = max(_LEAST_MATCHES, _LEAST_SHARE * len(before))
    how = cv2.UsacParams()
    how.score = cv2.SCORE_METHOD_MAGSAC
    how.maxIterations = 2000
    how.randomGeneratorState = 0
    for how.threshold in _INLIERS if len(before) >= least else ():
        found, inlier = cv2.findHomography(before, now, how)
        follows = np.asarray(inlier).ravel().astype(bool)
        if found is not None and np.isfinite(found).all() and found[2, 2] and follows.sum() >= least:
            return np.asarray(found, np.float64), follows
    return None, np.zeros(len(before), bool)


def _moved(homography: _Homography, places: Places) -> Places:
    return cv2.perspectiveTransform(places[None], homography)[0]


def _halves_disagree(before: Places, now: Places, middle: Places, grid: GridShape) -> Float64[np.ndarray, "2"]:
    """Return the standard deviation of the motion in the middle of the image, from what halves of the image say."""
    cell = _cells(before, grid)
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
        return np.full(2, _INLIERS[-1])
    # A half is off by sqrt(2) of what all are, two halves differ by sqrt(2) of that.
    return np.asarray(np.sqrt(np.median(squares, axis=0) / 0.4549) / 2)


def _cells_disagree(
    homography: _Homography, matches: Pair, parallax: float, grid: GridShape
) -> Float64[np.ndarray, "2"]:
    """Return the standard error of the motion by how far the points of each cell are from it, by their median.

    Neighbouring cells show one surface: all of them count as four independent ones, the quadrants.

    Args:
        homography: the motion.
        matches: all of them.
        parallax: pixels by which what rests may be off it.
        grid: of the matches.
    """
    before, now = matches
    off = now - _moved(homography, before)
    near, cell = np.linalg.norm(off, axis=1) < max(_INLIERS[-1], parallax), _cells(before, grid)
    members = [off[near & (cell == k)] for k in range(_CELLS**2)]
    medians = [np.median(each, axis=0) for each in members if len(each) >= _LEAST_IN_CELL]
    return np.asarray(np.sqrt(np.mean(np.square(medians), axis=0)) / 2) if medians else np.zeros(2)


def _cells(places: Places, grid: GridShape) -> Int64[np.ndarray, " k"]:
    """Return the cell of the image that each place lies in."""
    return (places[:, ::-1] * _CELLS / np.array(grid)).astype(int).clip(0, _CELLS - 1) @ (_CELLS, 1)


def contradicts(K: Float64[np.ndarray, "3 3"], T_now_before: Transform, before: Places, now: Places) -> bool:
    """Tell whether the camera's motion cannot be that which matches show, whatever their depth."""
    missed = _missed(K, T_now_before, before, now)
    least, share = _CONTRADICTED
    largest = max(least, share * float(np.median(np.linalg.norm(now - before, axis=1)))) if len(now) else least
    return bool(2 * np.count_nonzero(np.linalg.norm(missed, axis=1) > largest) > len(missed))


def _missed(K: Float64[np.ndarray, "3 3"], T_now_before: Transform, before: Places, now: Places) -> Places:
    """Return by how much the camera's motion misses where points are now, whatever their depth.

    A point is seen on the line from where it would be at infinity towards where it would be if it were near.
    """
    far = rays(before, K) @ (K @ T_now_before[:3, :3]).T
    shift = K @ T_now_before[:3, 3]
    ahead = far[:, 2] > 0
    far, now = far[ahead, :2] / far[ahead, 2:], now[ahead]
    way = shift[:2] - far * shift[2]
    length = np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 1e-300)
    way = way / length
    missed = now - far
    return missed - np.maximum((missed * way).sum(axis=1, keepdims=True), 0.0) * way


def turned(before: Places, now: Places, intrinsics: Float64[np.ndarray, "3 3"]) -> Float64[np.ndarray, "3 3"]:
    """Return the turn of a camera that stays in place (`R_now_before`) which fits matches best, all of them good."""
    a, b = (rays(each, intrinsics) for each in (before, now))
    a, b = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (a, b))
    u, _, vt = np.linalg.svd(b.T @ a)
    return np.asarray(u @ np.diag([1.0, 1.0, np.linalg.det(u @ vt)]) @ vt)
