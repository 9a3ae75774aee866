"""Where objects are in the image and how large they look there."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64, UInt8

from fast_snow.reasoning.tools.findings import Unknowable
from fast_snow.reasoning.tools.noise import Noise, across_share
from fast_snow.reasoning.tools.significance import Measurements, residuals, robust_sigma
from fast_snow.reasoning.tools.tracks import Cameras, Path, Positions, paths_of
from fast_snow.types import ReadOnlyArrays, SceneGraph

Pixels = Float64[np.ndarray, "n 2"]

_FEW_CELLS: Final = 4.0
_RESOLVED: Final = 3
"""Cells along either side from which on a shape can be told."""
_LEAST_FLOOR: Final = 0.5
"""Pixels by which a mask's centre may be off as long as it likes."""
_LEAST_OTHERS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Appearance(ReadOnlyArrays):
    """What an object's grid cells say of its place and size in the image.

    Attributes:
        centre: u and v in pixels of the analysis grid, weighted by coverage; NaN where there are no cells.
        area: in cells.
        spread: root mean square distance of its pixels from the centre along u and v, in pixels.
        cut: whether it touches the image's border, and may go on beyond.
        resolved: whether it has enough cells along u and v to tell its shape.
    """

    centre: Pixels
    area: Float64[np.ndarray, " n"]
    spread: Pixels
    cut: Bool[np.ndarray, " n"]
    resolved: Bool[np.ndarray, " n"]


def appearance(graph: SceneGraph, path: Path) -> Appearance:
    """Read an object's place and size in the image from tau."""
    height, width = graph.analysis_grid
    cell = np.array([width, height]) / graph.grid_size
    rows = [_moments(each.row, each.col, each.coverage, graph.grid_size) for each in path.token]
    found = np.array(rows, np.float64).reshape(-1, 7)
    return Appearance(
        centre=(found[:, :2] + 0.5) * cell - 0.5,
        area=found[:, 2],
        spread=found[:, 3:5] * cell,
        cut=found[:, 5] > 0,
        resolved=found[:, 6] > 0,
    )


def _moments(
    row: UInt8[np.ndarray, " c"], col: UInt8[np.ndarray, " c"], coverage: Float32[np.ndarray, " c"], grid_size: int
) -> tuple[float, float, float, float, float, bool, bool]:
    share = np.clip(coverage.astype(np.float64), 0.0, 1.0)
    area = float(share.sum())
    if not area > 0:
        return np.nan, np.nan, 0.0, np.nan, np.nan, False, False
    place = np.stack([col, row]).astype(np.float64)
    u, v = place @ share / area
    du, dv = np.sqrt(((place - [[u], [v]]) ** 2) @ share / area + 1 / 12)
    cut = place.min() <= 0 or place.max() >= grid_size - 1
    resolved = min(len(np.unique(each)) for each in place) >= _RESOLVED
    return u, v, area, du, dv, bool(cut), resolved


def project(camera: Cameras, points: Positions) -> Pixels:
    """Return where world points are seen, one per frame; NaN where they are not in front or the camera is unknown."""
    seen = camera.see(points)
    depth = np.where(seen[:, 2] > 0, seen[:, 2], np.nan)
    return seen[:, :2] / depth[:, None] * camera.intrinsics[:, :2] + camera.intrinsics[:, 2:]


def image_path(graph: SceneGraph, path: Path) -> tuple[Path, Pixels, float]:
    """Return where an object is seen in the image.

    The centre of the grid cells rests on the mask alone and the projected centroid has no cells; the one that jitters
    less is taken.

    Args:
        graph: of the object.
        path: of the object.

    Returns:
        The observations that have a place, the places in pixels of the analysis grid, and how many pixels they may be
        off for long.

    Raises:
        Unknowable: there are no cells, and no intrinsics or poses.
    """
    cells = appearance(graph, path)
    per_cell = max(graph.analysis_grid) / graph.grid_size
    area = float(np.median(cells.area))
    candidates = [
        (project(path.camera, path.centroid), _LEAST_FLOOR),
        (cells.centre, max(_LEAST_FLOOR, per_cell / np.sqrt(12 * max(area, 1.0)))),
    ]
    usable = []
    for places, floor in candidates:
        there = np.isfinite(places).all(axis=1)
        if there.any() and min(graph.analysis_grid) > 0:
            off, _ = residuals(path.t[there].astype(np.float64), places[there])
            noise = float(np.sqrt((off**2).mean())) if off.size else 0.0
            usable.append((-np.count_nonzero(there), np.hypot(noise, floor), there, places, floor))
    if not usable:
        raise Unknowable(f"object {path.object_id} has no place in the image: no grid cells, and no known camera")
    _, _, there, places, floor = min(usable, key=lambda each: each[:2])
    return path.select(there), places[there], floor


def without_camera(graph: SceneGraph, path: Path, places: Pixels, noise: Noise) -> tuple[Pixels, float, str]:
    """Return where an object would be seen if the camera had stood still since the first frame.

    From each observation to the next, what the camera's own motion does to a point that rests where the object was is
    taken away. Where cameras are unknown, that is what the other objects have in common.

    Returns:
        Places that begin as `places`, how many pixels the correction may be off for long, and how it was made.

    Raises:
        Unknowable: cameras are unknown and there are too few other objects.
    """
    camera = path.camera
    before, after = camera.select(np.arange(len(path) - 1)), camera.select(np.arange(1, len(path)))
    shift = project(after, path.centroid[:-1]) - project(before, path.centroid[:-1])
    wander, how = _wander_in_pixels(path, noise), "the camera's own motion is taken out by its poses"
    if not np.isfinite(shift).all():
        shift, wander = _common_motion(graph, path)
        how = "the camera's own motion is taken to be what the other objects have in common in the image"
    corrected = places.copy()
    corrected[1:] -= np.cumsum(shift, axis=0)
    return corrected, wander, how


def _common_motion(graph: SceneGraph, path: Path) -> tuple[Pixels, float]:
    """Return the median steps of the other objects in the image, and the uncertainty of the sum of all steps."""
    others = {k: each for k, each in paths_of(graph).items() if k != path.object_id}
    centres = {k: dict(zip(each.t.tolist(), appearance(graph, each).centre, strict=True)) for k, each in others.items()}
    t = path.t.tolist()
    shifts, variance = [], 0.0
    for earlier, later in pairwise(t):
        both = [each[later] - each[earlier] for each in centres.values() if earlier in each and later in each]
        both = [each for each in both if np.isfinite(each).all()]
        if len(both) < _LEAST_OTHERS:
            raise Unknowable(
                f"the camera is unknown from t = {earlier} to {later}, and fewer than {_LEAST_OTHERS} other objects are"
                " there to compare with"
            )
        shifts.append(np.median(both, axis=0))
        variance += float(np.var(both, axis=0, ddof=1).mean()) * np.pi / 2 / len(both)  # that of a median
    return np.array(shifts).reshape(-1, 2), float(np.sqrt(variance))


def image_measurements(path: Path, places: Pixels, floor: float, wander: float) -> Measurements:
    """Return places in the image with their noise: jitter from the places themselves.

    Args:
        path: the observations.
        places: in pixels.
        floor: how many pixels they may be off for long.
        wander: further pixels by which what they are compared with may be off for long.
    """
    x = path.t.astype(np.float64)
    off, middle = residuals(x, places)
    jitter = np.array([robust_sigma(np.abs(off[:, i])) for i in range(2)])
    eye = np.tile(np.eye(2), (len(path), 1, 1))
    return Measurements(
        x=x,
        values=places,
        jitter=eye * (jitter**2)[None, :, None],
        wander=eye * (floor**2 + wander**2),
        freedom=len(middle) + 4,
    )


def _wander_in_pixels(path: Path, noise: Noise) -> float:
    """Return how many pixels an object at rest may seem to wander: poses drift, and another side shows."""
    focal = path.camera.intrinsics[:, :2]
    known = focal[np.isfinite(focal)]
    return float(across_share(path, noise) * known.mean()) if known.size else 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Look(ReadOnlyArrays):
    """A property of an object's look in some frames, as natural logarithms."""

    t: Int64[np.ndarray, " n"]
    value: Float64[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.t)

    @property
    def jitter(self) -> float:
        """Its noise from frame to frame."""
        off, _ = residuals(self.t.astype(np.float64), self.value[:, None])
        return robust_sigma(np.abs(off))


def apparent_size(graph: SceneGraph, path: Path) -> Look:
    """Return how large an object looks, as a length, where the image's border does not cut it.

    Its cells tell, or its number of measured pixels where there are few cells.
    """
    cells = appearance(graph, path)
    pixels = np.array([each.num_points for each in path.token], np.float64)
    usable = (cells.area > 0) & ~cells.cut
    few = usable.any() and cells.area[usable].min() < _FEW_CELLS and (pixels[usable] > 0).all()
    area = (pixels if few else cells.area)[usable]
    return Look(t=path.t[usable], value=np.log(area) / 2)


def shape(graph: SceneGraph, path: Path, *, resolved: bool = True) -> Look:
    """Return an object's width over its height in the image where it is not cut and, if wanted, resolved."""
    cells = appearance(graph, path)
    usable = (cells.resolved if resolved else cells.area > 0) & ~cells.cut
    spread = cells.spread[usable]
    return Look(t=path.t[usable], value=np.log(spread[:, 0] / spread[:, 1]))
