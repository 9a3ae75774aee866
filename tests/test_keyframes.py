"""Depth images beside keyframes: small, close to the depth, in the world of the graph."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fast_snow.cameras import pinhole, rays
from fast_snow.keyframes import DEPTH_SIDE, decode_depth, depth_intrinsics, depth_path, encode_depth, with_depth
from fast_snow.types import Joint, Keyframe
from fast_snow.untrusted_images import decode_channel
from tests.building import flat_geometry, perception, tracked
from tests.reasoning.runs import small_run


def decoded(png: bytes) -> np.ndarray:
    """Return depth by the formula of the documentation."""
    value = decode_channel(png, Path("depth.png")).astype(np.float64)
    return np.where(value > 0, 2 ** ((value - 32768) / 512), 0)


def test_depth_is_kept_to_a_seventh_of_a_percent():
    depth = np.geomspace(1e-3, 1e3, 300 * 420, dtype=np.float32).reshape(300, 420)
    png = encode_depth(depth)
    found = decoded(png)
    assert max(found.shape) <= DEPTH_SIDE
    assert found == pytest.approx(depth[1::3, 1::3], rel=0.0014 / 2)
    assert Image.open(io.BytesIO(png)).mode.startswith("I")  # 16 bit: any tool reads it


def test_points_of_the_grid_lie_behind_their_pixels_of_the_depth_image():
    depth, K = np.random.default_rng(0).uniform(1, 9, (300, 420)).astype(np.float32), pinhole(400, 380, 205.5, 140.2)
    values = decode_channel(encode_depth(depth), Path("depth.png"))
    found, lens = decode_depth(values), depth_intrinsics(K, (300, 420))
    v, u = (each.ravel() for each in np.indices(found.shape))
    points = rays(np.stack([u, v], axis=1).astype(np.float64), lens) * found[v, u, None]
    expected = rays(np.stack([3 * u + 1, 3 * v + 1], axis=1).astype(np.float64), K) * depth[1::3, 1::3][v, u, None]
    np.testing.assert_allclose(points, expected, rtol=7e-4, atol=1e-6)
    assert decode_depth(np.zeros((1, 1), np.uint16)) == 0


def test_there_is_none_where_depth_is_not_known():
    depth = np.array([[0, -1, np.nan, np.inf, 2]], np.float32)
    assert decoded(encode_depth(depth)).tolist() == [[0, 0, 0, 0, 2]]


def test_a_run_keeps_trusted_depth_beside_each_keyframe(tmp_path: Path):
    run = small_run()
    assert [bool(each.depth) for each in run.keyframes] == [True] * len(run.keyframes)
    run.save(tmp_path / "out")
    for each in run.keyframes:
        assert (tmp_path / "out" / depth_path(each.path)).read_bytes() == each.depth


@pytest.mark.parametrize(("joined", "scale"), [(True, 3.0), (False, 1.0)])
def test_depth_is_in_the_world_of_the_graph(joined: bool, scale: float):
    geometry = flat_geometry(2, depth=2.0)
    confidence = geometry.confidence.copy()
    confidence[1, 0, 0] = 0.4
    seen = perception([tracked()] * 2, first=7, geometry=replace(geometry, confidence=confidence))
    image = replace(small_run().keyframes[0], path="keyframes/000008.jpg", depth=b"")
    added = (Keyframe(t=8, source_frame=8, path=image.path),)
    joint = Joint(t=8, scale=3.0, residual=0.0, drift=0.0, joined=joined)
    depth = decoded(with_depth((image,), added, seen, (joint,), 0.5)[0].depth)
    assert depth[0, 0] == 0
    assert depth[1:] == pytest.approx(2 * scale, rel=0.0007)
