"""Trajectory errors: the reference values, evo's own alignment, laws, and what cannot be compared."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

pytest.importorskip("evo")

from evo.core.trajectory import PoseTrajectory3D

from fast_snow.alignment import apply
from fast_snow.errors import InputError
from fast_snow.evaluation.ground_truth import Trajectory
from fast_snow.evaluation.metrics.trajectory import align_trajectories, compare_trajectories


def path(position, rotation: Rotation | None = None, time_s=None) -> Trajectory:
    position = np.asarray(position, np.float64)
    T_world_camera = np.tile(np.eye(4), (len(position), 1, 1))
    T_world_camera[:, :3, 3] = position
    if rotation is not None:
        T_world_camera[:, :3, :3] = rotation.as_matrix()
    return Trajectory(
        time_s=np.arange(len(position)) / 10 if time_s is None else np.asarray(time_s, np.float64),
        T_world_camera=T_world_camera,
    )


def walk(seed: int, n: int = 30) -> Trajectory:
    random = np.random.default_rng(seed)
    return path(random.normal(size=(n, 3)).cumsum(axis=0), Rotation.random(n, random_state=seed))


def moved(known: Trajectory, scale: float, R: np.ndarray, t: np.ndarray) -> Trajectory:
    T_world_camera = known.T_world_camera.copy()
    T_world_camera[:, :3, :3] = R @ T_world_camera[:, :3, :3]
    T_world_camera[:, :3, 3] = scale * T_world_camera[:, :3, 3] @ R.T + t
    return Trajectory(time_s=known.time_s, T_world_camera=T_world_camera)


def noisy(known: Trajectory, seed: int, size: float = 0.1) -> Trajectory:
    T_world_camera = known.T_world_camera.copy()
    T_world_camera[:, :3, 3] += np.random.default_rng(seed).normal(scale=size, size=(len(known), 3))
    return Trajectory(time_s=known.time_s, T_world_camera=T_world_camera)


def read_tum(file: Path) -> Trajectory:
    """Read `time x y z qx qy qz qw`."""
    rows = np.loadtxt(file)
    return path(rows[:, 1:4], Rotation.from_quat(rows[:, 4:]), rows[:, 0])


@pytest.mark.parametrize("name", ["freiburg1_xyz-rgbdslam.txt", "freiburg1_xyz-ORB_kf_mono.txt"])
def test_reference_values(clips: Path, name: str):
    folder = clips / "trajectories" / "fr1_xyz"
    expected = json.loads((folder / "reference.json").read_text())
    truth, found = read_tum(folder / expected["ground_truth"]), read_tum(folder / name)
    reference = expected["estimates"][name]
    for theirs, alignment in (("none", "none"), ("se3", "rigid"), ("sim3", "similarity")):
        error = compare_trajectories(truth, found, alignment, max_gap_s=0.01)
        assert error.matched == reference["pairs"]
        for figure, value in reference["ape_translation_m"][theirs].items():
            assert getattr(error, figure) == pytest.approx(value, abs=1e-5)


@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(0.1, 10))
def test_a_path_moved_by_a_similarity_has_no_error_after_one(seed: int, scale: float):
    truth = walk(seed)
    random = np.random.default_rng(seed)
    found = moved(truth, scale, Rotation.random(random_state=seed).as_matrix(), random.normal(size=3))
    error = compare_trajectories(truth, found, "similarity")
    assert error.rmse == pytest.approx(0, abs=1e-9)
    assert error.scale == pytest.approx(1 / scale)
    assert compare_trajectories(truth, moved(found, 1 / scale, np.eye(3), np.zeros(3)), "rigid").rmse == pytest.approx(
        0, abs=1e-9
    )


@given(seed=st.integers(0, 2**32 - 1))
def test_more_freedom_never_costs(seed: int):
    truth = walk(seed)
    found = noisy(moved(truth, 1.3, Rotation.random(random_state=seed).as_matrix(), np.ones(3)), seed)
    none, rigid, similarity = (
        compare_trajectories(truth, found, each).rmse for each in ("none", "rigid", "similarity")
    )
    assert similarity <= rigid + 1e-9 <= none + 2e-9


@pytest.mark.parametrize("with_scale", [False, True])
def test_alignment_is_that_of_evo(with_scale: bool):
    for seed in range(20):
        truth = walk(seed)
        found = noisy(walk(seed + 100), seed)  # paths that have nothing in common: reflections come up
        theirs = PoseTrajectory3D(poses_se3=list(found.T_world_camera), timestamps=found.time_s)
        reference = PoseTrajectory3D(poses_se3=list(truth.T_world_camera), timestamps=truth.time_s)
        R, t, scale = theirs.align(reference, correct_scale=with_scale)
        ours = align_trajectories(truth, found, "similarity" if with_scale else "rigid")
        np.testing.assert_allclose(ours.R, R, atol=1e-9)
        np.testing.assert_allclose(ours.t, t, atol=1e-9)
        assert ours.scale == pytest.approx(scale)


def test_figures_by_hand():
    truth = path([[0, 0, 0], [1, 0, 0], [2, 0, 0], [3, 0, 0]])
    error = compare_trajectories(truth, path([[0, 0, 0], [1, 1, 0], [2, 2, 0], [3, 3, 0]]))
    assert (error.mean, error.median, error.max) == (1.5, 1.5, 3)
    assert error.rmse == pytest.approx(np.sqrt(14 / 4))
    assert (error.scale, error.matched) == (1, 4)


@pytest.mark.parametrize("alignment", ["rigid", "similarity"])
def test_a_still_path_is_off_by_the_spread_of_the_truth(alignment: str):
    truth = walk(0)
    position = truth.T_world_camera[:, :3, 3]
    error = compare_trajectories(truth, path(np.full((30, 3), 5.0)), alignment)
    assert error.rmse == pytest.approx(np.sqrt(((position - position.mean(axis=0)) ** 2).sum(axis=1).mean()))
    assert error.scale == 1


def test_straight_paths_have_an_error():
    along = np.outer(np.arange(5), [1.0, 0, 0])
    away = np.outer(2 * np.arange(5), [0, 0, 1.0]) + np.array([0, 3, 0])
    error = compare_trajectories(path(along), path(away), "similarity")
    assert error.rmse == pytest.approx(0, abs=1e-12)
    assert error.scale == pytest.approx(0.5)
    assert compare_trajectories(path(along), path(away), "rigid").rmse == pytest.approx(np.sqrt(2))
    T_truth_predicted = align_trajectories(path(along), path(away), "similarity")
    np.testing.assert_allclose(apply(T_truth_predicted, away), along, atol=1e-12)
    assert np.linalg.det(T_truth_predicted.R) == pytest.approx(1)


def test_only_poses_of_one_moment_are_compared():
    truth = path(np.arange(30).reshape(10, 3), time_s=np.arange(10))
    found = path(np.arange(9).reshape(3, 3), time_s=[0.015, 1.015, 2.5])
    assert compare_trajectories(truth, found).matched == 2
    assert compare_trajectories(truth, found, max_gap_s=0.6).matched == 3
    assert compare_trajectories(found, truth).matched == 2


def test_clocks_that_differ_are_one_line():
    with pytest.raises(InputError, match=r"within 0\.02 s .* of 0\.000 to 2\.900 s, .* 100\.000 to 102\.900 s; bring"):
        compare_trajectories(walk(0), Trajectory(time_s=walk(0).time_s + 100, T_world_camera=walk(0).T_world_camera))


def test_what_cannot_be_compared_is_one_line():
    with pytest.raises(InputError, match="share 2 poses, expected at least 3"):
        compare_trajectories(walk(0), path(np.zeros((2, 3))), "rigid")
    with pytest.raises(InputError, match="the predicted one 0: nothing to compare"):
        compare_trajectories(walk(0), path(np.zeros((0, 3))))
    with pytest.raises(InputError, match="the predicted path has poses or times that are not finite"):
        compare_trajectories(walk(0), path(np.full((4, 3), np.nan)))


def test_what_is_given_stays_as_it_is():
    truth, found = walk(0), walk(1)
    before = found.T_world_camera.copy()
    compare_trajectories(truth, found, "similarity")
    np.testing.assert_array_equal(found.T_world_camera, before)
