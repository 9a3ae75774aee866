"""SNOW's data association: matches the objects of a frame to those of its sliding window."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int32
from scipy.optimize import linear_sum_assignment

from fast_snow.baselines.geometry import distances, plausible_change
from fast_snow.baselines.snow_config import SnowConfig
from fast_snow.types import StepToken

ObjectIds = Int32[np.ndarray, " m"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RecentObject:
    """An object as it was last seen."""

    object_id: int
    time_s: float
    token: StepToken


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KnownObjects:
    """The objects that may be seen again.

    Attributes:
        seen: each once, oldest id first.
        next_id: that of the next new object.
    """

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
    and an object that stays alone costs `max_cost`. Changes that no object undergoes are no pairs.

    Args:
        known: the objects seen before.
        tokens: the objects of the frame.
        t: index of the frame in the clip.
        time_s: its time.
        grid_size: of tau.
        reach: the distance from which on objects count as far, in the unit of the tokens.
        metric: whether that is metres.
        settings: T, weights and limits.

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
    object_id = np.full(len(tokens), -1, np.int32)
    for i, j in pairs:
        object_id[j] = recent[i].object_id
    unmatched = object_id < 0
    ahead = known.next_id + int(unmatched.sum())
    object_id[unmatched] = np.arange(known.next_id, ahead)
    last = {each.object_id: each for each in recent}
    for number, token in zip(object_id.tolist(), tokens, strict=True):
        last[number] = RecentObject(object_id=number, time_s=time_s, token=token)
    return object_id, KnownObjects(seen=tuple(last[each] for each in sorted(last)), next_id=ahead)


def tau_overlap(a: Sequence[StepToken], b: Sequence[StepToken], grid_size: int) -> Float64[np.ndarray, "a b"]:
    """Return how much of the cells of tau objects share: the sum of the lesser coverages over that of the greater.

    Returns:
        In [0, 1]; 0 where neither object fills a cell.
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
