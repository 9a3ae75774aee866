"""How the distance of an object from the camera changes: by measured depth, and by how large it looks.

The logarithms of both are averaged, weighted by their variances; size tells changes only. Where the changes that they
tell differ, measured depth is believed: what is half hidden looks small. Of depth that is deduced (triangulated as if
all rested, or guessed) both are taken to be wrong by as much as makes them agree; beyond their noise they conflict.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from jaxtyping import Float64

from fast_snow.reasoning.tools.appearance import LogSeries, apparent_size, aspect_ratio
from fast_snow.reasoning.tools.hypothesis_tests import CRITICAL, LIKELY_CRITICAL, Measurements, blocks, total_change
from fast_snow.reasoning.tools.noise import ASSUMED_ALONG, depth_errors, noise_of, rays
from fast_snow.reasoning.tools.tool_answers import Grade, Unknowable
from fast_snow.reasoning.tools.tracks import ObjectTrajectory
from fast_snow.rigid_size import DEDUCED, SHAPE
from fast_snow.types import SceneGraph

UNSEEN_SHAPE: Final = 0.35
"""The same where its shape cannot be told: that of a thing twice as long as broad which turns by a quarter."""

_Series = Float64[np.ndarray, " n"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """By how much the logarithm of a distance changes from first to last."""

    value: float
    sigma: float

    @property
    def grade(self) -> Grade:
        """How sure it is that the distance changes."""
        return graded(self.value, self.sigma)


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


def graded(value: float, sigma: float) -> Grade:
    """Return how sure it is that a number differs from zero; `UNKNOWN` where it may as well be zero."""
    if abs(value) > CRITICAL * sigma:
        return Grade.STATED
    return Grade.LIKELY if abs(value) > LIKELY_CRITICAL * sigma else Grade.UNKNOWN


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
    size, shape = apparent_size(graph, trajectory), _shape_sigma(graph, trajectory)
    if len(size) < 2:
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
    look = growth(size.t.astype(np.float64), -size.value, np.full(len(size), size.jitter), np.zeros(len(size)))
    look = Growth(value=look.value, sigma=float(np.hypot(look.sigma, shape)))
    measured = not {*graph.depth_origin} & DEDUCED
    combined = _combined(trajectory, (jitter, wander), size, shape, measured=measured, drift=noise.drift.along)
    apart = abs(depth.value - look.value)
    conflicting = not measured and apart > CRITICAL * float(np.hypot(depth.sigma, look.sigma))
    if conflicting:  # the truth lies anywhere between
        widened = max(combined.combined.sigma, apart / float(np.sqrt(12)))
        combined = replace(combined, combined=replace(combined.combined, sigma=widened))
    return replace(combined, kinds={"by_distance": depth, "by_size_in_image": look}, conflicting=conflicting)


def _combined(
    trajectory: ObjectTrajectory,
    depth_noise: tuple[_Series, _Series],
    size: LogSeries,
    shape: float,
    *,
    measured: bool,
    drift: float,
) -> DistanceEvidence:
    """Return the weighted mean of depth and size, without what each of them says."""
    _, distance = rays(trajectory)
    jitter, wander = depth_noise
    x = trajectory.t.astype(np.float64)
    seen, apart = np.isin(trajectory.t, size.t), np.zeros(len(x))
    apart[seen] = np.log(distance[seen]) + size.value
    apart[seen] -= np.median(apart[seen])
    # A change of shape between two ends errs at either end by this.
    by_size = np.full(len(x), shape / np.sqrt(2))
    strain = _strain(apart, np.hypot(jitter, size.jitter), np.hypot(wander, by_size))
    strain = np.maximum(strain, wander / ASSUMED_ALONG)  # a guess that was tied to size says by how much they differed
    if measured:
        by_size, strain = strain * np.hypot(wander, by_size), np.ones(len(x))
    depth_variance, size_variance = jitter**2 + wander**2, size.jitter**2 + by_size**2
    weight = np.where(seen, depth_variance / np.maximum(depth_variance + size_variance, 1e-300), 0.0)
    both = np.log(distance) - weight * apart
    jitter = np.hypot((1 - weight) * jitter, weight * size.jitter)
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


def growth(x: _Series, values: _Series, jitter: _Series, wander: _Series, *, drift: float = 0.0) -> Growth:
    """Return how much a quantity grows from first to last; noise is given by standard deviations, drift per `x`."""

    def variance(sigma: _Series) -> Float64[np.ndarray, "n 1 1"]:
        return (sigma**2)[:, None, None]

    change = total_change(
        Measurements(
            x=x,
            values=values[:, None],
            jitter=variance(jitter),
            wander=variance(wander),
            drift=variance(np.full_like(x, drift)),
            freedom=len(x),
        )
    )
    return Growth(value=float(change.value[0]), sigma=float(change.sigma[0]))


def _shape_sigma(graph: SceneGraph, trajectory: ObjectTrajectory) -> float:
    """Return how far the size in the image may change by a change of shape.

    If width and height change by different shares, as of something that turns, the truth lies anywhere between.
    """
    form = aspect_ratio(graph, trajectory)
    if len(form) < 2:
        return UNSEEN_SHAPE
    bent = growth(form.t.astype(np.float64), form.value, np.full(len(form), form.jitter), np.zeros(len(form)))
    return max(SHAPE, abs(bent.value) / np.sqrt(12))
