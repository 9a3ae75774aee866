"""Which share of a mask has which colour, against a plain count."""

import numpy as np

from fast_snow.kernels import masks
from fast_snow.kernels.colours import SHARED, colour_bins, colour_shares, to_lab
from fast_snow.types import Masks


def test_shares_equal_a_plain_count():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (12, 17, 3)).astype(np.uint8)
    dense = rng.random((3, 12, 17)) < 0.4
    bins = colour_bins(to_lab(image, (12, 17)), SHARED)
    expected = [np.rint(255 * np.bincount(bins[each], minlength=SHARED**3) / each.sum()) for each in dense]
    np.testing.assert_array_equal(colour_shares(masks.encode(dense), image), np.array(expected))


def test_an_image_is_brought_to_the_grid_and_no_masks_have_no_shares():
    image = np.full((40, 60, 3), (200, 30, 30), np.uint8)
    shares = colour_shares(masks.encode(np.ones((1, 10, 15), np.bool_)), image)
    assert shares.max() == 255
    assert np.count_nonzero(shares) == 1
    assert colour_shares(Masks.empty((10, 15)), image).shape == (0, SHARED**3)
