"""How still objects that do not move stay in the world: what depth, masks and poses add to a place that is one."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from fast_snow.errors import InputError
from fast_snow.types import ReadOnlyArrays, SceneGraph, Track


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stability(ReadOnlyArrays):
    """The spread of the places of objects that do not move.

    Attributes:
        object_id: of the graph.
        spread: root mean square of the distances of an object's centroids from their mean, `sqrt(mean |c_t − c̄|²)`.
        observations: how many centroids it has.
    """

    object_id: Int64[np.ndarray, " k"]
    spread: Float64[np.ndarray, " k"]
    observations: Int64[np.ndarray, " k"]

    def __len__(self) -> int:
        return len(self.object_id)

    def figures(self) -> Mapping[str, float]:
        """Return the median and the 90th percentile over objects; empty where there are none."""
        if len(self) == 0:
            return {}
        return {"spread": float(np.median(self.spread)), "spread_p90": float(np.percentile(self.spread, 90))}


def stability(
    graph: SceneGraph, static: Collection[int] | None = None, *, least: int = 2, scale: float = 1.0
) -> Stability:
    """Measure how far the centroids of static objects spread over time.

    Only their visible surface is measured, and another side of an object has another mean: part of the spread is true
    of a camera that moves around an object, and the same for every system.

    Args:
        graph: the graph.
        static: ids of the objects that do not move; None where nothing in the clip does.
        least: objects with fewer observations are left out; one alone never spreads.
        scale: the truth's length of one of the graph's (1 for a metric graph).

    Raises:
        InputError: an id is not the graph's, or `least` is less than 2.
    """
    if least < 2:
        raise InputError(f"stability: got {least} as the least observations, expected at least 2")
    ids = sorted(graph.tracks if static is None else set(static))
    strange = [each for each in ids if each not in graph.tracks]
    if strange:
        raise InputError(f"stability: the graph has no object {strange[0]}; name objects of this graph")
    kept = [graph.tracks[each] for each in ids if len(graph.tracks[each].observations) >= least]
    return Stability(
        object_id=np.array([each.object_id for each in kept], np.int64),
        spread=np.array([scale * _spread(each) for each in kept], np.float64),
        observations=np.array([len(each.observations) for each in kept], np.int64),
    )


def _spread(track: Track) -> float:
    centroid = np.array([each.centroid for each in track.observations], np.float64)
    return float(np.sqrt(((centroid - centroid.mean(axis=0)) ** 2).sum(axis=1).mean()))
