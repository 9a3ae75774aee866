"""Depth metrics: AbsRel, RMSE and delta < 1.25, unaligned or after fitting scale, or scale and shift.

What is kept of a run's depth is bounded, whatever the length and size of the clip: samples of at most `MOST_SIDE`
squared numbers are copied while a system runs, and compared with the truth afterwards, when no clock runs.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from fast_snow.errors import InputError
from fast_snow.protocols import GeometryEngine, OpenGeometry
from fast_snow.types import Frames, Geometry, GridShape, ReadOnlyArrays

DepthAlignment = Literal["none", "scale", "scale_shift"]

DELTA: Final = 1.25
"""A depth within this factor of the truth is called right."""
MOST_FRAMES: Final = 128
MOST_SIDE: Final = 128
"""Rows, and columns, of a sample: with so many frames they are 8 MiB."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DepthPairs(ReadOnlyArrays):
    """The depths of pixels that truth, in metres, and estimate know; `known` is how many the truth knows."""

    truth: Float64[np.ndarray, " n"]
    predicted: Float64[np.ndarray, " n"]
    known: int

    def __len__(self) -> int:
        return len(self.truth)


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthError:
    """Errors of depth, over the pixels that both know.

    Attributes:
        abs_rel: mean of `|d − d*| / d*`, `d*` being the truth.
        rmse: root of the mean of `(d − d*)²`, in the unit of the truth.
        delta: share of pixels with `max(d / d*, d* / d) < 1.25`; a depth that the alignment made negative is none.
        scale: by which the estimate was multiplied.
        shift: that was then added, in the unit of the truth.
        coverage: share of the pixels known to the truth that were compared.
        pixels: how many that are.

    Reference:
        Eigen et al., Depth map prediction from a single image using a multi-scale deep network, NIPS 2014, section 4.
    """

    abs_rel: float
    rmse: float
    delta: float
    scale: float
    shift: float
    coverage: float
    pixels: int


def pair_depth(
    truth: Float32[np.ndarray, "h w"], predicted: Float32[np.ndarray, "predicted_h predicted_w"]
) -> DepthPairs:
    """Bring an estimate of the same field of view to the truth's grid, by nearest pixel, and keep what both know.

    Depth is not known where it is not positive or not finite.

    Raises:
        InputError: an empty image.
    """
    if 0 in truth.shape + predicted.shape:
        raise InputError(f"depth: got {truth.shape} and {predicted.shape} pixels; expected at least 1 each")
    height, width = truth.shape
    at = np.ix_(nearest_pixels(height, predicted.shape[0]), nearest_pixels(width, predicted.shape[1]))
    depth = predicted[at]
    known = _measured(truth)
    counts = known & _measured(depth)
    return DepthPairs(
        truth=truth[counts].astype(np.float64),
        predicted=depth[counts].astype(np.float64),
        known=int(np.count_nonzero(known)),
    )


def nearest_pixels(length: int, source: int) -> Int64[np.ndarray, " length"]:
    """Return for each of `length` output pixels the one of `source` pixels under its centre, as masks are resized."""
    return (2 * np.arange(length) + 1) * source // (2 * length)


def pool_depth(frames: Sequence[DepthPairs]) -> DepthPairs:
    """Put the pixels of frames together, to be scored under one alignment: each pixel weighs the same."""
    return DepthPairs(
        truth=np.concatenate([np.zeros(0), *(each.truth for each in frames)]),
        predicted=np.concatenate([np.zeros(0), *(each.predicted for each in frames)]),
        known=sum(each.known for each in frames),
    )


def score_depth(pairs: DepthPairs, alignment: DepthAlignment = "none") -> DepthError:
    """Measure the error of one frame, or of frames that were pooled.

    Args:
        pairs: depths that belong together.
        alignment: `none` for metric depth; `scale` by the ratio of medians (Zhou et al., Unsupervised learning of depth
            and ego-motion from video, CVPR 2017, section 4.1); `scale_shift` by least squares in depth (Ranftl et al.,
            Towards robust monocular depth estimation, TPAMI 2022, equation 4, there in disparity).

    Raises:
        InputError: no pixel that both know.
    """
    if len(pairs) == 0:
        raise InputError(
            f"depth: of the {pairs.known} pixels with true depth none has an estimate; compare the same frames, or "
            "lower the least confidence"
        )
    scale, shift = _fit(pairs, alignment)
    depth, truth = scale * pairs.predicted + shift, pairs.truth
    off = depth - truth
    ratio = np.maximum(depth, truth) / np.maximum(np.minimum(depth, truth), np.finfo(np.float64).tiny)
    return DepthError(
        abs_rel=float(np.mean(np.abs(off) / truth)),
        rmse=float(np.sqrt(np.mean(off**2))),
        delta=float(np.mean(ratio < DELTA)),
        scale=scale,
        shift=shift,
        coverage=len(pairs) / pairs.known,
        pixels=len(pairs),
    )


def _measured(depth: Float32[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    measured: np.ndarray = np.isfinite(depth) & (depth > 0)
    return measured


def _fit(pairs: DepthPairs, alignment: DepthAlignment) -> tuple[float, float]:
    """Return scale and shift; where depth does not vary, least squares have no scale of their own: the shift is 0."""
    if alignment == "none":
        return 1.0, 0.0
    if alignment == "scale" or np.ptp(pairs.predicted) == 0:
        return float(np.median(pairs.truth) / np.median(pairs.predicted)), 0.0
    mean, true_mean = pairs.predicted.mean(), pairs.truth.mean()
    centred = pairs.predicted - mean
    scale = float(centred @ (pairs.truth - true_mean) / (centred @ centred))
    return scale, float(true_mean - scale * mean)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DepthSample(ReadOnlyArrays):
    """The depth of one frame at pixels evenly spread over the analysis grid; 0 where there is none that counts.

    Frames of one window share one scale; `t` is the index in the clip, `source_frame` that in the input.
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
    """Samples of every `every`-th frame of a clip, from its first on; `ahead` is the first that has not been seen.

    `every` is doubled as often as more than `MOST_FRAMES` would be kept.
    """

    every: int = 1
    windows: int = 0
    ahead: int = 0
    frames: tuple[DepthSample, ...] = ()

    def followed_by(self, frames: Frames, geometry: Geometry, conf_thresh: float) -> "DepthSamples":
        """Add a window; of frames that the window before had too, what that one said stays.

        Depth of less confidence than `conf_thresh` does not count.
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
    """Samples the depth of every window that passes; `samples` is of the windows so far."""

    def __init__(self, conf_thresh: float) -> None:
        self.samples = DepthSamples()
        self._conf_thresh = conf_thresh

    def over(self, open_geometry: OpenGeometry) -> OpenGeometry:
        """Return the engine, watched."""

        @contextmanager
        def opened() -> Iterator[GeometryEngine]:
            with open_geometry() as estimate:

                def answer(frames: Frames) -> Geometry:
                    geometry = estimate(frames)
                    self.samples = self.samples.followed_by(frames, geometry, self._conf_thresh)
                    return geometry

                yield answer

        return opened
