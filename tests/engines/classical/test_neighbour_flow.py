"""Flow between neighbouring frames: computed once however many ask, forgotten with its window."""

import gc
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fast_snow.engines.classical import neighbour_flow
from fast_snow.engines.classical.flow import consistency, flow_between, gray
from fast_snow.engines.classical.neighbour_flow import FlowStore, PackedFlow
from fast_snow.engines.classical.segmentation.camera_motion import relative_flow
from fast_snow.types import DepthOrigin, Frames, Geometry
from tests.engines.classical.scenes import frames_of
from tests.reference import flow as reference

GRID = (48, 64)


def window(count: int = 3, seed: int = 0) -> Frames:
    """Return frames of a texture that moves to the right by two pixels of the grid a frame."""
    noise = np.random.default_rng(seed).integers(0, 256, (120, 200, 3)).astype(np.uint8)
    big = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, 0, 255, cv2.NORM_MINMAX)
    return frames_of(np.stack([big[10:106, 40 - 4 * i : 168 - 4 * i] for i in range(count)]))


@pytest.fixture
def pool():
    with ThreadPoolExecutor(2) as pool:
        yield pool


def test_flow_is_computed_once_per_grid(pool, monkeypatch):
    computed = []
    original = neighbour_flow.neighbour_flows
    monkeypatch.setattr(
        neighbour_flow, "neighbour_flows", lambda grays, *rest: computed.append(grays.shape) or original(grays, *rest)
    )
    frames, store = window(), FlowStore(0)
    first = store(frames, GRID, pool)
    assert store(frames, GRID, pool) is first
    store(frames, (24, 32), pool)
    assert store(frames, GRID, pool) is first
    assert computed == [(3, *GRID), (3, 24, 32)]
    np.testing.assert_allclose(np.median(first[0].both()[0], axis=(0, 1)), [2, 0], atol=0.2)
    np.testing.assert_allclose(np.median(first[1].both()[1], axis=(0, 1)), [-2, 0], atol=0.2)


def test_another_window_is_computed_anew(pool):
    store = FlowStore(0)
    one, other = window(), window(seed=1)
    before = store(one, GRID, pool)
    after = store(other, GRID, pool)
    assert not np.array_equal(before[0].forward.flow, after[0].forward.flow)
    np.testing.assert_array_equal(store(one, GRID, pool)[0].forward.flow, before[0].forward.flow)


def test_flow_is_forgotten_with_the_images(pool):
    store, frames = FlowStore(0), window()
    store(frames, GRID, pool)
    del frames
    gc.collect()
    assert store._flows == {}  # what the store holds shows in no answer


def test_what_moves_is_kept_for_the_same_images_only(pool):
    store, frames, other = FlowStore(0), window(), window()
    assert store.moves(frames) is None
    moves = [np.ones((4, 4), np.float32)]
    store.keep_moves(frames, moves)
    assert store.moves(frames) is moves
    assert store.moves(other) is None
    store(other, GRID, pool)
    assert store.moves(frames) is None


def test_flow_is_kept_at_the_size_at_which_it_was_found(pool):
    gray_a, gray_b = gray(window(2).image, GRID)
    flow = flow_between(gray_a, gray_b)
    packed = PackedFlow.of(flow)
    assert packed.flow.shape == (GRID[0] // 2, GRID[1] // 2, 2)
    np.testing.assert_allclose(packed.unpacked(), flow, atol=0.01)


@pytest.mark.parametrize("shape", [(8, 6), (7, 6), (1, 2)])
def test_flow_that_was_not_interpolated_is_kept_as_it_is(shape):
    flow = np.random.default_rng(0).normal(0, 2, (*shape, 2)).astype(np.float32)
    packed = PackedFlow.of(flow)
    assert packed.flow.shape == flow.shape
    np.testing.assert_allclose(packed.unpacked(), flow, atol=0.01)


def test_one_frame_has_no_neighbours(pool):
    assert list(FlowStore(0)(window(1), GRID, pool)) == []


@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(1, 9))
@settings(max_examples=30, deadline=None)
def test_consistency_as_in_numpy(seed, height, width):
    random = np.random.default_rng(seed)
    forward, backward = random.normal(0, 2, (2, height, width, 2)).astype(np.float32)
    np.testing.assert_allclose(consistency(forward, backward), reference.consistency(forward, backward), atol=2e-4)


@pytest.mark.parametrize("origin", list(DepthOrigin))
def test_what_the_camera_does_not_explain_as_in_numpy(origin):
    random = np.random.default_rng(0)
    depth = random.uniform(-0.5, 4, (2, *GRID)).astype(np.float32)
    depth[0, 3, :5] = np.nan
    T_camera_world = np.tile(np.eye(4), (2, 1, 1))
    T_camera_world[1, :3, :3] = cv2.Rodrigues(np.array([0.02, -0.05, 0.01]))[0]
    T_camera_world[1, :3, 3] = 0.1, -0.05, -0.4
    geometry = Geometry(
        depth=depth,
        confidence=random.random(depth.shape).astype(np.float32),
        intrinsics=np.tile([[60.0, 0, 31.5], [0, 62.0, 23.5], [0, 0, 1]], (2, 1, 1)),
        T_camera_world=T_camera_world,
        metric=False,
        origin=origin,
    )
    homography = np.array([[1.02, 0.01, 1.5], [-0.01, 0.99, -2.0], [1e-4, -2e-4, 1.0]])
    flow = random.normal(0, 3, (*GRID, 2)).astype(np.float32)
    expected = reference.relative_flow(flow, homography, geometry, 0, 1)
    found = relative_flow(flow, homography, geometry, 0, 1)
    assert (np.abs(found - expected).max(axis=-1) > 1e-3).mean() < 1e-3  # ties between two explanations


def test_a_fast_pan_is_found_after_the_camera_has_been_taken_out(pool):
    noise = np.random.default_rng(3).integers(0, 256, (240, 600, 3)).astype(np.uint8)
    big = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2), None, 0, 255, cv2.NORM_MINMAX)
    images = np.stack([big[:, :320], big[:, 90:410]])
    (between,) = FlowStore(0)(frames_of(images), images.shape[1:3], pool)
    stays = np.s_[:, 110:300]
    alone = flow_between(*gray(images, images.shape[1:3]))
    follows = (np.abs(alone[stays] - (-90, 0)).max(axis=-1) < 1).mean()
    assert follows < 0.5, follows
    found = between.both()[0][stays]
    assert (np.abs(found - (-90, 0)).max(axis=-1) < 1).mean() > 0.9
