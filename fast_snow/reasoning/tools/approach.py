"""Whether an object comes closer or goes away: by its distance, and by how large it looks."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float64

from fast_snow.reasoning.tools.appearance import LogSeries, apparent_size, aspect_ratio
from fast_snow.reasoning.tools.hypothesis_tests import CRITICAL, Measurements, total_change
from fast_snow.reasoning.tools.motion import require_several
from fast_snow.reasoning.tools.noise import noise_of, world_measurements
from fast_snow.reasoning.tools.tool_answers import (
    FirstFrame,
    LastFrame,
    NamedValue,
    ObjectId,
    OtherOrCamera,
    ToolAnswer,
    Unknowable,
    evidence_frames,
    spatial_tool,
)
from fast_snow.reasoning.tools.tracks import ObjectTrajectory, trajectory_of
from fast_snow.types import SceneGraph

_SHAPE: Final = 0.1
"""By which share the apparent length of an object may change though its distance does not: it turns, or bends."""
_UNSEEN_SHAPE: Final = 0.35
"""The same where its shape cannot be told: that of a thing twice as long as broad which turns by a quarter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Growth:
    """By how much the logarithm of a distance changes from first to last."""

    value: float
    sigma: float


@spatial_tool
def approach(
    graph: SceneGraph,
    *,
    object_id: ObjectId,
    other_id: OtherOrCamera = None,
    t_from: FirstFrame = None,
    t_to: LastFrame = None,
) -> ToolAnswer:
    """Decide whether an object comes closer to the camera, or to another object, or goes further away.

    For the camera, the measured distance and the size in the image are combined, each by its uncertainty; if the camera
    moves, that is part of it.
    """
    trajectory = trajectory_of(graph, object_id, t_from, t_to)
    require_several(trajectory)
    growths = {"by_distance": _by_distance(graph, trajectory, other_id)}
    by_size = _by_size(graph, trajectory) if other_id is None else None
    if by_size is not None:
        growths["by_size_in_image"] = by_size
    combined = _combined(tuple(growths.values()))
    certain = abs(combined.value) > CRITICAL * combined.sigma
    verdict = ("going further away" if combined.value > 0 else "coming closer") if certain else "neither beyond noise"
    return ToolAnswer(
        value=verdict,
        figures=(
            NamedValue("distance_ratio_last_to_first", float(np.exp(combined.value))),
            NamedValue("logarithm_of_it", combined.value, sigma=combined.sigma),
            *(NamedValue(name, each.value, sigma=each.sigma) for name, each in growths.items()),
        ),
        evidence=evidence_frames(trajectory.t),
        notes=noise_of(graph).notes(),
    )


def _combined(growths: tuple[_Growth, ...]) -> _Growth:
    """Return the mean, each weighted by its certainty."""
    weight = np.array([1 / max(each.sigma, 1e-9) ** 2 for each in growths])
    mean = float(weight @ [each.value for each in growths] / weight.sum())
    return _Growth(value=mean, sigma=float(weight.sum() ** -0.5))


def _by_distance(graph: SceneGraph, trajectory: ObjectTrajectory, other_id: int | None) -> _Growth:
    places = world_measurements(trajectory, noise_of(graph))
    x, offset, jitter, wander = places.x, places.values - trajectory.camera.position, places.jitter, places.wander
    if other_id is not None:
        other = trajectory_of(graph, other_id)
        _, common, other_common = np.intersect1d(trajectory.t, other.t, return_indices=True)
        if len(common) < 2:
            raise Unknowable(
                f"objects {trajectory.object_id} and {other_id} are seen together in fewer than two frames there"
            )
        other_places = world_measurements(other[other_common], noise_of(graph))
        x, offset = places.x[common], places.values[common] - other_places.values
        jitter, wander = places.jitter[common] + other_places.jitter, places.wander[common] + other_places.wander
    length = np.linalg.norm(offset, axis=1)
    if not (length > 0).all():
        raise Unknowable("the distance is zero there")
    ray = offset / length[:, None]
    return _growth(
        x,
        np.log(length),
        np.einsum("ni,nij,nj->n", ray, jitter, ray) / length**2,
        np.einsum("ni,nij,nj->n", ray, wander, ray) / length**2,
    )


def _by_size(graph: SceneGraph, trajectory: ObjectTrajectory) -> _Growth | None:
    """Return the growth of distance that the shrinking in the image tells; None where it cannot be seen."""
    size, form = apparent_size(graph, trajectory), aspect_ratio(graph, trajectory)
    if len(size) < 2:
        return None
    growth = _of_look(size)
    # If width and height change by different shares, so much of the change is of shape and not of distance.
    bent = max(_SHAPE, abs(_of_look(form).value) / 2) if len(form) > 1 else _UNSEEN_SHAPE
    return _Growth(value=-growth.value, sigma=float(np.hypot(growth.sigma, bent)))


def _of_look(look: LogSeries) -> _Growth:
    return _growth(look.t.astype(np.float64), look.value, np.full(len(look), look.jitter**2), np.zeros(len(look)))


def _growth(
    x: Float64[np.ndarray, " n"],
    values: Float64[np.ndarray, " n"],
    jitter: Float64[np.ndarray, " n"],
    wander: Float64[np.ndarray, " n"],
) -> _Growth:
    logarithm = total_change(
        Measurements(
            x=x, values=values[:, None], jitter=jitter[:, None, None], wander=wander[:, None, None], freedom=len(x)
        )
    )
    return _Growth(value=float(logarithm.value[0]), sigma=float(logarithm.sigma[0]))
