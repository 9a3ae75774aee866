"""SNOW's data association over its sliding window, its plausibility checks (hops), and the edges of a scene graph.

The paper asks a language model and gives an example (a car roof of 50 m; Table 1: a pedestrian who moves 32 m in a
second) but no limits, so all limits here are configuration and this project's choice.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32
from scipy.optimize import linear_sum_assignment

from fast_snow.baselines.snow_config import SnowConfig
from fast_snow.types import ReadOnlyArrays, StepToken, Transform

ObjectIds = Int32[np.ndarray, " _"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RecentObject:
    """An object as it was last seen."""

    object_id: int
    time_s: float
    token: StepToken


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KnownObjects:
    """The objects that may be seen again, oldest id first, and the id of the next new one."""

    seen: tuple[RecentObject, ...] = ()
    next_id: int = 0


def associate_tokens(
    known: KnownObjects,
    tokens: Sequence[StepToken],
    *,
    t: int,
    time_s: float,
    grid_size: int,
    reach: float,
    metric: bool,
    settings: SnowConfig,
) -> tuple[ObjectIds, KnownObjects]:
    """Find the objects of a frame among those seen in the last frames.

    Pairs are those of the least total cost, where a pair costs `w · (1 - overlap) + (1 - w) · min(distance / reach, 1)`
    and an object that stays alone costs `max_cost`. Changes that no object undergoes are no pairs. From the distance
    `reach` on objects count as far; it has the unit of the tokens, which is the metre if `metric`.

    Returns:
        An id for each token, each at most once, where new objects have new ids in the order of the tokens; and the
        objects that the next frame may see again.

    Reference:
        SNOW, arXiv 2512.16461, section 3.3. The paper names the cues, semantic and 3D spatial ones, but no cost: the
        overlap of tau stands for what the image says, distance for space.
    """
    recent = [each for each in known.seen if t - each.token.t <= settings.temporal_window]
    before = [each.token for each in recent]
    w = settings.overlap_weight
    cost = w * (1 - tau_overlap(before, tokens, grid_size)) + (1 - w) * np.minimum(distances(before, tokens) / reach, 1)
    elapsed_s = np.array([time_s - each.time_s for each in recent], np.float64)
    possible = plausible_change(before, tokens, elapsed_s, metric=metric, settings=settings)
    pairs = _pairs(np.where(possible, cost, np.inf), settings.max_cost)
    return _with_ids(recent, tokens, pairs, next_id=known.next_id, time_s=time_s)


def _with_ids(
    recent: Sequence[RecentObject],
    tokens: Sequence[StepToken],
    pairs: Sequence[tuple[int, int]],
    *,
    next_id: int,
    time_s: float,
) -> tuple[ObjectIds, KnownObjects]:
    object_id = np.full(len(tokens), -1, np.int32)
    for i, j in pairs:
        object_id[j] = recent[i].object_id
    unmatched = object_id < 0
    ahead = next_id + int(unmatched.sum())
    object_id[unmatched] = np.arange(next_id, ahead)
    last = {each.object_id: each for each in recent}
    for number, token in zip(object_id.tolist(), tokens, strict=True):
        last[number] = RecentObject(object_id=number, time_s=time_s, token=token)
    return object_id, KnownObjects(seen=tuple(last[each] for each in sorted(last)), next_id=ahead)


def tau_overlap(a: Sequence[StepToken], b: Sequence[StepToken], grid_size: int) -> Float64[np.ndarray, "a b"]:
    """Return how much of the cells of tau objects share: the sum of the lesser coverages over that of the greater.

    It is 0 where neither object fills a cell.
    """
    cells_a, cells_b = _cells(a, grid_size), _cells(b, grid_size)
    shared = np.array([np.minimum(each, cells_b).sum(axis=1) for each in cells_a]).reshape(len(a), len(b))
    either = cells_a.sum(axis=1)[:, None] + cells_b.sum(axis=1)[None] - shared
    return shared / np.where(either > 0, either, 1.0)


def _cells(tokens: Sequence[StepToken], grid_size: int) -> Float64[np.ndarray, "m cells"]:
    cells = np.zeros((len(tokens), grid_size, grid_size))
    for dense, token in zip(cells, tokens, strict=True):
        dense[token.row, token.col] = token.coverage
    return cells.reshape(len(tokens), grid_size**2)


def _pairs(cost: Float64[np.ndarray, "n m"], max_cost: float) -> list[tuple[int, int]]:
    """Match rows to columns at the least total cost, where each may stay alone for `max_cost`."""
    row, column = linear_sum_assignment(np.minimum(cost, max_cost))
    return [(int(i), int(j)) for i, j in zip(row, column, strict=True) if cost[i, j] < max_cost]


def plausible_shape(tokens: Sequence[StepToken], *, metric: bool, settings: SnowConfig) -> Bool[np.ndarray, " m"]:
    """Tell which objects of one frame are neither too long, where lengths are metric, nor too thin; all with `hops` 0.

    Length against width is that of the longest extent against the middle one: seen from one side, a flat object has no
    thickness, and nothing is wrong with it.

    Reference:
        SNOW, arXiv 2512.16461, section 3.2 (H_hop).
    """
    if settings.hops == 0:
        return np.ones(len(tokens), np.bool_)
    extent = np.sort(extents(tokens), axis=1)
    thin = extent[:, 2] > settings.max_aspect * extent[:, 1]
    long = (extent[:, 2] > settings.max_extent_m) & metric
    return ~(thin | long)


def plausible_change(
    before: Sequence[StepToken],
    after: Sequence[StepToken],
    elapsed_s: Float64[np.ndarray, " k"],
    *,
    metric: bool,
    settings: SnowConfig,
) -> Bool[np.ndarray, "k m"]:
    """Tell which objects could have become which: not faster and not by more growth than objects do; all with `hops` 0.

    The limit of speed applies only where lengths are in metres.

    Reference:
        SNOW, arXiv 2512.16461, Table 1.
    """
    if settings.hops == 0:
        return np.ones((len(before), len(after)), np.bool_)
    size_before = np.linalg.norm(extents(before), axis=1)[:, None]
    size_after = np.linalg.norm(extents(after), axis=1)[None, :]
    grows = np.maximum(size_before, size_after) > settings.max_size_change * np.minimum(size_before, size_after)
    farthest = settings.max_speed_m_s * np.maximum(elapsed_s, 0.0)[:, None]
    rushes = (distances(before, after) > farthest) & metric
    return ~(grows | rushes)


def extents(tokens: Sequence[StepToken]) -> Float64[np.ndarray, "m 3"]:
    """Return how long objects are along each world axis."""
    low_high = [np.stack([each.low, each.high]) for each in tokens]
    return np.diff(np.array(low_high, np.float64).reshape(-1, 2, 3), axis=1)[:, 0]


def distances(a: Sequence[StepToken], b: Sequence[StepToken]) -> Float64[np.ndarray, "a b"]:
    """Return how far the centroids of objects are from those of others."""
    return np.linalg.norm(centroids(a)[:, None] - centroids(b)[None], axis=2)


def centroids(tokens: Sequence[StepToken]) -> Float64[np.ndarray, "m 3"]:
    """Return the centroids of objects in the world."""
    return np.array([each.centroid for each in tokens], np.float64).reshape(-1, 3)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Relations(ReadOnlyArrays):
    """The edges `E_t` of one frame, between object ids, with the distance of their centroids.

    Directions are unit vectors from source to target as the camera sees it: x right, y down, z forward.
    """

    t: int
    source: Int32[np.ndarray, " e"]
    target: Int32[np.ndarray, " e"]
    distance: Float32[np.ndarray, " e"]
    direction: Float32[np.ndarray, "e 3"]

    def __len__(self) -> int:
        return len(self.source)


def relate_objects(
    tokens: Sequence[StepToken],
    object_id: Int32[np.ndarray, " m"],
    T_camera_world: Transform,
    *,
    t: int,
    neighbours: int,
) -> Relations:
    """Relate each object of a frame to the `neighbours` that are nearest to it, or to all where there are fewer.

    Edges are sorted by source, the nearest target first.

    Reference:
        SNOW, arXiv 2512.16461, section 3.3: edges from geometric proximity and relative orientation.
    """
    apart = distances(tokens, tokens)
    np.fill_diagonal(apart, np.inf)
    nearest = np.argsort(apart, axis=1, kind="stable")[:, : max(min(neighbours, len(tokens) - 1), 0)]
    source, target = np.repeat(np.arange(len(tokens)), nearest.shape[1]), nearest.ravel()
    where = centroids(tokens)
    length = apart[source, target]
    step = (where[target] - where[source]) @ T_camera_world[:3, :3].T
    direction = step / np.where(length > 0, length, 1.0)[:, None]
    return Relations(
        t=t,
        source=object_id[source],
        target=object_id[target],
        distance=length.astype(np.float32),
        direction=direction.astype(np.float32),
    )
