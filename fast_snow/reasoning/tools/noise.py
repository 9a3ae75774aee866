"""What the geometry of a graph is worth: how much the places of its objects jitter and wander though nothing moves.

All of it is taken from the graph itself. Jitter shows in each track as the distance of an observation from the line
between its neighbours. Wander (depth and poses that drift, masks that grow) shows in those objects that keep most
still. It is measured across the line of sight and along it, as a share of the distance from the camera.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import hypot
from typing import Final

import numpy as np
from jaxtyping import Float64

from fast_snow.reasoning.tools.hypothesis_tests import Measurements, blocks, residuals, robust_sigma
from fast_snow.reasoning.tools.tracks import ObjectTrajectory, Positions, trajectories_of
from fast_snow.types import DepthOrigin, SceneGraph

ASSUMED_ALONG: Final = 0.5
"""Depth that is a guess is taken to be good to half of it, whatever the tracks say: they follow the guess."""
_UNMEASURED_ALONG: Final[Mapping[DepthOrigin, float]] = {
    DepthOrigin.SENSOR: 0.01,
    DepthOrigin.NETWORK: 0.05,
    DepthOrigin.TRIANGULATED: 0.05,
    DepthOrigin.GROUND_PLANE_PRIOR: ASSUMED_ALONG,
}
"""Wander of depth where too few objects show it: round numbers for what such depth usually does."""
_UNMEASURED_ACROSS: Final = 0.005
"""Wander across: 0.3 degrees."""
_LEAST_TRACKS: Final = 4
_LEAST_LENGTH: Final = 6
_BORROWED: Final = 4
"""A track's own jitter counts by its residuals, that of all tracks by so many."""
_FLOAT32: Final = 3e-7
_TINY: Final = 1e-30


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Standard deviations as shares of the distance from the camera."""

    across: float
    along: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """The noise of a graph's geometry.

    Attributes:
        jitter: of an observation, by object id.
        residuals: how many residuals it was taken from, by object id.
        wander: of all objects.
        resting: the objects that it was measured on; none where there were too few, and it is a usual value.
        assumed: whether depth is a guess.
    """

    jitter: Mapping[int, Shares]
    residuals: Mapping[int, int]
    wander: Shares
    resting: tuple[int, ...]
    assumed: bool

    def notes(self) -> tuple[str, ...]:
        """Return what a reader of lengths must know."""
        if self.assumed:
            return ("depth is a guess here (the camera hardly moves): distances are rough, directions across are not",)
        if not self.resting:
            return ("too few objects to measure slow drift on: a usual value stands in for it",)
        return ()


@lru_cache(maxsize=2)
def noise_of(graph: SceneGraph) -> Noise:
    """Measure the noise of a graph's geometry."""
    paths = trajectories_of(graph)
    own = {object_id: _jitter(each) for object_id, each in paths.items()}
    pooled = _pooled([jitter for jitter, count in own.values() if count >= _BORROWED])
    jitter = {object_id: _blended(mine, count, pooled) for object_id, (mine, count) in own.items()}
    wander, resting = _wander(paths, jitter, graph.depth_origin)
    return Noise(
        jitter=jitter,
        residuals={object_id: count for object_id, (_, count) in own.items()},
        wander=wander,
        resting=resting,
        assumed=DepthOrigin.GROUND_PLANE_PRIOR in graph.depth_origin,
    )


def world_measurements(
    trajectory: ObjectTrajectory, noise: Noise, *, x: Float64[np.ndarray, " n"] | None = None
) -> Measurements:
    """Return an object's places in the world with their noise.

    Wander holds what comes from seeing different parts of the object.

    Args:
        trajectory: of the object.
        noise: of its graph.
        x: when, where it is not `trajectory.t`.
    """
    ray, distance = _rays(trajectory)
    jitter = noise.jitter[trajectory.object_id]
    floor = np.maximum(trajectory.standard_error, _FLOAT32 * (distance + np.linalg.norm(trajectory.centroid, axis=1)))
    part_across, part_along = _other_part(trajectory)
    return Measurements(
        x=trajectory.t.astype(np.float64) if x is None else x,
        values=trajectory.centroid,
        jitter=_covariance(ray, np.hypot(jitter.across * distance, floor), np.hypot(jitter.along * distance, floor)),
        wander=_covariance(
            ray,
            np.hypot(noise.wander.across * distance, part_across),
            np.hypot(noise.wander.along * distance, part_along),
        ),
        freedom=noise.residuals[trajectory.object_id] + _BORROWED,
    )


def across_share(trajectory: ObjectTrajectory, noise: Noise) -> float:
    """Return an object's wander across the line of sight, as a share of its distance: root mean square over time."""
    _, distance = _rays(trajectory)
    part, _ = _other_part(trajectory)
    return float(np.sqrt((noise.wander.across**2 + (part / np.maximum(distance, _TINY)) ** 2).mean()))


def bearing_measurements(trajectory: ObjectTrajectory, noise: Noise) -> Measurements:
    """Return where an object would be if it always were at its median distance: all that is known of guessed depth.

    Args:
        trajectory: of the object.
        noise: of its graph.
    """
    ray, distance = _rays(trajectory)
    measurements, typical = world_measurements(trajectory, noise), float(np.median(distance))
    scale = (typical / np.maximum(distance, _TINY))[:, None, None]

    def across(covariance: Float64[np.ndarray, "n 3 3"]) -> Float64[np.ndarray, "n 3 3"]:
        variance = (np.trace(covariance, axis1=1, axis2=2) - np.einsum("ni,nij,nj->n", ray, covariance, ray)) / 2
        return scale**2 * variance[:, None, None] * np.eye(3)

    return replace(
        measurements,
        values=trajectory.camera.position + typical * ray,
        jitter=across(measurements.jitter),
        wander=across(measurements.wander),
    )


def _rays(trajectory: ObjectTrajectory) -> tuple[Positions, Float64[np.ndarray, " n"]]:
    """Return directions and distances from the camera."""
    offset = trajectory.centroid - trajectory.camera.position
    distance = np.linalg.norm(offset, axis=1)
    ray = np.where(distance[:, None] > 0, offset, (0.0, 0.0, 1.0))
    return ray / np.where(distance > 0, distance, 1.0)[:, None], distance


def _other_part(trajectory: ObjectTrajectory) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
    """Return by how much, across and along, the mean of the visible points may be off because of which are seen.

    Seen from another side, it is off by about the object's radius times the angle between the views. If the spread of
    the points changes, the object is half hidden or its mask holds more or less of it: where it grows on one side alone
    the mean moves by sqrt(3) of that, where it grows evenly not at all, which makes a standard deviation of once that.
    """
    ray, _ = _rays(trajectory)
    middle = ray.sum(axis=0)
    middle /= max(float(np.linalg.norm(middle)), _TINY)
    turned = np.linalg.norm(trajectory.sigma, axis=1) * np.arccos(np.clip(ray @ middle, -1, 1))
    along = np.einsum("ni,ni->n", ray**2, trajectory.sigma**2)
    across = np.maximum((trajectory.sigma**2).sum(axis=1) - along, 0.0) / 2
    across, along = np.sqrt(across), np.sqrt(along)
    return np.hypot(turned, across - np.median(across)), np.hypot(turned, along - np.median(along))


def _covariance(
    ray: Positions, across: Float64[np.ndarray, " n"], along: Float64[np.ndarray, " n"]
) -> Float64[np.ndarray, "n 3 3"]:
    outer = np.einsum("ni,nj->nij", ray, ray)
    return (across**2)[:, None, None] * (np.eye(3) - outer) + (along**2)[:, None, None] * outer


def _jitter(trajectory: ObjectTrajectory) -> tuple[Shares, int]:
    ray, distance = _rays(trajectory)
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
        return float(np.sqrt((count * one**2 + _BORROWED * all_**2) / (count + _BORROWED)))

    return Shares(across=blend(mine.across, pooled.across), along=blend(mine.along, pooled.along))


def _wander(
    paths: Mapping[int, ObjectTrajectory], jitter: Mapping[int, Shares], origins: tuple[DepthOrigin, ...]
) -> tuple[Shares, tuple[int, ...]]:
    """Measure wander on the quarter of the objects that keep most still: they are taken to rest."""
    usual = max((_UNMEASURED_ALONG[each] for each in origins), default=_UNMEASURED_ALONG[DepthOrigin.NETWORK])
    long = {object_id: each for object_id, each in paths.items() if len(each) >= _LEAST_LENGTH}
    if len(long) < _LEAST_TRACKS:
        return Shares(across=_UNMEASURED_ACROSS, along=usual), ()
    drifts = {object_id: _drift(each, jitter[object_id]) for object_id, each in long.items()}
    stillest = sorted(drifts, key=lambda each: hypot(drifts[each].across, drifts[each].along))
    resting = tuple(stillest[: max(2, len(stillest) // 4)])
    across = max(drifts[each].across for each in resting)
    along = max(drifts[each].along for each in resting)
    if DepthOrigin.GROUND_PLANE_PRIOR in origins:
        along = ASSUMED_ALONG
    return Shares(across=across, along=along), resting


def _drift(trajectory: ObjectTrajectory, jitter: Shares) -> Shares:
    """Return how far block means stray from their mean beyond what jitter explains."""
    ray, distance = _rays(trajectory)
    offsets = trajectory.centroid - trajectory.centroid.mean(axis=0)
    across, along = [], []
    for block in blocks(len(trajectory)):
        mean = offsets[block].mean(axis=0) / max(float(distance[block].mean()), _TINY)
        depth = float(mean @ ray[block].mean(axis=0))
        along.append(depth**2 - jitter.along**2 / len(block))
        across.append((float(mean @ mean) - depth**2) / 2 - jitter.across**2 / len(block))
    return Shares(
        across=float(np.sqrt(np.maximum(np.mean(across), 0.0))), along=float(np.sqrt(np.maximum(np.mean(along), 0.0)))
    )
