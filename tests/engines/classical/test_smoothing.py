"""Compiled smoothing against plain linear algebra."""

import numpy as np
from scipy.ndimage import convolve1d

from fast_snow.engines.classical.appearance import blurred
from fast_snow.engines.classical.edge_aware import affinity, smooth


def chain_solved(values: np.ndarray, likeness: np.ndarray, strength: float) -> np.ndarray:
    """Solve (I + strength · graph Laplacian of a chain) x = values."""
    weight = strength * likeness[:-1].astype(np.float64)
    laplacian = np.zeros((len(values), len(values)))
    for i, w in enumerate(weight):
        laplacian[i, i] += w
        laplacian[i + 1, i + 1] += w
        laplacian[i, i + 1] -= w
        laplacian[i + 1, i] -= w
    return np.linalg.solve(np.eye(len(values)) + laplacian, values)


def test_smoothing_solves_rows_then_columns():
    random = np.random.default_rng(0)
    alike = affinity(random.integers(0, 256, (9, 13, 3)).astype(np.uint8), 100.0)
    values = random.random((9, 13)).astype(np.float32)
    rows = np.stack([chain_solved(*each, 30.0) for each in zip(values, alike.right, strict=True)])
    both = np.stack([chain_solved(*each, 30.0) for each in zip(rows.T, alike.below.T, strict=True)], axis=1)
    np.testing.assert_allclose(smooth(values, alike, 30.0), both, atol=1e-5)


def test_values_spread_over_an_even_surface_and_stop_at_an_edge():
    guide = np.zeros((20, 30, 3), np.uint8)
    guide[:, 15:] = 255
    values = np.zeros((20, 30), np.float32)
    values[5:15, 2:6] = 1
    out = smooth(values, affinity(guide, 10.0), 100.0)
    assert out[:, :15].min() > 1e-2
    assert out[:, 15:].max() < 1e-6


def test_one_pixel_is_left_as_it_is():
    alike = affinity(np.zeros((1, 1, 3), np.uint8), 10.0)
    assert smooth(np.full((1, 1), 0.7, np.float32), alike, 50.0) == np.float32(0.7)


def test_blurring_is_convolution_along_every_axis():
    count = np.random.default_rng(1).random((4, 5, 6, 3)).astype(np.float32)
    expected = count.astype(np.float64)
    for axis in range(4):
        expected = convolve1d(expected, [0.25, 0.5, 0.25], axis=axis, mode="constant")
    np.testing.assert_allclose(blurred(count), expected, rtol=1e-5)


def test_likeness_of_bytes_is_that_of_the_same_numbers():
    guide = np.random.default_rng(2).integers(0, 256, (9, 13, 3)).astype(np.uint8)
    for one, other in zip(affinity(guide, 12.0), affinity(guide.astype(np.float32), 12.0), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)
