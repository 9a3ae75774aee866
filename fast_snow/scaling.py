"""Metres for a graph in an unknown scale: what is known of its lengths becomes one scale, and the scale its lengths."""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import exp, hypot, log, sqrt
from types import MappingProxyType
from typing import Final

import numpy as np
from jaxtyping import Float64
from scipy.special import chdtrc

from fast_snow.config import Config, SourceConfig, lengths
from fast_snow.errors import FastSnowWarning, InputError
from fast_snow.graph import FoldState
from fast_snow.known_lengths import KnownLengths
from fast_snow.step import SIGMA_ALONG
from fast_snow.types import Scale, SceneGraph, Track

CONTRADICTION: Final = 0.01
"""What is known contradicts itself where its errors alone would feign that in less than so many cases."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleEvidence:
    """What one known length says of a scale.

    Attributes:
        text: what is known, for messages.
        metres_per_unit: the known length over that of the graph.
        sigma: standard deviation as a share of it.
    """

    text: str
    metres_per_unit: float
    sigma: float

    def __str__(self) -> str:
        return f"{self.text} gives {self.metres_per_unit:.4g} ± {self.metres_per_unit * self.sigma:.2g} m per unit"


def joint_scale(known: Sequence[ScaleEvidence]) -> Scale:
    """Return the mean of scales as logarithms, weighted by their certainty.

    Raises:
        InputError: they contradict each other.
    """
    value = np.array([log(each.metres_per_unit) for each in known])
    weight = np.array([each.sigma**-2.0 for each in known])
    mean = float(weight @ value / weight.sum())
    excess, freedom = float(weight @ (value - mean) ** 2), len(known) - 1
    if freedom and chdtrc(freedom, excess) < CONTRADICTION:
        raise InputError(f"statements contradict each other: {_contradiction(known)}")
    inflated = sqrt(max(1.0, excess / freedom)) if freedom else 1.0
    return Scale(metres_per_unit=exp(mean), relative_sigma=float(inflated / sqrt(weight.sum())), statements=len(known))


def _contradiction(known: Sequence[ScaleEvidence]) -> str:
    """Name the two that differ most."""

    def apart(pair: tuple[ScaleEvidence, ScaleEvidence]) -> float:
        one, other = pair
        return abs(log(one.metres_per_unit / other.metres_per_unit)) / hypot(one.sigma, other.sigma)

    one, other = max(combinations(known, 2), key=apart)
    return f"{one} but {other}"


def rescaled(graph: SceneGraph, scale: Scale) -> SceneGraph:
    """Return a graph in metres: all lengths multiplied, also where an earlier scale had been applied."""
    before = graph.scale.metres_per_unit if graph.scale is not None else 1.0
    factor = np.float64(scale.metres_per_unit / before)

    def longer(values: np.ndarray) -> np.ndarray:
        return (factor * values).astype(np.float32)

    def track(each: Track) -> Track:
        seen = each.observations
        low, high = longer(seen.low), longer(seen.high)
        scaled = replace(seen, centroid=longer(seen.centroid), sigma=longer(seen.sigma), low=low, high=high)
        return replace(each, observations=scaled)

    return replace(
        graph,
        metric=True,
        scale=scale,
        ego=replace(graph.ego, position=longer(graph.ego.position)),
        tracks=MappingProxyType({object_id: track(each) for object_id, each in graph.tracks.items()}),
        merges=tuple(replace(each, distance=float(factor * each.distance)) for each in graph.merges),
    )


def in_metres(graph: SceneGraph, measured: KnownLengths, source: SourceConfig) -> SceneGraph:
    """Return the graph of a run in metres, where what was known of its lengths before gives a scale.

    Args:
        graph: of the run.
        measured: what its windows measured of what is known.
        source: says the height of the camera, or its baseline.

    Warns:
        FastSnowWarning: it does not, or contradicts itself or a graph that is metric: that stays as it is.
    """
    scale, problems = known_scale(graph, measured, source)
    for problem in problems:
        warnings.warn(problem, FastSnowWarning, stacklevel=2)
    return graph if scale is None or graph.metric else rescaled(graph, scale)


def known_scale(graph: SceneGraph, measured: KnownLengths, source: SourceConfig) -> tuple[Scale | None, list[str]]:
    """Return the scale that what is known gives a graph (None: none), and why what is known gives none.

    Args:
        graph: of the run, as far as it has come.
        measured: what its windows measured of what is known.
        source: says the height of the camera, or its baseline.
    """
    found = [*_height(graph, measured, source), *_baseline(graph, source), *_metric_depth(measured)]
    known = [each for each in found if isinstance(each, ScaleEvidence)]
    problems = [f"{each}: it gives no scale" for each in found if isinstance(each, str)]
    if known and len(graph.segments) > 1:
        count = len(graph.segments)
        problems.append(f"the clip has {count} segments, each in an unknown scale of its own: it stays unscaled")
        return None, problems
    if known and graph.metric:
        known.append(ScaleEvidence(text="the input itself", metres_per_unit=1.0, sigma=_depth_sigma(graph)))
    try:
        return joint_scale(known) if known else None, problems
    except InputError as error:
        return None, [*problems, f"{error}; lengths stay as they were: correct one or state a larger ±"]


def newest_view(state: FoldState, config: Config) -> SceneGraph:
    """Return the view `M_t` of the newest frame, at least as long as a window of the run."""
    length = config.step.temporal_window and max(config.step.temporal_window, config.window.length)
    newest = int(state.graph.ego.t[-1]) if state.graph.num_frames else 0
    return next(views(state, [newest], length, config))


def views(state: FoldState, frames: Iterable[int], length: int, config: Config) -> Iterator[SceneGraph]:
    """Yield views `M_t` of a graph that still grows, in metres where what is known so far gives a scale."""
    graph = state.graph
    scale, _ = known_scale(graph, state.known_lengths, config.source)  # why it gives none is said at the end
    for t in frames:
        view = graph.window(t=t, length=length, stride=config.step.window_stride)
        yield view if scale is None or graph.metric else rescaled(view, scale)


def _height(graph: SceneGraph, measured: KnownLengths, source: SourceConfig) -> Iterator[ScaleEvidence | str]:
    """Compare heights over the clip: the median, as unsure as they scatter and as depth of its origin is."""
    stated = lengths.camera_height(source.camera_height)
    if stated is None:
        return
    text, height = f"source.camera_height {source.camera_height!r}", measured.height[np.isfinite(measured.height)]
    if not len(height):
        yield f"{text}: no floor is seen in any frame"
        return
    middle = float(np.median(height))
    sigma = hypot(stated.sigma / stated.metres, _scatter(height) / middle, _depth_sigma(graph))
    yield ScaleEvidence(text=text, metres_per_unit=stated.metres / middle, sigma=sigma)


def _scatter(values: Float64[np.ndarray, " n"]) -> float:
    """Return what would be the standard deviation of normal values, from where two thirds of them lie."""
    low, high = np.quantile(values, (0.16, 0.84))
    return float(high - low) / 2


def _depth_sigma(graph: SceneGraph) -> float:
    return max((SIGMA_ALONG[each] for each in graph.depth_origin), default=0.0)


def _baseline(graph: SceneGraph, source: SourceConfig) -> Iterator[ScaleEvidence | str]:
    stated = lengths.baseline(source.baseline)
    if stated is None:
        return
    first, last, length = stated
    text, t = f"source.baseline {source.baseline!r}", graph.ego.t.tolist()
    if first not in t or last not in t:
        yield f"{text}: the clip has no such frames"
        return
    moved = float(np.linalg.norm(graph.ego.position[t.index(last)] - graph.ego.position[t.index(first)]))
    if not moved > 0:
        yield f"{text}: the camera does not move in the graph"
        return
    yield ScaleEvidence(text=text, metres_per_unit=length.metres / moved, sigma=length.sigma / length.metres)


def _metric_depth(measured: KnownLengths) -> Iterator[ScaleEvidence]:
    """Compare metric depth: the median of the frames, as unsure as they scatter, or as the pixels of one frame do."""
    frames = np.isfinite(measured.metres_per_unit)
    if not frames.any():
        return
    logs = np.log(measured.metres_per_unit[frames])
    middle = float(np.median(logs))
    scatter = _scatter(logs) if len(logs) > 2 else float(measured.spread[frames].max())
    sigma = hypot(float(measured.error[frames].max()), scatter)
    yield ScaleEvidence(text=f"metric depth of {len(logs)} frames", metres_per_unit=exp(middle), sigma=sigma)
