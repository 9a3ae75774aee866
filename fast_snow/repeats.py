"""Masklets that repeat an earlier one: dropped where both are seen, handed over where the earlier one was lost."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Bool, Float64

from fast_snow.fusion import MaskletName, differ
from fast_snow.kernels.mask_iou import pairwise_overlap
from fast_snow.types import TrackedFrame

ENOUGH: Final = 3
"""Frames in which both masklets are seen, before one can repeat the other; fewer where the later one has no more."""
ADJOINING: Final = 5
"""Frames nearest to a gap, on each side of it, that decide whether the later masklet fills it."""


class WithoutRepeats(NamedTuple):
    """The masklets of a window after repeats were resolved.

    Attributes:
        frames: the masklets of each frame; a mask that was handed over bears its new name.
        repeats: how many masklets repeated another.
        rejoined: how many masks were handed over to the masklet that they continue.
    """

    frames: tuple[TrackedFrame, ...]
    repeats: int
    rejoined: int


def without_repeats(tracked: Sequence[TrackedFrame], *, iou_thresh: float) -> WithoutRepeats:
    """Resolve the masklets that repeat an earlier one.

    Masklets rank by run, then by local id. The overlap of two is the sum of their intersections over the sum of their
    unions, over the frames in which both are seen. Above `iou_thresh` the later one repeats the earlier: an object that
    the tracker lost and that was discovered again. It fills each gap of the earlier one where they also overlap beside
    the gap, so the object keeps its identity, and what else it holds is dropped. Where they part beside a gap, one of
    them has drifted onto a neighbour: the later one stays, without the frames in which it covers the earlier. Of two
    recorded identities neither repeats the other.
    """
    names = sorted({name for frame in tracked for name in frame.names})
    window = _Overlaps(tracked, names)
    source = np.zeros(len(names), np.int32)
    for i, frame in enumerate(tracked):
        source[window.owner[i]] = frame.source_id
    kept: list[int] = []
    repeats = rejoined = 0
    for later in range(len(names)):
        overlap = window.overlap(later, kept)
        overlap[differ(source[[later]], source[kept])[0]] = 0.0
        if overlap.max(initial=0.0) <= iou_thresh:
            kept.append(later)
            continue
        earlier = kept[int(overlap.argmax())]
        filled, apart = _split(window, later, earlier, iou_thresh)
        if source[later] != source[earlier]:  # what was recorded is never added to
            filled, apart = np.zeros_like(filled), apart | filled
        window.hand_over(later, earlier, filled, apart)
        repeats, rejoined = repeats + 1, rejoined + int(filled.sum())
        if apart.any():
            kept.append(later)
    return WithoutRepeats(window.frames(tracked, names), repeats, rejoined)


class _Overlaps:
    """Which masklet each mask of a window belongs to, and how much masklets overlap where both are seen.

    Attributes:
        owner: per frame, the masklet of each mask; -1 where it is dropped.
        row: masklets × frames, which of the frame's masks is the masklet's; -1 where it is not seen.
    """

    def __init__(self, tracked: Sequence[TrackedFrame], names: Sequence[MaskletName]) -> None:
        count = len(names)
        column = {name: i for i, name in enumerate(names)}
        self.owner = [np.array([column[name] for name in frame.names], np.intp) for frame in tracked]
        self.row = np.full((count, len(tracked)), -1)
        self._intersection = np.zeros((count, count))
        self._union = np.zeros((count, count))
        self._frames = np.zeros((count, count), np.int64)
        self._both: list[tuple[Float64[np.ndarray, "m m"], Float64[np.ndarray, "m m"]]] = []
        for i, frame in enumerate(tracked):
            intersection, union = pairwise_overlap(frame.masks, frame.masks)
            self._both.append((intersection, union))
            self.row[self.owner[i], i] = np.arange(len(frame))
            pairs = np.ix_(self.owner[i], self.owner[i])
            self._intersection[pairs] += intersection
            self._union[pairs] += union
            self._frames[pairs] += 1

    def overlap(self, later: int, kept: Sequence[int]) -> Float64[np.ndarray, " k"]:
        """Return how much a masklet overlaps others over the frames in which both are seen; 0 where those are few."""
        enough = min(ENOUGH, self._frames[later, later])
        usable = (self._frames[later, kept] >= enough) & (self._union[later, kept] > 0)
        ratio = np.zeros(len(kept))
        return np.divide(self._intersection[later, kept], self._union[later, kept], out=ratio, where=usable)

    def through_time(self, a: int, b: int) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
        """Return intersection and union of two masklets in every frame; 0 where not both are seen."""
        values = np.zeros((2, self.row.shape[1]))
        for i in np.flatnonzero((self.row[a] >= 0) & (self.row[b] >= 0)).tolist():
            values[:, i] = [each[self.row[a, i], self.row[b, i]] for each in self._both[i]]
        return values[0], values[1]

    def hand_over(
        self, later: int, earlier: int, filled: Bool[np.ndarray, " n"], apart: Bool[np.ndarray, " n"]
    ) -> None:
        """Give the masks of the frames `filled` to another masklet, keep those of `apart` and drop the rest."""
        for i in np.flatnonzero(self.row[later] >= 0).tolist():
            row = int(self.row[later, i])
            if apart[i]:
                continue
            self._count(i, row, later, -1)
            self.row[later, i] = -1
            self.owner[i][row] = earlier if filled[i] else -1
            if filled[i]:
                self.row[earlier, i] = row
                self._count(i, row, earlier, 1)

    def _count(self, frame: int, row: int, masklet: int, sign: int) -> None:
        """Add or take off what the masklets of one frame share with the one that its mask `row` belongs to."""
        seen = np.flatnonzero(self.owner[frame] >= 0)
        owners, (intersection, union) = self.owner[frame][seen], self._both[frame]
        self._intersection[owners, masklet] += sign * intersection[seen, row]
        self._union[owners, masklet] += sign * union[seen, row]
        self._frames[owners, masklet] += sign

    def frames(self, tracked: Sequence[TrackedFrame], names: Sequence[MaskletName]) -> tuple[TrackedFrame, ...]:
        """Return the masklets of each frame under the names of those that they belong to now."""
        run_id, local_id = np.array([*names, (-1, -1)], np.int32).T  # the last stands for what is dropped
        return tuple(
            replace(frame, run_id=run_id[owner], local_id=local_id[owner])[owner >= 0]
            for frame, owner in zip(tracked, self.owner, strict=True)
        )


def _split(
    window: _Overlaps, later: int, earlier: int, iou_thresh: float
) -> tuple[Bool[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
    """Return in which frames a repeat fills gaps of the earlier masklet, and in which it is an object of its own."""
    intersection, union = window.through_time(later, earlier)
    both = union > 0
    alone = (window.row[later] >= 0) & (window.row[earlier] < 0)
    filled, apart = np.zeros_like(alone), np.zeros_like(alone)
    absent = np.flatnonzero(np.diff(np.r_[False, window.row[earlier] < 0, False]))
    for first, last in absent.reshape(-1, 2).tolist():
        sides = (np.flatnonzero(both[:first])[-ADJOINING:], last + np.flatnonzero(both[last:])[:ADJOINING])
        agree = all(intersection[side].sum() > iou_thresh * union[side].sum() for side in sides if len(side))
        (filled if agree else apart)[first:last] = alone[first:last]
    if apart.any():  # not the same object, so only what covers the earlier masklet repeats it
        apart |= both & (intersection <= iou_thresh * union)
    return filled, apart
