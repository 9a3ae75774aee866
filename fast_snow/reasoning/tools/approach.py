"""Whether an object comes closer or goes away: by its distance, and by how large it looks."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float64

from fast_snow.reasoning.tools.findings import Figure, Finding, Unknowable, finding, times
from fast_snow.reasoning.tools.image_tracks import Look, apparent_size, shape
from fast_snow.reasoning.tools.motion import require_several
from fast_snow.reasoning.tools.noise import measured, noise_of
from fast_snow.reasoning.tools.significance import CRITICAL, Measurements, change
from fast_snow.reasoning.tools.tracks import Path, path
from fast_snow.types import SceneGraph

_SHAPE: Final = 0.1
"""By which share the apparent length of an object may change though its distance does not: it turns, or bends."""
_UNSEEN_SHAPE: Final = 0.35
"""The same where its shape cannot be told: that of a thing twice as long as broad which turns by a quarter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """By how much the logarithm of a distance changes from first to last."""

    value: float
    sigma: float


@finding
def approach(
    graph: SceneGraph,
    *,
    object_id: int,
    other_id: int | None = None,
    t_from: int | None = None,
    t_to: int | None = None,
) -> Finding:
    """Decide whether an object comes closer to the camera, or to another object, or goes further away.

    For the camera, the measured distance and the size in the image are combined, each by its uncertainty; if the camera
    moves, that is part of it.

    Args:
        graph: the graph.
        object_id: number of the object.
        other_id: number of the other object; null for the camera.
        t_from: first frame; null for the object's first.
        t_to: last frame; null for the object's last.
    """
    some = path(graph, object_id, t_from, t_to)
    require_several(some)
    found = {"by_distance": _by_distance(graph, some, other_id)}
    by_size = _by_size(graph, some) if other_id is None else None
    if by_size is not None:
        found["by_size_in_image"] = by_size
    together = _combined(tuple(found.values()))
    certain = abs(together.value) > CRITICAL * together.sigma
    told = ("going further away" if together.value > 0 else "coming closer") if certain else "neither beyond noise"
    return Finding(
        value=told,
        figures=(
            Figure(name="distance_ratio_last_to_first", value=float(np.exp(together.value))),
            Figure(name="logarithm_of_it", value=together.value, sigma=together.sigma),
            *(Figure(name=name, value=each.value, sigma=each.sigma) for name, each in found.items()),
        ),
        evidence=times(some.t),
        notes=noise_of(graph).notes(),
    )


def _combined(some: tuple[Growth, ...]) -> Growth:
    """Return the mean, each weighted by its certainty."""
    weight = np.array([1 / max(each.sigma, 1e-9) ** 2 for each in some])
    mean = float(weight @ [each.value for each in some] / weight.sum())
    return Growth(value=mean, sigma=float(weight.sum() ** -0.5))


def _by_distance(graph: SceneGraph, some: Path, other_id: int | None) -> Growth:
    here = measured(some, noise_of(graph))
    x, towards, jitter, wander = here.x, here.values - some.camera.position, here.jitter, here.wander
    if other_id is not None:
        other = path(graph, other_id)
        _, mine, its = np.intersect1d(some.t, other.t, return_indices=True)
        if len(mine) < 2:
            raise Unknowable(
                f"objects {some.object_id} and {other_id} are seen together in fewer than two frames there"
            )
        there = measured(other.select(its), noise_of(graph))
        x, towards = here.x[mine], here.values[mine] - there.values
        jitter, wander = here.jitter[mine] + there.jitter, here.wander[mine] + there.wander
    length = np.linalg.norm(towards, axis=1)
    if not (length > 0).all():
        raise Unknowable("the distance is zero there")
    ray = towards / length[:, None]
    return _growth(
        x,
        np.log(length),
        np.einsum("ni,nij,nj->n", ray, jitter, ray) / length**2,
        np.einsum("ni,nij,nj->n", ray, wander, ray) / length**2,
    )


def _by_size(graph: SceneGraph, some: Path) -> Growth | None:
    """Return the growth of distance that the shrinking in the image tells; None where it cannot be seen."""
    size, form = apparent_size(graph, some), shape(graph, some)
    if len(size) < 2:
        return None
    growth = _of_look(size)
    # If width and height change by different shares, so much of the change is of shape and not of distance.
    bent = max(_SHAPE, abs(_of_look(form).value) / 2) if len(form) > 1 else _UNSEEN_SHAPE
    return Growth(value=-growth.value, sigma=float(np.hypot(growth.sigma, bent)))


def _of_look(look: Look) -> Growth:
    return _growth(look.t.astype(np.float64), look.value, np.full(len(look), look.jitter**2), np.zeros(len(look)))


def _growth(
    x: Float64[np.ndarray, " n"],
    values: Float64[np.ndarray, " n"],
    jitter: Float64[np.ndarray, " n"],
    wander: Float64[np.ndarray, " n"],
) -> Growth:
    found = change(
        Measurements(
            x=x, values=values[:, None], jitter=jitter[:, None, None], wander=wander[:, None, None], freedom=len(x)
        )
    )
    return Growth(value=float(found.value[0]), sigma=float(found.sigma[0]))
