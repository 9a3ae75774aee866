"""How objects and the camera move in the world."""

from dataclasses import replace
from typing import Annotated, Final

import numpy as np
from jaxtyping import Float64, Int64
from scipy.spatial.transform import Rotation

from fast_snow.reasoning.tools.distance_evidence import conflict_notes
from fast_snow.reasoning.tools.hypothesis_tests import (
    LEVEL,
    Measurements,
    VectorEstimate,
    line_slope,
    total_change,
)
from fast_snow.reasoning.tools.motion_evidence import MotionEvidence, motion_of, require_several
from fast_snow.reasoning.tools.noise import ASSUMED_ALONG, noise_of
from fast_snow.reasoning.tools.reference_frames import OWN_WAYS, WAYS, FrameName, frame_at, graded_words, vector, words
from fast_snow.reasoning.tools.tool_answers import (
    DEGREES,
    FirstFrame,
    Frame,
    LastFrame,
    NamedValue,
    ObjectId,
    ToolAnswer,
    evidence_frames,
    least,
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

_REST: Final = "not beyond noise: it may as well rest, or return to where it was"
_SIGHT: Final[tuple[str, ...]] = ("as seen along the line from the camera in the middle of the span to the object",)
_ONLY_TURNS: Final = "the camera hardly leaves its place, so that depth is a guess: only its turns can be told"


@spatial_tool
def is_moving(
    graph: SceneGraph, *, object_id: ObjectId, t_from: FirstFrame = None, t_to: LastFrame = None
) -> ToolAnswer:
    """Decide whether an object moves in the world or stands still, whatever the camera does.

    It is "moving" where the noise of the geometry alone would feign as much in less than one of a hundred cases
    (stated) or one of twenty (likely), else "static"; a net motion by `smallest_noticed` would have been found in 95 of
    100 cases.
    """
    trajectory = trajectory_of(graph, object_id, t_from, t_to)
    motion, unit = motion_of(graph, trajectory), length_unit(graph)
    return ToolAnswer(
        value="moving" if motion.moving else "static",
        frame=Frame.WORLD,
        figures=(
            NamedValue("p", motion.rest.p),
            NamedValue("level", LEVEL),
            NamedValue("spread", motion.rest.spread, unit=unit),
            NamedValue("smallest_noticed", motion.noticed_across, unit=unit),
            NamedValue("smallest_noticed_towards_or_away", motion.noticed_along, unit=unit),
        ),
        evidence=evidence_frames(trajectory.t),
        notes=noise_of(graph).notes(),
        grade=motion.grade,
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
    motion, ends = motion_of(graph, trajectory), trajectory[np.array([0, -1])]
    places = motion.places[np.array([0, -1])]
    if frame == "camera":
        shift, name = _relative(ends, places), Frame.CAMERA
        notes: tuple[str, ...] = ("the camera's own motion is part of it",)
    else:
        axes = frame_at(graph, frame, int(ends.t[0]), object_id)
        name, notes = axes.name, axes.notes if motion.moving else (*axes.notes, _REST)
        shift = axes.turned(_with_scale(graph, total_change(places)))
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


def _relative(ends: ObjectTrajectory, places: Measurements) -> VectorEstimate:
    """Return how an object's camera coordinates change from first to last."""
    first, last = (
        VectorEstimate(
            value=places.values[i] - ends.camera.position[i], covariance=places.jitter[i] + places.wander[i]
        ).turned(ends.camera.R_world_camera[i].T)
        for i in (0, 1)
    )
    return VectorEstimate(value=last.value - first.value, covariance=first.covariance + last.covariance)


def _with_scale(graph: SceneGraph, length: VectorEstimate) -> VectorEstimate:
    """Add that all lengths of guessed depth may be too long or too short together."""
    scale = ASSUMED_ALONG if noise_of(graph).assumed else 0.0
    return VectorEstimate(
        value=length.value, covariance=length.covariance + scale**2 * np.outer(length.value, length.value)
    )


def velocity_of(graph: SceneGraph, trajectory: ObjectTrajectory, motion: MotionEvidence) -> VectorEstimate:
    """Return an object's mean velocity in the world, per second.

    Raises:
        Unknowable: the graph has no usable time stamps.
    """
    times, places = steady_times(trajectory.camera), motion.places
    frames_per_second = (places.x[-1] - places.x[0]) / (times[-1] - times[0])
    return _with_scale(graph, line_slope(replace(places, x=times, drift=frames_per_second**2 * places.drift)))


@spatial_tool
def speed(graph: SceneGraph, *, object_id: ObjectId, t_from: FirstFrame = None, t_to: LastFrame = None) -> ToolAnswer:
    """Tell an object's mean speed in the world: that of the straight line that fits its path best.

    Of a path that bends or turns back, ask for short spans.
    """
    trajectory = trajectory_of(graph, object_id, t_from, t_to)
    require_several(trajectory)
    motion = motion_of(graph, trajectory)
    velocity = velocity_of(graph, trajectory, motion)
    length, sigma = velocity.length
    unit = f"{length_unit(graph)}/s"
    notes = () if motion.moving else (_REST,)
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
    motion = motion_of(graph, trajectory)
    frames = float(motion.places.x[-1] - motion.places.x[0])
    if frame == "camera":
        name, notes = Frame.CAMERA, _SIGHT
        velocity, way = (each.scaled(motion.distance / frames) for each in (motion.shift, motion.way))
    else:
        axes = frame_at(graph, frame, int(trajectory.t[0]), object_id)
        name, notes = axes.name, axes.notes
        velocity, way = (axes.turned(line_slope(each)) for each in (motion.places, motion.decisive))
    named, grade = graded_words(way, OWN_WAYS if frame == "object" else WAYS, motion.grade)
    x, _, z = vector(velocity.value)
    unit = f"{length_unit(graph)}/frame"
    return ToolAnswer(
        value=", ".join(named) if motion.moving and named else "no way beyond noise",
        frame=name,
        figures=(
            NamedValue("velocity", vector(velocity.value), unit=unit, sigma=vector(velocity.sigma)),
            NamedValue("degrees_to_the_right", float(np.degrees(np.arctan2(x, z))), unit=DEGREES),
        ),
        evidence=evidence_frames(trajectory.t),
        notes=(*notes, *conflict_notes(motion.radial), *noise_of(graph).notes()),
        grade=least(motion.grade, grade) if motion.moving and named else motion.grade,
    )


@spatial_tool
def camera_motion(
    graph: SceneGraph,
    *,
    t_from: Annotated[int | None, "first frame; null for the clip's first."] = None,
    t_to: Annotated[int | None, "last frame; null for the clip's last."] = None,
) -> ToolAnswer:
    """Tell how the camera itself moves and turns between two frames, seen from where it was at the first.

    The uncertainty of a turn holds that of the focal length where it was assumed.
    """
    camera = cameras_between(graph, t_from, t_to)
    turn = Rotation.from_matrix(camera.R_world_camera[0].T @ camera.R_world_camera[-1]).apply((0.0, 0.0, 1.0))
    right, up = np.degrees(np.arctan2(turn[0], turn[2])), np.degrees(np.arctan2(-turn[1], np.hypot(turn[0], turn[2])))
    noise = noise_of(graph)
    moved = VectorEstimate(
        value=camera.R_world_camera[0].T @ (camera.position[-1] - camera.position[0]),
        covariance=np.eye(3) * (noise.wander.across * _typical_distance(graph)) ** 2,
    )
    turned = VectorEstimate(value=np.array([right, -up]), covariance=_turn_covariance(graph, camera.t, right, -up))
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
        notes=(_ONLY_TURNS,) if noise.assumed else (),
    )


def _turn_covariance(
    graph: SceneGraph, t: Int64[np.ndarray, " n"], right: float, down: float
) -> Float64[np.ndarray, "2 2"]:
    """Return that of the camera's turn in degrees over the frames `t`: of each step, and of the focal length."""
    ego = graph.ego[np.isin(graph.ego.t, t)]
    steps = ego.background.turn_sigma[1:].astype(np.float64)
    variance = float(np.nansum(steps**2))
    if not np.isfinite(steps).any():
        variance = noise_of(graph).wander.across ** 2
    focal = float(np.nanmax(ego.focal_sigma, initial=0.0))
    return np.degrees(1.0) ** 2 * variance * np.eye(2) + focal**2 * np.outer((right, down), (right, down))


def _typical_distance(graph: SceneGraph) -> float:
    """Return the median distance of the objects from the camera; 0 where there are none."""
    paths = trajectories_of(graph).values()
    return float(
        np.median([np.linalg.norm(each.centroid - each.camera.position, axis=1).mean() for each in paths] or [0])
    )
