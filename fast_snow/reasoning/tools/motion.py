"""How objects and the camera move in the world."""

from typing import Annotated

import numpy as np
from scipy.spatial.transform import Rotation

from fast_snow.reasoning.tools.hypothesis_tests import (
    CRITICAL,
    LEVEL,
    Rest,
    VectorEstimate,
    combine,
    line_slope,
    rest_test,
)
from fast_snow.reasoning.tools.noise import bearing_measurements, noise_of, world_measurements
from fast_snow.reasoning.tools.reference_frames import OWN_WAYS, WAYS, FrameName, frame_at, vector, words
from fast_snow.reasoning.tools.tool_answers import (
    DEGREES,
    FirstFrame,
    Frame,
    LastFrame,
    NamedValue,
    ObjectId,
    ToolAnswer,
    Unknowable,
    evidence_frames,
    length_unit,
    spatial_tool,
)
from fast_snow.reasoning.tools.tracks import (
    ObjectTrajectory,
    cameras_between,
    steady_times,
    trajectories_of,
    trajectory_of,
)
from fast_snow.types import SceneGraph


def require_several(trajectory: ObjectTrajectory) -> None:
    """Raise where an object is seen only once."""
    if len(trajectory) < 2:
        raise Unknowable(
            f"object {trajectory.object_id} is seen only once there (t = {trajectory.t[0]}), which tells no motion"
        )


def rest_of(graph: SceneGraph, trajectory: ObjectTrajectory) -> Rest:
    """Test whether an object stays where it is."""
    require_several(trajectory)
    noise = noise_of(graph)
    return rest_test(
        bearing_measurements(trajectory, noise) if noise.assumed else world_measurements(trajectory, noise)
    )


@spatial_tool
def is_moving(
    graph: SceneGraph, *, object_id: ObjectId, t_from: FirstFrame = None, t_to: LastFrame = None
) -> ToolAnswer:
    """Decide whether an object moves in the world or stands still, whatever the camera does.

    It is "moving" where the noise of the geometry alone would feign as much in less than one of a hundred cases, else
    "static"; `smallest_noticed` says what motion would have been noticed.
    """
    trajectory = trajectory_of(graph, object_id, t_from, t_to)
    test = rest_of(graph, trajectory)
    unit = length_unit(graph)
    return ToolAnswer(
        value="moving" if test.moves else "static",
        frame=Frame.WORLD,
        figures=(
            NamedValue("p", test.p),
            NamedValue("level", LEVEL),
            NamedValue("spread", test.spread, unit=unit),
            NamedValue("smallest_noticed", CRITICAL * test.sigma, unit=unit),
        ),
        evidence=evidence_frames(trajectory.t),
        notes=noise_of(graph).notes(),
    )


@spatial_tool
def displacement(
    graph: SceneGraph,
    *,
    object_id: ObjectId,
    t_from: FirstFrame = None,
    t_to: LastFrame = None,
    frame: Annotated[
        FrameName,
        '"world" as the first camera sees it; "camera" relative to the camera, which moves itself; "object" in the'
        " object's own axes at the first frame, ahead being the way it moves.",
    ] = "world",
) -> ToolAnswer:
    """Tell how far and where to an object gets between two frames, as the vector from its first to its last place."""
    trajectory = trajectory_of(graph, object_id, t_from, t_to)
    require_several(trajectory)
    ends = trajectory[np.array([0, -1])]
    if frame == "camera":
        shift, name = _relative(graph, ends), Frame.CAMERA
        notes: tuple[str, ...] = ("the camera's own motion is part of it",)
    else:
        axes = frame_at(graph, frame, int(ends.t[0]), object_id)
        name, notes = axes.name, axes.notes
        shift = axes.turned(combine(world_measurements(ends, noise_of(graph)), np.array([-1.0, 1.0])))
    length, sigma = shift.length
    return ToolAnswer(
        value=vector(shift.value),
        unit=length_unit(graph),
        sigma=vector(shift.sigma),
        frame=name,
        figures=(NamedValue("length", length, unit=length_unit(graph), sigma=sigma),),
        evidence=evidence_frames(ends.t),
        notes=(*notes, *noise_of(graph).notes()),
    )


def _relative(graph: SceneGraph, ends: ObjectTrajectory) -> VectorEstimate:
    """Return how an object's camera coordinates change from first to last."""
    in_camera = ends.in_camera
    places = [combine(world_measurements(ends[i : i + 1], noise_of(graph)), np.ones(1)) for i in (0, 1)]
    turned = [each.turned(ends.camera.R_world_camera[i].T) for i, each in enumerate(places)]
    return VectorEstimate(value=in_camera[1] - in_camera[0], covariance=turned[0].covariance + turned[1].covariance)


@spatial_tool
def speed(graph: SceneGraph, *, object_id: ObjectId, t_from: FirstFrame = None, t_to: LastFrame = None) -> ToolAnswer:
    """Tell an object's mean speed in the world: that of the straight line that fits its path best.

    Of a path that bends or turns back, ask for short spans.
    """
    trajectory = trajectory_of(graph, object_id, t_from, t_to)
    require_several(trajectory)
    velocity = line_slope(world_measurements(trajectory, noise_of(graph), x=steady_times(trajectory.camera)))
    length, sigma = velocity.length
    unit = f"{length_unit(graph)}/s"
    notes = () if velocity.significant else ("not beyond noise: it may as well rest, or return to where it was",)
    return ToolAnswer(
        value=length,
        unit=unit,
        sigma=sigma,
        frame=Frame.WORLD,
        figures=(NamedValue("velocity", vector(velocity.value), unit=unit, sigma=vector(velocity.sigma)),),
        evidence=evidence_frames(trajectory.t),
        notes=(*notes, *noise_of(graph).notes()),
    )


@spatial_tool
def heading(
    graph: SceneGraph,
    *,
    object_id: ObjectId,
    t_from: FirstFrame = None,
    t_to: LastFrame = None,
    frame: Annotated[
        FrameName,
        'whose left and right: "camera" the camera\'s in the middle of the span, "world" the first camera\'s,'
        ' "object" the object\'s own at the first frame.',
    ] = "camera",
) -> ToolAnswer:
    """Tell which way an object moves in the world, whatever the camera does: left, right, up, down, towards or away.

    Only what is beyond noise is named, the largest part first.
    """
    trajectory = trajectory_of(graph, object_id, t_from, t_to)
    require_several(trajectory)
    velocity = line_slope(world_measurements(trajectory, noise_of(graph)))
    moment = int(trajectory.t[0] if frame == "object" else trajectory.t[len(trajectory) // 2])
    axes = frame_at(graph, frame, moment, object_id)
    turned = axes.turned(velocity)
    named = words(turned, OWN_WAYS if frame == "object" else WAYS)
    x, _, z = vector(turned.value)
    unit = f"{length_unit(graph)}/frame"
    return ToolAnswer(
        value=", ".join(named) or "no way beyond noise",
        frame=axes.name,
        figures=(
            NamedValue("velocity", vector(turned.value), unit=unit, sigma=vector(turned.sigma)),
            NamedValue("degrees_to_the_right", float(np.degrees(np.arctan2(x, z))), unit=DEGREES),
        ),
        evidence=evidence_frames(trajectory.t),
        notes=(*axes.notes, *noise_of(graph).notes()),
    )


@spatial_tool
def camera_motion(
    graph: SceneGraph,
    *,
    t_from: Annotated[int | None, "first frame; null for the clip's first."] = None,
    t_to: Annotated[int | None, "last frame; null for the clip's last."] = None,
) -> ToolAnswer:
    """Tell how the camera itself moves and turns between two frames, seen from where it was at the first."""
    camera = cameras_between(graph, t_from, t_to)
    turn = Rotation.from_matrix(camera.R_world_camera[0].T @ camera.R_world_camera[-1]).apply((0.0, 0.0, 1.0))
    right, up = np.degrees(np.arctan2(turn[0], turn[2])), np.degrees(np.arctan2(-turn[1], np.hypot(turn[0], turn[2])))
    noise = noise_of(graph)
    moved = VectorEstimate(
        value=camera.R_world_camera[0].T @ (camera.position[-1] - camera.position[0]),
        covariance=np.eye(3) * (noise.wander.across * _typical_distance(graph)) ** 2,
    )
    turned = VectorEstimate(value=np.array([right, -up]), covariance=np.eye(2) * np.degrees(noise.wander.across) ** 2)
    motions = [f"moves {each}" for each in words(moved, OWN_WAYS)]
    motions += [f"turns {each}" for each in words(turned, OWN_WAYS)]
    return ToolAnswer(
        value=", ".join(motions) or "stands still",
        frame=Frame.CAMERA,
        figures=(
            NamedValue(
                name="displacement", value=vector(moved.value), unit=length_unit(graph), sigma=vector(moved.sigma)
            ),
            NamedValue("turn_to_the_right", float(right), unit=DEGREES, sigma=float(turned.sigma[0])),
            NamedValue("turn_up", float(up), unit=DEGREES, sigma=float(turned.sigma[1])),
        ),
        evidence=evidence_frames(camera.t[[0, -1]]),
        notes=("only turns can be told here, where depth is a guess",) if noise.assumed else (),
    )


def _typical_distance(graph: SceneGraph) -> float:
    """Return the median distance of the objects from the camera; 0 where there are none."""
    paths = trajectories_of(graph).values()
    return float(
        np.median([np.linalg.norm(each.centroid - each.camera.position, axis=1).mean() for each in paths] or [0])
    )
