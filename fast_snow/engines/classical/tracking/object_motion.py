"""How an object as a whole moves between two frames: the similarity that most of its flow follows.

A similarity of the image is `z → gain · z + shift` in complex pixel coordinates `z = u + i v`.
"""

# ruff: noqa: ANN001, ANN202 (Numba infers the types of compiled functions)

from typing import NamedTuple, no_type_check

import numba
import numpy as np
from jaxtyping import Bool, Float, Float32

from fast_snow.engines.classical.edge_aware import Crop
from fast_snow.types import readonly

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
    corner = window[0].start, window[1].start
    z, moves, trusted = _sampled(readonly(pixels), *corner, readonly(flow), readonly(trust), 4 * _POINTS)
    if not len(z):
        return None
    picked = np.flatnonzero(trusted)
    picked = picked[:: 1 + len(picked) // _POINTS]
    if len(picked) >= _LEAST:
        pairs = rng.integers(0, len(picked), (2, _TRIALS))
        found = Similarity(*_most_followed(z[picked], moves[picked], pairs))
        if _SCALES[0] < abs(found.gain) < _SCALES[1]:
            return found
    return Similarity(1.0 + 0.0j, complex(np.median(moves.real), np.median(moves.imag)))


@numba.njit(cache=True, nogil=True)
@no_type_check
def _sampled(pixels, top, left, flow, trust, most):
    """Return some `most` of the pixels, evenly spread: where they are, how they move, whether that is trusted."""
    height, width = pixels.shape
    total = 0
    for y in range(height):
        for x in range(width):
            total += pixels[y, x]
    stride = 1 + total // most
    count = (total + stride - 1) // stride
    z, moves, trusted = np.empty(count, np.complex128), np.empty(count, np.complex128), np.empty(count, np.bool_)
    seen = 0
    for y in range(height):
        for x in range(width):
            if not pixels[y, x]:
                continue
            if seen % stride == 0:
                i, v, u = seen // stride, top + y, left + x
                z[i] = complex(u, v)
                moves[i] = complex(flow[v, u, 0], flow[v, u, 1])
                trusted[i] = trust[v, u] > 0.5
            seen += 1
    return z, moves, trusted


@numba.njit(cache=True, nogil=True)
@no_type_check
def _most_followed(z, moves, pairs):
    """Fit a similarity to each pair of points, and that with the most inliers to all of these."""
    best_gain, best_shift, most = complex(1.0), complex(0.0), -1
    for k in range(pairs.shape[1]):
        one, other = pairs[0, k], pairs[1, k]
        apart = z[other] - z[one]
        gain = complex(1.0) if apart == 0 else 1.0 + (moves[other] - moves[one]) / apart
        shift = z[one] + moves[one] - gain * z[one]
        inliers = 0
        for i in range(len(z)):
            inliers += _follows(z[i], moves[i], gain, shift)
        if inliers > most:
            best_gain, best_shift, most = gain, shift, inliers
    centre = moved_centre = complex(0.0)
    for i in range(len(z)):
        if _follows(z[i], moves[i], best_gain, best_shift):
            centre += z[i] / most
            moved_centre += (z[i] + moves[i]) / most
    turned, energy = complex(0.0), 0.0
    for i in range(len(z)):
        if _follows(z[i], moves[i], best_gain, best_shift):
            off = z[i] - centre
            turned += off.conjugate() * (z[i] + moves[i] - moved_centre)
            energy += off.real**2 + off.imag**2
    gain = turned / energy if energy > 0 else complex(1.0)
    return gain, moved_centre - gain * centre


@numba.njit(cache=True, nogil=True)
@no_type_check
def _follows(z, move, gain, shift):
    off = gain * z + shift - z - move
    return off.real**2 + off.imag**2 < _INLIER**2
