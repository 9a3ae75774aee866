"""How an object as a whole moves between two frames: the similarity that most of its flow follows.

A similarity of the image is `z → gain · z + shift` in complex pixel coordinates `z = u + i v`.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Complex128, Float32

_TRIALS = 64
_POINTS = 256
_INLIER = 3.0  # pixels
_LEAST = 8
_SCALES = (0.7, 1.4)  # between consecutive frames


class Similarity(NamedTuple):
    """The map `z → gain · z + shift`."""

    gain: complex
    shift: complex


def object_motion(
    start: Float32[np.ndarray, "p 2"],
    flow: Float32[np.ndarray, "p 2"],
    trust: Float32[np.ndarray, " p"],
    rng: np.random.Generator,
) -> Similarity:
    """Estimate an object's motion from the flow of its pixels.

    Args:
        start: the object's pixels, at least one.
        flow: of these pixels.
        trust: in that flow, in [0, 1].
        rng: draws the samples.

    Returns:
        The similarity of most trusted pixels; the median shift where there are too few of them or where their scale
        changes more than objects do between frames.
    """
    trusted = np.flatnonzero(trust > 0.5)
    picked = trusted[:: 1 + len(trusted) // _POINTS]
    z = start[picked].astype(np.float64) @ (1, 1j)
    moved = z + flow[picked].astype(np.float64) @ (1, 1j)
    if len(picked) >= _LEAST:
        found = _most_followed(z, moved, rng)
        if _SCALES[0] < abs(found.gain) < _SCALES[1]:
            return found
    return Similarity(1.0 + 0.0j, complex(*np.median(flow, axis=0)))


def _most_followed(
    z: Complex128[np.ndarray, " p"], moved: Complex128[np.ndarray, " p"], rng: np.random.Generator
) -> Similarity:
    """Draw pairs of points, keep the similarity with the most inliers, fit it to them."""
    one, other = rng.integers(0, len(z), (2, _TRIALS))
    apart = np.where(z[other] == z[one], 1.0, z[other] - z[one])
    gain = np.where(z[other] == z[one], 1.0, (moved[other] - moved[one]) / apart)
    shift = moved[one] - gain * z[one]
    near = np.abs(gain[:, None] * z + shift[:, None] - moved) < _INLIER
    best = near[near.sum(axis=1).argmax()]
    centre, moved_centre = z[best].mean(), moved[best].mean()
    spread = z[best] - centre
    energy = float((np.abs(spread) ** 2).sum())
    fitted = complex((spread.conj() * (moved[best] - moved_centre)).sum()) / energy if energy > 0 else 1.0 + 0.0j
    return Similarity(fitted, complex(moved_centre - fitted * centre))
