"""What the page's table says of each object."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float64

from fast_snow.types import SceneGraph, StepToken, Track

ENDS: Final = 5
"""Observations at either end of a track whose median position counts as its end: one alone is too noisy."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrackSummary:
    """One object over the whole clip; lengths in the unit of the world.

    Attributes:
        object_id: global id.
        count: how many observations there are.
        first_s: when it was first seen, in seconds; NaN where times are unknown.
        last_s: when it was last seen.
        position: mean of its centroids.
        size: median extent along each world axis.
        moved: straight distance between where it was first and last seen.
        speed: `moved` per second; NaN where it was seen too briefly.
    """

    object_id: int
    count: int
    first_s: float
    last_s: float
    position: Float64[np.ndarray, "3"]
    size: Float64[np.ndarray, "3"]
    moved: float
    speed: float


def summarize(graph: SceneGraph) -> tuple[TrackSummary, ...]:
    """Return a summary of each track, in the order of the graph."""
    time_s = dict(zip(graph.ego.t.tolist(), graph.ego.time_s.tolist(), strict=True))
    return tuple(_summary(track, time_s) for track in graph.tracks.values())


def _summary(track: Track, time_s: dict[int, float]) -> TrackSummary:
    observations = track.observations
    ends = min(ENDS, (len(observations) + 1) // 2)
    first, last = observations[:ends], observations[-ends:]
    moved = float(np.linalg.norm(_place(last) - _place(first)))
    elapsed = _moment(last, time_s) - _moment(first, time_s)
    return TrackSummary(
        object_id=track.object_id,
        count=len(observations),
        first_s=time_s[observations[0].t],
        last_s=time_s[observations[-1].t],
        position=np.asarray(np.mean([each.centroid for each in observations], axis=0, dtype=np.float64)),
        size=np.median([each.high - each.low for each in observations], axis=0).astype(np.float64),
        moved=moved,
        speed=moved / elapsed if elapsed > 0 else float("nan"),
    )


def _place(observations: Sequence[StepToken]) -> Float64[np.ndarray, "3"]:
    return np.asarray(np.median([each.centroid for each in observations], axis=0), dtype=np.float64)


def _moment(observations: Sequence[StepToken], time_s: dict[int, float]) -> float:
    return float(np.mean([time_s[each.t] for each in observations]))
