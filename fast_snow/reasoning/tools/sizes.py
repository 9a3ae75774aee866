"""How large objects are."""

from typing import Final

import numpy as np

from fast_snow.reasoning.tools.hypothesis_tests import CRITICAL, robust_sigma
from fast_snow.reasoning.tools.noise import noise_of
from fast_snow.reasoning.tools.reference_frames import vector
from fast_snow.reasoning.tools.tool_answers import (
    Frame,
    NamedValue,
    ToolAnswer,
    Unknowable,
    evidence_frames,
    length_unit,
    spatial_tool,
)
from fast_snow.reasoning.tools.tracks import ObjectTrajectory, observation_at, trajectory_of
from fast_snow.types import SceneGraph

_SEEN_ONLY: Final = "only the side that the camera sees is measured, and outliers stretch it"
_MEDIAN: Final = 1.2533
"""Standard deviation of a median over that of a mean."""


@spatial_tool
def size(graph: SceneGraph, *, object_id: int, t: int | None = None) -> ToolAnswer:
    """Tell how large an object is: its longest extent along the world's axes, with width, height and depth.

    Args:
        graph: the graph.
        object_id: number of the object.
        t: frame index; null for the median of all frames in which the object is seen.
    """
    trajectory = trajectory_of(graph, object_id) if t is None else observation_at(graph, object_id, t)
    extent, sigma = _extent(graph, trajectory)
    longest = int(np.argmax(extent))
    unit = length_unit(graph)
    width, height, depth = vector(extent)
    return ToolAnswer(
        value=float(extent[longest]),
        unit=unit,
        sigma=float(sigma[longest]),
        frame=Frame.WORLD,
        figures=tuple(
            NamedValue(name, each, unit=unit, sigma=float(sigma[i]))
            for i, (name, each) in enumerate(zip(("width", "height", "depth"), (width, height, depth), strict=True))
        ),
        evidence=evidence_frames(trajectory.t),
        notes=(_SEEN_ONLY, *noise_of(graph).notes()),
    )


@spatial_tool
def compare_sizes(graph: SceneGraph, *, object_id: int, other_id: int) -> ToolAnswer:
    """Tell which of two objects is larger, by the medians of their longest extents.

    Args:
        graph: the graph.
        object_id: number of the one object.
        other_id: number of the other.
    """
    paths = [trajectory_of(graph, each) for each in (object_id, other_id)]
    extents = [_extent(graph, each) for each in paths]
    (one, one_sigma), (other, other_sigma) = (
        (float(extent.max()), float(sigma[np.argmax(extent)])) for extent, sigma in extents
    )
    if min(one, other) <= 0:
        raise Unknowable("one of the objects has no extent")
    ratio = one / other
    sigma = ratio * float(np.hypot(one_sigma / one, other_sigma / other))
    larger, smaller = (object_id, other_id) if one > other else (other_id, object_id)
    sure = abs(one - other) > CRITICAL * np.hypot(one_sigma, other_sigma)
    return ToolAnswer(
        value=f"object {larger} is larger than object {smaller}" if sure else "equally large within the noise",
        figures=(NamedValue("ratio_of_object_id_to_other_id", ratio, sigma=sigma),),
        evidence=evidence_frames(t for each in paths for t in each.t),
        notes=(_SEEN_ONLY, *noise_of(graph).notes()),
    )


def _extent(graph: SceneGraph, trajectory: ObjectTrajectory) -> tuple[np.ndarray, np.ndarray]:
    """Return the median extents along the world's axes, and their uncertainty: spread over time, and depth noise."""
    extents = np.array([each.high.astype(np.float64) - each.low for each in trajectory.token])
    median = np.median(extents, axis=0)
    spread = np.array([robust_sigma(np.abs(extents[:, i] - median[i])) for i in range(3)])
    noise, jitter = noise_of(graph), noise_of(graph).jitter[trajectory.object_id]
    distance = float(np.median(np.linalg.norm(trajectory.centroid - trajectory.camera.position, axis=1)))
    # Of one frame, two ends jitter; the scale of an object errs as depth drifts.
    single = np.sqrt(2) * distance * max(jitter.across, jitter.along)
    drift = median * np.hypot(noise.wander.across, noise.wander.along)
    return median, np.hypot(_MEDIAN * np.hypot(spread, single) / np.sqrt(len(trajectory)), drift)
