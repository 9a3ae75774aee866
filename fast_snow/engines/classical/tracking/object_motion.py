"""How an object as a whole moves between two frames: the similarity that most of its flow follows.

A similarity of the image is `z → gain · z + shift` in complex pixel coordinates `z = u + i v`.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Complex128, Float, Float32

from fast_snow.engines.classical.edge_aware import Crop

_TRIALS = 64
_POINTS = 128
_INLIER = 3.0  # pixels
_LEAST = 8
_SCALES = (0.7, 1.4)  # between consecutive frames


class Similarity(NamedTuple):
    """The map `z → gain · z + shift`."""

    gain: complex
    shift: complex

    def origin(self) -> Float32[np.ndarray, "2 3"]:
        """Return the matrix that takes `(u, v, 1)` back to where it came from."""
        back, shift = 1.0 / self.gain, -self.shift / self.gain
        return np.array([[back.real, -back.imag, shift.real], [back.imag, back.real, shift.imag]], np.float32)


def object_motion(
    pixels: Bool[np.ndarray, "h w"],
    window: Crop,
    flow: Float[np.ndarray, "height width 2"],
    trust: Float[np.ndarray, "height width"],
    rng: np.random.Generator,
) -> Similarity | None:
    """Estimate the motion of some pixels of a window from their flow.

    Args:
        pixels: which pixels of the window.
        window: where it lies in the frame.
        flow: of the frame.
        trust: in that flow, in [0, 1].
        rng: draws the samples.

    Returns:
        The similarity of most trusted pixels; the median shift where there are too few of them or where their scale
        changes more than objects do between frames; `None` where there are no pixels.
    """
    index = np.flatnonzero(pixels)
    if not len(index):
        return None
    rows, columns = np.divmod(index[:: 1 + len(index) // (4 * _POINTS)], pixels.shape[1])
    rows, columns = rows + window[0].start, columns + window[1].start
    moves = flow[rows, columns].astype(np.float64) @ (1, 1j)
    trusted = np.flatnonzero(trust[rows, columns] > 0.5)
    picked = trusted[:: 1 + len(trusted) // _POINTS]
    if len(picked) >= _LEAST:
        z = columns[picked] + 1j * rows[picked]
        found = _most_followed(z, z + moves[picked], rng)
        if _SCALES[0] < abs(found.gain) < _SCALES[1]:
            return found
    return Similarity(1.0 + 0.0j, complex(np.median(moves.real), np.median(moves.imag)))


def _most_followed(
    z: Complex128[np.ndarray, " p"], moved: Complex128[np.ndarray, " p"], rng: np.random.Generator
) -> Similarity:
    """Draw pairs of points, keep the similarity with the most inliers, fit it to them."""
    one, other = rng.integers(0, len(z), (2, _TRIALS))
    apart = np.where(z[other] == z[one], 1.0, z[other] - z[one])
    gain = np.where(z[other] == z[one], 1.0, (moved[other] - moved[one]) / apart)
    shift = moved[one] - gain * z[one]
    off = gain[:, None] * z + shift[:, None] - moved
    near = off.real**2 + off.imag**2 < _INLIER**2
    best = near[near.sum(axis=1).argmax()]
    centre, moved_centre = z[best].mean(), moved[best].mean()
    spread = z[best] - centre
    energy = float((np.abs(spread) ** 2).sum())
    fitted = complex((spread.conj() * (moved[best] - moved_centre)).sum()) / energy if energy > 0 else 1.0 + 0.0j
    return Similarity(fitted, complex(moved_centre - fitted * centre))
