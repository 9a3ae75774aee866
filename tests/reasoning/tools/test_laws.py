"""Laws that hold for any scene: symmetry, mirror images, another world frame, another unit."""

from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from fast_snow.reasoning.tools.catalogue import call_tool
from tests.reasoning.tools.truth import GRID, PIXELS, made, noisy, of_tokens

SEEDS = st.integers(0, 10_000)
FRAMES = 14
FLIPPED = {"left": "right", "right": "left"}


def anything(seed, **changes):
    """Five objects on random paths before a camera on a random path, with noise."""
    rng = np.random.default_rng(seed)
    time = np.linspace(-1, 1, FRAMES)[:, None]
    paths = {
        k: np.array([rng.uniform(-1, 1), rng.uniform(-0.5, 0.5), rng.uniform(4, 7)])
        + time * rng.normal(size=3) * (0.3 if k % 2 else 0.0)
        for k in range(5)
    }
    T = np.tile(np.eye(4), (FRAMES, 1, 1))
    T[:, :3, :3] = Rotation.from_rotvec(time * rng.normal(size=3) * 0.05).as_matrix()
    T[:, :3, 3] = time * rng.normal(size=3) * 0.1
    return noisy(made(paths, T_world_camera=T, **changes), seed, across=0.003, along=0.01)


def moved(graph, scale, R, shift):
    """The same scene in another world and unit: boxes along the new axes hold the old ones."""

    def turn(x):
        return (scale * x.astype(np.float64) @ R.T).astype(np.float32)

    def token(each):
        centre, half = turn((each.low + each.high) / 2) + shift, np.abs(scale * R) @ ((each.high - each.low) / 2)
        return replace(
            each,
            centroid=(turn(each.centroid) + shift).astype(np.float32),
            sigma=np.sqrt(scale**2 * R**2 @ each.sigma.astype(np.float64) ** 2).astype(np.float32),
            low=(centre - half).astype(np.float32),
            high=(centre + half).astype(np.float32),
        )

    rotation = Rotation.from_matrix(R) * Rotation.from_quat(graph.ego.quaternion_xyzw)
    ego = replace(
        graph.ego,
        position=(turn(graph.ego.position) + shift).astype(np.float32),
        quaternion_xyzw=rotation.as_quat().astype(np.float32),
    )
    return replace(of_tokens(graph, {k: [token(x) for x in t.observations] for k, t in graph.tracks.items()}), ego=ego)


def mirrored(graph):
    """The scene in a mirror: x of the world and columns of the image change their sign."""
    flip = np.array([-1, 1, 1], np.float32)

    def token(each):
        return replace(
            each,
            col=(GRID - 1 - each.col.astype(int)).astype(np.uint8),
            centroid=flip * each.centroid,
            low=np.where(flip < 0, -each.high, each.low),
            high=np.where(flip < 0, -each.low, each.high),
        )

    quaternion = graph.ego.quaternion_xyzw * np.array([1, -1, -1, 1], np.float32)
    intrinsics = graph.ego.intrinsics.copy()
    intrinsics[:, 2] = PIXELS[1] - 1 - intrinsics[:, 2]
    ego = replace(graph.ego, position=flip * graph.ego.position, quaternion_xyzw=quaternion, intrinsics=intrinsics)
    return replace(of_tokens(graph, {k: [token(x) for x in t.observations] for k, t in graph.tracks.items()}), ego=ego)


def sides(text):
    return set((text or "").split(", ")) & set(FLIPPED)


@given(SEEDS)
@settings(max_examples=5)
def test_distance_is_the_same_from_either_end(seed):
    graph = anything(seed)
    there, back = (call_tool(graph, "distance", {"object_id": a, "other_id": b, "t": 4}) for a, b in ((0, 3), (3, 0)))
    assert there.value == pytest.approx(back.value)
    assert there.sigma == pytest.approx(back.sigma)
    itself = call_tool(graph, "distance", {"object_id": 0, "other_id": 0, "t": 4})
    assert itself.value == 0


@given(SEEDS)
@settings(max_examples=5)
def test_directions_are_opposite_from_either_end(seed):
    graph = anything(seed)
    offsets = [
        call_tool(graph, "direction", {"object_id": a, "other_id": b, "t": 4}).figures[0].value
        for a, b in ((0, 3), (3, 0))
    ]
    np.testing.assert_allclose(offsets[0], np.negative(offsets[1]))


@given(SEEDS)
@settings(max_examples=5)
def test_left_and_right_change_places_in_a_mirror(seed):
    graph = anything(seed)
    image = mirrored(graph)
    for k in graph.tracks:
        for tool, arguments in (
            ("direction", {"t": 3}),
            ("heading", {}),
            ("motion_in_image", {}),
            ("motion_without_camera", {}),
        ):
            seen = [call_tool(each, tool, {"object_id": k, **arguments}).value for each in (graph, image)]
            assert sides(seen[1]) == {FLIPPED[each] for each in sides(seen[0])}, (tool, seen)
        turns = [call_tool(each, "turning", {"object_id": k}) for each in (graph, image)]
        if turns[0].value is not None:
            assert turns[1].figures[0].value == pytest.approx(-turns[0].figures[0].value, abs=0.1)


@given(SEEDS)
@settings(max_examples=5)
def test_another_world_frame_leaves_what_the_camera_sees_alone(seed):
    """Answers in the camera's frame, and those without any, are the same to the digits of float32."""
    graph = anything(seed)
    rng = np.random.default_rng(seed)
    other = moved(graph, 1.0, Rotation.random(rng=rng).as_matrix(), rng.normal(size=3))
    for tool, arguments in (
        ("position", {"t": 4, "frame": "camera"}),
        ("distance", {"t": 4}),
        ("distance", {"t": 4, "other_id": 2}),
        ("displacement", {"frame": "camera"}),
        ("speed", {}),
    ):
        for k in (0, 1):
            one, two = (call_tool(each, tool, {"object_id": k, **arguments}) for each in (graph, other))
            np.testing.assert_allclose(two.value, one.value, atol=1e-4)
            np.testing.assert_allclose(two.sigma, one.sigma, rtol=0.02, atol=1e-5)
    for k in graph.tracks:
        for tool, arguments in (("direction", {"t": 4}), ("is_moving", {}), ("approach", {}), ("heading", {})):
            one, two = (call_tool(each, tool, {"object_id": k, **arguments}).value for each in (graph, other))
            assert one == two, tool


@given(SEEDS, st.sampled_from([0.01, 3.0, 250.0]))
@settings(max_examples=5)
def test_lengths_scale_with_the_unit_and_words_do_not(seed, scale):
    graph = anything(seed, metric=False)
    other = moved(graph, scale, np.eye(3), np.zeros(3))
    for tool, arguments in (
        ("position", {"t": 4}),
        ("distance", {"t": 4}),
        ("displacement", {}),
        ("speed", {}),
        ("size", {}),
    ):
        one, two = (call_tool(each, tool, {"object_id": 1, **arguments}) for each in (graph, other))
        np.testing.assert_allclose(two.value, scale * np.array(one.value), rtol=1e-4, atol=scale * 1e-4)
        np.testing.assert_allclose(two.sigma, scale * np.array(one.sigma), rtol=0.01)
        assert one.unit in ("scene units", "scene units/s")
    for tool in ("is_moving", "heading", "approach", "motion_without_camera", "turning"):
        one, two = (call_tool(each, tool, {"object_id": 1}).value for each in (graph, other))
        assert one == two


@given(SEEDS)
@settings(max_examples=5)
def test_the_numbers_of_the_objects_mean_nothing(seed):
    graph = anything(seed)
    renamed = replace(
        graph,
        tracks=MappingProxyType({k + 100: replace(track, object_id=k + 100) for k, track in graph.tracks.items()}),
    )
    for k in graph.tracks:
        for tool in ("is_moving", "speed", "heading", "approach"):
            one = call_tool(graph, tool, {"object_id": k}).as_json()
            assert call_tool(renamed, tool, {"object_id": k + 100}).as_json() == one
