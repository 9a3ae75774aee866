"""Which planes are background, and what stands out from them.

Beside the outline of a floor or a wall lies what stands on it or before it. Beside the outline of an object's face,
such as a table top, lies what is seen past it. So a plane is background unless
most of what is seen beside its outline lies behind it.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32, Int64

from fast_snow.cameras import unproject
from fast_snow.engines.classical.segmentation.planes import Piece, plane_pieces
from fast_snow.types import FrameGeometry, GridShape

_CONFIDENT = 0.5
_ROWS, _COLUMNS = 36, 48  # points of a frame that planes are fitted to
_FRAMES = 20
_CELL = 0.1  # of the median depth
_BESIDE = 2  # points from a plane's outline
_CLEARLY = 2.0  # errors before or behind a plane

MOST_BEHIND = 0.5
"""Share of what is seen beside a plane's outline from which on the plane is an object's face."""


def depth_map(geometry: FrameGeometry, shape: GridShape) -> Float32[np.ndarray, "h w"]:
    """Return the depth that can be trusted, on a coarser grid; 0 where there is none."""
    at = np.ix_(*_sampled(geometry, shape))
    depth, confidence = geometry.depth[at], geometry.confidence[at]
    return np.where(np.isfinite(depth) & (depth > 0) & (confidence >= _CONFIDENT), depth, np.float32(0.0))


def points_of(geometry: FrameGeometry, depth: Float32[np.ndarray, "h w"]) -> Float64[np.ndarray, "h w 3"]:
    """Return the world point of each pixel of a coarser depth map."""
    v, u = _sampled(geometry, depth.shape)
    uv = np.stack(np.meshgrid(u, v), axis=-1).astype(np.float64)
    return unproject(uv, depth.astype(np.float64), geometry.intrinsics, np.linalg.inv(geometry.T_camera_world))


def _sampled(geometry: FrameGeometry, shape: GridShape) -> tuple[Int64[np.ndarray, " h"], Int64[np.ndarray, " w"]]:
    """Return the rows and the columns of the analysis grid that a coarser grid takes."""
    rows, columns = (
        (2 * np.arange(n) + 1) * size // (2 * n) for n, size in zip(shape, geometry.depth.shape, strict=True)
    )
    return rows, columns


def background(frames: Sequence[FrameGeometry], *, tolerance: float, least_share: float, seed: int) -> list[Piece]:
    """Find the planes that things rest on or stand before.

    Args:
        frames: of one window.
        tolerance: distance from a plane, relative to its depth, up to which a point of median depth lies on it; of
            others in proportion to their depth, as the errors of depth grow with its square.
        least_share: of all points on the smallest plane.
        seed: of the random sampling.

    Returns:
        The planes, the largest first; none where the depth shows none.
    """
    picked = frames[:: -(-len(frames) // _FRAMES)]
    depth = np.stack([depth_map(each, (_ROWS, _COLUMNS)) for each in picked])
    if not depth.any():
        return []
    points = np.stack([points_of(each, d) for each, d in zip(picked, depth, strict=True)])
    centre = np.stack([np.linalg.inv(each.T_camera_world)[:3, 3] for each in picked])
    typical = float(np.median(depth[depth > 0]))
    error = tolerance * depth.astype(np.float64) ** 2 / typical
    found = plane_pieces(points, error, cell=_CELL * typical, least=least_share * depth.size, seed=seed)
    return [piece for piece, on in found if _behind(piece, on, points, error, centre) < MOST_BEHIND]


def _behind(
    piece: Piece,
    on: Bool[np.ndarray, "n h w"],
    points: Float64[np.ndarray, "n h w 3"],
    error: Float64[np.ndarray, "n h w"],
    centre: Float64[np.ndarray, "n 3"],
) -> float:
    """Return of what is seen beside a plane's outline the share that lies behind it; 0 where nothing is."""
    side = np.sign(piece.height(centre))[:, None, None]
    above = side * piece.height(points) / np.where(error > 0, error, np.inf)
    beside = np.pad(above, ((0, 0), (_BESIDE,) * 2, (_BESIDE,) * 2))
    rows, columns = on.shape[1:]
    before = behind = 0
    for dv, du in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        v, u = _BESIDE * (1 + dv), _BESIDE * (1 + du)
        at = beside[:, v : v + rows, u : u + columns]
        before += int(np.count_nonzero(on & (at > _CLEARLY)))
        behind += int(np.count_nonzero(on & (at < -_CLEARLY)))
    return behind / max(before + behind, 1)


def standing_out(
    frame: FrameGeometry, depth: Float32[np.ndarray, "h w"], planes: Sequence[Piece], *, tolerance: float
) -> Float32[np.ndarray, "h w"]:
    """Tell how clearly each pixel stands out from the background.

    Args:
        frame: its geometry.
        depth: of the pixels, on a coarser grid.
        planes: the background.
        tolerance: as in `background`.

    Returns:
        Evidence in [-1, 1]: -1 on a plane, 0 where there is no depth.
    """
    if not depth.any():
        return np.zeros_like(depth)
    points, distance = points_of(frame, depth), np.full(depth.shape, np.inf)
    for plane in planes:
        distance = np.minimum(distance, np.where(plane.spans(points), np.abs(plane.height(points)), np.inf))
    error = tolerance * np.maximum(depth, 1e-9) ** 2 / np.median(depth[depth > 0])
    return np.where(depth > 0, np.clip(distance / error - 1.0, -1.0, 1.0), 0.0).astype(np.float32)


def off_background(label: Int32[np.ndarray, "h w"], evidence: Float32[np.ndarray, "h w"]) -> Float32[np.ndarray, " m"]:
    """Return the share of each surface that stands out from the background, of what of it has depth.

    Evidence of other frames makes surfaces whole, but where one of them erred it makes surfaces of the floor, too.

    Args:
        label: 0, then a number for each pixel's surface.
        evidence: of one frame alone, by `standing_out`.
    """
    count = int(label.max()) + 1
    known, off = (np.bincount(label[at], minlength=count) for at in (evidence != 0, evidence > 0))
    return (off / np.maximum(known, 1))[1:].astype(np.float32)
