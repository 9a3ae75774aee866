"""Optical flow: a known shift is found, a pixel that leaves is not trusted, and no size is refused."""

import cv2
import numpy as np
import pytest

from fast_snow.engines.classical.flow import consistency, flow_between, gray, workers


def texture(height: int, width: int) -> np.ndarray:
    noise = np.random.default_rng(0).integers(0, 256, (height, width)).astype(np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 3).astype(np.uint8)


def test_a_shift_is_found_and_comes_back():
    big = cv2.normalize(texture(140, 220), None, 0, 255, cv2.NORM_MINMAX)
    a, b = big[10:110, 10:210], big[13:113, 5:205]  # what was at (u, v) is now at (u + 5, v - 3)
    forward, backward = flow_between(a, b), flow_between(b, a)
    inner = forward[20:-20, 20:-20].reshape(-1, 2)
    np.testing.assert_allclose(np.median(inner, axis=0), [5, -3], atol=0.1)
    assert np.median(consistency(forward, backward)[20:-20, 20:-20]) < 0.1


def test_a_pixel_that_leaves_the_image_is_infinitely_inconsistent():
    forward = np.zeros((6, 8, 2), np.float32)
    forward[2, 3] = (5, 0)  # lands at u = 8, one past the last column
    forward[4, 7] = (0, -4)  # lands at (7, 0), inside
    backward = np.zeros_like(forward)
    backward[0, 7] = (0, 4)
    distance = consistency(forward, backward)
    assert np.isinf(distance[2, 3])
    assert distance[4, 7] == 0
    assert distance[0, 0] == 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (8, 100), (12, 100), (31, 33)])
def test_any_size_of_image_is_answered(shape):
    a = texture(*shape)
    flow = flow_between(a, a)
    assert flow.shape == (*shape, 2)
    np.testing.assert_array_equal(flow, 0)


def test_gray_shrinks_by_area():
    images = np.zeros((2, 4, 6, 3), np.uint8)
    images[1, :, ::2] = 200
    small = gray(images, (2, 3))
    assert small.shape == (2, 2, 3)
    np.testing.assert_array_equal(small[0], 0)
    np.testing.assert_array_equal(small[1], 100)


def test_gray_may_enlarge():
    images = np.full((1, 1, 1, 3), 77, np.uint8)
    np.testing.assert_array_equal(gray(images, (3, 2))[0], 77)


def test_workers_leave_opencv_as_it_was():
    before = cv2.getNumThreads()
    a = texture(64, 64)
    with workers(2) as pool:
        assert cv2.getNumThreads() == 1
        flows = list(pool.map(lambda _: flow_between(a, a[::-1]), range(4)))
    assert cv2.getNumThreads() == before
    for flow in flows[1:]:
        np.testing.assert_array_equal(flow, flows[0])
