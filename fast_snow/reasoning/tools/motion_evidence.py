"""The one model that decides how an object moves: all tools that speak of motion ask it, so that they agree.

An object's direction from the camera comes from the middle of its mask (where no mask is known, from its measured
points), its distance from depth and size together. Depth that is triangulated presumes rest: that of what moves counts
as a guess. The place that follows is expressed as angles to the right and down, and the logarithm of the distance, seen
from where the camera is in the middle of the span. One test of these three decides whether the object moves; its parts
say which way.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import numpy as np
from jaxtyping import Float64

from fast_snow.reasoning.tools.appearance import appearance
from fast_snow.reasoning.tools.distance_evidence import DistanceEvidence, distance_evidence
from fast_snow.reasoning.tools.hypothesis_tests import (
    LEVEL,
    Covariances,
    Measurements,
    Rest,
    VectorEstimate,
    line_weights,
    residuals,
    rest_test,
    robust_sigma,
    smallest_noticed,
    total_change,
)
from fast_snow.reasoning.tools.noise import BORROWED, depth_errors, located, noise_of, other_part, rays
from fast_snow.reasoning.tools.size_evidence import is_unconfirmed, outline_error
from fast_snow.reasoning.tools.tool_answers import Grade, Unknowable
from fast_snow.reasoning.tools.tracks import Cameras, ObjectTrajectory, Positions, require_known_motion
from fast_snow.types import DepthOrigin, SceneGraph

_PIXEL: Final = 0.5
"""Pixels by which the middle of a mask may be off as long as it likes, if what rests does not show more."""
_UNBROKEN: Final = 4
"""Frames on end that tell motion."""
_DOWN: Final = np.array([0.0, 1.0, 0.0])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MotionEvidence:
    """How an object moves over a span.

    Attributes:
        rest: the test whether it does.
        radial: its distance from the camera.
        places: in the world, with their noise.
        decisive: the same, with the noise that may feign its motion, or turn it around.
        shift: how much its angles to the right and down (radians) and the logarithm of its distance change from first
            to last, as seen from one place.
        way: the same, with the noise that may feign it, or turn it around.
        R_sight_world: the axes right, down and away at that place, towards the object.
        distance: typical one from there.
        size: its own length.
        noticed_across: net motion across the line of sight that would be found in most cases, whichever way it went.
        noticed_along: the same along the line of sight.
    """

    rest: Rest
    radial: DistanceEvidence
    places: Measurements
    decisive: Measurements
    shift: VectorEstimate
    way: VectorEstimate
    R_sight_world: Float64[np.ndarray, "3 3"]
    distance: float
    size: float
    noticed_across: float
    noticed_along: float

    @property
    def moving(self) -> bool:
        """Whether it moves, or likely does."""
        return self.rest.likely_moves

    @property
    def would_be_noticed(self) -> bool:
        """Whether motion across the line of sight by the object's own length would have been found in most cases."""
        return self.noticed_across <= self.size

    @property
    def grade(self) -> Grade:
        """How sure that is; rest is stated only where motion by the object's own length would have been noticed."""
        if self.rest.moves or (not self.moving and self.would_be_noticed):
            return Grade.STATED
        return Grade.LIKELY


def require_several(trajectory: ObjectTrajectory) -> None:
    """Raise where an object is seen only once."""
    if len(trajectory) < 2:
        raise Unknowable(
            f"object {trajectory.object_id} is seen only once there (t = {trajectory.t[0]}), which tells no motion"
        )


@lru_cache(maxsize=8)
def motion_of(graph: SceneGraph, trajectory: ObjectTrajectory) -> MotionEvidence:
    """Decide how an object moves.

    Raises:
        Unknowable: it is seen only once, or stands where the camera does, or the camera's motion is not known.
    """
    require_several(trajectory)
    radial, places, decisive = evident_places(graph, trajectory, guessed=False)
    _, decided = _seen_from_one_place(trajectory, decisive)
    rest = rest_test(decided)
    if rest.moves and (is_unconfirmed(graph, trajectory) or not _unbroken_moves(trajectory, decided)):
        rest = Rest(p_net=max(rest.p_net, LEVEL), p_path=max(rest.p_path, LEVEL), spread=rest.spread)
    presumes_rest = DepthOrigin.TRIANGULATED in graph.depth_origin
    if rest.likely_moves and presumes_rest:
        radial, places, decisive = evident_places(graph, trajectory, guessed=True)
        _, decided = _seen_from_one_place(trajectory, decisive)
    axes, seen = _seen_from_one_place(trajectory, places)
    shift, distance = total_change(seen), float(np.exp(seen.values[:, 2].mean()))
    if_it_moved = shift
    if presumes_rest and not rest.likely_moves:
        _, guess, _ = evident_places(graph, trajectory, guessed=True)
        if_it_moved = total_change(_seen_from_one_place(trajectory, guess)[1])
    noticed = smallest_noticed(if_it_moved.covariance, 3, seen.freedom)
    across = float(np.linalg.eigvalsh(noticed[:2, :2])[0])
    return MotionEvidence(
        rest=Rest(p_net=rest.p_net, p_path=rest.p_path, spread=distance * rest.spread),
        radial=radial,
        places=places,
        decisive=decisive,
        shift=shift,
        way=total_change(decided),
        R_sight_world=axes,
        distance=distance,
        size=_length(graph, trajectory, radial.distance),
        noticed_across=distance / float(np.sqrt(max(across, 1e-300))),
        noticed_along=distance / float(np.sqrt(max(noticed[2, 2], 1e-300))),
    )


def _length(graph: SceneGraph, trajectory: ObjectTrajectory, distance: Float64[np.ndarray, " n"]) -> float:
    """Return an object's own length: that of its outline, since guessed depth stretches its extent many times."""
    if not appearance(graph, trajectory).exact:
        extents = trajectory.token.high.astype(np.float64) - trajectory.token.low
        return float(np.median(extents, axis=0).max())
    box, focal = trajectory.token.box.astype(np.float64), trajectory.camera.intrinsics[:, :2]
    return float(np.median(((box[:, 2:] - box[:, :2]) / focal).max(axis=1) * distance))


def _unbroken_moves(trajectory: ObjectTrajectory, seen: Measurements) -> bool:
    """Whether a span without a gap shows motion: what is found again may be another thing that looks like it."""
    gaps = np.flatnonzero(np.diff(trajectory.t) > 1) + 1
    unbroken = max(np.split(np.arange(len(seen)), gaps), key=len)
    return not len(gaps) or (len(unbroken) >= _UNBROKEN and rest_test(seen[unbroken]).moves)


def evident_places(
    graph: SceneGraph, trajectory: ObjectTrajectory, *, guessed: bool
) -> tuple[DistanceEvidence, Measurements, Measurements]:
    """Return where an object is by all evidence, with the noise of that, and with the noise that may feign its motion.

    Args:
        graph: of the object.
        trajectory: of the object, seen twice or more.
        guessed: whether its depth counts as a guess.

    Raises:
        Unknowable: the camera's motion in between is not known.
    """
    require_known_motion(graph, int(trajectory.t[0]), int(trajectory.t[-1]))
    radial = distance_evidence(graph, trajectory, guessed=guessed)
    ray, jitter, wander = bearings(graph, trajectory)
    # The visible surface is nearer than the middle, by up to its spread, and on another side as the camera goes around.
    offset = trajectory.camera.position + radial.distance[:, None] * ray - trajectory.camera.position[len(ray) // 2]
    around = np.linalg.norm(ray - offset / np.linalg.norm(offset, axis=1, keepdims=True), axis=1)
    wander = np.hypot(wander, around * np.linalg.norm(trajectory.sigma, axis=1) / radial.distance)

    def placed(across: Float64[np.ndarray, " n"]) -> Measurements:
        return located(
            trajectory,
            noise_of(graph),
            ray=ray,
            distance=radial.distance,
            jitter=(jitter, radial.jitter),
            wander=(across, radial.wander),
            drift_along=radial.drift,
        )

    # The outline of what rests before a camera that rests errs in all frames alike, which feigns no motion.
    places, honest = placed(wander), placed(np.hypot(wander, _outline_error(graph, trajectory)))
    by_scale, feigned = _scale_errors(trajectory, radial.scale, places)
    honest = replace(honest, drift=honest.drift + by_scale)
    return radial, honest, replace(places, drift=places.drift + feigned)


def _scale_errors(
    trajectory: ObjectTrajectory, scale: float, places: Measurements
) -> tuple[Float64[np.ndarray, "3 3"], Float64[np.ndarray, "3 3"]]:
    """Return what follows where all distances are too long or too short together, as covariances of the velocity.

    What rests then seems to move as the camera does. The second is that which may feign motion.
    """
    weights = line_weights(places)
    way = weights @ trajectory.camera.position
    by_scale = scale * way
    # By a factor f too short, what rests seems to go k = 1 - 1/f of the camera's way, never all of it; ln(f) is
    # k / sqrt(1 - k), to a tenth where f is 4. So it is of all directions, in each of which k is another share.
    past = weights @ places.values - way
    stretch = np.sqrt(np.linalg.norm(past) / max(float(np.linalg.norm(way)), 1e-300))
    feigned = scale / 2 * (stretch * way - past / max(stretch, 1e-300))
    return np.outer(by_scale, by_scale), np.outer(feigned, feigned)


def bearings(
    graph: SceneGraph, trajectory: ObjectTrajectory
) -> tuple[Positions, Float64[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
    """Return directions from the camera to an object in the world, and their jitter and wander in radians."""
    noise, camera = noise_of(graph), trajectory.camera
    ray, distance = rays(trajectory)
    look = appearance(graph, trajectory)
    in_image = rays_through(camera, look.centre)
    if not look.exact or not np.isfinite(in_image).all():
        (jitter, _), (wander, _) = depth_errors(trajectory, noise)
        return ray, jitter, wander
    focal = camera.intrinsics[:, :2].mean(axis=1)
    deviations, middle = residuals(trajectory.t.astype(np.float64), look.centre)
    own = robust_sigma(np.abs(deviations)) / focal
    usual, n = noise.jitter[trajectory.object_id].across, len(middle)
    jitter = np.sqrt((n * own**2 + BORROWED * usual**2) / (n + BORROWED))
    part, _ = other_part(trajectory, surface=False)
    wander = np.hypot(np.maximum(noise.wander.across, _PIXEL / focal), part / distance)
    wander = np.hypot(wander, look.unseen.max(axis=1) / focal)
    return in_image, jitter, wander


def _outline_error(graph: SceneGraph, trajectory: ObjectTrajectory) -> Float64[np.ndarray, " n"]:
    """Return by how many radians the middle of an outline may be off, anew as its object moves."""
    if not appearance(graph, trajectory).exact:
        return np.zeros(len(trajectory))
    box, focal = trajectory.token.box.astype(np.float64), trajectory.camera.intrinsics[:, :2].mean(axis=1)
    return np.nan_to_num(outline_error(graph, trajectory) * (box[:, 2:] - box[:, :2]).mean(axis=1) / focal)


def rays_through(camera: Cameras, places: Float64[np.ndarray, "n 2"]) -> Positions:
    """Return unit vectors in the world through places in the image, one per frame; NaN where the camera is unknown."""
    fx_fy, cx_cy = camera.intrinsics[:, :2], camera.intrinsics[:, 2:]
    ray = np.concatenate([(places - cx_cy) / fx_fy, np.ones((len(places), 1))], axis=1)
    ray = np.einsum("nij,nj->ni", camera.R_world_camera, ray)
    return np.asarray(ray / np.linalg.norm(ray, axis=1, keepdims=True))


def _seen_from_one_place(
    trajectory: ObjectTrajectory, places: Measurements
) -> tuple[Float64[np.ndarray, "3 3"], Measurements]:
    """Express places as angles and the logarithm of the distance from the camera in the middle of the span."""
    camera = trajectory.camera[len(trajectory) // 2 : len(trajectory) // 2 + 1]
    offset = places.values - camera.position
    axes = sight_axes(camera, offset)
    x, y, z = (offset @ axes.T).T
    level = np.hypot(x, z)
    distance = np.hypot(level, y)
    if not (level > 0).all():
        raise Unknowable(f"object {trajectory.object_id} is where the camera is, or straight above or below it")
    jacobian = np.stack(
        [
            np.stack([z, 0 * x, -x], axis=1) / (level**2)[:, None],
            np.stack([-x * y, level**2, -z * y], axis=1) / (level * distance**2)[:, None],
            np.stack([x, y, z], axis=1) / (distance**2)[:, None],
        ],
        axis=1,
    )
    jacobian = jacobian @ axes

    def turned(covariance: Covariances) -> Covariances:
        return np.asarray(jacobian @ covariance @ jacobian.transpose(0, 2, 1))

    values = np.stack([np.unwrap(np.arctan2(x, z)), np.arctan2(y, level), np.log(distance)], axis=1)
    return axes, Measurements(
        x=places.x,
        values=values,
        jitter=turned(places.jitter),
        wander=turned(places.wander),
        drift=turned(places.drift),
        freedom=places.freedom,
    )


def sight_axes(camera: Cameras, offset: Positions) -> Float64[np.ndarray, "3 3"]:
    """Return the axes right, down and away of someone at the (one) camera who looks at what has these offsets from it.

    Down is the camera's; the world's where the camera's orientation is unknown.
    """
    R = camera.R_world_camera[0]
    R = R if np.isfinite(R).all() else np.eye(3)
    away = (offset / np.maximum(np.linalg.norm(offset, axis=1, keepdims=True), 1e-300)).mean(axis=0)
    right = np.cross(R @ _DOWN, away)
    if not np.linalg.norm(right) > 0:
        right = R[:, 0]
    right = right / np.linalg.norm(right)
    down = np.cross(away, right)
    down = down / max(float(np.linalg.norm(down)), 1e-300)
    return np.stack([right, down, np.cross(right, down)])
