"""How images move: points that were followed, and what the background does."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int32, Int64

from fast_snow.types.values import Columns, ReadOnlyArrays


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrackedPoints(ReadOnlyArrays):
    """The points seen in one image.

    Attributes:
        point_id: the same in every image in which the point is seen, ascending.
        uv: where it is, in pixels with integer centres.
    """

    point_id: Int64[np.ndarray, " p"]
    uv: Float32[np.ndarray, "p 2"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BackgroundMotion(Columns):
    """How the background moves in the image from the frame before to each of `n` frames.

    Attributes:
        matches: how many points it rests on; 0 where it could not be told, or the camera's pose contradicts it; -1
            where nobody tried.
        shift: of the background in the middle of the image, in pixels of the analysis grid; NaN where not known.
        shift_sigma: its standard deviation.
        turn_sigma: standard deviation of the camera's turn since the frame before, in radians, but for that of the
            focal length; NaN where not known.
    """

    matches: Int32[np.ndarray, " n"]
    shift: Float32[np.ndarray, "n 2"]
    shift_sigma: Float32[np.ndarray, "n 2"]
    turn_sigma: Float32[np.ndarray, " n"]

    @classmethod
    def untried(cls, n: int) -> "BackgroundMotion":
        """Return that of frames of which nothing is known."""
        nothing = np.full((n, 2), np.nan, np.float32)
        return cls(
            matches=np.full(n, -1, np.int32), shift=nothing, shift_sigma=nothing, turn_sigma=nothing[:, 0].copy()
        )
