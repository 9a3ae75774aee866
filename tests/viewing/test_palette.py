"""The palette: distinct for every kind of colour vision, readable numbers."""

from itertools import combinations

import numpy as np
import pytest

from fast_snow.viewing.palette import PALETTE, color_of, ink_on, rgb_of

# Machado, Oliveira and Fernandes, A physiologically-based model for simulation of color vision deficiency, 2009.
VISION = {
    "full": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}


def linear(object_id):
    rgb = np.array(rgb_of(object_id)) / 255
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = to_xyz @ rgb / [0.9505, 1, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("vision", VISION)
def test_colours_stay_distinct(vision):
    seen = [lab(np.clip(np.asarray(VISION[vision]) @ linear(i), 0, 1)) for i in range(len(PALETTE))]
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) > 25


def test_numbers_are_readable_on_every_colour():
    for i in range(len(PALETTE)):
        luminance = linear(i) @ [0.2126, 0.7152, 0.0722]
        ink = 0.0 if ink_on(i) == "#000000" else 1.0
        assert (max(luminance, ink) + 0.05) / (min(luminance, ink) + 0.05) >= 4.5


def test_colour_belongs_to_the_object():
    assert [color_of(i) for i in range(len(PALETTE))] == list(PALETTE)
    assert color_of(8) == color_of(1)


@pytest.mark.parametrize("step", [1, 8, 64, 512])
def test_neighbours_in_any_numbering_differ(step):
    assert len({color_of(i * step) for i in range(len(PALETTE))}) == len(PALETTE)
    assert rgb_of(0) == (0x28, 0xBC, 0xFD)
