"""The range of an object's depth by plain NumPy: sorting instead of counting."""

import numpy as np

from fast_snow.kernels.depth_range import RULE, GapRule


def binned(depth: np.ndarray) -> np.ndarray:
    """Cut float32 depth to the upper 8 bits of its fraction; the least is the smallest positive number."""
    return np.maximum(depth.view(np.int32) >> 15 << 15, 1).view(np.float32).astype(np.float64)


def outliers(depth: np.ndarray, rule: GapRule = RULE) -> np.ndarray:
    """Tell which of an object's usable depths lie beyond a gap."""
    if len(depth) == 0:
        return np.zeros(0, np.bool_)
    ordered = np.sort(binned(depth))
    off = ordered[(len(depth) - 1) // 2] / ordered - 1.0
    gap = max(rule.least_gap, rule.spread * np.sort(np.abs(off))[(len(depth) - 1) // 2])
    off_of = ordered[(len(depth) - 1) // 2] / binned(depth) - 1.0
    return _beyond(off_of, gap, rule) | _beyond(-off_of, gap, rule)


def _beyond(off: np.ndarray, gap: float, rule: GapRule) -> np.ndarray:
    """Tell what lies beyond the first gap above 0."""
    for edge in np.unique(np.append(off[off >= 0], 0.0)):
        beyond = off > edge
        within = beyond & (off <= edge + gap)
        few = within.sum() < rule.most_within * len(off) and beyond.sum() > within.sum()
        if few and beyond.sum() <= rule.most_beyond * len(off):
            return beyond
    return np.zeros(len(off), np.bool_)
