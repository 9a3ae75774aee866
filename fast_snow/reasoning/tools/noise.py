"""What the geometry of a graph is worth: how much the places of its objects jitter and wander though nothing moves.

All of it is taken from the graph itself. Jitter shows in each track as the distance of an observation from the line
between its neighbours. Wander (depth and poses that drift, masks that grow) shows in those objects that keep most
still; so does an even drift. All are measured across the line of sight and along it, as shares of the distance from the
camera.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import hypot
from typing import Final

import numpy as np
from jaxtyping import Float64

from fast_snow.reasoning.tools.hypothesis_tests import (
    Covariances,
    Measurements,
    blocks,
    line_slope,
    residuals,
    robust_sigma,
)
from fast_snow.reasoning.tools.tracks import ObjectTrajectory, Positions, trajectories_of
from fast_snow.step import SIGMA_ACROSS, SIGMA_ALONG, SIGMA_OF_GUESS
from fast_snow.types import DepthOrigin, SceneGraph


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Standard deviations as shares of the distance from the camera."""

    across: float
    along: float


ASSUMED_ALONG: Final = SIGMA_OF_GUESS
"""Depth that is a guess is taken to be good to half of it, whatever the tracks say: they follow the guess."""
WITHIN: Final = 0.61
"""Of the variance of correlated wander, what block means show about their own mean."""
QUARTILE: Final = Shares(across=0.76, along=0.64)
"""Lower quartile of how far resting objects stray, as a share of the root mean square: chi of 6 and 3 freedoms."""
ADMITTED: Final = Shares(across=1.67, along=1.94)
"""What strays by no more than so many times the estimate of the stillest rests too: the 99th percentile of the same."""
LONG: Final = 0.5
"""Tracks of at least such a share of the longest tell of wander; in shorter ones, little of what is slow shows."""
_LEAST_TRACKS: Final = 4
_LEAST_LENGTH: Final = 6
BORROWED: Final = 4
"""A track's own jitter counts by its residuals, that of all tracks by so many."""
_FLOAT32: Final = 3e-7
_TINY: Final = 1e-30

AcrossAlong = tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"]]
"""Something across the line of sight and along it, for each observation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """The noise of a graph's geometry.

    Attributes:
        jitter: of an observation, by object id.
        residuals: how many residuals it was taken from, by object id.
        wander: of all objects.
        drift: how fast places drift evenly, per frame.
        resting: the objects that it was measured on; none where there were too few, and it is a usual value.
        assumed: whether depth is a guess.
        usual_along: what the depth of this graph usually does along the line of sight.
    """

    jitter: Mapping[int, Shares]
    residuals: Mapping[int, int]
    wander: Shares
    drift: Shares
    resting: tuple[int, ...]
    assumed: bool
    usual_along: float = SIGMA_ALONG[DepthOrigin.NETWORK]

    def notes(self) -> tuple[str, ...]:
        """Return what a reader of lengths must know."""
        if self.assumed:
            return ("depth is a guess here (the camera hardly leaves its place): distances are rough, sides are not",)
        if not self.resting:
            return ("too few objects to measure slow drift on: a usual value stands in for it",)
        return ()


@lru_cache(maxsize=2)
def noise_of(graph: SceneGraph) -> Noise:
    """Measure the noise of a graph's geometry."""
    paths = trajectories_of(graph)
    own = {object_id: _jitter(each) for object_id, each in paths.items()}
    pooled = _pooled([jitter for jitter, count in own.values() if count >= BORROWED])
    jitter = {object_id: _blended(mine, count, pooled) for object_id, (mine, count) in own.items()}
    wander, resting = _wander(paths, jitter, graph.depth_origin)
    clip = max(len(graph.ego) - 1, 1)
    noise = Noise(
        jitter=jitter,
        residuals={object_id: count for object_id, (_, count) in own.items()},
        wander=wander,
        drift=Shares(across=0.0, along=0.0)
        if resting
        else Shares(across=wander.across / clip, along=wander.along / clip),
        resting=resting,
        assumed=DepthOrigin.GROUND_PLANE_PRIOR in graph.depth_origin,
        usual_along=_usual_along(graph.depth_origin),
    )
    return replace(noise, drift=_even_drift([paths[each] for each in resting], noise)) if resting else noise


def world_measurements(trajectory: ObjectTrajectory, noise: Noise) -> Measurements:
    """Return an object's measured places in the world with their noise.

    Wander holds what comes from seeing different parts of the object.

    Args:
        trajectory: of the object.
        noise: of its graph.
    """
    ray, distance = rays(trajectory)
    jitter, wander = depth_errors(trajectory, noise)
    return located(
        trajectory,
        noise,
        ray=ray,
        distance=distance,
        jitter=jitter,
        wander=wander,
        drift_along=noise.drift.along,
    )


def located(
    trajectory: ObjectTrajectory,
    noise: Noise,
    *,
    ray: Positions,
    distance: Float64[np.ndarray, " n"],
    jitter: AcrossAlong,
    wander: AcrossAlong,
    drift_along: float,
) -> Measurements:
    """Return places given by direction and distance from the camera, with their noise.

    Args:
        trajectory: of the object.
        noise: of its graph.
        ray: unit vectors in the world.
        distance: from the camera.
        jitter: across and along the ray, as shares of the distance.
        wander: the same.
        drift_along: the rate at which the distance drifts, as a share per frame.
    """
    drift = (np.full_like(distance, each) for each in (noise.drift.across, drift_along))

    def covariance(across: Float64[np.ndarray, " n"], along: Float64[np.ndarray, " n"]) -> Covariances:
        return _covariance(ray, across * distance, along * distance)

    return Measurements(
        x=trajectory.t.astype(np.float64),
        values=trajectory.camera.position + distance[:, None] * ray,
        jitter=covariance(*jitter),
        wander=covariance(*wander),
        drift=covariance(*drift),
        freedom=noise.residuals[trajectory.object_id] + BORROWED,
    )


def depth_errors(trajectory: ObjectTrajectory, noise: Noise) -> tuple[AcrossAlong, AcrossAlong]:
    """Return jitter and wander of an object's centroids across and along the ray, as shares of the distance."""
    _, distance = rays(trajectory)
    distance = np.maximum(distance, _TINY)
    jitter = noise.jitter[trajectory.object_id]
    floor = np.maximum(trajectory.standard_error, _FLOAT32 * (distance + np.linalg.norm(trajectory.centroid, axis=1)))
    part_across, part_along = other_part(trajectory)
    part_along = np.hypot(part_along, _guessed(trajectory, noise))
    return (
        (np.hypot(jitter.across, floor / distance), np.hypot(jitter.along, floor / distance)),
        (np.hypot(noise.wander.across, part_across / distance), np.hypot(noise.wander.along, part_along / distance)),
    )


def _usual_along(origins: tuple[DepthOrigin, ...]) -> float:
    return max((SIGMA_ALONG[each] for each in origins), default=SIGMA_ALONG[DepthOrigin.NETWORK])


def _guessed(trajectory: ObjectTrajectory, noise: Noise) -> Float64[np.ndarray, " n"]:
    """Return by how much the graph says that places err along the line of sight, beyond what its depth usually does.

    Such errors last as long as an object is seen: they are those of a guess.
    """
    _, distance = rays(trajectory)
    along = trajectory.token.centroid_sigma[:, 1].astype(np.float64)
    return np.sqrt(np.maximum(np.nan_to_num(along) ** 2 - (noise.usual_along * distance) ** 2, 0.0))


def rays(trajectory: ObjectTrajectory) -> tuple[Positions, Float64[np.ndarray, " n"]]:
    """Return directions and distances of the measured centroids from the camera."""
    offset = trajectory.centroid - trajectory.camera.position
    distance = np.linalg.norm(offset, axis=1)
    ray = np.where(distance[:, None] > 0, offset, (0.0, 0.0, 1.0))
    return ray / np.where(distance > 0, distance, 1.0)[:, None], distance


def other_part(trajectory: ObjectTrajectory, *, surface: bool = True) -> AcrossAlong:
    """Return by how much, across and along, the mean of the visible points may be off because of which are seen.

    Seen from another side, it is off by about the object's radius times the angle between the views. If the spread of
    the points changes, the object is half hidden or its mask holds more or less of it: where it grows on one side alone
    the mean moves by sqrt(3) of that, where it grows evenly not at all, which makes a standard deviation of once that.
    The middle of an outline (`surface` False) does not depend on which side is seen.
    """
    ray, _ = rays(trajectory)
    middle = ray.sum(axis=0)
    middle /= max(float(np.linalg.norm(middle)), _TINY)
    turned = surface * np.linalg.norm(trajectory.sigma, axis=1) * np.arccos(np.clip(ray @ middle, -1, 1))
    along = np.einsum("ni,ni->n", ray**2, trajectory.sigma**2)
    across = np.maximum((trajectory.sigma**2).sum(axis=1) - along, 0.0) / 2
    steady = _steady(trajectory)
    across, along = np.sqrt(across) * steady, np.sqrt(along) * steady
    return (
        np.hypot(turned, (across - np.median(across)) / steady),
        np.hypot(turned, (along - np.median(along)) / steady),
    )


def _steady(trajectory: ObjectTrajectory) -> Float64[np.ndarray, " n"]:
    """Return by what guessed distances are multiplied to be all the same: they follow the size, and tell no part."""
    _, distance = rays(trajectory)
    guessed = np.nan_to_num(trajectory.token.centroid_sigma[:, 1]) > distance * SIGMA_OF_GUESS / 2
    return np.where(guessed, np.median(distance) / np.maximum(distance, _TINY), 1.0)


def _covariance(
    ray: Positions, across: Float64[np.ndarray, " n"], along: Float64[np.ndarray, " n"]
) -> Float64[np.ndarray, "n 3 3"]:
    outer = np.einsum("ni,nj->nij", ray, ray)
    return (across**2)[:, None, None] * (np.eye(3) - outer) + (along**2)[:, None, None] * outer


def _jitter(trajectory: ObjectTrajectory) -> tuple[Shares, int]:
    ray, distance = rays(trajectory)
    deviations, middle = residuals(trajectory.t.astype(np.float64), trajectory.centroid)
    deviations /= np.maximum(distance[middle], _TINY)[:, None]
    along = np.einsum("ni,ni->n", deviations, ray[middle])
    across = deviations - along[:, None] * ray[middle]
    # Of two dimensions the median length is that of a Rayleigh variable, 1.1774 sigma.
    rayleigh = robust_sigma(np.linalg.norm(across, axis=1)) / (1.4826 * 1.1774)
    return Shares(across=rayleigh, along=robust_sigma(np.abs(along))), len(middle)


def _pooled(shares: Sequence[Shares]) -> Shares:
    if not shares:
        return Shares(across=0.0, along=0.0)
    return Shares(
        across=float(np.median([each.across for each in shares])),
        along=float(np.median([each.along for each in shares])),
    )


def _blended(mine: Shares, count: int, pooled: Shares) -> Shares:
    def blend(one: float, all_: float) -> float:
        return float(np.sqrt((count * one**2 + BORROWED * all_**2) / (count + BORROWED)))

    return Shares(across=blend(mine.across, pooled.across), along=blend(mine.along, pooled.along))


def _wander(
    paths: Mapping[int, ObjectTrajectory], jitter: Mapping[int, Shares], origins: tuple[DepthOrigin, ...]
) -> tuple[Shares, tuple[int, ...]]:
    """Measure wander on what rests: the quarter of the objects that keep most still, and all that stray no further."""
    enough = max(_LEAST_LENGTH, LONG * max(map(len, paths.values()), default=0))
    long = {object_id: each for object_id, each in paths.items() if len(each) >= enough}
    if len(long) < _LEAST_TRACKS:
        return Shares(across=SIGMA_ACROSS, along=_usual_along(origins)), ()
    strays = {object_id: _stray(each) for object_id, each in long.items()}
    stillest = sorted(strays, key=lambda each: hypot(strays[each].across, strays[each].along))
    stillest = stillest[: max(2, len(stillest) // 4)]
    limit = {
        name: getattr(ADMITTED, name) / getattr(QUARTILE, name) * max(getattr(strays[each], name) for each in stillest)
        for name in ("across", "along")
    }
    resting = tuple(
        each for each in strays if strays[each].across <= limit["across"] and strays[each].along <= limit["along"]
    )

    def slow(name: str) -> float:
        """Return the part of what they stray by that frames do not add each for itself."""
        new = [getattr(jitter[each], name) ** 2 * len(blocks(len(long[each]))) / len(long[each]) for each in resting]
        excess = np.array([getattr(strays[each], name) ** 2 for each in resting]) - new
        return float(np.sqrt(max(excess.mean(), 0.0) / WITHIN))

    along = ASSUMED_ALONG if DepthOrigin.GROUND_PLANE_PRIOR in origins else slow("along")
    return Shares(across=slow("across"), along=along), resting


def _even_drift(resting: Sequence[ObjectTrajectory], noise: Noise) -> Shares:
    """Return how fast resting objects seem to move in a straight line, beyond what jitter and wander explain."""
    across, along, weight = [], [], []
    for each in resting:
        slope, (ray, distance) = line_slope(world_measurements(each, noise)), rays(each)
        middle = ray.mean(axis=0)
        outer = np.outer(middle, middle) / max(float(middle @ middle), _TINY)
        excess = (np.outer(slope.value, slope.value) - slope.covariance) / max(float(distance.mean()), _TINY) ** 2
        along.append(float(np.trace(excess @ outer)))
        across.append(float(np.trace(excess @ (np.eye(3) - outer))) / 2)
        weight.append(float(each.t[-1] - each.t[0]) ** 2)
    pooled = (max(float(np.average(some, weights=weight)), 0.0) for some in (across, along))
    return Shares(**dict(zip(("across", "along"), map(float, np.sqrt([*pooled])), strict=True)))


def _stray(trajectory: ObjectTrajectory) -> Shares:
    """Return how far block means stray from their mean."""
    ray, distance = rays(trajectory)
    offsets = trajectory.centroid - trajectory.centroid.mean(axis=0)
    across, along = [], []
    for block in blocks(len(trajectory)):
        mean = offsets[block].mean(axis=0) / max(float(distance[block].mean()), _TINY)
        depth = float(mean @ ray[block].mean(axis=0))
        along.append(depth**2)
        across.append(max(float(mean @ mean) - depth**2, 0.0) / 2)
    return Shares(across=float(np.sqrt(np.mean(across))), along=float(np.sqrt(np.mean(along))))
