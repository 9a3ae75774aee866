"""Creases, surfaces and outlines on depth whose shape is known."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fast_snow.engines.classical.segmentation.surfaces import creases, outlined, surfaces, with_steps
from fast_snow.engines.classical.superpixels import Edges

SHAPE = (48, 64)
LIMIT = 0.02
V, U = (each.astype(np.float32) for each in np.indices(SHAPE))
X = (U - 32) / 60


@given(st.floats(-0.8, 0.8), st.floats(-0.8, 0.8), st.floats(0.3, 30))
def test_planes_have_no_creases(slope_u, slope_v, distance):
    depth = distance / (1 + slope_u * X + slope_v * (V - 24) / 60)
    assert creases(depth.astype(np.float32))[8:-8, 8:-8].max() < 1e-3


def test_a_concave_corner_is_a_crease_and_a_ridge_is_none():
    concave = creases((3 / (1 + 1.2 * np.abs(X))).astype(np.float32))
    ridge = creases((3 / (1.6 - 1.2 * np.abs(X))).astype(np.float32))
    assert concave[10:-10, 32].min() > LIMIT
    assert concave[10:-10, 10:20].max() < LIMIT
    assert ridge[10:-10, 10:-10].max() < LIMIT


def before_a_wall() -> tuple[np.ndarray, np.ndarray]:
    mask = np.zeros(SHAPE, np.bool_)
    mask[14:34, 20:44] = True
    return np.where(mask, np.float32(2), np.float32(3)), mask


def test_a_step_is_a_crease_and_an_edge():
    depth, _ = before_a_wall()
    assert creases(depth)[20, 44:46].min() > LIMIT
    plain = Edges(np.zeros(SHAPE, np.float32), np.zeros(SHAPE, np.float32))
    right, below = with_steps(plain, depth)
    assert right[20, 43] > 10
    assert below[33, 30] > 10
    assert right[20, 30] == below[20, 30] == 0


def test_where_depth_is_unknown_nothing_creases():
    assert not creases(np.zeros(SHAPE, np.float32)).any()


def test_superpixels_off_the_planes_join_unless_a_crease_parts_them():
    leaf = (U // 16).astype(np.int32)
    stands = np.where(leaf == 0, np.float32(-1), np.float32(1))
    flat = np.zeros(SHAPE, np.float32)
    np.testing.assert_array_equal(surfaces(leaf, flat, stands, limit=LIMIT), (leaf > 0).astype(np.int32))
    crease = flat.copy()
    crease[:, 31:33] = 0.1
    parted = surfaces(leaf, crease, stands, limit=LIMIT)
    assert len(np.unique(parted)) == 3
    assert (parted[leaf == 2] == parted[0, -1]).all()
    assert (parted[leaf == 0] == 0).all()


def test_everything_may_stand_out():
    leaf = (U // 32).astype(np.int32)
    label = surfaces(leaf, np.zeros(SHAPE, np.float32), np.ones(SHAPE, np.float32), limit=LIMIT)
    np.testing.assert_array_equal(label, 1)


def test_an_outline_belongs_to_what_is_nearer():
    depth, mask = before_a_wall()
    crease = creases(depth)
    assert outlined(mask.astype(np.int32), crease, depth, limit=LIMIT)[0] > 0.9
    hole = np.where(mask, np.float32(3), np.float32(2))
    assert outlined(mask.astype(np.int32), creases(hole), hole, limit=LIMIT)[0] < 0.1
