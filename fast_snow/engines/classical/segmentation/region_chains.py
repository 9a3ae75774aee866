"""Regions that are found again from frame to frame: what lasts is an object, what flickers is noise.

Regions of neighbouring frames are linked where each is the other's best match after motion. A chain of links is one
object's regions through time; its mean score is steadier than any frame's, so that all its frames agree on it.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Int32, Int64

from fast_snow.engines.classical.warping import Flow, fetch_labels, pixel_grid

_SAME = 0.5  # IoU of a still region with itself in the next frame
_ALIKE = 0.2  # IoU of a moving region with itself in the next frame
_LASTING = 4  # frames
_SEEN_AGAIN = 2  # frames
_STEADY = 0.8  # IoU of a still region with itself in the frame before or after
_ALMOST = 0.9


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


def lasting_scores(regions: Sequence[Regions], flow: Sequence[Flow]) -> list[Float32[np.ndarray, " _"]]:
    """Average the scores of regions along their chains.

    Args:
        regions: of every frame.
        flow: from each frame to the next.

    Returns:
        Per frame, the score of each region; 0 where its chain is too short, or its outline flickers.
    """
    chain = _chains(regions, flow, _SAME)
    length, score = _lengths(regions, chain), np.concatenate([each.score for each in regions])
    total = np.bincount(np.concatenate(chain), score, len(length))
    mean = np.where(length >= min(_LASTING, len(regions)), total / np.maximum(length, 1), 0.0)
    answered = _steady(regions, flow, chain)
    return [
        np.where((each.score > 0) & keep, mean[of], 0.0).astype(np.float32)
        for each, keep, of in zip(regions, answered, chain, strict=True)
    ]


def _steady(
    regions: Sequence[Regions], flow: Sequence[Flow], chain: Sequence[Int64[np.ndarray, " _"]]
) -> list[Bool[np.ndarray, " _"]]:
    """Tell which regions are outlined as in a neighbouring frame; all of a chain where none is.

    A track starts from the first detection of its object, and keeps what that spills over.
    """
    steady = [np.full(len(each.score), len(regions) == 1) for each in regions]
    for i, motion in enumerate(flow):
        before, after = _linked(regions[i], regions[i + 1], motion, _STEADY)
        steady[i][before] = True
        steady[i + 1][after] = True
    count = np.bincount(np.concatenate(chain), np.concatenate(steady))
    return [keep | (count[of] == 0) for keep, of in zip(steady, chain, strict=True)]


def best_outlined(regions: Sequence[Regions], flow: Sequence[Flow]) -> list[Float32[np.ndarray, " _"]]:
    """Keep the scores of regions that are almost the best of their chain: a tracker carries them to the other frames.

    Args:
        regions: of every frame; they may change shape quickly.
        flow: from each frame to the next.

    Returns:
        Per frame, the score of each region; 0 where it is seen in one frame only or clearly better in another.
    """
    chain = _chains(regions, flow, _ALIKE)
    length = _lengths(regions, chain)
    best = np.zeros(len(length), np.float32)
    np.maximum.at(best, np.concatenate(chain), np.concatenate([each.score for each in regions]))
    best[length < min(_SEEN_AGAIN, len(regions))] = np.inf
    return [
        np.where(each.score >= _ALMOST * best[of], each.score, np.float32(0.0))
        for each, of in zip(regions, chain, strict=True)
    ]


def _lengths(regions: Sequence[Regions], chain: Sequence[Int64[np.ndarray, " _"]]) -> Int64[np.ndarray, " chains"]:
    owner = np.concatenate(chain)
    takes_part = np.concatenate([each.score > 0 for each in regions])
    return np.bincount(owner[takes_part], minlength=int(owner.max(initial=-1)) + 1)


def _chains(regions: Sequence[Regions], flow: Sequence[Flow], least_iou: float) -> list[Int64[np.ndarray, " _"]]:
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
    before: Regions, after: Regions, motion: Flow, least_iou: float
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


def _iou(before: Regions, after: Regions, motion: Flow) -> Float32[np.ndarray, "k q"]:
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
