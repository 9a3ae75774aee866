"""The large planes of a scene that things rest on or stand before: floor, walls, table tops.

Planes are found over all frames of a window together, so that every frame has the same ones.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from fast_snow.cameras import rays
from fast_snow.types import FrameGeometry, GridShape


class Plane(NamedTuple):
    """A connected piece of a plane in the world.

    Attributes:
        normal: unit vector `n`.
        offset: `d` of `n · X + d = 0`.
        axes: two unit vectors along the plane.
        first: place of the extent's first cell along these.
        cell: side of a cell.
        extent: which cells the piece covers.
    """

    normal: Float64[np.ndarray, "3"]
    offset: float
    axes: Float64[np.ndarray, "2 3"]
    first: Float64[np.ndarray, "2"]
    cell: float
    extent: Bool[np.ndarray, "rows columns"]

    def height(self, points: Float64[np.ndarray, "*shape 3"]) -> Float64[np.ndarray, "*shape"]:
        """Return the signed distance of points from the endless plane."""
        return points @ self.normal + self.offset

    def below(self, points: Float64[np.ndarray, "*shape 3"]) -> Bool[np.ndarray, "*shape"]:
        """Tell which points lie over or under the piece."""
        return self.extent[tuple(np.moveaxis(_cells(points, self.axes, self.first, self.cell, self.extent.shape), -1, 0))]


_CONFIDENT = 0.5
_ROWS, _COLUMNS = 36, 48  # points of a frame that planes are fitted to
_FRAMES = 20
_BESIDE = 2
_REACH = 6  # points between the corners of a hypothesis
_TRIALS = 300
_ROUNDS = 5
_CELL = 0.1  # of the median depth
_MOST_CELLS = 1000
_MOSTLY = 0.5
_MOST = 16
_NEAR = 2.0  # tolerances from a plane within which no other one is sought


def depth_map(geometry: FrameGeometry, shape: GridShape) -> Float32[np.ndarray, "h w"]:
    """Return the depth that can be trusted, on a coarser grid; 0 where there is none."""
    at = np.ix_(*_sampled(geometry, shape))
    depth, confidence = geometry.depth[at], geometry.confidence[at]
    return np.where(np.isfinite(depth) & (depth > 0) & (confidence >= _CONFIDENT), depth, np.float32(0.0))


def points_of(geometry: FrameGeometry, depth: Float32[np.ndarray, "h w"]) -> Float64[np.ndarray, "h w 3"]:
    """Return the world point of each pixel of a coarser depth map."""
    v, u = _sampled(geometry, depth.shape)
    uv = np.stack(np.meshgrid(u, v), axis=-1).astype(np.float64)
    T_world_camera = np.linalg.inv(geometry.T_camera_world)
    return (rays(uv, geometry.intrinsics) * depth[..., None]) @ T_world_camera[:3, :3].T + T_world_camera[:3, 3]


def _sampled(geometry: FrameGeometry, shape: GridShape) -> tuple[Int64[np.ndarray, " h"], Int64[np.ndarray, " w"]]:
    """Return the rows and the columns of the analysis grid that a coarser grid takes."""
    rows, columns = (
        (2 * np.arange(n) + 1) * size // (2 * n) for n, size in zip(shape, geometry.depth.shape, strict=True)
    )
    return rows, columns


def background_planes(frames: Sequence[FrameGeometry], *, tolerance: float, least_share: float, seed: int) -> list[Plane]:
    """Find the planes that things rest on or stand before.

    Beside the outline of a floor or a wall lies what stands on it or before it; beside that of a thing's face, such as a table
    top, lies what is seen past it. A plane is background where, of what is seen beside its outline, most lies before it.

    Args:
        frames: of one window.
        tolerance: distance from a plane, relative to a point's depth, up to which a point of median depth lies on it; of
            others in proportion to their depth, as the errors of depth grow with its square.
        least_share: of all points on the smallest plane.
        seed: of the random sampling.

    Returns:
        The planes, the largest first; none where the depth shows none.

    Reference:
        M. Fischler, R. Bolles. Random Sample Consensus. CACM 24(6), 1981.
    """
    picked = frames[:: -(-len(frames) // _FRAMES)]
    depth = np.stack([depth_map(each, (_ROWS, _COLUMNS)) for each in picked])
    if not depth.any():
        return []
    points = np.stack([points_of(each, d) for each, d in zip(picked, depth, strict=True)])
    centre = np.stack([np.linalg.inv(each.T_camera_world)[:3, 3] for each in picked])
    typical = float(np.median(depth[depth > 0]))
    error = tolerance * depth.astype(np.float64) ** 2 / typical
    left, rng, planes = depth > 0, np.random.default_rng(seed), []
    least = least_share * left.size
    for _ in range(_MOST):
        if np.count_nonzero(left) < least:
            break
        normal_offset = _largest(points, error, left, rng)
        height = points @ normal_offset[:3] + normal_offset[3]
        on = left & (np.abs(height) < error)
        if np.count_nonzero(on) < least:
            break
        side = np.sign(centre @ normal_offset[:3] + normal_offset[3])[:, None, None]
        above = side * height / np.where(depth > 0, error, np.inf)
        for piece, lies in _pieces(normal_offset, points, on, _CELL * typical, least):
            share = _before(lies, above)
            import os
            if os.environ.get("DBG"):
                print(normal_offset.round(2), "share", round(lies.sum()/left.size, 3), "before", round(share, 3), [round(lies[i].mean(),2) for i in range(0,len(on),4)])
            if share > _MOSTLY:
                planes.append(piece)
        left &= np.abs(height) > _NEAR * error
    return planes


def _pieces(
    plane: Float64[np.ndarray, "4"],
    points: Float64[np.ndarray, "n h w 3"],
    on: Bool[np.ndarray, "n h w"],
    cell: float,
    least: float,
) -> Iterator[tuple[Plane, Bool[np.ndarray, "n h w"]]]:
    """Yield the connected pieces of a plane that many points lie on, with these points."""
    axes = np.linalg.svd(plane[None, :3])[2][1:]
    along = points[on] @ axes.T
    low, high = along.min(axis=0), along.max(axis=0)
    cell = max(cell, float((high - low).max()) / _MOST_CELLS)
    shape = tuple(((high - low) / cell).astype(int) + 3)
    first = low - cell
    at = _cells(points, axes, first, cell, shape)
    covered = np.zeros(shape, np.uint8)
    covered[tuple(at[on].T)] = 1
    count, number = cv2.connectedComponents(cv2.dilate(covered, np.ones((3, 3), np.uint8)), connectivity=4)
    of_point = np.where(on, number[tuple(np.moveaxis(at, -1, 0))], 0)
    for piece in range(1, count):
        lies = of_point == piece
        if np.count_nonzero(lies) >= least:
            yield Plane(plane[:3], float(plane[3]), axes, first, cell, number == piece), lies


def _cells(
    points: Float64[np.ndarray, "*shape 3"],
    axes: Float64[np.ndarray, "2 3"],
    first: Float64[np.ndarray, "2"],
    cell: float,
    shape: tuple[int, int],
) -> Int64[np.ndarray, "*shape 2"]:
    """Return the cell of each point; the first one, which no piece covers, where it lies beyond all."""
    at = np.floor((points @ axes.T - first) / cell)
    inside = ((at >= 0) & (at < np.array(shape))).all(axis=-1)
    return np.where(inside[..., None], at, 0).astype(np.int64)


def _before(on: Bool[np.ndarray, "n h w"], above: Float64[np.ndarray, "n h w"]) -> float:
    """Return of what is seen beside a plane's outline the share that lies before it: on the side of the camera.

    Args:
        on: which points lie on the plane.
        above: distance of each point from it towards the camera, in tolerances; 0 where unknown.
    """
    beside = np.pad(above, ((0, 0), (_BESIDE,) * 2, (_BESIDE,) * 2))
    rows, columns = on.shape[1:]
    before = behind = 0
    for dv, du in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        v, u = _BESIDE * (1 + dv), _BESIDE * (1 + du)
        there = beside[:, v : v + rows, u : u + columns]
        before += np.count_nonzero(on & (there > _NEAR))
        behind += np.count_nonzero(on & (there < -_NEAR))
    return before / max(before + behind, 1)


def _largest(
    points: Float64[np.ndarray, "n h w 3"],
    error: Float64[np.ndarray, "n h w"],
    left: Bool[np.ndarray, "n h w"],
    rng: np.random.Generator,
) -> Float64[np.ndarray, "4"]:
    """Return the plane that most points lie on, of many through three points of one frame near each other."""
    corner = _corners(left, rng)
    a, b, c = (points[tuple(each)] for each in corner)
    normal = np.cross(b - a, c - a)
    length = np.linalg.norm(normal, axis=1, keepdims=True)
    normal /= np.where(length > 0, length, 1.0)
    candidates = np.concatenate(
        [normal, np.where(length > 0, -(normal * a).sum(axis=1, keepdims=True), np.inf)], axis=1
    )
    X, tolerance = points[left], error[left]
    near = np.abs(X @ candidates[:, :3].T + candidates[:, 3]) < tolerance[:, None]
    plane = candidates[near.sum(axis=0).argmax()]
    for _ in range(_ROUNDS):
        on = np.abs(X @ plane[:3] + plane[3]) < tolerance
        if np.count_nonzero(on) < 3:
            break
        weight = 1.0 / tolerance[on]
        centre = (X[on] * weight[:, None]).sum(axis=0) / weight.sum()
        spread = (X[on] - centre) * np.sqrt(weight)[:, None]
        n = np.linalg.eigh(spread.T @ spread)[1][:, 0]
        plane = np.append(n, -n @ centre)
    return plane


def _corners(left: Bool[np.ndarray, "n h w"], rng: np.random.Generator) -> Int64[np.ndarray, "3 3 t"]:
    """Draw three points of one frame for each trial; trials with a point that cannot be used are left out."""
    first = np.array(np.nonzero(left))[:, rng.integers(0, np.count_nonzero(left), _TRIALS)]
    corner = np.stack([first] * 3)
    corner[1:, 1:] += rng.integers(-_REACH, _REACH + 1, (2, 2, _TRIALS))
    size = np.array(left.shape)[None, :, None]
    usable = ((corner >= 0) & (corner < size)).all(axis=(0, 1))
    corner = np.minimum(np.maximum(corner, 0), size - 1)
    usable &= left[tuple(corner.transpose(1, 0, 2))].all(axis=0)
    return corner[:, :, usable] if usable.any() else corner[:, :, :1]


def clearance(
    points: Float64[np.ndarray, "h w 3"], depth: Float32[np.ndarray, "h w"], planes: Sequence[Plane]
) -> Float32[np.ndarray, "h w"]:
    """Return how far each point is from the nearest plane, relative to its depth; 0 where there is no depth."""
    if not depth.any():
        return np.zeros_like(depth)
    distance = np.full(depth.shape, np.inf)
    for plane in planes:
        distance = np.minimum(distance, np.where(plane.below(points), np.abs(plane.height(points)), np.inf))
    relative = distance * np.median(depth[depth > 0]) / np.maximum(depth, 1e-9) ** 2
    return np.where(depth > 0, relative, 0.0).astype(np.float32)


def standing(
    clearance: Float32[np.ndarray, "h w"], depth: Float32[np.ndarray, "h w"], tolerance: float
) -> Float32[np.ndarray, "h w"]:
    """Return the evidence in [-1, 1] that each pixel stands out from the planes; 0 where there is no depth."""
    return np.where(depth > 0, np.clip((clearance - tolerance) / tolerance, -1.0, 1.0), 0.0).astype(np.float32)
