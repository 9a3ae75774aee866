"""Frames are prepared exactly as upstream prepares them."""

import numpy as np
import pytest

from fast_snow.engines.da3.preprocessing import network_size, preprocess


@pytest.mark.torch
@pytest.mark.parametrize(
    ("height", "width", "process_res"),
    [(720, 1280, 504), (1280, 720, 504), (480, 640, 504), (97, 131, 140), (30, 44, 84), (84, 56, 84), (63, 90, 98)],
)
def test_equals_upstream(height, width, process_res):
    pytest.importorskip("torch")
    upstream = pytest.importorskip("depth_anything_3.utils.io.input_processor")
    image = np.random.default_rng(0).integers(0, 256, (2, height, width, 3), dtype=np.uint8)
    wanted, _, _ = upstream.InputProcessor()(list(image), process_res=process_res, num_workers=1)
    prepared = preprocess(image, process_res)
    assert prepared.shape[2:] == network_size(height, width, process_res)
    np.testing.assert_array_equal(prepared, wanted.numpy())


def test_sides_are_multiples_of_the_patch():
    assert network_size(720, 1280, 504) == (280, 504)
    assert network_size(480, 640, 504) == (378, 504)
    assert network_size(7, 9, 21) == (14, 28), "upwards where two are equally near"
    assert network_size(10, 2000, 504) == (14, 504), "never nothing"
