"""What changed between two runs of one place: objects that appeared, vanished or moved, with the tools' noise.

The graph knows no classes and no colours: objects are matched by place and size. Both worlds must
be the same (the first camera's, and one unit), which is checked on the objects that rest in both.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from jaxtyping import Float64
from scipy.optimize import linear_sum_assignment

from fast_snow.errors import InputError
from fast_snow.reasoning.tools.hypothesis_tests import LEVEL, LIKELY, VectorEstimate, combine, distance_p
from fast_snow.reasoning.tools.motion_evidence import motion_of
from fast_snow.reasoning.tools.noise import noise_of, rays, world_measurements
from fast_snow.reasoning.tools.tool_answers import Grade, Unknowable
from fast_snow.reasoning.tools.tracks import cameras_of, trajectories_of
from fast_snow.types import SceneGraph

_SAME_SIZE: Final = float(np.log(2.0))
"""Objects in one place may differ in size by so much: other sides of them are seen."""
_ALIKE: Final = float(np.log(1.25))
"""Objects in different places count as one that moved only where each extent agrees this well."""
_LEAST_SHARE: Final = 0.5
"""Worlds are taken to be the same where so many of the resting objects of the run with fewer of them stand alike."""
_BAD: Final = 1e6


class Change(StrEnum):
    """What became of an object."""

    MOVED = "moved"
    VANISHED = "vanished"
    APPEARED = "appeared"
    OUT_OF_VIEW = "out of view"
    SAME = "same place"


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectChange:
    """One object in two runs.

    Attributes:
        change: what became of it.
        before: its number in the first run; None where it is not in it.
        after: the same in the second.
        distance: between its places, in the unit of the graphs; None where it has but one.
        sigma: standard deviation of `distance`.
        grade: how sure the change is.
    """

    change: Change
    before: int | None
    after: int | None
    distance: float | None = None
    sigma: float | None = None
    grade: Grade = Grade.STATED


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Place:
    """Where an object is in one run, and how large.

    `part` is the standard deviation that comes from seeing one side of it: its radius.
    """

    object_id: int
    estimate: VectorEstimate
    size: Float64[np.ndarray, "3"]
    ray: Float64[np.ndarray, "3"]
    part: float
    freedom: int
    rests: bool


def run_difference(before: SceneGraph, after: SceneGraph) -> tuple[ObjectChange, ...]:
    """Compare two runs of one place.

    Args:
        before: the earlier run; of what moves in it, the last place counts.
        after: the later run; of what moves in it, the first place counts.

    Returns:
        One entry per object: those that moved first, then what vanished, appeared, was out of the other run's view, and
        what stayed.

    Raises:
        InputError: the worlds are not comparable.
    """
    _require_one_unit(before, after)
    old, new = _places(before, first=False), _places(after, first=True)
    pairs = _matched(old, new, _in_one_place)
    _require_one_world(old, new, pairs)
    changes = [_compared(old[i], new[j]) for i, j in pairs.items()]
    left = [each for i, each in enumerate(old) if i not in pairs]
    come = [each for j, each in enumerate(new) if j not in pairs.values()]
    moved = _matched(left, come, _alike)
    # Only the size tells that what moved by more than it is the same object.
    changes += [_change(Change.MOVED, left[i], come[j], Grade.LIKELY) for i, j in moved.items()]
    for each in (each for i, each in enumerate(left) if i not in moved):
        change = Change.VANISHED if _in_view(after, each) else Change.OUT_OF_VIEW
        changes.append(ObjectChange(change=change, before=each.object_id, after=None))
    for each in (each for j, each in enumerate(come) if j not in moved.values()):
        change = Change.APPEARED if _in_view(before, each) else Change.OUT_OF_VIEW
        changes.append(ObjectChange(change=change, before=None, after=each.object_id))
    return tuple(sorted(changes, key=lambda each: list(Change).index(each.change)))


def _require_one_unit(before: SceneGraph, after: SceneGraph) -> None:
    if not (before.metric and after.metric):
        which = "the first run's" if after.metric else "the second run's" if before.metric else "both runs'"
        raise InputError(
            f"diff: worlds are not comparable: {which} lengths are in an unknown scale, expected metres in both"
            " (recorded depth, or a metric network)"
        )


def _places(graph: SceneGraph, *, first: bool) -> list[_Place]:
    """Return the places of a graph's objects that can be told; of what moves, its first place or its last."""
    places = []
    for trajectory in trajectories_of(graph).values():
        try:
            moving = motion_of(graph, trajectory).moving
        except Unknowable:
            moving = False
        chosen = trajectory if not moving else trajectory[:1] if first else trajectory[-1:]
        try:
            measured = world_measurements(chosen, noise_of(graph))
            estimate = combine(measured, np.full(len(chosen), 1 / len(chosen)))
        except Unknowable:
            continue
        size = np.median(trajectory.token.high.astype(np.float64) - trajectory.token.low, axis=0)
        places.append(
            _Place(
                object_id=trajectory.object_id,
                estimate=estimate,
                size=np.maximum(size, 1e-9),
                ray=rays(chosen)[0].mean(axis=0),
                part=float(np.median(np.linalg.norm(trajectory.sigma, axis=1))),
                freedom=measured.freedom,
                rests=not moving,
            )
        )
    return places


def _matched(old: Sequence[_Place], new: Sequence[_Place], cost: Callable[[_Place, _Place], float]) -> dict[int, int]:
    """Return which of `new` belongs to each of `old`, at the least cost in all."""
    if not old or not new:
        return {}
    costs = np.array([[cost(one, other) for other in new] for one in old])
    rows, columns = linear_sum_assignment(costs)
    return {int(i): int(j) for i, j in zip(rows, columns, strict=True) if costs[i, j] < _BAD}


def _in_one_place(one: _Place, other: _Place) -> float:
    """Return how badly two objects match as one that stayed, at least while one run lasted: 0 for the same place."""
    if not (one.rests or other.rests):
        return _BAD
    apart = float(np.linalg.norm(one.estimate.value - other.estimate.value))
    reach = float(np.linalg.norm(np.maximum(one.size, other.size))) / 2
    bulk = abs(float(np.log(np.linalg.norm(one.size) / np.linalg.norm(other.size))))
    return apart / reach + bulk if apart < reach and bulk < _SAME_SIZE else _BAD


def _alike(one: _Place, other: _Place) -> float:
    """Return how badly two objects match in size alone, whichever way they are turned."""
    unlike = float(np.abs(np.log(np.sort(one.size) / np.sort(other.size))).max())
    return unlike if unlike < _ALIKE else _BAD


def _require_one_world(old: Sequence[_Place], new: Sequence[_Place], pairs: Mapping[int, int]) -> None:
    resting = min(sum(each.rests for each in old), sum(each.rests for each in new))
    alike = sum(old[i].rests and new[j].rests for i, j in pairs.items())
    if alike < max(1.0, _LEAST_SHARE * resting):
        raise InputError(
            f"diff: worlds are not comparable: {alike} of {resting} resting objects stand in the same place, expected"
            " one and at least half; each run's world is its own first camera: start both from one pose, or give poses"
        )


def _shift(one: _Place, other: _Place) -> VectorEstimate:
    """Return the way from one place to the other; seen from another side, an object's visible middle is elsewhere."""
    turned = np.arccos(np.clip(one.ray @ other.ray / (np.linalg.norm(one.ray) * np.linalg.norm(other.ray)), -1, 1))
    part = max(one.part, other.part) * float(turned) + abs(one.part - other.part)
    return VectorEstimate(
        value=other.estimate.value - one.estimate.value,
        covariance=one.estimate.covariance + other.estimate.covariance + part**2 * np.eye(3),
    )


def _compared(one: _Place, other: _Place) -> ObjectChange:
    shift = _shift(one, other)
    p = distance_p(shift.value[None], shift.covariance[None], 3, min(one.freedom, other.freedom))
    change = Change.MOVED if p < LIKELY else Change.SAME
    return _change(change, one, other, Grade.LIKELY if LEVEL <= p < LIKELY else Grade.STATED)


def _change(change: Change, one: _Place, other: _Place, grade: Grade) -> ObjectChange:
    distance, sigma = _shift(one, other).length
    ids = {"before": one.object_id, "after": other.object_id}
    return ObjectChange(change=change, **ids, distance=distance, sigma=sigma, grade=grade)


def _in_view(graph: SceneGraph, place: _Place) -> bool:
    """Return whether a place is inside the image of any frame of a run; what hides it there, no graph tells."""
    camera, (height, width) = cameras_of(graph), graph.analysis_grid
    point = camera.see(np.tile(place.estimate.value, (len(camera.t), 1)))
    fx, fy, cx, cy = camera.intrinsics.T
    with np.errstate(divide="ignore", invalid="ignore"):
        u, v = fx * point[:, 0] / point[:, 2] + cx, fy * point[:, 1] / point[:, 2] + cy
    return bool(((point[:, 2] > 0) & (u >= 0) & (u < width) & (v >= 0) & (v < height)).any())
