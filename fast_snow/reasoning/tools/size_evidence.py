"""How much larger an object looks over time: by its outline, and by the texture inside.

A mask may grow onto its object, or hold less and less of it; what hides an object, or comes away from it, changes its
outline too. Its texture grows with the object alone, whatever the mask does, but is stretched where the object turns or
rolls. Where both are known and differ, the truth lies anywhere between; where texture was looked for and cannot be
followed, nothing confirms the outline.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from jaxtyping import Float64

from fast_snow.reasoning.tools.appearance import LogSeries, apparent_size, appearance, aspect_ratio, log_cosine
from fast_snow.reasoning.tools.log_changes import Growth, growth
from fast_snow.reasoning.tools.tracks import ObjectTrajectory
from fast_snow.rigid_size import SHAPE
from fast_snow.types import SceneGraph

UNSEEN_SHAPE: Final = 0.35
"""By which share an outline's length may change where its shape cannot be told: of a thing twice as long as broad that
turns by a quarter."""
UNCONFIRMED: Final = 0.5
"""By which share an outline's length may change though no distance does, where no texture could confirm it."""
UNCONFIRMED_MIDDLE: Final = 0.1
"""Share of its side by which the middle of such an outline may be off."""
TEXTURE: Final = 0.066
"""By which share all of the growth of a texture may be off though it is the same in all directions."""
MISSED: Final = 0.008
"""The same for each step in which it could not be followed."""
COVERED: Final = 0.3
"""Share of an object's steps in which its texture must have been followed to tell of the others too."""
_FEWEST: Final = 3
_BETWEEN: Final = float(np.sqrt(12))
"""What lies anywhere between two numbers is off by their difference over this."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SizeEvidence:
    """How large an object looks over time.

    Attributes:
        series: logarithms of its apparent length, as an angle but for a constant.
        sigma: by how much all of their change may be off, beside their jitter.
        kinds: by name, what each kind of evidence says of the change of its distance.
    """

    series: LogSeries
    sigma: float
    kinds: Mapping[str, Growth]


@lru_cache(maxsize=8)
def size_evidence(graph: SceneGraph, trajectory: ObjectTrajectory) -> SizeEvidence | None:
    """Combine outline and texture; None where neither tells anything."""
    texture = _texture(graph, trajectory)
    outline = _outline(graph, trajectory, UNCONFIRMED if is_unconfirmed(graph, trajectory) else 0.0)
    if texture is None or outline is None:
        return texture or outline
    apart = _apart(outline, texture)
    seen, x = outline.series.t, texture.series.t.astype(np.float64)
    # An outline that is cut in some frames counts by those in which it is whole.
    certainty = len(seen) / len(x) / outline.sigma**2, 1 / texture.sigma**2
    share = certainty[0] / sum(certainty)
    value = texture.series.value + share * np.interp(x, seen.astype(np.float64), apart)
    differ = _change(LogSeries(t=seen, value=apart)) ** 2
    beyond = float(np.sqrt(max(differ - outline.sigma**2 - texture.sigma**2, 0))) / 2
    return SizeEvidence(
        series=LogSeries(t=texture.series.t, value=value),
        sigma=float(np.hypot(sum(certainty) ** -0.5, beyond)),
        kinds={**outline.kinds, **texture.kinds},
    )


def outline_error(graph: SceneGraph, trajectory: ObjectTrajectory) -> float:
    """Return by which share of its side the middle of an estimated outline may be off for long, anew as it moves.

    By twice as much as its length strays from its texture's. Of graphs that know nothing of texture it is 0.
    """
    if graph.tracks[trajectory.object_id].source_id is not None:
        return 0.0
    texture, outline = _texture(graph, trajectory), _outline(graph, trajectory, 0.0)
    if texture is None or outline is None:
        return UNCONFIRMED_MIDDLE if is_unconfirmed(graph, trajectory) else 0.0
    return 2 * float(np.std(_apart(outline, texture)))


def is_unconfirmed(graph: SceneGraph, trajectory: ObjectTrajectory) -> bool:
    """Whether nothing shows that an estimated mask stays on one thing: its texture is lost, though others' is not."""
    if graph.tracks[trajectory.object_id].source_id is not None or _texture(graph, trajectory) is not None:
        return False
    return any(np.isfinite(each.observations.growth).any() for each in graph.tracks.values())


def _outline(graph: SceneGraph, trajectory: ObjectTrajectory, doubt: float) -> SizeEvidence | None:
    """Return what outlines tell; if width and height change by different shares, the truth lies anywhere between."""
    size, form = apparent_size(graph, trajectory), aspect_ratio(graph, trajectory)
    if len(size) < 2:
        return None
    by_shape = UNSEEN_SHAPE if len(form) < 2 else max(SHAPE, _change(form) / _BETWEEN)
    return _evidence("by_size_in_image", size, float(np.hypot(by_shape, doubt)))


@lru_cache(maxsize=8)
def _texture(graph: SceneGraph, trajectory: ObjectTrajectory) -> SizeEvidence | None:
    """Return what texture tells: its overall growth and that of upright distances alone, which no upright turn changes.

    The truth is taken to lie in the middle, and to be off by as much as they differ.
    """
    t, step = trajectory.t, np.diff(trajectory.t, prepend=trajectory.t[0] - 1)
    grown = trajectory.token.growth.astype(np.float64)
    known = np.isfinite(grown).all(axis=1) & (step == 1)
    known[0] = False
    steps = int(t[-1] - t[0])
    if np.count_nonzero(known) < max(_FEWEST, COVERED * steps):
        return None
    grown[~known] = np.median(grown[known], axis=0) * step[~known, None]
    grown[0] = 0.0
    # Away from the middle of the image, a plane, things look larger than their angle is: along the radius twice so.
    off_axis = log_cosine(appearance(graph, trajectory), trajectory)
    overall, upright = (np.cumsum(grown, axis=0) + np.outer(off_axis, (1.5, 1.0))).T
    differ = _change(LogSeries(t=t, value=overall - upright))
    missed = MISSED * (steps - np.count_nonzero(known))
    sigma = float(np.linalg.norm((TEXTURE, differ, missed)))
    return _evidence("by_texture", LogSeries(t=t, value=(overall + upright) / 2), sigma)


def _apart(outline: SizeEvidence, texture: SizeEvidence) -> Float64[np.ndarray, " n"]:
    """Return by how much what the outline tells exceeds what texture does, wherever the outline tells anything."""
    _, at, _ = np.intersect1d(texture.series.t, outline.series.t, return_indices=True)
    return np.asarray(outline.series.value - texture.series.value[at])


def _evidence(name: str, size: LogSeries, sigma: float) -> SizeEvidence:
    distance = growth(size.t.astype(np.float64), -size.value, np.full(len(size), size.jitter), np.zeros(len(size)))
    change = Growth(value=distance.value, sigma=float(np.hypot(distance.sigma, sigma)))
    return SizeEvidence(series=size, sigma=sigma, kinds={name: change})


def _change(series: LogSeries) -> float:
    """Return by how much a series changes from first to last along the straight line through it."""
    noise = np.full(len(series), series.jitter)
    return abs(growth(series.t.astype(np.float64), series.value, noise, np.zeros(len(series))).value)
