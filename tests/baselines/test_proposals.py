"""Points, their clusters and what stands for them."""

import numpy as np
import pytest

from fast_snow.baselines.proposals import NOISE, back_project, cluster_points, draw_prompts

pytest.importorskip("sklearn")

K = np.array([[20.0, 0.0, 16.0], [0.0, 25.0, 12.0], [0.0, 0.0, 1.0]])


def test_points_project_back_to_their_pixels():
    rng = np.random.default_rng(0)
    depth = rng.uniform(1, 5, (24, 32)).astype(np.float32)
    points = back_project(depth, np.ones((24, 32), np.float32), K, stride=3, conf_thresh=0.5)
    projected = points.xyz @ K.T
    np.testing.assert_allclose(projected[:, :2] / projected[:, 2:], points.uv, atol=1e-9)
    np.testing.assert_allclose(points.xyz[:, 2], depth[points.uv[:, 1], points.uv[:, 0]], rtol=1e-6)
    assert len(points) == 8 * 11


def test_pixels_without_usable_depth_are_no_points():
    depth, confidence = np.full((4, 4), 2.0, np.float32), np.ones((4, 4), np.float32)
    depth[0, :3] = 0, np.nan, np.inf
    confidence[1, :2] = 0.4, np.nan
    points = back_project(depth, confidence, K, stride=1, conf_thresh=0.5)
    assert len(points) == 11
    assert (0, 0) not in map(tuple, points.uv.tolist())


def test_dense_parts_are_clusters_and_strays_are_not():
    rng = np.random.default_rng(1)
    parts = [rng.normal(centre, 0.05, (60, 3)) for centre in ((0, 0, 2), (3, 0, 2), (0, 3, 4))]
    strays = rng.uniform(20, 90, (5, 3))
    label = cluster_points(np.concatenate([*parts, strays]), min_cluster_size=20, min_samples=5)
    assert [len(np.unique(each)) for each in np.split(label[:180], 3)] == [1, 1, 1]
    assert len(np.unique(label[:180])) == 3
    assert (label[180:] == NOISE).all()


def test_the_unit_of_length_does_not_matter():
    xyz = np.random.default_rng(2).normal(0, 1, (400, 3))
    small, large = (cluster_points(xyz * scale, min_cluster_size=15, min_samples=5) for scale in (1.0, 1024.0))
    np.testing.assert_array_equal(small, large)


@pytest.mark.parametrize("count", [0, 1, 5, 19])
def test_too_few_points_are_no_cluster(count: int):
    label = cluster_points(np.zeros((count, 3)), min_cluster_size=20, min_samples=5)
    assert label.tolist() == [NOISE] * count


def test_representatives_belong_to_their_cluster():
    uv = np.arange(40).reshape(20, 2)
    label = np.array([0] * 8 + [1] * 9 + [NOISE] * 3)
    drawn = draw_prompts(uv, label, count=4, rng=np.random.default_rng(0))
    assert drawn.shape == (2, 4, 2)
    for number, points in enumerate(drawn):
        members = {tuple(each) for each in uv[label == number].tolist()}
        assert len({tuple(each) for each in points.tolist()} & members) == 4


def test_small_clusters_give_points_more_than_once():
    drawn = draw_prompts(np.array([[1, 2], [3, 4]]), np.zeros(2, int), count=4, rng=np.random.default_rng(0))
    assert {tuple(each) for each in drawn[0].tolist()} <= {(1.0, 2.0), (3.0, 4.0)}


def test_noise_alone_gives_none():
    drawn = draw_prompts(np.zeros((3, 2), int), np.full(3, NOISE), count=4, rng=np.random.default_rng(0))
    assert drawn.shape == (0, 4, 2)
