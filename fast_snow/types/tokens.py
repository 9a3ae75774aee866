"""What is known of one object in one frame: its STEP token, or what is seen of it in the image alone."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32, Float64, Int32, UInt8

from fast_snow.types.values import Columns, ReadOnlyArrays, counted


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class ObjectStatistics(Columns):
    """Shape statistics of `m` objects in one frame (SNOW, arXiv 2512.16461, section 3: c and s of a STEP token).

    Attributes:
        count: how many pixels had usable depth.
        mean: centroid in world coordinates.
        sigma: population standard deviation per world axis.
        low: minimum per world axis.
        high: maximum per world axis.

    All but `count` are NaN where `count` is 0.
    """

    count: Int32[np.ndarray, " m"]
    mean: Float64[np.ndarray, "m 3"]
    sigma: Float64[np.ndarray, "m 3"]
    low: Float64[np.ndarray, "m 3"]
    high: Float64[np.ndarray, "m 3"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageRegion(ReadOnlyArrays):
    """Place, size and shape of a whole mask in the image, whether its pixels have depth or not.

    Attributes:
        area: in pixels of the analysis grid; -1 where nothing is known of the region.
        box: x0, y0, x1, y1 in pixels, half-open; -1 where not known.
        centroid: mean u and v of its pixels; NaN where not known.
        covariance: second central moments uu, uv, vv of its pixels in pixels squared; NaN where not known.
        rotation: how far its texture turned since the clip's frame before, in radians: about the upright axis
            (clockwise from above) and about the line of sight (clockwise as seen); and the share of its corners that
            could be followed. NaN where not known.
        growth: logarithms by which distances within its texture grew since the clip's frame before: all, and their
            upright parts alone. NaN where not known.
    """

    area: int = -1
    box: Int32[np.ndarray, "4"] = field(default_factory=lambda: np.full(4, -1, np.int32))
    centroid: Float32[np.ndarray, "2"] = field(default_factory=lambda: np.full(2, np.nan, np.float32))
    covariance: Float32[np.ndarray, "3"] = field(default_factory=lambda: np.full(3, np.nan, np.float32))
    rotation: Float32[np.ndarray, "3"] = field(default_factory=lambda: np.full(3, np.nan, np.float32))
    growth: Float32[np.ndarray, "2"] = field(default_factory=lambda: np.full(2, np.nan, np.float32))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Sighting(ReadOnlyArrays):
    """One object at a `t` at which it was seen, but had too few pixels of trusted depth to be placed in the world.

    Attributes:
        t: index in the clip.
        row: rows of the grid cells the object covers.
        col: their columns.
        coverage: share of each cell's pixels inside the mask, in [0, 1].
        score: the tracker's confidence in [0, 1].
        region: of the whole mask in the image.
    """

    t: int
    row: UInt8[np.ndarray, " cells"]
    col: UInt8[np.ndarray, " cells"]
    coverage: Float32[np.ndarray, " cells"]
    score: float
    region: ImageRegion = field(default_factory=ImageRegion)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class StepToken(Sighting):
    """One object at one `t` at which it is also placed: tau, c and s of its STEP token (theta belongs to the track).

    Attributes:
        centroid: mean of the object's measured points in world coordinates.
        sigma: population standard deviation per world axis.
        low: minimum per world axis.
        high: maximum per world axis.
        num_points: how many pixels with usable depth were measured (inside `step.mask_margin`, no outliers).
        centroid_sigma: standard deviation of the centroid across the line of sight and along it, in the unit of the
            world; NaN where not known (the default).
    """

    centroid: Float32[np.ndarray, "3"]
    sigma: Float32[np.ndarray, "3"]
    low: Float32[np.ndarray, "3"]
    high: Float32[np.ndarray, "3"]
    num_points: int
    centroid_sigma: Float32[np.ndarray, "2"] = field(default_factory=lambda: np.full(2, np.nan, np.float32))

    def _summary(self) -> str:
        place = ", ".join(f"{each:.3g}" for each in self.centroid.tolist())
        cells = counted(len(self.row), "cell")
        return f"t={self.t}, centroid ({place}), {cells}, {counted(self.num_points, 'point')}, score {self.score:.2f}"
