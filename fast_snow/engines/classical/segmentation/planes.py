"""The planes of a scene and the pieces of them that surfaces cover: floor, walls, table tops, faces of boxes.

Planes are found over all frames of a window together, so that every frame has the same ones.

Reference: M. Fischler, R. Bolles. Random Sample Consensus. CACM 24(6), 1981.
"""

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Float64, Int64

Points = Float64[np.ndarray, "n h w 3"]
"""World points of frames, on a grid."""

_REACH = 6  # points between the corners of a hypothesis
_TRIALS = 300
_AT_ONCE = 30  # trials
_ROUNDS = 5
_MOST = 16
_MOST_CELLS = 1000
_RIM = 2.5  # cells around a piece; the outermost stay empty
_NEAR = 2.0  # errors from a plane within which no other one is sought


class Piece(NamedTuple):
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

    def spans(self, points: Float64[np.ndarray, "*shape 3"]) -> Bool[np.ndarray, "*shape"]:
        """Tell which points lie on, above or below the piece."""
        at = _cells(points @ self.axes.T, self.first, self.cell, self.extent.shape)
        return self.extent[at[..., 0], at[..., 1]]


class Found(NamedTuple):
    """A piece of a plane with the points that lie on it."""

    piece: Piece
    on: Bool[np.ndarray, "n h w"]


def plane_pieces(
    points: Points, error: Float64[np.ndarray, "n h w"], *, cell: float, least: float, seed: int
) -> Iterator[Found]:
    """Find the pieces of planes that many points lie on.

    Args:
        points: of the frames of one window.
        error: distance from a plane up to which each point lies on it; 0 where there is no point.
        cell: side of the squares in which the extent of a piece is drawn; what is farther apart is another piece.
        least: points on the smallest piece.
        seed: of the random sampling.

    Yields:
        The pieces, those of the largest plane first.
    """
    left, rng = error > 0, np.random.default_rng(seed)
    for _ in range(_MOST):
        if np.count_nonzero(left) < max(least, 3):
            return
        plane = _largest(points, error, left, rng)
        height = np.abs(points @ plane[:3] + plane[3])
        on = left & (height < error)
        if np.count_nonzero(on) < least:
            return
        yield from _pieces(plane, points, on, cell, least)
        left &= height > _NEAR * error


def _pieces(
    plane: Float64[np.ndarray, "4"], points: Points, on: Bool[np.ndarray, "n h w"], cell: float, least: float
) -> Iterator[Found]:
    axes = np.linalg.svd(plane[None, :3])[2][1:]
    along = points @ axes.T
    low, high = along[on].min(axis=0), along[on].max(axis=0)
    cell = max(cell, float((high - low).max()) / _MOST_CELLS)
    rows, columns = (int(each + 2 * _RIM) + 1 for each in (high - low) / cell)
    first = low - _RIM * cell
    at = _cells(along, first, cell, (rows, columns))
    covered = np.zeros((rows, columns), np.uint8)
    covered[tuple(at[on].T)] = 1
    count, number = cv2.connectedComponents(cv2.dilate(covered, np.ones((3, 3), np.uint8)), connectivity=4)
    of_point = np.where(on, number[at[..., 0], at[..., 1]], 0)
    for label in range(1, count):
        lies = of_point == label
        if np.count_nonzero(lies) >= least:
            yield Found(Piece(plane[:3], float(plane[3]), axes, first, cell, number == label), lies)


def _cells(
    along: Float64[np.ndarray, "*shape 2"], first: Float64[np.ndarray, "2"], cell: float, shape: tuple[int, ...]
) -> Int64[np.ndarray, "*shape 2"]:
    """Return the cell of each place on a plane; the nearest one, which is empty, where it is outside all."""
    return np.clip((along - first) / cell, 0, np.array(shape) - 1).astype(np.int64)


def _largest(
    points: Points, error: Float64[np.ndarray, "n h w"], left: Bool[np.ndarray, "n h w"], rng: np.random.Generator
) -> Float64[np.ndarray, "4"]:
    """Return the plane that most points lie on, of many through three points of one frame near each other."""
    a, b, c = (points[tuple(each)] for each in _corners(left, rng))
    normal = np.cross(b - a, c - a)
    length = np.linalg.norm(normal, axis=1, keepdims=True)
    normal /= np.where(length > 0, length, 1.0)
    offset = np.where(length > 0, -(normal * a).sum(axis=1, keepdims=True), np.inf)
    X, limit = points[left], error[left]
    parts = np.array_split(np.arange(len(normal)), -(-len(normal) // _AT_ONCE))
    near = [np.abs(X @ normal[k].T + offset[k].T) < limit[:, None] for k in parts]
    best = np.concatenate([np.count_nonzero(each, axis=0) for each in near]).argmax()
    plane = np.append(normal[best], offset[best])
    for _ in range(_ROUNDS):
        on = np.abs(X @ plane[:3] + plane[3]) < limit
        if np.count_nonzero(on) < 3:
            break
        weight = 1.0 / limit[on]
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
