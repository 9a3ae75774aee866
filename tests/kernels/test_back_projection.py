from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from fast_snow.errors import InputError
from fast_snow.kernels import masks, threads
from fast_snow.kernels.back_projection import object_statistics
from fast_snow.types import Masks, ObjectStatistics
from tests.kernels.drawing import random_masks
from tests.reference import back_projection as reference

SKEWED = np.array([[31.0, 0.7, 17.3], [0.0, 29.0, 11.1], [0.0, 0.0, 1.0]])


def pose(seed: int, distance: float = 5.0) -> np.ndarray:
    random = np.random.default_rng(seed)
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.random(rng=random).as_matrix()
    matrix[:3, 3] = random.uniform(-distance, distance, 3)
    return matrix


def frame(seed: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    depth = random.uniform(0.5, 20, (height, width)).astype(np.float32)
    confidence = random.random((height, width)).astype(np.float32)
    for bad in (np.nan, np.inf, -np.inf, 0, -1):
        depth[random.random(depth.shape) < 0.03] = bad
    confidence[random.random(depth.shape) < 0.03] = np.nan
    return depth, confidence


def assert_close(ours: ObjectStatistics, theirs: ObjectStatistics, reach: float = 40.0) -> None:
    """Means and sigmas are summed in float64; extremes are float32 in the camera's frame, which spans `reach`."""
    np.testing.assert_array_equal(ours.count, theirs.count)
    np.testing.assert_allclose(ours.mean, theirs.mean, rtol=1e-9, atol=1e-9 * reach)
    np.testing.assert_allclose(ours.sigma, theirs.sigma, rtol=1e-6, atol=1e-7 * reach)
    np.testing.assert_allclose(ours.low, theirs.low, rtol=0, atol=1e-6 * reach)
    np.testing.assert_allclose(ours.high, theirs.high, rtol=0, atol=1e-6 * reach)


def assert_same(ours: ObjectStatistics, theirs: ObjectStatistics) -> None:
    for each in fields(ours):
        np.testing.assert_array_equal(getattr(ours, each.name), getattr(theirs, each.name))


@pytest.mark.parametrize("shape", [(1, 1), (5, 7), (24, 33), (9, 130)])
@pytest.mark.parametrize("seed", [0, 1])
def test_equals_the_reference(shape, seed):
    dense = random_masks(seed, 7, *shape)
    inputs = *frame(seed, *shape), SKEWED, pose(seed)
    ours = object_statistics(masks.encode(dense), *inputs, conf_thresh=0.5)
    assert_close(ours, reference.object_statistics(dense, *inputs, conf_thresh=0.5))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**31), st.floats(0, 1, width=32), st.permutations(range(4)))
def test_permuting_objects_permutes_results(seed, conf_thresh, order):
    dense = random_masks(seed, 4, 8, 21)
    inputs = *frame(seed, 8, 21), SKEWED, pose(seed)
    straight = object_statistics(masks.encode(dense), *inputs, conf_thresh=conf_thresh)
    permuted = object_statistics(masks.encode(dense[order]), *inputs, conf_thresh=conf_thresh)
    for each in fields(straight):
        np.testing.assert_array_equal(getattr(straight, each.name)[order], getattr(permuted, each.name))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**31))
def test_an_object_is_the_sum_of_its_parts(seed):
    whole = random_masks(seed, 3, 8, 21)[1]
    part = whole & (np.random.default_rng(seed).random(whole.shape) < 0.5)
    inputs = *frame(seed, 8, 21), SKEWED, pose(seed)
    of = object_statistics(masks.encode(np.stack([whole, part, whole & ~part])), *inputs, conf_thresh=0.3)
    count, mean, second = of.count[:, None], np.nan_to_num(of.mean), np.nan_to_num(of.sigma**2 + of.mean**2)
    assert of.count[0] == of.count[1:].sum()
    np.testing.assert_allclose((count * mean)[0], (count * mean)[1:].sum(axis=0), atol=1e-6)
    np.testing.assert_allclose((count * second)[0], (count * second)[1:].sum(axis=0), rtol=1e-9)
    if (of.count > 0).all():
        np.testing.assert_array_equal(of.low[0], of.low[1:].min(axis=0))
        np.testing.assert_array_equal(of.high[0], of.high[1:].max(axis=0))


@pytest.mark.parametrize("seed", range(4))
def test_far_small_objects_keep_their_size(seed):
    random = np.random.default_rng(seed)
    depth = (100 + 0.01 * random.standard_normal((20, 40))).astype(np.float32)
    confidence = np.ones_like(depth)
    intrinsics = np.array([[1500.0, 0.0, 960.0], [0.0, 1500.0, 540.0], [0.0, 0.0, 1.0]])
    T_camera_world = np.eye(4)
    T_camera_world[:3, 3] = random.uniform(-100, 100, 3)
    dense = np.ones((1, *depth.shape), np.bool_)
    ours = object_statistics(masks.encode(dense), depth, confidence, intrinsics, T_camera_world, conf_thresh=0.5)
    theirs = reference.object_statistics(dense, depth, confidence, intrinsics, T_camera_world, conf_thresh=0.5)
    assert theirs.sigma[0, 2] == pytest.approx(0.01, rel=0.1)
    np.testing.assert_allclose(ours.mean, theirs.mean, rtol=1e-9)
    np.testing.assert_allclose(ours.sigma, theirs.sigma, rtol=1e-5)
    np.testing.assert_allclose(ours.low, theirs.low, atol=2e-5)
    np.testing.assert_allclose(ours.high, theirs.high, atol=2e-5)


@pytest.mark.parametrize("degrees", [20, 45, 70])
def test_a_slanted_wall_far_away_keeps_its_thickness(degrees):
    random = np.random.default_rng(degrees)
    intrinsics = np.array([[60.0, 0.0, 40.0], [0.0, 60.0, 12.0], [0.0, 0.0, 1.0]])
    T_camera_world = np.eye(4)
    T_camera_world[:3, :3] = Rotation.from_euler("y", degrees, degrees=True).as_matrix()
    v, u = np.indices((24, 80))
    rays = np.stack([u, v, np.ones_like(u)], axis=-1) @ np.linalg.inv(intrinsics).T @ T_camera_world[:3, :3]
    depth = ((100 + 0.01 * random.standard_normal(u.shape)) / rays[..., 2]).astype(np.float32)
    dense = (depth > 0)[None] & (depth < 1000)
    inputs = depth, np.ones_like(depth), intrinsics, T_camera_world
    ours = object_statistics(masks.encode(dense), *inputs, conf_thresh=0.5)
    theirs = reference.object_statistics(dense, *inputs, conf_thresh=0.5)
    assert theirs.sigma[0, 2] == pytest.approx(0.01, rel=0.2)
    np.testing.assert_allclose(ours.mean, theirs.mean, rtol=1e-9, atol=1e-7)
    np.testing.assert_allclose(ours.sigma, theirs.sigma, rtol=1e-4)


def test_confidence_at_the_threshold_counts():
    confidence = np.array([[0.55, np.nextafter(np.float32(0.55), np.float32(0)), 0.55, np.nan]], np.float32)
    depth = np.ones((1, 4), np.float32)
    some = masks.encode(np.ones((1, 1, 4), np.bool_))
    assert object_statistics(some, depth, confidence, SKEWED, np.eye(4), conf_thresh=0.55).count[0] == 2
    assert object_statistics(some, depth, confidence, SKEWED, np.eye(4), conf_thresh=0.0).count[0] == 3


def test_objects_without_usable_pixels_are_nan():
    depth = np.full((3, 4), np.nan, np.float32)
    dense = np.stack([np.ones((3, 4), np.bool_), np.zeros((3, 4), np.bool_)])
    result = object_statistics(masks.encode(dense), depth, np.ones_like(depth), SKEWED, np.eye(4), conf_thresh=0.5)
    np.testing.assert_array_equal(result.count, [0, 0])
    for values in (result.mean, result.sigma, result.low, result.high):
        assert np.isnan(values).all()


def test_one_pixel_is_a_point():
    depth = np.full((5, 6), 2, np.float32)
    dense = np.zeros((1, 5, 6), np.bool_)
    dense[0, 3, 4] = True
    T_camera_world = pose(7)
    result = object_statistics(masks.encode(dense), depth, depth / 2, SKEWED, T_camera_world, conf_thresh=0.5)
    point = reference.back_project(depth, SKEWED, T_camera_world)[3, 4]
    np.testing.assert_allclose(result.mean[0], point, rtol=1e-12)
    np.testing.assert_allclose(result.sigma[0], 0, atol=1e-6)
    np.testing.assert_allclose([result.low[0], result.high[0]], [point, point], atol=1e-5)


def test_no_masks():
    depth = np.ones((3, 4), np.float32)
    assert len(object_statistics(Masks.empty((3, 4)), depth, depth, SKEWED, np.eye(4), conf_thresh=0.5)) == 0


def test_threads_inside_and_outside_do_not_matter(monkeypatch):
    some = masks.encode(random_masks(3, 12, 16, 40))
    inputs = *frame(3, 16, 40), SKEWED, pose(3)
    expected = object_statistics(some, *inputs, conf_thresh=0.5)
    monkeypatch.setattr(threads, "WORTH_A_THREAD", 1)
    threads.limit(4)
    with ThreadPoolExecutor(3) as pool:
        results = [pool.submit(object_statistics, some, *inputs, conf_thresh=0.5) for _ in range(9)]
        for each in results:
            assert_same(each.result(), expected)
    threads.limit(0)


def test_the_grids_must_agree():
    depth = np.ones((3, 4), np.float32)
    with pytest.raises(InputError, match="expected that of the depth"):
        object_statistics(Masks.empty((4, 3)), depth, depth, SKEWED, np.eye(4), conf_thresh=0.5)
