"""How objects and the camera move in the world."""

import numpy as np
from scipy.spatial.transform import Rotation

from fast_snow.reasoning.tools.findings import DEGREES, Figure, Finding, Frame, Unknowable, finding, length_unit, times
from fast_snow.reasoning.tools.noise import bearings, measured, noise_of
from fast_snow.reasoning.tools.reference_frames import OWN_WAYS, WAYS, FrameName, frame_at, vector, words
from fast_snow.reasoning.tools.significance import CRITICAL, LEVEL, Estimate, Rest, combine, rest, slope
from fast_snow.reasoning.tools.tracks import Path, cameras_between, path, paths_of, steady_times
from fast_snow.types import SceneGraph


def require_several(some: Path) -> None:
    """Raise where an object is seen only once."""
    if len(some) < 2:
        raise Unknowable(f"object {some.object_id} is seen only once there (t = {some.t[0]}), which tells no motion")


def rest_of(graph: SceneGraph, some: Path) -> Rest:
    """Test whether an object stays where it is."""
    require_several(some)
    noise = noise_of(graph)
    return rest(bearings(some, noise) if noise.assumed else measured(some, noise))


@finding
def is_moving(graph: SceneGraph, *, object_id: int, t_from: int | None = None, t_to: int | None = None) -> Finding:
    """Decide whether an object moves in the world or stands still, whatever the camera does.

    It is "moving" where the noise of the geometry alone would feign as much in less than one of a hundred cases, else
    "static"; `smallest_noticed` says what motion would have been noticed.

    Args:
        graph: the graph.
        object_id: number of the object.
        t_from: first frame; null for the object's first.
        t_to: last frame; null for the object's last.
    """
    some = path(graph, object_id, t_from, t_to)
    found = rest_of(graph, some)
    unit = length_unit(graph)
    return Finding(
        value="moving" if found.moves else "static",
        frame=Frame.WORLD,
        figures=(
            Figure(name="p", value=found.p),
            Figure(name="level", value=LEVEL),
            Figure(name="spread", value=found.spread, unit=unit),
            Figure(name="smallest_noticed", value=CRITICAL * found.sigma, unit=unit),
        ),
        evidence=times(some.t),
        notes=noise_of(graph).notes(),
    )


@finding
def displacement(
    graph: SceneGraph,
    *,
    object_id: int,
    t_from: int | None = None,
    t_to: int | None = None,
    frame: FrameName = "world",
) -> Finding:
    """Tell how far and where to an object gets between two frames, as the vector from its first to its last place.

    Args:
        graph: the graph.
        object_id: number of the object.
        t_from: first frame; null for the object's first.
        t_to: last frame; null for the object's last.
        frame: "world" as the first camera sees it; "camera" relative to the camera, which moves itself; "object" in the
            object's own axes at the first frame, ahead being the way it moves.
    """
    whole = path(graph, object_id, t_from, t_to)
    require_several(whole)
    ends = whole.select(np.array([0, -1]))
    if frame == "camera":
        found, name = _relative(graph, ends), Frame.CAMERA
        notes: tuple[str, ...] = ("the camera's own motion is part of it",)
    else:
        axes = frame_at(graph, frame, int(ends.t[0]), object_id)
        name, notes = axes.name, axes.notes
        found = axes.turned(combine(measured(ends, noise_of(graph)), np.array([-1.0, 1.0])))
    length, sigma = found.length
    return Finding(
        value=vector(found.value),
        unit=length_unit(graph),
        sigma=vector(found.sigma),
        frame=name,
        figures=(Figure(name="length", value=length, unit=length_unit(graph), sigma=sigma),),
        evidence=times(ends.t),
        notes=(*notes, *noise_of(graph).notes()),
    )


def _relative(graph: SceneGraph, ends: Path) -> Estimate:
    """Return how an object's camera coordinates change from first to last."""
    in_camera = ends.in_camera
    places = [combine(measured(ends.select(np.array([i])), noise_of(graph)), np.ones(1)) for i in (0, 1)]
    turned = [each.turned(ends.camera.R_world_camera[i].T) for i, each in enumerate(places)]
    return Estimate(value=in_camera[1] - in_camera[0], covariance=turned[0].covariance + turned[1].covariance)


@finding
def speed(graph: SceneGraph, *, object_id: int, t_from: int | None = None, t_to: int | None = None) -> Finding:
    """Tell an object's mean speed in the world: that of the straight line that fits its path best.

    Of a path that bends or turns back, ask for short spans.

    Args:
        graph: the graph.
        object_id: number of the object.
        t_from: first frame; null for the object's first.
        t_to: last frame; null for the object's last.
    """
    some = path(graph, object_id, t_from, t_to)
    require_several(some)
    found = slope(measured(some, noise_of(graph), x=steady_times(some.camera)))
    length, sigma = found.length
    unit = f"{length_unit(graph)}/s"
    notes = () if found.there else ("not beyond noise: it may as well rest, or return to where it was",)
    return Finding(
        value=length,
        unit=unit,
        sigma=sigma,
        frame=Frame.WORLD,
        figures=(Figure(name="velocity", value=vector(found.value), unit=unit, sigma=vector(found.sigma)),),
        evidence=times(some.t),
        notes=(*notes, *noise_of(graph).notes()),
    )


@finding
def heading(
    graph: SceneGraph,
    *,
    object_id: int,
    t_from: int | None = None,
    t_to: int | None = None,
    frame: FrameName = "camera",
) -> Finding:
    """Tell which way an object moves in the world, whatever the camera does: left, right, up, down, towards or away.

    Only what is beyond noise is named, the largest part first.

    Args:
        graph: the graph.
        object_id: number of the object.
        t_from: first frame; null for the object's first.
        t_to: last frame; null for the object's last.
        frame: whose left and right: "camera" the camera's in the middle of the span, "world" the first camera's,
            "object" the object's own at the first frame.
    """
    some = path(graph, object_id, t_from, t_to)
    require_several(some)
    velocity = slope(measured(some, noise_of(graph)))
    moment = int(some.t[0] if frame == "object" else some.t[len(some) // 2])
    axes = frame_at(graph, frame, moment, object_id)
    found = axes.turned(velocity)
    named = words(found, OWN_WAYS if frame == "object" else WAYS)
    x, _, z = vector(found.value)
    unit = f"{length_unit(graph)}/frame"
    return Finding(
        value=", ".join(named) or "no way beyond noise",
        frame=axes.name,
        figures=(
            Figure(name="velocity", value=vector(found.value), unit=unit, sigma=vector(found.sigma)),
            Figure(name="degrees_to_the_right", value=float(np.degrees(np.arctan2(x, z))), unit=DEGREES),
        ),
        evidence=times(some.t),
        notes=(*axes.notes, *noise_of(graph).notes()),
    )


@finding
def camera_motion(graph: SceneGraph, *, t_from: int | None = None, t_to: int | None = None) -> Finding:
    """Tell how the camera itself moves and turns between two frames, seen from where it was at the first.

    Args:
        graph: the graph.
        t_from: first frame; null for the clip's first.
        t_to: last frame; null for the clip's last.
    """
    camera = cameras_between(graph, t_from, t_to)
    turn = Rotation.from_matrix(camera.R_world_camera[0].T @ camera.R_world_camera[-1]).apply((0.0, 0.0, 1.0))
    right, up = np.degrees(np.arctan2(turn[0], turn[2])), np.degrees(np.arctan2(-turn[1], np.hypot(turn[0], turn[2])))
    noise = noise_of(graph)
    moved = Estimate(
        value=camera.R_world_camera[0].T @ (camera.position[-1] - camera.position[0]),
        covariance=np.eye(3) * (noise.wander.across * _typical_distance(graph)) ** 2,
    )
    turned = Estimate(value=np.array([right, -up]), covariance=np.eye(2) * np.degrees(noise.wander.across) ** 2)
    said = [f"moves {each}" for each in words(moved, OWN_WAYS)]
    said += [f"turns {each}" for each in words(turned, OWN_WAYS)]
    return Finding(
        value=", ".join(said) or "stands still",
        frame=Frame.CAMERA,
        figures=(
            Figure(name="displacement", value=vector(moved.value), unit=length_unit(graph), sigma=vector(moved.sigma)),
            Figure(name="turn_to_the_right", value=float(right), unit=DEGREES, sigma=float(turned.sigma[0])),
            Figure(name="turn_up", value=float(up), unit=DEGREES, sigma=float(turned.sigma[1])),
        ),
        evidence=times(camera.t[[0, -1]]),
        notes=("only turns can be told here, where depth is a guess",) if noise.assumed else (),
    )


def _typical_distance(graph: SceneGraph) -> float:
    """Return the median distance of the objects from the camera; 0 where there are none."""
    paths = paths_of(graph).values()
    return float(
        np.median([np.linalg.norm(each.centroid - each.camera.position, axis=1).mean() for each in paths] or [0])
    )
