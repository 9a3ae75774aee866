"""How objects look in the image, by their whole masks: where they are, how large, and of which shape.

Graphs without what masks measure (older ones, and the paper's) have grid cells to tell it from.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float64, Int64

from fast_snow.reasoning.tools.cut_outlines import PixelPositions, middle_of_whole
from fast_snow.reasoning.tools.hypothesis_tests import residuals, robust_sigma
from fast_snow.reasoning.tools.tracks import ObjectTrajectory
from fast_snow.types import Cells, Columns, SceneGraph

_JUMP: Final = 2.0
"""By which factor no thing's outline changes from a frame to the next."""
_FEW: Final = 5
_FEW_CELLS: Final = 4.0
_RESOLVED: Final = 3
"""Cells along either side from which on a shape can be told."""
_RESOLVED_PX: Final = 3.0
"""Pixels of spread, of which a side is the 3.5-fold, from which on a shape can be told."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Appearance(Columns):
    """What an object's masks say of its place and size in the image.

    Attributes:
        centre: u and v in pixels of the analysis grid, also of what the border cuts; NaN where nothing is known.
        unseen: by how much the centre may be off along u and v, for long, because the border cuts it.
        area: in pixels of the analysis grid, or in cells where only they are known.
        spread: root mean square distance of its pixels from the centre along u and v, in pixels.
        cut: whether it touches the image's border, and may go on beyond.
        resolved: whether it has enough pixels, or cells, along u and v to tell its shape.
        exact: whether masks tell, and not cells.
    """

    centre: PixelPositions
    unseen: PixelPositions
    area: Float64[np.ndarray, " n"]
    spread: PixelPositions
    cut: Bool[np.ndarray, " n"]
    resolved: Bool[np.ndarray, " n"]
    exact: bool


def appearance(graph: SceneGraph, trajectory: ObjectTrajectory) -> Appearance:
    """Read an object's place and size in the image from its masks, or from tau where any of them is not known."""
    seen = trajectory.token
    moments = np.hstack([seen.uv, seen.moments]).astype(np.float64)
    if min(graph.analysis_grid) > 0 and np.isfinite(moments).all() and (seen.area > 0).all():
        box, (height, width) = seen.box, graph.analysis_grid
        spread = np.sqrt(np.maximum(moments[:, [2, 4]], 0.0) + 1 / 12)
        centre, unseen = middle_of_whole(trajectory.t, moments[:, :2], box, (height, width))
        return Appearance(
            centre=centre,
            unseen=unseen,
            area=seen.area.astype(np.float64),
            spread=spread,
            cut=(box[:, :2] <= 0).any(axis=1) | (box[:, 2] >= width) | (box[:, 3] >= height),
            resolved=spread.min(axis=1) >= _RESOLVED_PX,
            exact=True,
        )
    return _of_cells(graph, seen.cells)


def _of_cells(graph: SceneGraph, tau: Cells) -> Appearance:
    """Take cells for pixels, each with the share of it that is covered."""
    count, grid = len(tau.offset) - 1, graph.grid_size
    frame = np.repeat(np.arange(count), np.diff(tau.offset))
    share = np.clip(tau.coverage.astype(np.float64), 0.0, 1.0)
    area = np.bincount(frame, share, minlength=count).astype(np.float64)  # of no cell it counts in integers
    column_row = np.stack([tau.col, tau.row], axis=1).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):  # NaN where no cell has a share
        centre = _sums(frame, share[:, None] * column_row, count) / area[:, None]
        squared = _sums(frame, share[:, None] * (column_row - centre[frame]) ** 2, count) / area[:, None]
    taken = np.zeros((2, count, grid), np.bool_)
    taken[0, frame, tau.col] = taken[1, frame, tau.row] = True
    taken[:, ~(area > 0)] = False
    cell = np.array([graph.analysis_grid[1], graph.analysis_grid[0]]) / grid
    return Appearance(
        centre=(centre + 0.5) * cell - 0.5,
        unseen=np.zeros_like(centre),
        area=area,
        spread=np.sqrt(squared + 1 / 12) * cell,
        cut=np.asarray(taken[:, :, [0, -1]].any(axis=(0, 2))),
        resolved=taken.sum(axis=2).min(axis=0) >= _RESOLVED,
        exact=False,
    )


def _sums(frame: Int64[np.ndarray, " c"], values: Float64[np.ndarray, "c 2"], count: int) -> PixelPositions:
    return np.stack([np.bincount(frame, each, minlength=count) for each in values.T], axis=1, dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LogSeries(Columns):
    """A property of an object's look in some frames, as natural logarithms."""

    t: Int64[np.ndarray, " n"]
    value: Float64[np.ndarray, " n"]

    @property
    def jitter(self) -> float:
        """Its noise from frame to frame."""
        deviations, _ = residuals(self.t.astype(np.float64), self.value[:, None])
        return robust_sigma(np.abs(deviations))


def log_cosine(look: Appearance, trajectory: ObjectTrajectory) -> Float64[np.ndarray, " n"]:
    """Return the logarithm of the cosine of the angle from the optical axis to an object; 0 where it is not known."""
    intrinsics = trajectory.camera.intrinsics
    tangent = np.linalg.norm((look.centre - intrinsics[:, 2:]) / intrinsics[:, :2], axis=1)
    return np.asarray(-np.log1p(np.nan_to_num(tangent) ** 2) / 2)


def apparent_size(graph: SceneGraph, trajectory: ObjectTrajectory) -> LogSeries:
    """Return how large an object looks, as an angle but for a constant, where the image's border does not cut it.

    Its masks tell; or its cells, or its number of measured pixels where there are few cells. The image is a plane: of a
    solid angle it shows the more pixels the further it is from the optical axis, by the cube of the cosine.
    """
    cells = appearance(graph, trajectory)
    off_axis = 1.5 * log_cosine(cells, trajectory)
    if cells.exact:
        return LogSeries(t=trajectory.t[~cells.cut], value=(np.log(cells.area) / 2 + off_axis)[~cells.cut])
    pixels = trajectory.token.num_points.astype(np.float64)
    usable = (cells.area > 0) & ~cells.cut
    few = usable.any() and cells.area[usable].min() < _FEW_CELLS and (pixels[usable] > 0).all()
    area = (pixels if few else cells.area)[usable]
    return LogSeries(t=trajectory.t[usable], value=np.log(area) / 2 + off_axis[usable])


def aspect_ratio(graph: SceneGraph, trajectory: ObjectTrajectory, *, resolved: bool = True) -> LogSeries:
    """Return an object's width over its height in the image where it is not cut and, if wanted, resolved."""
    cells = appearance(graph, trajectory)
    usable = (cells.resolved if resolved else cells.area > 0) & ~cells.cut
    spread = cells.spread[usable]
    return LogSeries(t=trajectory.t[usable], value=np.log(spread[:, 0] / spread[:, 1]))


def outline_notes(graph: SceneGraph, trajectory: ObjectTrajectory) -> tuple[str, ...]:
    """Say where an outline changes from one frame to the next as that of no one thing does."""
    look = appearance(graph, trajectory)
    if not look.exact:
        return ()
    jump = np.abs(np.diff(np.log(look.area))) > np.log(_JUMP)
    jump &= (np.diff(trajectory.t) == 1) & ~look.cut[1:] & ~look.cut[:-1]
    if not jump.any():
        return ()
    shown = ", ".join(map(str, trajectory.t[1:][jump][:_FEW].tolist()))
    return (
        f"the outline of object {trajectory.object_id} doubles or halves within a frame (t = {shown}): it may hold now"
        " one thing and now another, or miss a part; look at the frames",
    )
