"""Sim(3): group laws, estimation with and without gross errors, and the alignment of windows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from fast_snow import alignment
from fast_snow.alignment import Similarity
from fast_snow.errors import FastSnowError, FastSnowWarning
from fast_snow.types import DepthOrigin, Geometry

SEEDS = st.integers(0, 2**32 - 1)


def random_similarity(rng, scale=None):
    return Similarity(
        scale=float(np.exp(rng.normal())) if scale is None else scale,
        R=Rotation.from_quat(rng.normal(size=4)).as_matrix(),
        t=rng.normal(size=3) * 10,
    )


def compose(T_a_b: Similarity, T_b_c: Similarity) -> Similarity:
    """Return `T_a_c`: first `T_b_c`, then `T_a_b`."""
    return Similarity(
        scale=T_a_b.scale * T_b_c.scale, R=T_a_b.R @ T_b_c.R, t=T_a_b.scale * (T_a_b.R @ T_b_c.t) + T_a_b.t
    )


def assert_same(a, b, tolerance=1e-9):
    assert a.scale == pytest.approx(b.scale, rel=tolerance)
    np.testing.assert_allclose(a.R, b.R, atol=tolerance)
    np.testing.assert_allclose(a.t, b.t, atol=100 * tolerance)


def points_of(geometry):
    """Back-project every pixel with matrix inverses, the plain way."""
    n, h, w = geometry.depth.shape
    v, u = np.mgrid[:h, :w]
    pixels = np.stack([u, v, np.ones((h, w))], axis=-1).reshape(-1, 3)
    points = []
    for i in range(n):
        in_camera = (np.linalg.inv(geometry.intrinsics[i]) @ pixels.T).T * geometry.depth[i].reshape(-1, 1)
        T_world_camera = np.linalg.inv(geometry.T_camera_world[i])
        points.append(in_camera @ T_world_camera[:3, :3].T + T_world_camera[:3, 3])
    return np.stack(points)


def random_geometry(rng, n=4, shape=(12, 16), metric=False):
    T_camera_world = np.tile(np.eye(4), (n, 1, 1))
    T_camera_world[:, :3, :3] = Rotation.from_rotvec(rng.normal(size=(n, 3)) * 0.3).as_matrix()
    T_camera_world[:, :3, 3] = rng.normal(size=(n, 3))
    return Geometry(
        depth=rng.uniform(1, 5, (n, *shape)).astype(np.float32),
        confidence=rng.uniform(0.6, 1, (n, *shape)).astype(np.float32),
        intrinsics=np.tile(np.array([[15.0, 0.2, 7.7], [0, 16, 5.9], [0, 0, 1]]), (n, 1, 1)),
        T_camera_world=T_camera_world,
        metric=metric,
        origin=DepthOrigin.NETWORK,
    )


def changed(geometry, **fields):
    kept = ("depth", "confidence", "intrinsics", "T_camera_world", "metric", "origin")
    return Geometry(**{name: getattr(geometry, name) for name in kept} | fields)


@given(SEEDS)
@settings(deadline=None)
def test_inverse_undoes(seed):
    T_a_b = random_similarity(np.random.default_rng(seed))
    assert_same(compose(T_a_b, alignment.inverse(T_a_b)), alignment.identity())
    assert_same(compose(alignment.inverse(T_a_b), T_a_b), alignment.identity())
    assert_same(alignment.inverse(alignment.inverse(T_a_b)), T_a_b)


@given(SEEDS)
@settings(deadline=None)
def test_composition_is_associative_and_acts_on_points(seed):
    rng = np.random.default_rng(seed)
    a, b, c = (random_similarity(rng) for _ in range(3))
    points = rng.normal(size=(2, 5, 3))
    assert_same(compose(compose(a, b), c), compose(a, compose(b, c)), tolerance=1e-7)
    np.testing.assert_allclose(
        alignment.apply(compose(a, b), points), alignment.apply(a, alignment.apply(b, points)), atol=1e-8
    )


@given(SEEDS)
@settings(deadline=None)
def test_identity_is_neutral(seed):
    rng = np.random.default_rng(seed)
    T_a_b = random_similarity(rng)
    assert_same(compose(T_a_b, alignment.identity()), T_a_b)
    assert_same(compose(alignment.identity(), T_a_b), T_a_b)
    points = rng.normal(size=(7, 3))
    np.testing.assert_array_equal(alignment.apply(alignment.identity(), points), points)


@given(SEEDS, st.sampled_from([3, 4, 50]), st.booleans())
@settings(deadline=None)
def test_estimate_recovers_a_similarity_even_from_a_plane(seed, count, flat):
    rng = np.random.default_rng(seed)
    T_a_b = random_similarity(rng)
    source = rng.normal(size=(count, 3)) * ([3, 2, 0] if flat else [3, 2, 1])
    # Random triangles are now and then slivers; their third corner is put well off the line of the first two.
    source[:3, :2] += [[0, 0], [9, 0], [0, 9]]
    weight = rng.uniform(0.1, 1, count)
    assert_same(alignment.estimate(source, alignment.apply(T_a_b, source), weight), T_a_b, tolerance=1e-8)


def test_estimate_without_scale_moves_rigidly():
    rng = np.random.default_rng(1)
    T_a_b = random_similarity(rng, scale=1.0)
    source = rng.normal(size=(20, 3))
    target = alignment.apply(T_a_b, source)
    assert_same(alignment.estimate(source, target, with_scale=False), T_a_b)
    assert alignment.estimate(source, 3 * target, with_scale=False).scale == 1.0


def test_estimate_never_mirrors():
    source = np.random.default_rng(2).normal(size=(30, 3))
    estimated = alignment.estimate(source, source * [-1, 1, 1])
    assert np.linalg.det(estimated.R) == pytest.approx(1)


def test_points_without_weight_do_not_count():
    rng = np.random.default_rng(3)
    T_a_b = random_similarity(rng)
    source = rng.normal(size=(10, 3))
    target = alignment.apply(T_a_b, source)
    target[:4] += 100
    weight = np.where(np.arange(10) < 4, 0.0, 1.0)
    assert_same(alignment.estimate(source, target, weight), T_a_b)
    assert_same(alignment.estimate_robust(source, target, weight), T_a_b)


@pytest.mark.parametrize(
    "source",
    [
        np.zeros((0, 3)),
        np.eye(3)[:2],
        np.ones((5, 3)),
        np.arange(10.0)[:, None] * [1.0, 2.0, 3.0],
    ],
    ids=["no point", "two points", "one place", "a line"],
)
@pytest.mark.parametrize("estimate", [alignment.estimate, alignment.estimate_robust])
def test_undetermined_rotation_is_refused(source, estimate):
    with pytest.raises(FastSnowError, match="similarity"):
        estimate(source, source + 1)


@given(SEEDS, st.booleans())
@settings(max_examples=15, deadline=None)
def test_robust_estimate_survives_a_third_of_gross_errors(seed, coherent):
    rng = np.random.default_rng(seed)
    T_a_b = random_similarity(rng)
    source = rng.normal(size=(200, 3))
    true = alignment.apply(T_a_b, source)
    target = true.copy()
    target[:60] += T_a_b.scale * (np.array([3.0, 1.0, 0.5]) if coherent else rng.normal(size=(60, 3)) * 5)
    estimated = alignment.estimate_robust(source, target)
    assert np.abs(alignment.apply(estimated, source) - true).max() < 1e-2 * T_a_b.scale
    plain = alignment.estimate(source, target)
    assert np.abs(alignment.apply(plain, source) - true).max() > 0.1 * T_a_b.scale


def test_what_agrees_to_rounding_is_not_fitted_again():
    rng = np.random.default_rng(0)
    T_a_b = random_similarity(rng)
    source = rng.normal(size=(200, 3))
    target = alignment.apply(T_a_b, source).astype(np.float32).astype(np.float64)
    target[:60] += 5
    assert alignment.estimate_robust(source, target, start=T_a_b) is T_a_b
    near = alignment.Similarity(scale=T_a_b.scale, R=T_a_b.R, t=T_a_b.t + 1e-4 * T_a_b.scale)
    estimated = alignment.estimate_robust(source, target, start=near)
    assert np.abs(alignment.apply(estimated, source) - alignment.apply(T_a_b, source)).max() < 1e-5 * T_a_b.scale


@given(SEEDS)
@settings(max_examples=30, deadline=None)
def test_aligned_geometry_moves_its_points_rigidly(seed):
    rng = np.random.default_rng(seed)
    T_a_b, geometry = random_similarity(rng), random_geometry(rng)
    aligned = alignment.align_geometry(T_a_b, geometry)
    expected = alignment.apply(T_a_b, points_of(geometry))
    np.testing.assert_allclose(points_of(aligned), expected, rtol=1e-5, atol=1e-5 * T_a_b.scale)
    np.testing.assert_allclose(np.linalg.det(aligned.T_camera_world[:, :3, :3]), 1)


def test_alignment_keeps_missing_depth_missing():
    geometry = random_geometry(np.random.default_rng(4))
    depth = geometry.depth.copy()
    depth[0, 0, :3] = [np.nan, 0, -1]
    aligned = alignment.align_geometry(random_similarity(np.random.default_rng(5)), changed(geometry, depth=depth))
    assert np.isnan(aligned.depth[0, 0, 0])
    assert aligned.depth[0, 0, 1] == 0
    assert aligned.depth[0, 0, 2] < 0


@given(SEEDS, st.booleans())
@settings(max_examples=20, deadline=None)
def test_windows_align_over_their_shared_frames(seed, metric):
    rng = np.random.default_rng(seed)
    whole = random_geometry(rng, n=6, metric=metric)
    shared = 3
    T_previous_current = random_similarity(rng, scale=1.0 if metric else None)
    previous = _slice(whole, slice(0, 4))
    current = alignment.align_geometry(alignment.inverse(T_previous_current), _slice(whole, slice(1, 6)))
    depth, confidence = current.depth.copy(), current.confidence.copy()
    wrong = rng.random(depth.shape) < 0.3
    depth[wrong] *= 3
    depth[:, 0, :2] = [np.nan, 0]
    confidence[:, 1] = 0.1
    depth[:, 1] *= 10
    current = changed(current, depth=depth, confidence=confidence)
    estimated = alignment.align_windows(previous, current, shared, conf_thresh=0.5)
    assert_same(estimated, T_previous_current, tolerance=1e-4)


@given(SEEDS, st.sampled_from([0.4, 1.5, 3.0]))
@settings(max_examples=20, deadline=None)
def test_noisy_windows_with_wrong_regions_align(seed, factor):
    rng = np.random.default_rng(seed)
    whole = random_geometry(rng, n=3, shape=(40, 60))
    T_previous_current = random_similarity(rng)
    current = alignment.align_geometry(alignment.inverse(T_previous_current), whole)
    depth = (current.depth * np.exp(rng.normal(size=current.depth.shape) * 0.02)).astype(np.float32)
    depth[:, :12] *= np.float32(factor)
    estimated = alignment.align_windows(whole, changed(current, depth=depth), 3, conf_thresh=0.5)
    assert estimated.scale == pytest.approx(T_previous_current.scale, rel=5e-3)
    np.testing.assert_allclose(estimated.R, T_previous_current.R, atol=5e-3)


def test_metric_windows_keep_their_scale():
    rng = np.random.default_rng(6)
    whole = random_geometry(rng, metric=True)
    larger = changed(whole, depth=whole.depth * np.float32(1.3))
    assert alignment.align_windows(whole, larger, 4, conf_thresh=0.5).scale == 1.0


def test_many_pixels_are_thinned_without_harm():
    rng = np.random.default_rng(7)
    whole = random_geometry(rng, n=2, shape=(120, 160))
    T_a_b = random_similarity(rng)
    moved = alignment.align_geometry(alignment.inverse(T_a_b), whole)
    assert_same(alignment.align_windows(whole, moved, 2, conf_thresh=0.5), T_a_b, tolerance=1e-5)


@pytest.mark.parametrize("trust", [0.1, 0.9])
def test_without_trusted_depth_cameras_align_the_windows(trust):
    rng = np.random.default_rng(8)
    whole = random_geometry(rng)
    whole = changed(whole, confidence=np.full_like(whole.confidence, trust))
    if trust > 0.5:
        whole = changed(whole, depth=np.where(np.arange(16) < 1, whole.depth, 0).astype(np.float32))
    T_a_b = random_similarity(rng)
    moved = alignment.align_geometry(alignment.inverse(T_a_b), whole)
    with pytest.warns(FastSnowWarning, match="aligned by cameras alone"):
        estimated = alignment.align_windows(whole, moved, 4, conf_thresh=0.5)
    assert_same(estimated, T_a_b, tolerance=1e-5)


def test_without_any_depth_rotation_and_place_still_align():
    rng = np.random.default_rng(9)
    whole = random_geometry(rng)
    whole = changed(whole, depth=np.zeros_like(whole.depth))
    T_a_b = random_similarity(rng, scale=1.0)
    moved = alignment.align_geometry(alignment.inverse(T_a_b), whole)
    with pytest.warns(FastSnowWarning, match="share 0 pixels"):
        assert_same(alignment.align_windows(whole, moved, 1, conf_thresh=0.5), _over_one_frame(whole, moved))


def _over_one_frame(whole, moved):
    """The similarity of scale 1 that puts the first camera of `moved` onto the last of `whole`."""
    T = np.linalg.inv(whole.T_camera_world[-1]) @ moved.T_camera_world[0]
    return Similarity(scale=1.0, R=T[:3, :3].copy(), t=T[:3, 3].copy())


def _slice(geometry, frames):
    arrays = ("depth", "confidence", "intrinsics", "T_camera_world")
    return changed(geometry, **{name: getattr(geometry, name)[frames] for name in arrays})
