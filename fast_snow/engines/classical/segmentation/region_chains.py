"""Regions that are found again from frame to frame, and which of a frame become detections.

What lasts is an object, what flickers is noise. Regions of neighbouring frames are linked where each is the other's
best match after motion. A chain of links is one object's regions through time; its mean score is steadier than any
frame's, so that all its frames agree on it.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32, Int32, Int64

from fast_snow.engines.classical.warping import fetch_labels, pixel_grid

AnyFlow = Float[np.ndarray, "h w 2"]

_SAME = 0.5  # IoU of a still region with itself in the next frame, and of two regions that are one
_ALIKE = 0.2  # IoU of a moving region with itself in the next frame
_LASTING = 4  # frames
_SEEN_AGAIN = 2  # frames
_ALMOST = 0.95
_PART = 0.7  # share of a still region inside a moving one that makes it a part of it


class Regions(NamedTuple):
    """Regions of one frame as sets of labels.

    Attributes:
        label: of each pixel.
        members: which labels make up which region.
        score: of each region; a region of score 0 takes no part.
    """

    label: Int32[np.ndarray, "h w"]
    members: Bool[np.ndarray, "k labels"]
    score: Float32[np.ndarray, " k"]


def lasting_scores(regions: Sequence[Regions], flow: Sequence[AnyFlow]) -> list[Float32[np.ndarray, " _"]]:
    """Average the scores of regions along their chains, in the frames in which each is almost the best of its chain.

    Args:
        regions: of every frame.
        flow: from each frame to the next.

    Returns:
        Per frame, the score of each region; 0 where its chain is too short or it is clearly better in another frame.
    """
    chain = _chains(regions, flow, _SAME)
    length, score = _lengths(regions, chain), np.concatenate([each.score for each in regions])
    total = np.bincount(np.concatenate(chain), score, len(length))
    mean = np.where(length >= min(_LASTING, len(regions)), total / np.maximum(length, 1), 0.0)
    shown = _almost_best(regions, chain)
    return [np.where(at, mean[of], 0.0).astype(np.float32) for at, of in zip(shown, chain, strict=True)]


def best_outlined(regions: Sequence[Regions], flow: Sequence[AnyFlow]) -> list[Float32[np.ndarray, " _"]]:
    """Keep the scores of regions that are almost the best of their chain: a tracker carries them to the other frames.

    Args:
        regions: of every frame; they may change shape quickly.
        flow: from each frame to the next.

    Returns:
        Per frame, the score of each region; 0 where it is seen in one frame only or clearly better in another.
    """
    chain = _chains(regions, flow, _ALIKE)
    again = _lengths(regions, chain) >= min(_SEEN_AGAIN, len(regions))
    shown = _almost_best(regions, chain)
    return [
        np.where(at & again[of], each.score, np.float32(0.0))
        for each, at, of in zip(regions, shown, chain, strict=True)
    ]


def _almost_best(regions: Sequence[Regions], chain: Sequence[Int64[np.ndarray, " _"]]) -> list[Bool[np.ndarray, " _"]]:
    owner = np.concatenate(chain)
    best = np.zeros(int(owner.max(initial=-1)) + 1, np.float32)
    np.maximum.at(best, owner, np.concatenate([each.score for each in regions]))
    return [(each.score > 0) & (each.score >= _ALMOST * best[of]) for each, of in zip(regions, chain, strict=True)]


def _lengths(regions: Sequence[Regions], chain: Sequence[Int64[np.ndarray, " _"]]) -> Int64[np.ndarray, " chains"]:
    owner = np.concatenate(chain)
    takes_part = np.concatenate([each.score > 0 for each in regions])
    return np.bincount(owner[takes_part], minlength=int(owner.max(initial=-1)) + 1)


def _chains(regions: Sequence[Regions], flow: Sequence[AnyFlow], least_iou: float) -> list[Int64[np.ndarray, " _"]]:
    """Number the chains; per frame, the chain of each region."""
    chain = [np.arange(len(regions[0].score))]
    count = len(chain[0])
    for before, after, motion in zip(regions[:-1], regions[1:], flow, strict=True):
        mine, theirs = _linked(before, after, motion, least_iou)
        of = np.full(len(after.score), -1)
        of[theirs] = chain[-1][mine]
        fresh = np.flatnonzero(of < 0)
        of[fresh] = count + np.arange(len(fresh))
        count += len(fresh)
        chain.append(of)
    return chain


def _linked(
    before: Regions, after: Regions, motion: AnyFlow, least_iou: float
) -> tuple[Int64[np.ndarray, " q"], Int64[np.ndarray, " q"]]:
    """Return the indices of regions that are each other's best match."""
    earlier, later = np.flatnonzero(before.score > 0), np.flatnonzero(after.score > 0)
    if not (len(earlier) and len(later)):
        return earlier[:0], later[:0]
    iou = _iou(before._replace(members=before.members[earlier]), after._replace(members=after.members[later]), motion)
    best, best_back = iou.argmax(axis=1), iou.argmax(axis=0)
    row = np.arange(len(earlier))
    mutual = (best_back[best] == row) & (iou[row, best] > least_iou)
    return earlier[mutual], later[best[mutual]]


def _iou(before: Regions, after: Regions, motion: AnyFlow) -> Float32[np.ndarray, "k q"]:
    """Return the overlap of regions of one frame with those of the next, over the pixels that stay in the image."""
    where = pixel_grid(*before.label.shape) + motion
    fetched = fetch_labels(after.label, where)
    stays = fetched >= 0
    size = before.members.shape[1], after.members.shape[1]
    pair = before.label[stays].astype(np.int64) * size[1] + fetched[stays]
    shared = np.bincount(pair, minlength=size[0] * size[1]).reshape(size).astype(np.float32)
    mine, theirs = before.members.astype(np.float32), after.members.astype(np.float32)
    both = mine @ shared @ theirs.T
    either = (mine @ shared.sum(axis=1))[:, None] + theirs @ shared.sum(axis=0) - both
    return both / np.maximum(either, 1)


def joint_labels(
    first: Int32[np.ndarray, "h w"], second: Int32[np.ndarray, "h w"]
) -> tuple[Int64[np.ndarray, " atoms"], Int64[np.ndarray, " atoms"], Float32[np.ndarray, " atoms"]]:
    """Intersect two labellings of one image.

    Returns:
        Per non-empty intersection, its label in the first, its label in the second, and its area.
    """
    width = int(second.max()) + 1
    atom, area = np.unique(first.astype(np.int64) * width + second, return_counts=True)
    return atom // width, atom % width, area.astype(np.float32)


def choose(
    members: Bool[np.ndarray, "k atoms"],
    area: Float32[np.ndarray, " atoms"],
    score: Float32[np.ndarray, " k"],
    moves: Bool[np.ndarray, " k"],
    most: int,
) -> Int64[np.ndarray, " chosen"]:
    """Pick regions, best first, that are not the same as, nor a part of a moving one among, those picked before.

    Args:
        members: which atoms make up which candidate.
        area: of each atom.
        score: of each candidate; 0 is never picked.
        moves: whether a candidate moves by itself; these are picked first.
        most: how many to pick.

    Returns:
        Indices of candidates.
    """
    weight = members.astype(np.float32)
    shared = (weight * area) @ weight.T
    size = np.diag(shared)
    iou = shared / np.maximum(size[:, None] + size[None, :] - shared, 1)
    inside = shared / np.maximum(size[:, None], 1)
    clash = (iou > _SAME) | ((inside > _PART) & moves[None, :])
    chosen: list[int] = []
    for i in np.lexsort((-score, ~moves)):
        if len(chosen) == most:
            break
        if score[i] > 0 and not clash[i, chosen].any():
            chosen.append(int(i))
    return np.array(chosen, np.int64)
