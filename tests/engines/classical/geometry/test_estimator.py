"""The classical geometry engine on a real recording, the synthetic scene, and input that tells it nothing."""

import tempfile
import threading
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest

from fast_snow.alignment import apply, estimate
from fast_snow.config import ClassicalGeometryConfig, SamplingConfig
from fast_snow.engines.classical.geometry.depth_completion import ASSUMED, UNKNOWN
from fast_snow.engines.classical.geometry.estimator import open_geometry
from fast_snow.errors import FastSnowWarning
from fast_snow.inputs.opening import open_input
from fast_snow.inputs.recording import Recording
from fast_snow.inputs.recording_folder import read_recording_folder
from fast_snow.protocols import silent
from fast_snow.synthetic.render import as_recording
from fast_snow.synthetic.scene import SceneConfig
from fast_snow.types import DepthOrigin, Frames, Geometry, GeometryPrior
from tests.engines.classical.geometry.cameras import SHAPE, pictures, poses, turned
from tests.scenes import rendered

COUNT = 12
DEFAULT = ClassicalGeometryConfig()
EVERY = 3
"""Of the kitchen's 40 frames, every so many-th is used."""
MOVING = (3, 4, 5, 8)
"""Ids of the scene's objects that move."""


def frames_of(images):
    count = len(images)
    return Frames(
        image=images,
        t=np.arange(count, dtype=np.int32),
        time_s=np.arange(count) / 10,
        source_frame=np.arange(count, dtype=np.int64),
    )


def estimate_geometry(images, *, prior=None, threads=1, progress=silent, config=DEFAULT) -> Geometry:
    known = None if prior is None else lambda _: prior
    with open_geometry(config, seed=0, threads=threads, prior=known, progress=progress) as engine:
        return engine(frames_of(images))


def without(prior: GeometryPrior, *names: str) -> GeometryPrior:
    kept = {name: getattr(prior, name) for name in ("depth", "T_camera_world", "intrinsics") if name not in names}
    return GeometryPrior(**kept)


def centres(T_camera_world):
    return np.linalg.inv(T_camera_world)[:, :3, 3]


def path_error(geometry: Geometry, T_camera_world, *, with_scale: bool) -> float:
    """Root mean square distance of the cameras after alignment."""
    found, true = centres(geometry.T_camera_world), centres(T_camera_world)
    T_true_found = estimate(found, true, with_scale=with_scale)
    return float(np.sqrt(((apply(T_true_found, found) - true) ** 2).sum(axis=1).mean()))


def check_guess(geometry: Geometry, images):
    """Check that a geometry is well formed and says that it is a guess."""
    count, shape = len(images), images.shape[1:3]
    assert geometry.depth.shape == geometry.confidence.shape == (count, *shape)
    assert geometry.intrinsics.shape == (count, 3, 3)
    assert geometry.T_camera_world.shape == (count, 4, 4)
    assert np.isfinite(geometry.depth).all()
    assert (geometry.depth > 0).all()
    assert np.isfinite(geometry.T_camera_world).all()
    np.testing.assert_array_equal(geometry.confidence, 0.5)
    assert not geometry.metric
    assert geometry.origin is DepthOrigin.GROUND_PLANE_PRIOR


# ------------------------------------------------------------------------------------------------ a real recording


@pytest.fixture(scope="module")
def kitchen(clips: Path) -> Recording:
    return read_recording_folder(clips / "redkitchen_dev")


@pytest.fixture(scope="module")
def kitchen_from_colour(kitchen: Recording) -> Geometry:
    return estimate_geometry(np.stack([kitchen.read_color(k) for k in range(0, len(kitchen), EVERY)]))


def test_a_real_path_is_found_from_colour_alone(kitchen, kitchen_from_colour):
    assert kitchen_from_colour.origin is DepthOrigin.TRIANGULATED
    assert not kitchen_from_colour.metric
    true = np.linalg.inv(kitchen.T_world_camera[::EVERY])
    assert path_error(kitchen_from_colour, true, with_scale=True) < 0.02  # metres, of a path of 0.72


def test_real_depth_is_found_from_colour_alone(kitchen, kitchen_from_colour):
    size = kitchen_from_colour.grid[::-1]
    true = np.stack(
        [
            cv2.resize(kitchen.read_depth(k), size, interpolation=cv2.INTER_NEAREST)
            for k in range(0, len(kitchen), EVERY)
        ]
    )
    confident = kitchen_from_colour.confidence >= 0.5
    assert confident.mean() > 0.5
    both = confident & (true > 0)
    ratio = kitchen_from_colour.depth[both] / true[both]
    assert np.median(np.abs(ratio / np.median(ratio) - 1)) < 0.05


@pytest.mark.parametrize(
    ("every", "largest"),
    [(EVERY, 0.015), (8, 0.02), pytest.param(1, 0.01, marks=pytest.mark.slow)],
    ids=["every third frame", "too far apart for points to be followed", "all frames"],
)
def test_a_real_path_is_found_from_depth(kitchen, every, largest):
    frames = range(0, len(kitchen), every)
    depth = np.stack([kitchen.read_depth(k) for k in frames])
    prior = GeometryPrior(depth=depth, intrinsics=np.tile(kitchen.intrinsics, (len(depth), 1, 1)))
    geometry = estimate_geometry(np.stack([kitchen.read_color(k) for k in frames]), prior=prior)
    assert geometry.metric
    true = np.linalg.inv(kitchen.T_world_camera[::every])
    assert path_error(geometry, true, with_scale=False) <= largest  # metres, of a path of 0.72


def test_a_camera_at_rest_stays_in_place_without_a_warning(scene, known):
    prior = GeometryPrior(depth=np.repeat(known.depth[:1], COUNT, axis=0), intrinsics=known.intrinsics)
    geometry = estimate_geometry(np.repeat(scene.image[:1], COUNT, axis=0), prior=prior)
    np.testing.assert_array_equal(geometry.T_camera_world, np.tile(np.eye(4), (COUNT, 1, 1)))


def test_views_of_different_places_are_no_camera_at_rest(scene, known):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, scene.image.shape).astype(np.uint8)
    with pytest.warns(FastSnowWarning, match="camera tracking failed"):
        geometry = estimate_geometry(images, prior=without(known, "T_camera_world"))
    np.testing.assert_array_equal(geometry.depth, known.depth)


def test_a_still_camera_before_moving_things_gives_a_guess(clips: Path):
    source = open_input(clips / "videos" / "juggle.mp4", SamplingConfig(max_frames=30))
    images = np.stack([each.image for each in source.read()])
    geometry = estimate_geometry(images)
    assert geometry.origin is DepthOrigin.GROUND_PLANE_PRIOR
    turn = np.einsum("nij,ij->n", geometry.T_camera_world[:, :3, :3], geometry.T_camera_world[0, :3, :3])
    assert turn.min() > 1 + 2 * np.cos(np.radians(1))  # the trace of a rotation by one degree


# ------------------------------------------------------------------------------------------------ the synthetic scene


@pytest.fixture(scope="module")
def scene():
    return rendered(SceneConfig(size=(240, 320), frames=COUNT))


@pytest.fixture(scope="module")
def known(scene) -> GeometryPrior:
    return as_recording(scene).prior(frames_of(scene.image))


@pytest.fixture(scope="module")
def from_colour(scene) -> Geometry:
    return estimate_geometry(scene.image)


def test_given_poses_give_depth_in_metres(scene, known):
    geometry = estimate_geometry(scene.image, prior=without(known, "depth"))
    assert geometry.metric
    assert geometry.origin is DepthOrigin.TRIANGULATED
    np.testing.assert_array_equal(geometry.T_camera_world, known.T_camera_world)
    np.testing.assert_allclose(geometry.intrinsics, known.intrinsics)
    confident = geometry.confidence >= 0.5
    assert confident.mean() > 0.75
    error = np.abs(geometry.depth / scene.depth - 1)[confident]
    assert np.median(error) < 0.015
    assert np.quantile(error, 0.9) < 0.15


def test_moving_objects_do_not_vanish(scene, from_colour):
    assert (from_colour.confidence >= 0.5)[np.isin(scene.ids, MOVING)].mean() > 0.5


def test_in_metres_a_guess_never_passes_the_gate(scene, known):
    geometry = estimate_geometry(scene.image, prior=without(known, "depth"))
    moving = np.isin(scene.ids, MOVING)
    assert (geometry.confidence[moving] == UNKNOWN).mean() > 0.05
    assert not (geometry.confidence == ASSUMED).any()


def test_nothing_of_a_real_scene_at_rest_moves_under_given_poses(kitchen):
    frames = range(0, len(kitchen), EVERY)
    prior = GeometryPrior(
        T_camera_world=np.linalg.inv(kitchen.T_world_camera[frames]),
        intrinsics=np.tile(kitchen.intrinsics, (len(frames), 1, 1)),
    )
    geometry = estimate_geometry(np.stack([kitchen.read_color(k) for k in frames]), prior=prior)
    assert (geometry.confidence == UNKNOWN).mean() < 0.03
    assert not (geometry.confidence == ASSUMED).any()


def test_given_intrinsics_are_kept_where_nothing_else_is_known(scene, known, from_colour):
    geometry = estimate_geometry(scene.image, prior=without(known, "depth", "T_camera_world"))
    assert geometry.origin is DepthOrigin.TRIANGULATED
    assert not geometry.metric
    np.testing.assert_allclose(geometry.intrinsics, known.intrinsics)
    errors = [path_error(each, known.T_camera_world, with_scale=True) for each in (geometry, from_colour)]
    assert errors[0] < errors[1] + 0.01


def test_given_depth_gives_a_path_in_metres(scene, known):
    geometry = estimate_geometry(scene.image, prior=without(known, "T_camera_world"))
    assert geometry.metric
    assert geometry.origin is DepthOrigin.SENSOR
    np.testing.assert_array_equal(geometry.depth, scene.depth)
    np.testing.assert_array_equal(geometry.confidence, 1)
    assert path_error(geometry, known.T_camera_world, with_scale=False) < 0.01  # of a path of 3.6


def test_given_poses_and_depth_are_both_kept(scene, known):
    geometry = estimate_geometry(scene.image, prior=known)
    assert geometry.metric
    assert geometry.origin is DepthOrigin.SENSOR
    np.testing.assert_array_equal(geometry.T_camera_world, known.T_camera_world)
    np.testing.assert_array_equal(geometry.depth, known.depth)


def test_poses_without_intrinsics_are_used_with_a_warning(scene, known):
    with pytest.warns(FastSnowWarning, match="poses without intrinsics"):
        geometry = estimate_geometry(scene.image, prior=without(known, "depth", "intrinsics"))
    assert geometry.origin is DepthOrigin.TRIANGULATED
    np.testing.assert_array_equal(geometry.T_camera_world, known.T_camera_world)


def test_depth_without_a_path_is_kept_with_a_warning(scene, known):
    images, depth = np.zeros_like(scene.image), known.depth
    with pytest.warns(FastSnowWarning, match="camera tracking failed"):
        geometry = estimate_geometry(images, prior=without(known, "T_camera_world"))
    assert geometry.origin is DepthOrigin.SENSOR
    np.testing.assert_array_equal(geometry.depth, depth)
    np.testing.assert_array_equal(geometry.T_camera_world, np.tile(np.eye(4), (COUNT, 1, 1)))


def test_the_analysis_grid_is_the_configured_one(scene, known):
    geometry = estimate_geometry(
        scene.image, prior=without(known, "depth"), config=ClassicalGeometryConfig(process_res=160)
    )
    assert geometry.grid == (120, 160)
    np.testing.assert_allclose(geometry.intrinsics[:, 0, 0], known.intrinsics[:, 0, 0] / 2)


@pytest.mark.parametrize("threads", [1, 2])
def test_one_seed_one_result_whatever_the_number_of_threads(scene, from_colour, threads):
    again = estimate_geometry(scene.image, threads=threads)
    for name in ("depth", "confidence", "intrinsics", "T_camera_world"):
        np.testing.assert_array_equal(getattr(again, name), getattr(from_colour, name))
    assert again.origin is from_colour.origin is DepthOrigin.TRIANGULATED


@pytest.mark.parametrize("step", ["geometry: points", "geometry: depth"])
def test_an_interrupt_leaves_nothing_behind(scene, known, step, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before, opencv_threads = threading.active_count(), cv2.getNumThreads()

    def interrupt(what, done, total):
        if what == step and done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        estimate_geometry(scene.image, threads=2, progress=interrupt)
    assert list(tmp_path.iterdir()) == []
    assert threading.active_count() == before
    assert cv2.getNumThreads() == opencv_threads


def test_progress_counts_the_frames(scene):
    told = []
    estimate_geometry(scene.image[:5], progress=lambda *each: told.append(each))
    assert told[:5] == [("geometry: points", k, 5) for k in range(1, 6)]


# ------------------------------------------------------------------------------------------------ nothing to see


DEGENERATE = (
    "one frame",
    "two frames",
    "identical",
    "black",
    "one pixel",
    "a strip",
    "a tower",
    "a turn",
    "noise",
    "large noise",
)


@pytest.fixture(scope="module")
def degenerate(scene):
    """Clips that tell no depth, by name."""
    random = np.random.default_rng(0)
    turning = poses(turned(*np.linspace(0, 14, COUNT)), np.zeros((COUNT, 3)))
    clips = (
        scene.image[:1],
        scene.image[:2],
        np.repeat(scene.image[:1], COUNT, axis=0),
        np.zeros((COUNT, 120, 160, 3), np.uint8),
        np.full((5, 1, 1, 3), 90, np.uint8),
        scene.image[:, 100:108, 50:150],
        scene.image[:, 20:120, 50:58],
        np.repeat(pictures(turning)[0][..., None], 3, axis=-1),
        random.integers(0, 256, (COUNT, 120, 160, 3)).astype(np.uint8),
        random.integers(0, 256, (COUNT, 360, 640, 3)).astype(np.uint8),
    )
    return dict(zip(DEGENERATE, clips, strict=True))


@pytest.mark.parametrize("name", DEGENERATE)
def test_where_nothing_tells_depth_it_is_guessed_in_silence(name, degenerate, capfd):
    images = degenerate[name]
    check_guess(estimate_geometry(images, config=ClassicalGeometryConfig(process_res=1000)), images)
    assert capfd.readouterr() == ("", "")


def test_a_turn_is_told(degenerate):
    geometry = estimate_geometry(degenerate["a turn"])
    R_last = geometry.T_camera_world[-1, :3, :3] @ geometry.T_camera_world[0, :3, :3].T
    angle = np.degrees(np.arccos((np.trace(R_last) - 1) / 2))
    assert geometry.grid == SHAPE
    assert 12 < angle < 16  # its true focal length is not known to the engine


@pytest.mark.parametrize("name", DEGENERATE)
def test_given_poses_never_fail(name, degenerate, known):
    images = degenerate[name]
    prior = GeometryPrior(
        T_camera_world=known.T_camera_world[: len(images)], intrinsics=known.intrinsics[: len(images)]
    )
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        geometry = estimate_geometry(images, prior=prior)
    assert np.isfinite(geometry.depth).all()
    assert (geometry.depth > 0).all()
    assert np.isfinite(geometry.confidence).all()
    guessed = geometry.origin is DepthOrigin.GROUND_PLANE_PRIOR
    assert [each.category for each in told] == [FastSnowWarning] * guessed


@pytest.mark.parametrize("name", DEGENERATE)
def test_given_depth_is_kept_whatever_the_images(name, degenerate):
    images = degenerate[name]
    depth = np.full(images.shape[:3], 2.0, np.float32)
    depth[:, 0] = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FastSnowWarning)
        geometry = estimate_geometry(images, prior=GeometryPrior(depth=depth))
    np.testing.assert_array_equal(geometry.depth, depth)
    np.testing.assert_array_equal(geometry.confidence, depth > 0)
    assert np.isfinite(geometry.T_camera_world).all()
