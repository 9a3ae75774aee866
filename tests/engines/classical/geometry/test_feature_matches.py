"""Matched features: only where followed points are few, and the same point in every image that shows it."""

import numpy as np
import pytest

from fast_snow.engines.classical.geometry.feature_matches import with_matches
from fast_snow.point_matches import common
from tests.engines.classical.geometry.cameras import K, arc, cloud, nothing, pictures, seen

N = 4
PATH = arc(N, length=1.2)


@pytest.fixture(scope="module")
def matched():
    return with_matches([nothing()] * N, pictures(PATH)[0])


def where(uv: np.ndarray, i: int) -> np.ndarray:
    """Return where in the world pixels of an image of the plane are."""
    depth = pictures(PATH)[1][i]
    z = depth[tuple(np.rint(uv).astype(int).T[::-1])]
    in_camera = np.column_stack([uv, np.ones(len(uv))]) @ np.linalg.inv(K).T * z[:, None]
    T = np.linalg.inv(PATH[i])
    return in_camera @ T[:3, :3].T + T[:3, 3]


@pytest.mark.parametrize(("i", "j"), [(0, 1), (1, 2), (2, 3), (0, 2)])
def test_what_is_matched_is_one_point_of_the_scene(matched, i, j):
    a, b = common(matched[i], matched[j])
    assert len(a) > 30
    distance = np.linalg.norm(where(a, i) - where(b, j), axis=1)
    assert np.median(distance) < 0.02
    assert (distance < 0.1).mean() > 0.8


def test_ids_ascend_and_are_unique(matched):
    for each in matched:
        assert (np.diff(each.point_id) > 0).all()


def test_followed_points_stay_under_their_ids(matched):
    points = [nothing(), *seen(cloud(50), PATH)[1:]]
    for before, now in zip(points, with_matches(points, pictures(PATH)[0]), strict=True):
        np.testing.assert_array_equal(now.point_id[: len(before.point_id)], before.point_id)
        np.testing.assert_array_equal(now.uv[: len(before.point_id)], before.uv)


def test_where_points_are_followed_nothing_is_matched():
    points = seen(cloud(1500), PATH)
    assert all(a is b for a, b in zip(points, with_matches(points, pictures(PATH)[0]), strict=True))


@pytest.mark.parametrize("value", [0, 90])
def test_images_without_features_have_no_matches(value):
    images = np.full((N, 40, 60), value, np.uint8)
    assert all(len(each.point_id) == 0 for each in with_matches([nothing()] * N, images))
