"""Where objects are, and how large: position, distance and direction at a moment, size over all of them."""

from typing import Annotated, Final, Literal

import numpy as np

from fast_snow.reasoning.tools.hypothesis_tests import CRITICAL, VectorEstimate, combine, robust_sigma
from fast_snow.reasoning.tools.log_changes import graded
from fast_snow.reasoning.tools.motion_evidence import bearings
from fast_snow.reasoning.tools.noise import noise_of, world_measurements
from fast_snow.reasoning.tools.reference_frames import (
    SIDES,
    FrameName,
    ReferenceFrame,
    frame_at,
    graded_words,
    vector,
)
from fast_snow.reasoning.tools.tool_answers import (
    DEGREES,
    Frame,
    FrameIndex,
    Grade,
    NamedValue,
    ObjectId,
    OneObjectId,
    OtherObjectId,
    OtherOrCamera,
    ToolAnswer,
    Unknowable,
    evidence_frames,
    length_unit,
    spatial_tool,
)
from fast_snow.reasoning.tools.tracks import ObjectTrajectory, camera_at, observation_at, trajectory_of
from fast_snow.types import SceneGraph

_SEEN_ONLY: Final = "only the side that the camera sees is measured, and outliers stretch it"
_ALIKE: Final = float(np.log(1.25))
"""Objects are equally large if it is sure that neither is larger than the other by a quarter."""
_MEDIAN: Final = 1.2533
"""Standard deviation of a median over that of a mean."""


def world_position(graph: SceneGraph, object_id: int, t: int) -> VectorEstimate:
    """Return where an object is at a frame, in world coordinates."""
    return combine(world_measurements(observation_at(graph, object_id, t), noise_of(graph)), np.ones(1))


def offset(graph: SceneGraph, object_id: int, other_id: int | None, t: int) -> VectorEstimate:
    """Return the way from another object, or from the camera, to an object at a frame, in world coordinates."""
    place = world_position(graph, object_id, t)
    if other_id is None:
        return VectorEstimate(value=place.value - camera_at(graph, t).position[0], covariance=place.covariance)
    other_place = world_position(graph, other_id, t)
    return VectorEstimate(value=place.value - other_place.value, covariance=place.covariance + other_place.covariance)


@spatial_tool
def position(
    graph: SceneGraph,
    *,
    object_id: ObjectId,
    t: FrameIndex,
    frame: Annotated[
        Literal["world", "camera"], 'axes and origin: "world" is the first camera, "camera" the camera at t.'
    ] = "world",
) -> ToolAnswer:
    """Tell where an object's centre is at a frame: x to the right, y down, z forward."""
    axes = frame_at(graph, frame, t, object_id)
    place = world_position(graph, object_id, t)
    turned = VectorEstimate(value=place.value - axes.origin, covariance=place.covariance).turned(axes.R_frame_world)
    return ToolAnswer(
        value=vector(turned.value),
        unit=length_unit(graph),
        sigma=vector(turned.sigma),
        frame=axes.name,
        evidence=(t,),
        notes=noise_of(graph).notes(),
    )


@spatial_tool
def distance(graph: SceneGraph, *, object_id: ObjectId, t: FrameIndex, other_id: OtherOrCamera = None) -> ToolAnswer:
    """Tell how far an object's centre is from the camera, or from another object's centre, at a frame."""
    length, sigma = offset(graph, object_id, other_id, t).length
    return ToolAnswer(value=length, unit=length_unit(graph), sigma=sigma, evidence=(t,), notes=noise_of(graph).notes())


@spatial_tool
def direction(
    graph: SceneGraph,
    *,
    object_id: ObjectId,
    t: FrameIndex,
    other_id: Annotated[int | None, "number of the object from which it is seen; null for the camera."] = None,
    frame: Annotated[
        FrameName,
        'whose left and right: "camera" as the camera sees it at t, "world" as the first camera does, "object" as the'
        " object other_id does, which is taken to look the way it moves.",
    ] = "camera",
) -> ToolAnswer:
    """Tell on which side an object is at a frame: left or right, above or below, ahead or behind.

    Only sides that are beyond noise are named, the one farthest off first.
    """
    if frame == "object" and other_id is None:
        raise Unknowable("frame object needs other_id, the object whose left and right is meant")
    axes = frame_at(graph, frame, t, object_id if other_id is None else other_id)
    way = axes.turned(offset(graph, object_id, other_id, t))
    x, y, z = vector(way.value)
    seen, notes = seen_offset(graph, object_id, other_id, t, axes) if frame == "camera" else (way, ())
    named, grade = graded_words(seen, SIDES, Grade.STATED)
    return ToolAnswer(
        value=", ".join(named) or "in the same place within the noise",
        frame=axes.name,
        figures=(
            NamedValue("offset", (x, y, z), unit=length_unit(graph), sigma=vector(way.sigma)),
            NamedValue("degrees_to_the_right", float(np.degrees(np.arctan2(x, z))), unit=DEGREES),
            NamedValue("degrees_above", float(np.degrees(np.arctan2(-y, np.hypot(x, z)))), unit=DEGREES),
        ),
        evidence=(t,),
        notes=(*axes.notes, *notes, *noise_of(graph).notes()),
        grade=grade,
    )


def seen_offset(
    graph: SceneGraph, object_id: int, other_id: int | None, t: int, axes: ReferenceFrame
) -> tuple[VectorEstimate, tuple[str, ...]]:
    """Return the way from another object, or from the camera, to an object, as the camera sees it, and notes on it.

    Sides seen from the camera rest on directions alone, whatever the distance. So do those between objects where depth
    is a guess; what is nearer then rests on distances.

    Args:
        graph: of the objects.
        object_id: the object.
        other_id: the other object; None for the camera.
        t: index in the clip.
        axes: of the camera at `t`.
    """
    guessed = noise_of(graph).assumed
    if other_id is not None and not guessed:
        return axes.turned(offset(graph, object_id, other_id, t)), ()
    way = _direction(graph, object_id, t).turned(axes.R_frame_world)
    if other_id is None:
        return way, ()
    other = _direction(graph, other_id, t).turned(axes.R_frame_world)
    apart = axes.turned(offset(graph, object_id, other_id, t))
    covariance = way.covariance + other.covariance
    scale = max(float(np.linalg.norm(apart.value)), 1e-300)
    covariance[2, :] = covariance[:, 2] = 0.0
    covariance[2, 2] = apart.covariance[2, 2] / scale**2
    sides = VectorEstimate(
        value=np.array([*(way.value - other.value)[:2], apart.value[2] / scale]), covariance=covariance
    )
    return sides, ("left, right, above and below as seen in the image, since depth is a guess",)


def _direction(graph: SceneGraph, object_id: int, t: int) -> VectorEstimate:
    """Return the direction of an object from the camera, a unit vector in the world."""
    (ray,), jitter, wander = bearings(graph, observation_at(graph, object_id, t))
    variance = float(jitter[0] ** 2 + wander[0] ** 2)
    return VectorEstimate(value=ray, covariance=variance * (np.eye(3) - np.outer(ray, ray)))


@spatial_tool
def size(
    graph: SceneGraph,
    *,
    object_id: ObjectId,
    t: Annotated[int | None, "frame index; null for the median of all frames in which the object is seen."] = None,
) -> ToolAnswer:
    """Tell how large an object is: its longest extent along the world's axes, with width, height and depth."""
    trajectory = trajectory_of(graph, object_id) if t is None else observation_at(graph, object_id, t)
    extent, sigma = _extent(graph, trajectory)
    longest = int(np.argmax(extent))
    unit = length_unit(graph)
    return ToolAnswer(
        value=float(extent[longest]),
        unit=unit,
        sigma=float(sigma[longest]),
        frame=Frame.WORLD,
        figures=tuple(
            NamedValue(name, float(extent[i]), unit=unit, sigma=float(sigma[i]))
            for i, name in enumerate(("width", "height", "depth"))
        ),
        evidence=evidence_frames(trajectory.t),
        notes=(_SEEN_ONLY, *noise_of(graph).notes()),
    )


@spatial_tool
def compare_sizes(graph: SceneGraph, *, object_id: OneObjectId, other_id: OtherObjectId) -> ToolAnswer:
    """Tell which of two objects is larger, by the medians of their longest extents."""
    paths = [trajectory_of(graph, each) for each in (object_id, other_id)]
    extents = [_extent(graph, each) for each in paths]
    (one, one_sigma), (other, other_sigma) = (
        (float(extent.max()), float(sigma[np.argmax(extent)])) for extent, sigma in extents
    )
    if min(one, other) <= 0:
        raise Unknowable("one of the objects has no extent")
    ratio = one / other
    difference, share = float(np.log(ratio)), float(np.hypot(one_sigma / one, other_sigma / other))
    sigma, grade = ratio * share, graded(difference, share)
    larger, smaller = (object_id, other_id) if one > other else (other_id, object_id)
    equal = abs(difference) + CRITICAL * share < _ALIKE
    if grade is Grade.UNKNOWN and not equal:
        raise Unknowable(f"the ratio of their sizes is {ratio:.2g} ± {sigma:.2g}, which leaves open which is larger")
    return ToolAnswer(
        value="equally large within the noise" if equal else f"object {larger} is larger than object {smaller}",
        figures=(NamedValue("ratio_of_object_id_to_other_id", ratio, sigma=sigma),),
        grade=Grade.STATED if equal else grade,
        evidence=evidence_frames(t for each in paths for t in each.t),
        notes=(_SEEN_ONLY, *noise_of(graph).notes()),
    )


def _extent(graph: SceneGraph, trajectory: ObjectTrajectory) -> tuple[np.ndarray, np.ndarray]:
    """Return the median extents along the world's axes, and their uncertainty: spread over time, and depth noise."""
    extents = trajectory.token.high.astype(np.float64) - trajectory.token.low
    median = np.median(extents, axis=0)
    spread = np.array([robust_sigma(np.abs(extents[:, i] - median[i])) for i in range(3)])
    noise, jitter = noise_of(graph), noise_of(graph).jitter[trajectory.object_id]
    distance = float(np.median(np.linalg.norm(trajectory.centroid - trajectory.camera.position, axis=1)))
    # Of one frame, two ends jitter; the scale of an object errs as depth drifts.
    single = np.sqrt(2) * distance * max(jitter.across, jitter.along)
    drift = median * np.hypot(noise.wander.across, noise.wander.along)
    return median, np.hypot(_MEDIAN * np.hypot(spread, single) / np.sqrt(len(trajectory)), drift)
