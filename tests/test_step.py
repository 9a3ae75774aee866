"""STEP tokens of one frame."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from fast_snow.config import Config, DepthFilterConfig, StepConfig
from fast_snow.step import observe, settled
from fast_snow.types import NO_SOURCE, DepthOrigin, Health
from tests.building import GRID, Box, boxes, flat_geometry

GEOMETRY = flat_geometry(1)


def observed(
    *corners: Box,
    depth: np.ndarray | None = None,
    confidence: np.ndarray | None = None,
    metric: bool = True,
    **settings,
):
    given = {"depth": depth, "confidence": confidence}
    return observe(
        boxes(*corners),
        np.ones(len(corners), dtype=np.float32),
        replace(GEOMETRY[0], metric=metric, **{name: value for name, value in given.items() if value is not None}),
        t=7,
        **settings,
    )


def test_a_wall_patch_by_hand():
    (token,) = observed((16, 12, 26, 18)).tokens  # columns 0…9 and rows 0…5 from the principal point, 4 m away, f = 20
    assert token.t == 7
    np.testing.assert_allclose(token.centroid, [4.5 * 4 / 20, 2.5 * 4 / 20, 4.0], rtol=1e-6)
    np.testing.assert_allclose(token.sigma, [0.2 * np.arange(10).std(), 0.2 * np.arange(6).std(), 0.0], atol=1e-6)
    np.testing.assert_allclose(token.low, [0.0, 0.0, 4.0], atol=1e-6)
    np.testing.assert_allclose(token.high, [1.8, 1.0, 4.0], rtol=1e-6)
    assert token.num_points == 60


def test_a_mask_has_its_place_in_the_image_whatever_its_depth():
    depth = GEOMETRY.depth[0].copy()
    depth[:, :20] = np.nan
    result = observed((16, 12, 26, 18), (2, 2, 12, 8), depth=depth)
    assert (result.index.tolist(), result.unplaced_index.tolist()) == ([], [0, 1])
    for seen, box in zip(result.unplaced, ([16, 12, 26, 18], [2, 2, 12, 8]), strict=True):
        assert (seen.t, seen.region.area, seen.region.box.tolist()) == (7, 60, box)
        np.testing.assert_allclose(seen.region.centroid, [box[0] + 4.5, box[1] + 2.5])
        np.testing.assert_allclose(seen.region.covariance, [np.arange(10).var(), 0, np.arange(6).var()], atol=1e-5)
    (token,) = observed((16, 12, 26, 18)).tokens
    assert token.region.area == 60


def test_tau_is_the_share_of_each_cell():
    step = StepConfig(grid_size=4)  # cells of 6 × 8 pixels
    (token,) = observed((8, 6, 22, 18), step=step).tokens
    assert list(zip(token.row.tolist(), token.col.tolist(), token.coverage.tolist(), strict=True)) == [
        (1, 1, 1.0),
        (1, 2, 0.75),
        (2, 1, 1.0),
        (2, 2, 0.75),
    ]


def test_a_cell_needs_more_than_the_threshold():
    (token,) = observed((8, 6, 20, 18), step=StepConfig(grid_size=4)).tokens  # the right cells are half covered
    assert token.col.tolist() == [1, 1]


def test_max_tau_keeps_the_fullest_cells_in_raster_order():
    (token,) = observed((8, 6, 22, 18), step=StepConfig(grid_size=4, max_tau_per_step=3)).tokens
    assert list(zip(token.row.tolist(), token.col.tolist(), strict=True)) == [(1, 1), (1, 2), (2, 1)]


def test_objects_with_too_few_usable_pixels_are_dropped():
    confidence = GEOMETRY.confidence[0].copy()
    confidence[:, :10] = 0.49
    result = observed(
        (0, 0, 12, 20), (14, 0, 24, 20), confidence=confidence, depth_filter=DepthFilterConfig(min_points=50)
    )
    assert (result.index.tolist(), result.health.small_dropped, result.health.oversized_dropped) == ([1], 1, 0)


@pytest.mark.parametrize(("metric", "kept"), [(True, 0), (False, 1)])
def test_the_extent_limit_holds_only_in_metres(metric: bool, kept: int):
    depth = np.linspace(1, 40, GRID[0] * GRID[1], dtype=np.float32).reshape(GRID)
    result = observed((0, 0, 32, 24), depth=depth, metric=metric)
    assert (len(result.tokens), result.health.oversized_dropped) == (kept, 1 - kept)


def test_no_masks():
    result = observed()
    assert (result.tokens, result.health) == ((), Health())


def test_tokens_follow_the_masks():
    corners = [(0, 0, 10, 10), (12, 4, 30, 20), (5, 12, 20, 24)]
    forwards, backwards = observed(*corners).tokens, observed(*reversed(corners)).tokens
    for one, other in zip(forwards, reversed(backwards), strict=True):
        np.testing.assert_array_equal(one.centroid, other.centroid)
        np.testing.assert_array_equal(one.coverage, other.coverage)


def test_a_token_of_a_mask_does_not_depend_on_its_neighbours():
    alone = observed((12, 4, 30, 20)).tokens[0]
    together = observed((0, 0, 10, 10), (12, 4, 30, 20)).tokens[1]
    assert replace(alone, t=0).num_points == together.num_points
    np.testing.assert_array_equal(alone.sigma, together.sigma)


def bled(x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
    """A near object's depth of 4 m before a wall at 10 m, where the object is a pixel smaller than the box."""
    depth = np.full(GRID, 10.0, dtype=np.float32)
    depth[y0 + 1 : y1 - 1, x0 + 1 : x1 - 1] = 4.0
    return depth


EVERY_POINT = DepthFilterConfig(remove_outliers=False)


def test_a_margin_leaves_out_the_background_that_a_mask_takes_in():
    box, settings = (4, 4, 20, 18), {"depth_filter": EVERY_POINT}
    plain = observed(box, depth=bled(*box), step=StepConfig(mask_margin=0), **settings).tokens[0]
    inside = observed(box, depth=bled(*box), step=StepConfig(mask_margin=1), **settings).tokens[0]
    alone = observed((5, 5, 19, 17), depth=bled(*box), step=StepConfig(mask_margin=0), **settings).tokens[0]
    assert plain.centroid[2] > 5.0
    assert inside.num_points == alone.num_points == 14 * 12
    for name in ("centroid", "sigma", "low", "high"):
        np.testing.assert_array_equal(getattr(inside, name), getattr(alone, name))


def test_tau_is_that_of_the_whole_mask_whatever_the_margin():
    plain, inside = (observed((3, 2, 21, 19), step=StepConfig(mask_margin=margin)).tokens[0] for margin in (0, 3))
    for name in ("row", "col", "coverage"):
        np.testing.assert_array_equal(getattr(inside, name), getattr(plain, name))


def test_a_small_object_has_the_widest_margin_that_leaves_enough():
    settings = {"depth_filter": DepthFilterConfig(min_points=50)}
    points = [
        observed((8, 4, 20, 16), step=StepConfig(mask_margin=margin), **settings).tokens[0].num_points
        for margin in range(6)
    ]
    assert points == [144, 100, 64, 64, 64, 64]


def test_what_cannot_lose_its_border_is_measured_whole():
    large, small, thin = (0, 0, 14, 14), (16, 0, 25, 8), (2, 20, 32, 22)
    settings = {"depth_filter": DepthFilterConfig(min_points=50)}
    plain = observed(large, small, thin, step=StepConfig(mask_margin=0), **settings)
    inside = observed(large, small, thin, step=StepConfig(mask_margin=1), **settings)
    assert [each.num_points for each in plain.tokens] == [196, 72, 60]
    assert [each.num_points for each in inside.tokens] == [13 * 13, 72, 60]
    for one, other in zip(plain.tokens[1:], inside.tokens[1:], strict=True):
        np.testing.assert_array_equal(one.centroid, other.centroid)
        np.testing.assert_array_equal(one.high, other.high)


def test_a_margin_drops_no_object():
    corners = [(0, 0, 10, 5), (12, 4, 20, 12), (5, 14, 13, 21)]
    kept = [
        observed(*corners, step=StepConfig(mask_margin=margin), depth_filter=DepthFilterConfig(min_points=51))
        for margin in (0, 1, 2, 16)
    ]
    assert [each.index.tolist() for each in kept] == [[1, 2]] * 4
    assert {each.health.small_dropped for each in kept} == {1}


# ---------------------------------------------------------------------------------------- what is recorded, what is not


def test_auto_is_a_margin_of_two():
    box = (4, 4, 20, 18)
    auto, two, none = (observed(box, step=StepConfig(mask_margin=margin)).tokens[0] for margin in ("auto", 2, 0))
    assert auto.num_points == two.num_points == 12 * 10
    assert none.num_points == 16 * 14


def test_what_a_gap_in_depth_separates_is_left_out_and_counted():
    box, none = (4, 4, 20, 18), StepConfig(mask_margin=0)
    cleaned = observed(box, depth=bled(*box), step=none)
    alone = observed((5, 5, 19, 17), depth=bled(*box), step=none).tokens[0]
    (token,) = cleaned.tokens
    for name in ("centroid", "sigma", "low", "high"):
        np.testing.assert_array_equal(getattr(token, name), getattr(alone, name))
    assert token.coverage.tolist() == observed(box, step=none).tokens[0].coverage.tolist()  # tau is that of the mask
    border = 16 * 14 - 14 * 12
    assert cleaned.health == Health(masks=1, mask_pixels=16 * 14, outlier_pixels=border)
    every = observed(box, depth=bled(*box), step=none, depth_filter=EVERY_POINT)
    assert every.tokens[0].high[2] == 10.0
    assert every.health.outlier_pixels == 0


@pytest.mark.parametrize(
    ("origins", "sources", "margin", "removes"),
    [
        ((DepthOrigin.SENSOR,), (0, 3), 0, False),
        ((DepthOrigin.SENSOR,), (0, NO_SOURCE), 2, True),
        ((DepthOrigin.TRIANGULATED,), (0, 3), 2, True),
        ((DepthOrigin.SENSOR, DepthOrigin.NETWORK), (0, 3), 2, True),
    ],
)
def test_recorded_depth_in_recorded_masks_is_measured_plainly(origins, sources, margin: int, removes: bool):
    used = settled(Config(), origins, sources)
    assert (used.step.mask_margin, used.depth_filter.remove_outliers) == (margin, removes)
    chosen = settled(Config(step=StepConfig(mask_margin=1), depth_filter=EVERY_POINT), origins, sources)
    assert (chosen.step.mask_margin, chosen.depth_filter.remove_outliers) == (1, False)


# ---------------------------------------------------------------------------------------- the limit of extent

LIMIT = 30.0


def two_points(
    angles: np.ndarray,
    pair: tuple[tuple[int, int], tuple[int, int]],
    near: float,
    camera: np.ndarray,
    long: float,
):
    """Observe an object of two pixels that is `long` metres long along the world's x axis; None where none can be."""
    T_world_camera = np.eye(4)
    T_world_camera[:3, :3] = Rotation.from_euler("xyz", angles).as_matrix()
    T_world_camera[:3, 3] = camera
    inverse_K = np.linalg.inv(GEOMETRY.intrinsics[0])
    rays = [T_world_camera[:3, :3] @ inverse_K @ (col, row, 1) for row, col in pair]
    with np.errstate(all="ignore"):
        far = (long + near * rays[0][0]) / rays[1][0]
    if not 0.01 < far < 300 or np.abs(far * rays[1] - near * rays[0])[1:].max() > LIMIT - 1:
        return None
    depth = np.zeros(GRID, np.float32)
    depth[pair[0]], depth[pair[1]] = near, far
    few = {"depth_filter": DepthFilterConfig(min_points=1), "step": StepConfig(mask_margin=0)}
    return observe(
        boxes((0, 0, GRID[1], GRID[0])),
        np.ones(1, np.float32),
        replace(
            GEOMETRY[0],
            depth=depth,
            confidence=np.ones(GRID, np.float32),
            T_camera_world=np.linalg.inv(T_world_camera),
            metric=True,
        ),
        t=0,
        **few,
    )


def test_an_object_of_exactly_the_limit_stays():
    """Whatever the pose, the pixels and the distance: float32 would drop one in seven."""
    random = np.random.default_rng(0)
    at_limit, beyond = [], []
    while len(at_limit) < 40:
        angles, camera = random.uniform(-np.pi, np.pi, 3), random.uniform(-100, 100, 3)
        (row, other_row), (col, other_col) = (random.choice(size, 2, replace=False) for size in GRID)
        place = angles, ((row, col), (other_row, other_col)), random.uniform(0.5, 60), camera
        if (found := two_points(*place, LIMIT)) is not None:
            at_limit.append(found.health.oversized_dropped)
        if (found := two_points(*place, LIMIT + 0.01)) is not None:
            beyond.append(found.health.oversized_dropped)
    assert not any(at_limit)
    assert len(beyond) > 30
    assert all(beyond)


@pytest.mark.parametrize("metric", [True, False])
def test_an_object_without_an_end_is_dropped(metric: bool):
    result = observed((0, 0, 32, 24), depth=np.full(GRID, 3e38, np.float32), metric=metric)
    assert (len(result.tokens), result.health.oversized_dropped) == (0, 1)


def test_the_gates_are_counted():
    confidence = GEOMETRY.confidence[0].copy()
    confidence[:, :8] = 0.49
    depth = GEOMETRY.depth[0].copy()
    depth[:, 8:10] = np.nan
    plain = {"step": StepConfig(mask_margin=0), "depth_filter": DepthFilterConfig(min_points=50)}
    health = observed((0, 0, 8, 10), (6, 0, 16, 10), (0, 12, 9, 20), depth=depth, confidence=confidence, **plain).health
    assert health == Health(
        masks=3, small_dropped=2, no_depth_dropped=2, mask_pixels=80 + 100 + 72, untrusted_pixels=80 + 40 + 72
    )
