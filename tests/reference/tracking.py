"""Plain references of the classical tracker's kernels."""

import numpy as np

from fast_snow.engines.classical.tracking.evidence import RULES, Evidence, Origins


def shift_costs(even, at, look, weight, steps, stride, limit=60.0):
    """Mean difference of colours at every shift, one point after the other."""
    height, width, _ = even.shape
    shifts = stride * np.arange(-steps, steps + 1)
    cost = np.zeros((len(shifts), len(shifts)))
    for row, down in enumerate(shifts):
        for column, right in enumerate(shifts):
            for (u, v), colour, w in zip(at.T, look, weight, strict=True):
                x, y = u + right, v + down
                inside = 0 <= x < width and 0 <= y < height
                apart = np.abs(even[y, x].astype(int) - colour).sum() if inside else limit
                cost[row, column] += w * min(apart, limit) / limit
    return cost / weight.sum()


def likelihood(evidence: Evidence, origins: Origins, colour_odds, place_odds):
    """Sum of log-odds of all pixels at once, in double precision."""
    near, wide, shape, moves, trust = (np.asarray(each, np.float64) for each in evidence[:5])
    v, u = np.indices(near.shape) + np.array(origins.corner[::-1])[:, None, None]
    pixels = np.stack([u, v, np.ones_like(u)]).astype(np.float64)
    own, around = (np.tensordot(each.astype(np.float64), pixels, 1) for each in (origins.own, origins.around))
    back = np.moveaxis(evidence.back.astype(np.float64), -1, 0)
    by_own, by_around = own - pixels[:2], around - pixels[:2]
    apart = np.maximum(np.linalg.norm(by_own - by_around, axis=0), 4.0)
    came = (np.linalg.norm(back - by_around, axis=0) - np.linalg.norm(back - by_own, axis=0)) / apart
    came = np.clip(came, -1.0, 1.0)
    differs = (_change(evidence.even, origins.even, around) - _change(evidence.even, origins.even, own)) / 30.0
    matches = 2.0 * np.clip(differs, -1.0, 1.0)
    likely = 1.0 / (1.0 + np.exp(-colour_odds.astype(np.float64)[evidence.fine]))
    inside = near > 0.5
    hit, reject = np.average(likely[inside], weights=trust[inside]), np.average(likely[~inside], weights=trust[~inside])
    odds = 5.0 * trust * _logit(near) + 2.0 * (1 - trust) * _logit(wide)
    odds += trust * np.where(came > 0, came * (1.0 + 3.0 * shape), 4.0 * came)
    odds += np.where(matches > 0, matches * np.minimum(0.3 + shape, 1.0), matches)
    odds += RULES.moves * moves
    odds += max(0.0, hit - reject) * colour_odds[evidence.fine] + place_odds[evidence.cell]
    return np.where(wide < 0.01, 0.0, 1.0 / (1.0 + np.exp(-odds)))


def _logit(p):
    p = np.clip(p, 0.02, 0.98)
    return np.log(p / (1 - p)) / 3.9


def _change(even, before, where):
    height, width, _ = before.shape
    column, row = (np.trunc(each + 0.5).astype(int) for each in where)
    earlier = before[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)]
    return np.abs(even.astype(int) - earlier).sum(-1)
