"""Global object ids: the life cycle of an object, and the fusion of masklets of different runs.

A fold over frames: `assign` names every masklet of one frame and returns the next state. A masklet keeps the id it is
bound to; masklets of different runs that cover the same pixels at the same place are one object from then on. Recorded
identities are ground truth: each keeps its own number whenever it is seen, and no two of them are ever one object.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from types import MappingProxyType
from typing import Any

import numpy as np
from jaxtyping import Int32

from fast_snow.config import FusionConfig
from fast_snow.fusion import Affinity, FrameObjects, MaskletName, PlacedMasklets, affinity_of, best_first, group
from fast_snow.types import NO_SOURCE, Masks, Merge

FIRST_UNRECORDED = 2**16
"""Where identities are recorded, objects without one are numbered from here on: id maps of 16 bits end below."""

NOT_KEPT = -1
"""Stands in place of an object id where the observation yields to a better one of the same object."""


class LifeCycle(Enum):
    """What has become of an object that was seen once."""

    ACTIVE = "seen lately"
    LOST = "missed for a while; keeps its id if its masklet comes back"
    ARCHIVED = "gone; a masklet that comes back starts a new object"


def life_cycle(last_t: int, t: int, config: FusionConfig) -> LifeCycle:
    """Tell the state, just before frame `t`, of an object last seen at `last_t`."""
    missed = t - last_t - 1
    if missed >= config.lost_patience + config.archive_patience:
        return LifeCycle.ARCHIVED
    return LifeCycle.LOST if missed >= config.lost_patience else LifeCycle.ACTIVE


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class LastSeen(PlacedMasklets):
    """The masklets that objects were when they were last observed, one per object, by first appearance.

    They are where they were last placed.

    Attributes:
        object_id: of each.
        t: when that was.
    """

    object_id: Int32[np.ndarray, " m"]
    t: Int32[np.ndarray, " m"]

    @classmethod
    def nothing(cls) -> "LastSeen":
        """Return that no object was seen, on no grid."""
        return cls.none(masks=Masks.none(shape=(0, 0)))

    def updated(self, seen: FrameObjects, object_id: Sequence[int]) -> "LastSeen":
        """Return what is known once these objects are seen again."""
        if not len(seen):
            return self
        t = np.full(len(seen), seen.t, np.int32)
        new = seen.extended(LastSeen, object_id=np.array(object_id, np.int32), t=t)
        return self.followed_by(new).latest() if len(self) else new

    def latest(self) -> "LastSeen":
        """Return the last row of each object."""
        return self[np.array([*self.rows.values()], np.int64)]

    @property
    def rows(self) -> dict[int, int]:
        """The row of each object, the last where there are several."""
        return {object_id: row for row, object_id in enumerate(self.object_id.tolist())}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class IdentityState:
    """What the fold remembers between frames; archived objects are forgotten.

    Attributes:
        next_id: the id that the next new object gets, unless it is reserved.
        reserved: recorded identities, whose numbers no other object gets.
        bound: the object that each masklet is.
        former: the object that a masklet was before it was merged into another.
        last_seen: where they were observed last.
    """

    next_id: int = 0
    reserved: frozenset[int] = frozenset()
    bound: Mapping[MaskletName, int] = field(default_factory=lambda: MappingProxyType({}))
    former: Mapping[MaskletName, int] = field(default_factory=lambda: MappingProxyType({}))
    last_seen: LastSeen = field(default_factory=LastSeen.nothing)


def reserve(state: IdentityState, source_id: Iterable[int]) -> IdentityState:
    """Keep the numbers of recorded identities from being given to other objects."""
    added = frozenset(source_id) - state.reserved
    if not added:
        return state
    return replace(state, reserved=state.reserved | added, next_id=max(state.next_id, FIRST_UNRECORDED))


def begin_segment(state: IdentityState) -> IdentityState:
    """Forget where objects were: places of two segments cannot be compared. Numbers are not given again."""
    none: Mapping[Any, Any] = MappingProxyType({})
    return replace(state, bound=none, former=none, last_seen=LastSeen.nothing())


def begin_window(state: IdentityState, run_id: Iterable[int]) -> IdentityState:
    """Forget the masklets of all but these runs: those of earlier windows do not come back."""
    runs = frozenset(run_id)

    def of_runs(names: Mapping[MaskletName, int]) -> dict[MaskletName, int]:
        return {name: object_id for name, object_id in names.items() if name[0] in runs}

    return replace(state, bound=of_runs(state.bound), former=of_runs(state.former))


def assign(
    state: IdentityState, frame: FrameObjects, *, config: FusionConfig, metric: bool
) -> tuple[IdentityState, Int32[np.ndarray, " m"], tuple[Merge, ...]]:
    """Give every masklet of one frame its object: returns the next state, object ids and what was merged.

    Masklets that are one object in this frame form a group, whose observation is that of the highest score and whose id
    is the oldest that any member is bound to. A group without id takes over an object that was last seen where it is
    now, or is a new object. In a group with a recorded identity, observation and id are the recorded ones. The others
    of a group are `NOT_KEPT`; no other id occurs twice.

    The frame is later than all before. The distance limit applies only where centroids are in metres (`metric`).
    """
    state = _without_archived(state, frame.t, config)
    affinity = affinity_of(frame, frame, config=config, metric=metric)
    groups = group(frame, affinity)
    ids = _claim_ids(state, frame, groups)
    taken_over, merges = _take_over_absent(state, frame, [g for g in groups if g not in ids], ids, config, metric)
    ids |= taken_over

    next_id = state.next_id
    for leader in groups:
        if leader not in ids:
            while next_id in state.reserved:
                next_id += 1
            ids[leader] = next_id
            next_id += 1
    merges += _merges_within(state, frame, groups, ids, affinity)

    object_id = np.full(len(frame), NOT_KEPT, dtype=np.int32)
    for leader, each in ids.items():
        object_id[leader] = each
    return _next_state(state, frame, groups, ids, next_id), object_id, tuple(merges)


def _without_archived(state: IdentityState, t: int, config: FusionConfig) -> IdentityState:
    seen = state.last_seen
    known = np.array([life_cycle(last_t, t, config) is not LifeCycle.ARCHIVED for last_t in seen.t.tolist()], np.bool_)
    seen = seen if known.all() else seen[known]
    ids = seen.rows
    return replace(
        state,
        last_seen=seen,
        bound={name: object_id for name, object_id in state.bound.items() if object_id in ids},
        former={name: object_id for name, object_id in state.former.items() if object_id in ids},
    )


def _claim_ids(state: IdentityState, frame: FrameObjects, groups: Mapping[int, Sequence[int]]) -> dict[int, int]:
    """Let each group, best first, have its recorded id, or the oldest free one its members are or were bound to."""
    ids = {leader: int(frame.source_id[leader]) for leader in groups if frame.source_id[leader] != NO_SOURCE}
    for leader, members in groups.items():
        if leader in ids:
            continue
        names = [frame.name(i) for i in members]
        free = _free((state.bound.get(name) for name in names), ids) or _free(
            (state.former.get(name) for name in names), ids
        )
        if free:
            ids[leader] = min(free)
    return ids


def _free(candidates: Iterable[int | None], taken: Mapping[int, int]) -> set[int]:
    return {each for each in candidates if each is not None} - set(taken.values())


def _take_over_absent(
    state: IdentityState,
    frame: FrameObjects,
    groups: Sequence[int],
    taken: Mapping[int, int],
    config: FusionConfig,
    metric: bool,
) -> tuple[dict[int, int], list[Merge]]:
    """Let groups without id, best first, continue objects that another run saw here a moment ago."""
    if not groups:
        return {}, []
    seen = state.last_seen
    lately = frame.t - seen.t <= config.merge_temporal_gap
    seen = seen[lately & ~np.isin(seen.object_id, [*taken.values()])]
    if not len(seen):
        return {}, []
    absent = seen.object_id.tolist()
    others = replace(seen, source_id=np.full(len(seen), NO_SOURCE, np.int32))
    affinity = affinity_of(frame, others, config=config, metric=metric)
    ids: dict[int, int] = {}
    merges: list[Merge] = []
    for leader in groups:
        fitting = [k for k in np.flatnonzero(affinity.same[leader]).tolist() if absent[k] not in ids.values()]
        if fitting:
            k = max(fitting, key=lambda k: affinity.iou[leader, k])
            ids[leader] = absent[k]
            merges.append(_merge(frame.t, absent[k], affinity, leader, k, gap=frame.t - int(seen.t[k])))
    return ids, merges


def _merges_within(
    state: IdentityState,
    frame: FrameObjects,
    groups: Mapping[int, Sequence[int]],
    ids: Mapping[int, int],
    affinity: Affinity,
) -> list[Merge]:
    """Record which masklets of each group become its object in this frame, beside the one that was it before."""
    merges = []
    for leader, members in groups.items():
        if len(members) == 1:
            continue
        kept, names = ids[leader], [frame.name(i) for i in members]
        before = [state.bound.get(name) for name in names]
        is_it = [kept in (frame.source_id[i], bound) for i, bound in zip(members, before, strict=True)]
        was_it = [kept == state.former.get(name) for name in names]
        owner = members[(is_it if any(is_it) else was_it).index(True) if any(is_it) or any(was_it) else 0]
        merges += [
            _merge(
                frame.t,
                kept,
                affinity,
                leader,
                owner if i == leader else i,
                dropped=None if bound in state.reserved else bound,  # a recorded identity is never dropped
            )
            for i, bound, already in zip(members, before, is_it, strict=True)
            if i != owner and not already
        ]
    return merges


def _merge(t: int, kept: int, affinity: Affinity, i: int, k: int, *, dropped: int | None = None, gap: int = 0) -> Merge:
    iou, distance = float(affinity.iou[i, k]), float(affinity.distance[i, k])
    return Merge(t=t, kept=kept, dropped=dropped, iou=iou, distance=distance, gap=gap)


def _next_state(
    state: IdentityState,
    frame: FrameObjects,
    groups: Mapping[int, Sequence[int]],
    ids: Mapping[int, int],
    next_id: int,
) -> IdentityState:
    bound, former = dict(state.bound), dict(state.former)
    for leader, members in groups.items():
        for i in members:
            name = frame.name(i)
            if bound.get(name, ids[leader]) != ids[leader]:
                former[name] = bound[name]
            bound[name] = ids[leader]
    last_seen = state.last_seen.updated(frame[np.array([*groups], np.int64)], [ids[leader] for leader in groups])
    return replace(state, next_id=next_id, bound=bound, former=former, last_seen=last_seen)


def rename(state: IdentityState, renamed: Mapping[int, int]) -> IdentityState:
    """Return the state in which objects bear the numbers of others, that were last seen before them."""
    seen = state.last_seen[np.argsort(state.last_seen.t, kind="stable")]
    ids = np.array([renamed.get(each, each) for each in seen.object_id.tolist()], np.int32)
    seen = replace(seen, object_id=ids)
    return replace(
        state,
        bound={name: renamed.get(each, each) for name, each in state.bound.items()},
        former={name: renamed.get(each, each) for name, each in state.former.items()},
        last_seen=seen.latest(),
    )


def join(
    state: IdentityState,
    frame: FrameObjects,
    known: FrameObjects,
    known_id: Int32[np.ndarray, " k"],
    *,
    config: FusionConfig,
    metric: bool,
) -> tuple[IdentityState, tuple[Merge, ...]]:
    """Bind the masklets of a new window to the objects that the previous window saw in the same frame.

    `known` are its observations and `known_id` their objects. A masklet that is already bound stays so, and no run has
    two masklets bound to one object. Recorded identities need no binding.
    """
    affinity = affinity_of(frame, known, config=config, metric=metric)
    bound = dict(state.bound)
    used = {(run, object_id) for (run, _), object_id in bound.items()}
    merges: list[Merge] = []
    for i in best_first(frame):
        run = int(frame.run_id[i])
        if frame.source_id[i] != NO_SOURCE:
            used.add((run, int(frame.source_id[i])))
            continue
        fitting = [k for k in np.flatnonzero(affinity.same[i]).tolist() if (run, int(known_id[k])) not in used]
        if frame.name(i) in bound or not fitting:
            continue
        k = max(fitting, key=lambda k: affinity.iou[i, k])
        object_id = int(known_id[k])
        bound[frame.name(i)] = object_id
        used.add((run, object_id))
        merges.append(_merge(frame.t, object_id, affinity, i, k))
    return replace(state, bound=bound), tuple(merges)
