"""A few pixels of the depth of some frames: what is kept of a run's depth, whatever the length and size of the clip.

They are taken while a system runs, which costs it a copy of at most `MOST_SIDE` squared numbers per frame, and compared
with the truth afterwards, when no clock runs.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from jaxtyping import Float32

from fast_snow.evaluation.metrics.depth import DepthPairs, nearest_pixels, pair_depth
from fast_snow.protocols import GeometryEngine, OpenGeometry
from fast_snow.types import Frames, Geometry, GridShape, ReadOnlyArrays

MOST_FRAMES: Final = 128
MOST_SIDE: Final = 128
"""Rows, and columns, of a sample: with so many frames they are 8 MiB."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DepthSample(ReadOnlyArrays):
    """The depth of one frame at pixels that are evenly spread over the analysis grid.

    Attributes:
        window: which window of the clip it was estimated in; frames of one window share one scale.
        t: index in the clip.
        source_frame: index in the input.
        depth: as the geometry engine gives it; 0 where there is none that counts.
        grid: the analysis grid's height and width.
    """

    window: int
    t: int
    source_frame: int
    depth: Float32[np.ndarray, "rows columns"]
    grid: GridShape

    def beside(self, truth: Float32[np.ndarray, "h w"]) -> DepthPairs:
        """Pair the sampled pixels with the true depth of the same field of view, on a grid of any size."""
        at = (
            nearest_pixels(side, known)[nearest_pixels(sampled, side)]
            for sampled, side, known in zip(self.depth.shape, self.grid, truth.shape, strict=True)
        )
        return pair_depth(truth[np.ix_(*at)], self.depth)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DepthSamples:
    """Samples of every `every`-th frame of a clip, from its first on.

    Attributes:
        every: doubled as often as more than `MOST_FRAMES` would be kept.
        windows: how many have been seen.
        ahead: index of the first frame that has not been seen.
        frames: in order.
    """

    every: int = 1
    windows: int = 0
    ahead: int = 0
    frames: tuple[DepthSample, ...] = ()

    def followed_by(self, frames: Frames, geometry: Geometry, conf_thresh: float) -> "DepthSamples":
        """Add a window; of frames that the window before had too, what that one said stays.

        Args:
            frames: of the window.
            geometry: of these frames.
            conf_thresh: depth of less confidence does not count.
        """
        t = frames.t.tolist()
        new = [i for i in range(len(t)) if t[i] >= self.ahead and t[i] % self.every == 0]
        grown = replace(
            self,
            windows=self.windows + 1,
            ahead=max([self.ahead, *(each + 1 for each in t)]),
            frames=(*self.frames, *(_sample(frames, geometry, i, self.windows, conf_thresh) for i in new)),
        )
        while len(grown.frames) > MOST_FRAMES:
            every = 2 * grown.every
            grown = replace(grown, every=every, frames=tuple(each for each in grown.frames if each.t % every == 0))
        return grown


def _sample(frames: Frames, geometry: Geometry, i: int, window: int, conf_thresh: float) -> DepthSample:
    at = np.ix_(*(nearest_pixels(min(side, MOST_SIDE), side) for side in geometry.grid))
    depth, confidence = geometry.depth[i][at], geometry.confidence[i][at]
    return DepthSample(
        window=window,
        t=int(frames.t[i]),
        source_frame=int(frames.source_frame[i]),
        depth=np.where(confidence >= conf_thresh, depth, np.float32(0)),
        grid=geometry.grid,
    )


class DepthWatch:
    """Samples the depth of every window that passes.

    Attributes:
        samples: of the windows so far.
    """

    def __init__(self, conf_thresh: float) -> None:
        self.samples = DepthSamples()
        self._conf_thresh = conf_thresh

    def __call__(self, frames: Frames, geometry: Geometry) -> None:
        """Take note of a window."""
        self.samples = self.samples.followed_by(frames, geometry, self._conf_thresh)

    def over(self, open_geometry: OpenGeometry) -> OpenGeometry:
        """Return the engine, watched."""

        @contextmanager
        def opened() -> Iterator[GeometryEngine]:
            with open_geometry() as estimate:

                def answer(frames: Frames) -> Geometry:
                    geometry = estimate(frames)
                    self(frames, geometry)
                    return geometry

                yield answer

        return opened
