"""How objects move in the image, as seen and with the camera's own motion taken out."""

from itertools import pairwise
from typing import Final

import numpy as np

from fast_snow.reasoning.tools.appearance import appearance
from fast_snow.reasoning.tools.cut_outlines import PixelPositions
from fast_snow.reasoning.tools.hypothesis_tests import (
    Measurements,
    Rest,
    VectorEstimate,
    residuals,
    rest_test,
    robust_sigma,
    total_change,
)
from fast_snow.reasoning.tools.log_changes import graded
from fast_snow.reasoning.tools.motion_evidence import motion_of, require_several
from fast_snow.reasoning.tools.reference_frames import graded_words
from fast_snow.reasoning.tools.tool_answers import (
    FirstFrame,
    Frame,
    Grade,
    LastFrame,
    NamedValue,
    ObjectId,
    ToolAnswer,
    Unknowable,
    evidence_frames,
    spatial_tool,
)
from fast_snow.reasoning.tools.tracks import Cameras, ObjectTrajectory, Positions, trajectories_of, trajectory_of
from fast_snow.types import SceneGraph

_WAYS = (("left", "right"), ("up", "down"))
_AND_BACK: Final = "not moving on the whole: it ends near where it began"
_ALONG: Final = "not across the image: it moves towards or away from the camera"
_LEAST_FLOOR: Final = 0.5
"""Pixels by which a mask's centre may be off as long as it likes."""
_LEAST_OTHERS: Final = 3


@spatial_tool
def motion_in_image(
    graph: SceneGraph, *, object_id: ObjectId, t_from: FirstFrame = None, t_to: LastFrame = None
) -> ToolAnswer:
    """Tell which way an object moves across the image, as it looks on screen: the camera's own motion is part of it."""
    trajectory, places, floor = _image_positions(graph, trajectory_of(graph, object_id, t_from, t_to))
    require_several(trajectory)
    measurements = _image_measurements(trajectory, places, floor, 0.0)
    return _answer(
        trajectory,
        total_change(measurements),
        rest_test(measurements),
        ("the camera's own motion is part of it",),
    )


@spatial_tool
def motion_without_camera(
    graph: SceneGraph, *, object_id: ObjectId, t_from: FirstFrame = None, t_to: LastFrame = None
) -> ToolAnswer:
    """Tell which way an object moves left, right, up or down in the image once the camera's own motion is taken out.

    This answers "which way does it move": an object that the camera follows stays in the middle of the image, and moves
    all the same. It is how far the object's direction from the camera turns, but for the camera's own motion.
    """
    trajectory = trajectory_of(graph, object_id, t_from, t_to)
    require_several(trajectory)
    focal = trajectory.camera.intrinsics[:, :2]
    if not (np.isfinite(trajectory.camera.R_world_camera).all() and np.isfinite(focal).all()):
        return _against_others(graph, trajectory)
    motion = motion_of(graph, trajectory)
    shift, way = (
        VectorEstimate(value=each.value[:2], covariance=each.covariance[:2, :2]) for each in (motion.shift, motion.way)
    )
    along = motion.moving and graded(motion.shift.value[2], motion.shift.sigma[2]) is not Grade.UNKNOWN
    otherwise = _ALONG if along else _AND_BACK
    return _answer(
        trajectory,
        shift.scaled(float(focal.mean())),
        motion.rest,
        ("the camera's own motion is taken out by its poses",),
        otherwise=otherwise if motion.would_be_noticed else None,
        at_rest=motion.grade,
        way=way,
    )


def _answer(
    trajectory: ObjectTrajectory,
    shift: VectorEstimate,
    rest: Rest,
    notes: tuple[str, ...],
    *,
    otherwise: str | None = _AND_BACK,
    at_rest: Grade = Grade.STATED,
    way: VectorEstimate | None = None,
) -> ToolAnswer:
    """Say which way something moves in the image; `otherwise` where it moves, but no way in particular.

    The noise that may turn it around is that of `way`, if it is given.

    Raises:
        Unknowable: it moves, but no way in particular, and `otherwise` is None.
    """
    grade = at_rest
    u, v = shift.value.tolist()
    sigma_u, sigma_v = shift.sigma.tolist()
    if rest.likely_moves:
        named, grade = graded_words(way or shift, _WAYS, Grade.STATED if rest.moves else Grade.LIKELY)
        value = ", ".join(named) or otherwise
        if value is None:
            raise Unknowable(
                f"object {trajectory.object_id} moves, but which way across the image is not seen:"
                f" {u:.0f} ± {sigma_u:.0f} pixels to the right, {v:.0f} ± {sigma_v:.0f} down"
            )
    return ToolAnswer(
        value=value if rest.likely_moves else "not moving",
        frame=Frame.IMAGE,
        figures=(
            NamedValue("to_the_right", u, unit="pixels", sigma=sigma_u),
            NamedValue("down", v, unit="pixels", sigma=sigma_v),
            NamedValue("p_of_rest", rest.p),
        ),
        evidence=evidence_frames(trajectory.t),
        notes=notes,
        grade=grade,
    )


def _image_positions(
    graph: SceneGraph, trajectory: ObjectTrajectory
) -> tuple[ObjectTrajectory, PixelPositions, PixelPositions]:
    """Return where an object is seen in the image.

    The middle of its mask tells. Where no mask is known, the centre of the grid cells rests on the mask alone and the
    projected centroid has no cells; the one that jitters less is taken.

    Args:
        graph: of the object.
        trajectory: of the object.

    Returns:
        The observations that have a place, the places in pixels of the analysis grid, and by how many pixels each may
        be off for long.

    Raises:
        Unknowable: there are no cells, and no intrinsics or poses.
    """
    cells = appearance(graph, trajectory)
    if cells.exact:
        return trajectory, cells.centre, np.hypot(_LEAST_FLOOR, cells.unseen)
    per_cell = max(graph.analysis_grid) / graph.grid_size
    area = float(np.median(cells.area))
    candidates = [
        (_project(trajectory.camera, trajectory.centroid), _LEAST_FLOOR),
        (cells.centre, max(_LEAST_FLOOR, per_cell / np.sqrt(12 * max(area, 1.0)))),
    ]
    usable = []
    for places, floor in candidates:
        known = np.isfinite(places).all(axis=1)
        if known.any() and min(graph.analysis_grid) > 0:
            deviations, _ = residuals(trajectory.t[known].astype(np.float64), places[known])
            noise = float(np.sqrt((deviations**2).mean())) if deviations.size else 0.0
            usable.append((-np.count_nonzero(known), np.hypot(noise, floor), known, places, floor))
    if not usable:
        raise Unknowable(f"object {trajectory.object_id} has no place in the image: no grid cells, and no known camera")
    _, _, known, places, floor = min(usable, key=lambda each: each[:2])
    return trajectory[known], places[known], np.full((np.count_nonzero(known), 2), floor)


def _against_others(graph: SceneGraph, trajectory: ObjectTrajectory) -> ToolAnswer:
    """Decide by what the other objects have in common in the image, where cameras are unknown.

    Raises:
        Unknowable: there are too few other objects.
    """
    trajectory, places, floor = _image_positions(graph, trajectory)
    require_several(trajectory)
    shift, wander = _common_motion(graph, trajectory)
    corrected = places.copy()
    corrected[1:] -= np.cumsum(shift, axis=0)
    measurements = _image_measurements(trajectory, corrected, floor, wander)
    note = "the camera's own motion is taken to be what the other objects have in common in the image"
    return _answer(trajectory, total_change(measurements), rest_test(measurements), (note,))


def _common_motion(graph: SceneGraph, trajectory: ObjectTrajectory) -> tuple[PixelPositions, float]:
    """Return the median steps of the other objects in the image, and the uncertainty of the sum of all steps."""
    others = {k: each for k, each in trajectories_of(graph).items() if k != trajectory.object_id}
    centres = {k: dict(zip(each.t.tolist(), appearance(graph, each).centre, strict=True)) for k, each in others.items()}
    t = trajectory.t.tolist()
    shifts, variance = [], 0.0
    for earlier, later in pairwise(t):
        both = [each[later] - each[earlier] for each in centres.values() if earlier in each and later in each]
        both = [each for each in both if np.isfinite(each).all()]
        if len(both) < _LEAST_OTHERS:
            raise Unknowable(
                f"the camera is unknown from t = {earlier} to {later}, and fewer than {_LEAST_OTHERS} other objects are"
                " there to compare with"
            )
        shifts.append(np.median(both, axis=0))
        variance += float(np.var(both, axis=0, ddof=1).mean()) * np.pi / 2 / len(both)  # that of a median
    return np.array(shifts).reshape(-1, 2), float(np.sqrt(variance))


def _project(camera: Cameras, points: Positions) -> PixelPositions:
    """Return where world points are seen, one per frame; NaN where they are not in front or the camera is unknown."""
    seen = camera.see(points)
    depth = np.where(seen[:, 2] > 0, seen[:, 2], np.nan)
    return seen[:, :2] / depth[:, None] * camera.intrinsics[:, :2] + camera.intrinsics[:, 2:]


def _image_measurements(
    trajectory: ObjectTrajectory, places: PixelPositions, floor: PixelPositions, wander: float
) -> Measurements:
    """Return places in the image with their noise: jitter from the places themselves.

    Args:
        trajectory: the observations.
        places: in pixels.
        floor: how many pixels each may be off for long.
        wander: further pixels by which what they are compared with may be off for long.
    """
    x = trajectory.t.astype(np.float64)
    deviations, middle = residuals(x, places)
    jitter = np.array([robust_sigma(np.abs(deviations[:, i])) for i in range(2)])
    eye = np.tile(np.eye(2), (len(trajectory), 1, 1))
    return Measurements(
        x=x,
        values=places,
        jitter=eye * (jitter**2)[None, :, None],
        wander=eye * (floor**2 + wander**2)[:, :, None],
        drift=0 * eye,
        freedom=len(middle) + 4,
    )
