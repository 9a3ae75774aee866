"""What the page draws in 3D and on its timeline: camera, tracks, and how much of the world to show."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
from jaxtyping import Float32, Int32

from fast_snow.types import SceneGraph, Track

OUTLIERS: Final = 0.02
"""The share of object positions, at either end of each axis, that need not be in sight."""


def scene_data(graph: SceneGraph, shown: Sequence[int]) -> dict[str, Any]:
    """Return the scene of the shown frames.

    Args:
        graph: the scene graph.
        shown: the `t` of each shown frame, ascending.

    Returns:
        JSON values: `bounds` (least and largest x, y, z), `span` (first and last `t` of the clip), `cameras` (one per
        shown frame) and `tracks`.
    """
    index = {t: i for i, t in enumerate(shown)}
    t = graph.ego.t.tolist()
    return {
        "bounds": _bounds(graph),
        "span": [t[0], t[-1]] if t else [0, 0],
        "cameras": _cameras(graph, index),
        "tracks": [_track(track, index) for track in graph.tracks.values()],
    }


def _cameras(graph: SceneGraph, index: Mapping[int, int]) -> list[dict[str, Any]]:
    """Return position, quaternion and lens (as shares of width and height; None where unknown), and which world."""
    ego, (height, width) = graph.ego[np.isin(graph.ego.t, list(index))], graph.analysis_grid
    lenses = (ego.intrinsics + np.array([0, 0, 0.5, 0.5])) / np.array([width, height, width, height]).clip(1)
    return [
        {
            "p": _brief(position),
            "q": _brief(q) if np.isfinite(q).all() and np.linalg.norm(q) > 0 else None,
            "lens": _brief(lens) if np.isfinite(lens).all() and (lens[:2] > 0).all() else None,
            "world": graph.segment_of(t),
        }
        for t, position, q, lens in zip(ego.t.tolist(), ego.position, ego.quaternion_xyzw, lenses, strict=True)
    ]


def _track(track: Track, index: Mapping[int, int]) -> dict[str, Any]:
    seen = track.observations[np.isin(track.observations.t, list(index))]
    return {
        "id": track.object_id,
        "at": [index[t] for t in seen.t.tolist()],
        "center": [_brief(each) for each in seen.centroid],
        "box": [[_brief(low), _brief(high)] for low, high in zip(seen.low, seen.high, strict=True)],
        "runs": _runs(track.observations.t),
        "unplaced": _runs(track.unplaced.t),
    }


def _runs(t: Int32[np.ndarray, " n"]) -> list[list[int]]:
    """Return first and last of each stretch of consecutive frames."""
    cuts = [0, *(np.flatnonzero(np.diff(t) > 1) + 1).tolist(), len(t)]
    return [[int(t[a]), int(t[b - 1])] for a, b in pairwise(cuts) if b > a]


def _bounds(graph: SceneGraph) -> list[list[float]]:
    """Return the corners of a box around the camera's path and nearly all of the objects."""
    low, high = (graph.ego.position.astype(np.float64).reshape(-1, 3) for _ in range(2))
    tracks = [track.observations for track in graph.tracks.values()]
    if tracks:
        least = np.quantile(np.concatenate([each.low for each in tracks]), OUTLIERS, axis=0)
        most = np.quantile(np.concatenate([each.high for each in tracks]), 1 - OUTLIERS, axis=0)
        low, high = np.concatenate([low, least[None]]), np.concatenate([high, most[None]])
    if not len(low):
        return [[-1.0] * 3, [1.0] * 3]
    return [_brief(low.min(axis=0)), _brief(high.max(axis=0))]


def _brief(values: Float32[np.ndarray, " n"] | np.ndarray) -> list[float]:
    """Return numbers with the digits that a drawing can show."""
    return [float(f"{value:.5g}") for value in values.tolist()]
