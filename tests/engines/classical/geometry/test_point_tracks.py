"""Tracked points: they follow an image that is shifted, keep their names, and are replaced where they are lost."""

import numpy as np
import pytest

from fast_snow.engines.classical.geometry.structure_from_motion import choose_keyframes
from fast_snow.point_matches import common, track_points
from fast_snow.types import TrackedPoints
from tests.engines.classical.geometry.cameras import sampled, texture

SHIFT = np.array([2.3, -1.6])
"""Pixels per image."""


def shifted(count, height=150, width=200):
    """A texture that moves by `SHIFT` from image to image."""
    paint = texture(height + 80, width + 80)
    v, u = np.indices((height, width))
    return np.stack([sampled(paint, v + 40 - k * SHIFT[1], u + 40 - k * SHIFT[0]) for k in range(count)])


def test_points_follow_a_shift():
    points = list(track_points(([each] for each in shifted(8)), max_points=200))
    for step in (1, 5):
        for i in range(8 - step):
            a, b = common(points[i], points[i + step])
            assert len(a) > 100
            whole = (np.minimum(a, b).min(axis=1) > 12) & (np.maximum(a, b) < (187, 137)).all(axis=1)
            error = np.linalg.norm(b - a - step * SHIFT, axis=1)
            assert np.median(error) < 0.02
            assert np.quantile(error[whole], 0.99) < 0.1  # at the border half of a point's surroundings are unseen


def test_names_ascend_and_places_are_inside():
    points = list(track_points(([each] for each in shifted(8)), max_points=200))
    for each in points:
        assert 0 < len(each.point_id) <= 200
        assert (np.diff(each.point_id) > 0).all()
        assert (each.uv >= 0).all()
        assert (each.uv <= (199, 149)).all()
    assert points[-1].point_id.max() > points[0].point_id.max()  # new corners for those that left


def test_a_cut_loses_all_points():
    images = shifted(2)
    images[1] = images[1, ::-1, ::-1]
    first, second = track_points(([each] for each in images), max_points=200)
    a, _ = common(first, second)
    assert len(a) < 0.3 * len(first.point_id)
    assert len(second.point_id) > 100


@pytest.mark.parametrize("shape", [(1, 1), (8, 100), (31, 300)])
def test_small_images_hold_no_points(shape):
    assert [len(each.point_id) for each in track_points(([each] for each in shifted(3, *shape)), max_points=100)] == [
        0,
        0,
        0,
    ]


def test_plain_images_hold_no_points():
    plain = np.full((3, 60, 80), 128, np.uint8)
    assert [len(each.point_id) for each in track_points(([each] for each in plain), max_points=100)] == [0, 0, 0]


def test_common_points_are_matched_by_name():
    a = TrackedPoints(point_id=np.array([1, 4, 7]), uv=np.array([[1, 1], [4, 4], [7, 7]], np.float32))
    b = TrackedPoints(point_id=np.array([4, 5, 7]), uv=np.array([[40, 0], [50, 0], [70, 0]], np.float32))
    here, there = common(a, b)
    np.testing.assert_array_equal(here, [[4, 4], [7, 7]])
    np.testing.assert_array_equal(there, [[40, 0], [70, 0]])


def moving(*positions, count=100):
    """The same points, moved as a whole to each of the positions (pixels to the right)."""
    uv = np.random.default_rng(0).uniform(0, 300, (count, 2)).astype(np.float32)
    return [TrackedPoints(point_id=np.arange(count), uv=uv + np.float32([x, 0])) for x in positions]


def test_keyframes_are_apart_by_the_motion_of_their_points():
    assert choose_keyframes(moving(*range(0, 100, 2)), 10.0) == [*range(0, 50, 5), 49]


def test_a_pause_holds_no_keyframes():
    assert choose_keyframes(moving(*range(0, 50, 5), *[50] * 20, *range(55, 105, 5)), 10.0) == [
        *range(0, 12, 2), *range(31, 39, 2), 39,
    ]  # fmt: skip


def test_keyframes_share_most_of_their_points():
    first, second = moving(*[0] * 20), moving(*[0] * 20)
    renamed = [TrackedPoints(point_id=each.point_id + 50, uv=each.uv) for each in second]
    assert 20 in choose_keyframes([*first, *renamed], 10.0)  # half of the points are new


def test_slow_motion_still_gives_keyframes():
    assert len(choose_keyframes(moving(*np.linspace(0, 30, 60)), 20.0)) >= 8
    assert choose_keyframes(moving(*[0] * 20), 20.0) == [0, 19]


@pytest.mark.parametrize("count", [0, 1, 8])
def test_all_of_a_few_images_are_keyframes(count):
    assert choose_keyframes(moving(*range(count)), 10.0) == list(range(count))
