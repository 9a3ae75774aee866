"""Re-identification: which new objects are lost or archived ones that came back.

Decided once per window, from all that the window shows of an object: where it is and how large it is must fit the track
that it would continue, its colours must be like those of that object, and like those of no other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int, Int32
from scipy.ndimage import correlate1d
from scipy.optimize import linear_sum_assignment

from fast_snow.fusion import MaskletName, NamedFrame
from fast_snow.identity import IdentityState, rename
from fast_snow.kernels.colours import SHARED
from fast_snow.types import Columns, Merge

LEAST: Final = 3
"""Observations of an object before it is compared with others."""
SETTLED: Final = 10
"""Observations after which an object is no longer new."""
RECENT: Final = 10
"""Observations that an object's velocity is taken from."""
ALIKE: Final = 0.9
"""Least similarity (Bhattacharyya coefficient) of the colours of one object."""
CLEARER: Final = 0.05
"""How much more alike an object must be than any other that it could be taken for."""
SIGMAS: Final = 3.0
"""Standard deviations that a returning object may be off the place where it is expected."""
DRIFT: Final = 0.05
"""Growth of that standard deviation per frame, as a share of the object's size."""
RESIZED: Final = 3.0
"""Greatest ratio of the sizes of one object before and after."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Portraits(Columns):
    """What is remembered of every object, also where it is archived.

    Attributes:
        object_id: its global id.
        run_id: of the masklet that it was last.
        local_id: of the same masklet.
        count: how many observations it has.
        first_t: when it was first seen.
        last_t: when it was last seen.
        first: its centroid then, in world coordinates.
        last: its last centroid.
        velocity: of its last observations, per frame.
        size: length of the diagonal of its extent.
        colours: shares of colours, summed over its pixels.
    """

    object_id: Int32[np.ndarray, " m"]
    run_id: Int32[np.ndarray, " m"]
    local_id: Int32[np.ndarray, " m"]
    count: Int32[np.ndarray, " m"]
    first_t: Int32[np.ndarray, " m"]
    last_t: Int32[np.ndarray, " m"]
    first: Float32[np.ndarray, "m 3"]
    last: Float32[np.ndarray, "m 3"]
    velocity: Float32[np.ndarray, "m 3"]
    size: Float32[np.ndarray, " m"]
    colours: Float32[np.ndarray, "m bins"]


class NamedWindow(NamedTuple):
    """The named frames of a window.

    Attributes:
        identity: the state after them.
        shared: the frames that the window before named.
        frames: those that this window adds.
        bound: which masklet was which object at each of these.
        merges: the decisions in them.
    """

    identity: IdentityState
    shared: list[NamedFrame]
    frames: list[NamedFrame]
    bound: list[Mapping[MaskletName, int]]
    merges: list[Merge]

    def renamed(self, renamed: Mapping[int, int]) -> "NamedWindow":
        """Return the window in which objects bear the numbers of others."""

        def frame(each: NamedFrame) -> NamedFrame:
            object_id = [renamed.get(i, i) for i in each.object_id.tolist()]
            return replace(each, object_id=np.array(object_id, np.int32))

        def merge(each: Merge) -> Merge:
            kept = renamed.get(each.kept, each.kept)
            dropped = None if each.dropped is None else renamed.get(each.dropped, each.dropped)
            return replace(each, kept=kept, dropped=None if dropped == kept else dropped)

        return NamedWindow(
            rename(self.identity, renamed),
            [frame(each) for each in self.shared],
            [frame(each) for each in self.frames],
            [{name: renamed.get(i, i) for name, i in each.items()} for each in self.bound],
            [merge(each) for each in self.merges],
        )


def reidentify(window: NamedWindow, before: Portraits, cuts: Sequence[int] = ()) -> tuple[NamedWindow, Portraits]:
    """Let new objects of a window be the lost and archived objects that they continue; also returns the portraits.

    A new object is compared with every object that was last seen before it appeared. It may continue one that, had it
    moved on evenly, would be within `SIGMAS` of where it appears, that is of about its size, and that is alike in
    colour: above `ALIKE`, and by `CLEARER` more than any object that it is seen beside, or that was seen beside the one
    it may continue and could be it as well. A masklet that comes back needs no colours. Pairs are assigned one to one
    for the greatest sum of similarities. Recorded identities stay apart, and so does what a cut parts: its places do
    not compare. A cut begins at each of the frames `cuts`; the window's merges say what was recognised.
    """
    now = _updated(before, window)
    settled = before.object_id[before.count >= SETTLED]
    shown = np.unique(np.concatenate([each.object_id for each in window.frames])) if window.frames else settled[:0]
    comparable = (now.count >= LEAST) & ~np.isin(now.object_id, [*window.identity.reserved])
    young = np.flatnonzero(comparable & np.isin(now.object_id, shown) & ~np.isin(now.object_id, settled))
    evidence = _compare(now, young, cuts)
    pairs = _assigned(now, young, comparable, evidence)
    if not pairs:
        return window, now
    renamed: dict[int, int] = {}
    for old, new in sorted(
        pairs, key=lambda pair: now.first_t[young[pair[1]]]
    ):  # what it continues may continue another
        was = int(now.object_id[old])
        renamed[int(now.object_id[young[new]])] = renamed.get(was, was)
    merges = [_recognised(window, before, now, renamed, young, evidence, pair) for pair in pairs]
    after = window.renamed(renamed)
    after.merges.extend(merges)
    earlier = np.array([renamed.get(i, i) for i in before.object_id.tolist()], np.int32)
    return after, _updated(replace(before, object_id=earlier), after)


def _recognised(
    window: NamedWindow,
    before: Portraits,
    now: Portraits,
    renamed: Mapping[int, int],
    young: Int[np.ndarray, " n"],
    evidence: "_Evidence",
    pair: tuple[int, int],
) -> Merge:
    """Return the merge of a new object (second of the pair) into the one that it continues, with the evidence."""
    old, new = pair
    object_id = int(now.object_id[young[new]])
    return Merge(
        t=min(each.objects.t for each in window.frames if object_id in each.object_id),
        kept=renamed[object_id],
        dropped=object_id if object_id in before.object_id else None,
        iou=np.nan,
        distance=float(evidence.distance[old, new]),
        gap=int(now.first_t[young[new]] - now.last_t[old]),
        appearance=float(evidence.alike[old, new]),
    )


class _Evidence(NamedTuple):
    """How objects (rows) and new objects (columns) compare.

    Attributes:
        alike: similarity of colours, in [0, 1].
        distance: of where a new object appears from where the other would be.
        fitting: whether place, size and time allow that they are one.
    """

    alike: Float64[np.ndarray, "m n"]
    distance: Float64[np.ndarray, "m n"]
    fitting: Bool[np.ndarray, "m n"]


def _compare(now: Portraits, young: Int[np.ndarray, " n"], cuts: Sequence[int]) -> _Evidence:
    new = now[young]
    gap = (new.first_t[None] - now.last_t[:, None]).astype(np.float64)
    expected = now.last[:, None] + now.velocity[:, None] * gap[..., None]
    distance = np.linalg.norm(new.first[None] - expected, axis=2)
    size = np.maximum(now.size[:, None], new.size[None]).astype(np.float64)
    speed = np.linalg.norm(now.velocity, axis=1)[:, None]
    sigma = np.hypot(size / 2, (speed / 2 + DRIFT * size) * gap)
    ratio = size / np.maximum(np.minimum(now.size[:, None], new.size[None]), 1e-9)
    shots = [np.searchsorted(np.unique(cuts), t, "right") for t in (now.last_t, new.first_t)]
    fitting = (gap > 0) & (shots[0][:, None] == shots[1]) & (distance <= SIGMAS * sigma) & (ratio <= RESIZED)
    root = np.sqrt(_smooth(now.colours))
    return _Evidence((root @ root[young].T).astype(np.float64), distance, fitting)


def _smooth(colours: Float32[np.ndarray, "m bins"]) -> Float32[np.ndarray, "m bins"]:
    """Return distributions of colours that spill a little into neighbouring bins: light changes."""
    if colours.shape[1] == 0:
        return colours
    count = colours.reshape(-1, SHARED, SHARED, SHARED)
    for axis in (1, 2, 3):
        count = correlate1d(count, [0.25, 0.5, 0.25], axis=axis, mode="nearest")
    flat = count.reshape(colours.shape)
    return flat / np.maximum(flat.sum(axis=1, keepdims=True), 1e-9)


def _assigned(
    now: Portraits, young: Int[np.ndarray, " n"], comparable: Bool[np.ndarray, " m"], evidence: _Evidence
) -> list[tuple[int, int]]:
    """Return which object (row) each new object (column) continues."""
    beside = (now.first_t[:, None] <= now.last_t[None]) & (now.last_t[:, None] >= now.first_t[None])
    returned = (now.run_id[:, None] == now.run_id[None, young]) & (now.local_id[:, None] == now.local_id[None, young])
    score = np.full(evidence.alike.shape, -np.inf)
    for old, new in zip(*np.nonzero(evidence.fitting & comparable[:, None]), strict=True):
        rivals = beside[:, young[new]] | evidence.fitting[:, new] & beside[:, old]
        rivals = rivals & comparable
        rivals[[old, young[new]]] = False
        alike = evidence.alike[old, new]
        rival = evidence.alike[rivals, new].max(initial=0.0)
        if returned[old, new]:
            score[old, new] = 1.0
        elif alike >= ALIKE and alike >= rival + CLEARER:
            score[old, new] = alike
    rows, columns = linear_sum_assignment(np.where(np.isfinite(score), score, 0.0), maximize=True)
    return [
        (old, new) for old, new in zip(rows.tolist(), columns.tolist(), strict=True) if np.isfinite(score[old, new])
    ]


def _updated(before: Portraits, window: NamedWindow) -> Portraits:
    """Return the portraits with what the frames of a window show."""
    seen = [each for each in window.frames if len(each.object_id)]
    if not seen:
        return before
    observed = _observations(seen)
    rows = before.followed_by(observed) if len(before) else observed
    grown = []
    last_seen = window.identity.last_seen
    row_of = last_seen.rows
    for object_id in np.unique(rows.object_id).tolist():
        grown.append(_summed(rows[np.flatnonzero(rows.object_id == object_id)]))
        if object_id in row_of:  # also where it could not be placed
            last_t = np.maximum(grown[-1].last_t, last_seen.t[row_of[object_id]])
            grown[-1] = replace(grown[-1], last_t=last_t)
    return grown[0].followed_by(*grown[1:])


def _observations(frames: Sequence[NamedFrame]) -> Portraits:
    """Return every observation of some frames as the portrait of its object."""
    seen = frames[0].followed_by(*frames[1:])
    masklets, tokens = seen.objects, seen.tokens
    area = np.maximum(tokens.area, 1).astype(np.float32)
    return Portraits(
        object_id=seen.object_id,
        run_id=masklets.run_id,
        local_id=masklets.local_id,
        count=np.ones(len(seen), np.int32),
        first_t=tokens.t,
        last_t=tokens.t,
        first=tokens.centroid,
        last=tokens.centroid,
        velocity=np.zeros_like(tokens.centroid),
        size=np.linalg.norm(tokens.high - tokens.low, axis=1).astype(np.float32),
        colours=masklets.appearance * area[:, None],
    )


def _summed(rows: Portraits) -> Portraits:
    """Return one portrait for those of one object."""
    if len(rows) == 1:
        return rows
    rows = rows[np.argsort(rows.last_t, kind="stable")]
    recent = rows[-RECENT:]
    t = recent.last_t - recent.last_t.mean()
    velocity = (t @ recent.last / max(t @ t, 1e-9)).astype(np.float32)
    return replace(
        rows[-1:],
        count=rows.count.sum(keepdims=True, dtype=np.int32),
        first_t=rows.first_t[:1],
        first=rows.first[:1],
        velocity=velocity[None],
        size=np.average(rows.size, weights=rows.count, keepdims=True).astype(np.float32),
        colours=rows.colours.sum(axis=0, keepdims=True),
    )
