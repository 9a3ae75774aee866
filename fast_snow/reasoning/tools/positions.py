"""Where objects are: position, distance and direction at a moment."""

from typing import Literal

import numpy as np

from fast_snow.reasoning.tools.findings import DEGREES, Figure, Finding, Unknowable, finding, length_unit
from fast_snow.reasoning.tools.noise import measured, noise_of
from fast_snow.reasoning.tools.reference_frames import SIDES, FrameName, frame_at, vector, words
from fast_snow.reasoning.tools.significance import Estimate, combine
from fast_snow.reasoning.tools.tracks import camera_at, seen_at
from fast_snow.types import SceneGraph


def place(graph: SceneGraph, object_id: int, t: int) -> Estimate:
    """Return where an object is at a frame, in world coordinates."""
    return combine(measured(seen_at(graph, object_id, t), noise_of(graph)), np.ones(1))


def offset(graph: SceneGraph, object_id: int, other_id: int | None, t: int) -> Estimate:
    """Return the way from another object, or from the camera, to an object at a frame, in world coordinates."""
    here = place(graph, object_id, t)
    if other_id is None:
        return Estimate(value=here.value - camera_at(graph, t).position[0], covariance=here.covariance)
    there = place(graph, other_id, t)
    return Estimate(value=here.value - there.value, covariance=here.covariance + there.covariance)


@finding
def position(graph: SceneGraph, *, object_id: int, t: int, frame: Literal["world", "camera"] = "world") -> Finding:
    """Tell where an object's centre is at a frame: x to the right, y down, z forward.

    Args:
        graph: the graph.
        object_id: number of the object.
        t: frame of the clip.
        frame: axes and origin: "world" is the first camera, "camera" the camera at t.
    """
    axes = frame_at(graph, frame, t, object_id)
    found = place(graph, object_id, t)
    turned = Estimate(value=found.value - axes.origin, covariance=found.covariance).turned(axes.R_frame_world)
    return Finding(
        value=vector(turned.value),
        unit=length_unit(graph),
        sigma=vector(turned.sigma),
        frame=axes.name,
        evidence=(t,),
        notes=noise_of(graph).notes(),
    )


@finding
def distance(graph: SceneGraph, *, object_id: int, t: int, other_id: int | None = None) -> Finding:
    """Tell how far an object's centre is from the camera, or from another object's centre, at a frame.

    Args:
        graph: the graph.
        object_id: number of the object.
        t: frame of the clip.
        other_id: number of the other object; null for the camera.
    """
    length, sigma = offset(graph, object_id, other_id, t).length
    return Finding(value=length, unit=length_unit(graph), sigma=sigma, evidence=(t,), notes=noise_of(graph).notes())


@finding
def direction(
    graph: SceneGraph, *, object_id: int, t: int, other_id: int | None = None, frame: FrameName = "camera"
) -> Finding:
    """Tell on which side an object is at a frame: left or right, above or below, ahead or behind.

    Only sides that are beyond noise are named, the one farthest off first.

    Args:
        graph: the graph.
        object_id: number of the object.
        t: frame of the clip.
        other_id: number of the object from which it is seen; null for the camera.
        frame: whose left and right: "camera" as the camera sees it at t, "world" as the first camera does, "object" as
            the object other_id does, which is taken to look the way it moves.
    """
    if frame == "object" and other_id is None:
        raise Unknowable("frame object needs other_id, the object whose left and right is meant")
    axes = frame_at(graph, frame, t, object_id if other_id is None else other_id)
    found = axes.turned(offset(graph, object_id, other_id, t))
    x, y, z = vector(found.value)
    named = words(found, SIDES)
    return Finding(
        value=", ".join(named) or "in the same place",
        frame=axes.name,
        figures=(
            Figure(name="offset", value=(x, y, z), unit=length_unit(graph), sigma=vector(found.sigma)),
            Figure(name="degrees_to_the_right", value=float(np.degrees(np.arctan2(x, z))), unit=DEGREES),
            Figure(name="degrees_above", value=float(np.degrees(np.arctan2(-y, np.hypot(x, z)))), unit=DEGREES),
        ),
        evidence=(t,),
        notes=(*axes.notes, *noise_of(graph).notes()),
    )
