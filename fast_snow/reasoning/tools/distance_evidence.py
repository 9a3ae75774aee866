"""How the distance of an object from the camera changes: by measured depth, and by how large it looks.

The logarithms of both are averaged, weighted by their variances; size tells changes only. Where the changes that they
tell differ, measured depth is believed: what is half hidden looks small. Of depth that is deduced (triangulated as if
all rested, or guessed) both are taken to be wrong by as much as makes them agree; beyond their noise they conflict.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from jaxtyping import Float64

from fast_snow.reasoning.tools.hypothesis_tests import CRITICAL, blocks
from fast_snow.reasoning.tools.log_changes import Growth, growth
from fast_snow.reasoning.tools.noise import ASSUMED_ALONG, depth_errors, noise_of, rays
from fast_snow.reasoning.tools.size_evidence import SizeEvidence, size_evidence
from fast_snow.reasoning.tools.tool_answers import Unknowable
from fast_snow.reasoning.tools.tracks import ObjectTrajectory
from fast_snow.rigid_size import DEDUCED
from fast_snow.types import SceneGraph

_Series = Float64[np.ndarray, " n"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DistanceEvidence:
    """An object's distance from the camera over time.

    Attributes:
        kinds: what each kind of evidence says of its change.
        combined: what they say together.
        conflicting: whether they differ beyond their noise.
        distance: at each observation.
        jitter: of it, as a share.
        wander: the same.
        drift: the rate at which it drifts, as a share per frame.
        scale: by which share all of it may be too long or too short together.
    """

    kinds: Mapping[str, Growth]
    combined: Growth
    conflicting: bool
    distance: _Series
    jitter: _Series
    wander: _Series
    drift: float
    scale: float


def conflict_notes(radial: DistanceEvidence) -> tuple[str, ...]:
    """Say what kinds of evidence differ beyond their noise."""
    if not radial.conflicting:
        return ()
    said = " but ".join(
        f"{name.replace('_', ' ')} it changes by a factor of {np.exp(each.value):.2g} (logarithm {each.value:.2g} ±"
        f" {each.sigma:.2g})"
        for name, each in radial.kinds.items()
    )
    return (f"conflicting evidence of the distance from the camera: {said}",)


def distance_evidence(graph: SceneGraph, trajectory: ObjectTrajectory, *, guessed: bool) -> DistanceEvidence:
    """Combine depth and size.

    Args:
        graph: of the object.
        trajectory: of the object, seen twice or more.
        guessed: whether its depth counts as a guess, whatever its measured noise.
    """
    noise, x = noise_of(graph), trajectory.t.astype(np.float64)
    _, distance = rays(trajectory)
    if not (distance > 0).all():
        raise Unknowable("the distance is zero there")
    (_, jitter), (_, wander) = depth_errors(trajectory, noise)
    wander = np.maximum(wander, ASSUMED_ALONG) if guessed else wander
    depth = growth(x, np.log(distance), jitter, wander, drift=noise.drift.along)
    scale = float(np.sqrt(np.mean(wander**2)))
    size = size_evidence(graph, trajectory)
    if size is None:
        return DistanceEvidence(
            kinds={"by_distance": depth},
            combined=depth,
            conflicting=False,
            distance=distance,
            jitter=jitter,
            wander=wander,
            drift=noise.drift.along,
            scale=scale,
        )
    measured = not {*graph.depth_origin} & DEDUCED
    combined = _combined(trajectory, (jitter, wander), size, measured=measured, drift=noise.drift.along)
    kinds = {"by_distance": depth, **size.kinds}
    # Beyond their noise they conflict: the truth lies anywhere between.
    differ = [(abs(a.value - b.value), float(np.hypot(a.sigma, b.sigma))) for a, b in combinations(kinds.values(), 2)]
    beyond = [] if measured else [apart for apart, sigma in differ if apart > CRITICAL * sigma]
    if beyond:
        widened = max(combined.combined.sigma, max(beyond) / float(np.sqrt(12)))
        combined = replace(combined, combined=replace(combined.combined, sigma=widened))
    return replace(combined, kinds=kinds, conflicting=bool(beyond))


def _combined(
    trajectory: ObjectTrajectory,
    depth_noise: tuple[_Series, _Series],
    size: SizeEvidence,
    *,
    measured: bool,
    drift: float,
) -> DistanceEvidence:
    """Return the weighted mean of depth and size, without what each of them says."""
    _, distance = rays(trajectory)
    jitter, wander = depth_noise
    x = trajectory.t.astype(np.float64)
    looks = size.series
    seen, apart = np.isin(trajectory.t, looks.t), np.zeros(len(x))
    apart[seen] = np.log(distance[seen]) + looks.value
    apart[seen] -= np.median(apart[seen])
    # A change of shape between two ends errs at either end by this.
    by_size = np.full(len(x), size.sigma / np.sqrt(2))
    strain = _strain(apart, np.hypot(jitter, looks.jitter), np.hypot(wander, by_size))
    strain = np.maximum(strain, wander / ASSUMED_ALONG)  # a guess that was tied to size says by how much they differed
    if measured:
        by_size, strain = strain * np.hypot(wander, by_size), np.ones(len(x))
    depth_variance, size_variance = jitter**2 + wander**2, looks.jitter**2 + by_size**2
    weight = np.where(seen, depth_variance / np.maximum(depth_variance + size_variance, 1e-300), 0.0)
    both = np.log(distance) - weight * apart
    jitter = np.hypot((1 - weight) * jitter, weight * looks.jitter)
    wander = strain * np.hypot((1 - weight) * wander, weight * by_size)
    drift = drift * float(1 - weight.mean())
    return DistanceEvidence(
        kinds={},
        combined=growth(x, both, jitter, wander, drift=drift),
        conflicting=False,
        distance=np.exp(both),
        jitter=jitter,
        wander=wander,
        drift=drift,
        scale=float(np.median(depth_noise[1])),  # size ties all to what the median of depth says
    )


def _strain(apart: _Series, jitter: _Series, wander: _Series) -> _Series:
    """Return how many times as large as their noise the disagreement of two kinds of evidence is, block by block."""
    strain = np.ones_like(apart)
    for block in blocks(len(apart)):
        sigma = float(np.hypot(np.mean(wander[block]), np.mean(jitter[block]) / np.sqrt(len(block))))
        strain[block] = max(1.0, abs(float(apart[block].mean())) / max(sigma, 1e-300))
    return strain
