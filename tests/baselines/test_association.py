"""Which objects are found again, and which changes no object undergoes."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from fast_snow.baselines.association import (
    KnownObjects,
    associate_tokens,
    plausible_change,
    plausible_shape,
    relate_objects,
    tau_overlap,
)
from fast_snow.baselines.snow_config import DEFAULT, SnowConfig
from fast_snow.errors import ConfigError
from fast_snow.types import StepToken

Triple = tuple[float, float, float]


def token(
    t: int, at: Triple, size: Triple = (1.0, 1.0, 1.0), cells: tuple[tuple[int, int], ...] = ((4, 4),)
) -> StepToken:
    """Return an object of full cells with its middle at a place."""
    centre, extent = np.array(at, np.float32), np.array(size, np.float32)
    return StepToken(
        t=t,
        row=np.array([row for row, _ in cells], np.uint8),
        col=np.array([col for _, col in cells], np.uint8),
        coverage=np.ones(len(cells), np.float32),
        centroid=centre,
        sigma=extent / 4,
        low=centre - extent / 2,
        high=centre + extent / 2,
        num_points=100,
        score=1.0,
    )


def ids(*frames: Sequence[StepToken], settings: SnowConfig = DEFAULT, metric: bool = True) -> list[list[int]]:
    """Return the ids of objects, frame by frame at 10 Hz; a frame's number is that of its first token."""
    known, found = KnownObjects(), []
    for tokens in frames:
        object_id, known = associate_tokens(
            known,
            tokens,
            t=tokens[0].t,
            time_s=tokens[0].t / 10,
            grid_size=16,
            reach=2.0,
            metric=metric,
            settings=settings,
        )
        found.append(object_id.tolist())
    return found


def test_objects_keep_their_ids_in_whatever_order_they_come():
    left, right = (0.0, 0.0, 3.0), (2.0, 0.0, 3.0)
    assert ids([token(0, left), token(0, right)], [token(1, right), token(1, left)]) == [[0, 1], [1, 0]]


def test_the_total_cost_decides_not_the_nearest_pair():
    """The nearest pair alone would leave the other two as far apart as can be."""
    a, b = token(0, (0.0, 0, 3)), token(0, (1.0, 0, 3))
    assert ids([a, b], [token(1, (0.9, 0, 3)), token(1, (1.9, 0, 3))]) == [[0, 1], [0, 1]]


def test_what_is_far_in_space_and_image_is_another_object():
    assert ids([token(0, (0, 0, 3))], [token(1, (2.9, 0, 3), cells=((9, 9),))]) == [[0], [1]]


def test_an_object_is_found_again_within_the_window_only():
    here = (0.0, 0.0, 3.0)
    other = (9.0, 0.0, 3.0)
    assert ids([token(0, here)], [token(10, here)])[1] == [0]
    assert ids([token(0, here)], [token(11, here)])[1] == [1]
    assert ids([token(0, here)], [token(1, other, cells=())], [token(10, here)])[2] == [0]


def test_ids_are_never_used_again():
    here = (0.0, 0.0, 3.0)
    assert ids([token(0, here)], [token(20, here)], [token(40, here)]) == [[0], [1], [2]]


def test_no_object_is_two_in_one_frame():
    here = (0.0, 0.0, 3.0)
    ((first,), second) = ids([token(0, here)], [token(1, here), token(1, here)])
    assert sorted(second) == [first, first + 1]


def test_what_would_be_too_fast_is_another_object():
    """3.5 m in a tenth of a second are 35 m/s; the image says it is the same."""
    frames = [token(0, (0, 0, 3))], [token(1, (3.5, 0, 3))]
    overlapping = replace(DEFAULT, overlap_weight=1.0)
    assert ids(*frames, settings=overlapping) == [[0], [1]]
    assert ids(*frames, settings=overlapping, metric=False) == [[0], [0]]
    assert ids(*frames, settings=replace(overlapping, hops=0)) == [[0], [0]]


def test_what_would_grow_too_much_is_another_object():
    here = (0.0, 0.0, 3.0)
    assert ids([token(0, here)], [token(1, here, size=(6, 6, 6))]) == [[0], [1]]
    assert ids([token(0, here)], [token(1, here, size=(4, 4, 4))]) == [[0], [0]]
    assert ids([token(0, here, size=(6, 6, 6))], [token(1, here)]) == [[0], [1]]


def test_frames_without_objects():
    object_id, _ = associate_tokens(
        KnownObjects(), [], t=0, time_s=0.0, grid_size=16, reach=2.0, metric=True, settings=DEFAULT
    )
    assert object_id.shape == (0,)
    change = plausible_change([], [token(0, (0, 0, 1))], np.zeros(0), metric=True, settings=DEFAULT)
    assert change.shape == (0, 1)


def test_tau_overlap_by_hand():
    a = token(0, (0, 0, 1), cells=((1, 1), (1, 2)))
    b = token(0, (0, 0, 1), cells=((1, 2), (1, 3)))
    nowhere = token(0, (0, 0, 1), cells=())
    np.testing.assert_allclose(
        tau_overlap([a, b, nowhere], [a, b, nowhere], 16), [[1, 1 / 3, 0], [1 / 3, 1, 0], [0, 0, 0]]
    )


@pytest.mark.parametrize(
    ("size", "metric", "expected"),
    [
        ((49, 20, 5), True, True),
        ((51, 20, 5), True, False),
        ((51, 20, 5), False, True),
        ((19, 1, 0.1), True, True),
        ((21, 1, 0.1), True, False),
        ((2, 2, 0), True, True),
        ((2, 0, 0), False, False),
    ],
)
def test_plausible_shapes(size: tuple[float, float, float], metric: bool, expected: bool):
    tokens = [token(0, (0, 0, 30), size=size)]
    assert plausible_shape(tokens, metric=metric, settings=DEFAULT).tolist() == [expected]
    assert plausible_shape(tokens, metric=metric, settings=replace(DEFAULT, hops=0)).tolist() == [True]


def test_edges_go_to_the_nearest_as_the_camera_sees_them():
    """The camera looks along the world's x axis, so what is further along it is in front."""
    T_camera_world = np.eye(4)
    T_camera_world[:3, :3] = [[0, -1, 0], [0, 0, -1], [1, 0, 0]]
    tokens = [token(5, (2, 0, 0)), token(5, (4, 0, 0)), token(5, (2, 3, 0))]
    found = relate_objects(tokens, np.array([7, 8, 9], np.int32), T_camera_world, t=5, neighbours=1)
    assert list(zip(found.source.tolist(), found.target.tolist(), strict=True)) == [(7, 8), (8, 7), (9, 7)]
    np.testing.assert_allclose(found.distance, [2, 2, 3])
    np.testing.assert_allclose(found.direction, [[0, 0, 1], [0, 0, -1], [1, 0, 0]])


@pytest.mark.parametrize(("count", "edges"), [(0, 0), (1, 0), (2, 2), (5, 15)])
def test_edges_by_number_of_objects(count: int, edges: int):
    tokens = [token(0, (k, 0, 3)) for k in range(count)]
    assert len(relate_objects(tokens, np.arange(count, dtype=np.int32), np.eye(4), t=0, neighbours=3)) == edges


def test_settings_out_of_range_are_refused():
    with pytest.raises(ConfigError, match=r"snow.hops: got 2, expected between 0 and 1"):
        SnowConfig(hops=2)
