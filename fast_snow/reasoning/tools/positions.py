"""Where objects are: position, distance and direction at a moment."""

from typing import Literal

import numpy as np

from fast_snow.reasoning.tools.hypothesis_tests import VectorEstimate, combine
from fast_snow.reasoning.tools.noise import noise_of, world_measurements
from fast_snow.reasoning.tools.reference_frames import SIDES, FrameName, frame_at, vector, words
from fast_snow.reasoning.tools.tool_answers import (
    DEGREES,
    NamedValue,
    ToolAnswer,
    Unknowable,
    length_unit,
    spatial_tool,
)
from fast_snow.reasoning.tools.tracks import camera_at, observation_at
from fast_snow.types import SceneGraph


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
def position(graph: SceneGraph, *, object_id: int, t: int, frame: Literal["world", "camera"] = "world") -> ToolAnswer:
    """Tell where an object's centre is at a frame: x to the right, y down, z forward.

    Args:
        graph: the graph.
        object_id: number of the object.
        t: frame index.
        frame: axes and origin: "world" is the first camera, "camera" the camera at t.
    """
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
def distance(graph: SceneGraph, *, object_id: int, t: int, other_id: int | None = None) -> ToolAnswer:
    """Tell how far an object's centre is from the camera, or from another object's centre, at a frame.

    Args:
        graph: the graph.
        object_id: number of the object.
        t: frame index.
        other_id: number of the other object; null for the camera.
    """
    length, sigma = offset(graph, object_id, other_id, t).length
    return ToolAnswer(value=length, unit=length_unit(graph), sigma=sigma, evidence=(t,), notes=noise_of(graph).notes())


@spatial_tool
def direction(
    graph: SceneGraph, *, object_id: int, t: int, other_id: int | None = None, frame: FrameName = "camera"
) -> ToolAnswer:
    """Tell on which side an object is at a frame: left or right, above or below, ahead or behind.

    Only sides that are beyond noise are named, the one farthest off first.

    Args:
        graph: the graph.
        object_id: number of the object.
        t: frame index.
        other_id: number of the object from which it is seen; null for the camera.
        frame: whose left and right: "camera" as the camera sees it at t, "world" as the first camera does, "object" as
            the object other_id does, which is taken to look the way it moves.
    """
    if frame == "object" and other_id is None:
        raise Unknowable("frame object needs other_id, the object whose left and right is meant")
    axes = frame_at(graph, frame, t, object_id if other_id is None else other_id)
    way = axes.turned(offset(graph, object_id, other_id, t))
    x, y, z = vector(way.value)
    named = words(way, SIDES)
    return ToolAnswer(
        value=", ".join(named) or "in the same place",
        frame=axes.name,
        figures=(
            NamedValue("offset", (x, y, z), unit=length_unit(graph), sigma=vector(way.sigma)),
            NamedValue("degrees_to_the_right", float(np.degrees(np.arctan2(x, z))), unit=DEGREES),
            NamedValue("degrees_above", float(np.degrees(np.arctan2(-y, np.hypot(x, z)))), unit=DEGREES),
        ),
        evidence=(t,),
        notes=(*axes.notes, *noise_of(graph).notes()),
    )
