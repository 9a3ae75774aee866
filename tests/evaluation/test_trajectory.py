"""Errors of camera paths: reference values and laws."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

pytest.importorskip("evo")
from fast_snow.errors import InputError
from fast_snow.evaluation.trajectory import compare
from fast_snow.evaluation.truth import Trajectory

NAMES = {"none": "none", "se3": "rigid", "sim3": "similarity"}


def tum(path: Path) -> Trajectory:
    rows = np.loadtxt(path)
    T_world_camera = np.tile(np.eye(4), (len(rows), 1, 1))
    T_world_camera[:, :3, 3] = rows[:, 1:4]
    T_world_camera[:, :3, :3] = Rotation.from_quat(rows[:, 4:]).as_matrix()
    return Trajectory(time_s=rows[:, 0], T_world_camera=T_world_camera)


def test_reference_errors(clips: Path):
    folder = clips / "trajectories/fr1_xyz"
    reference = json.loads((folder / "reference.json").read_text())
    truth = tum(folder / reference["ground_truth"])
    assert len(reference["estimates"]) == 2
    for name, expected in reference["estimates"].items():
        for kind, errors in expected["ape_translation_m"].items():
            found = compare(truth, tum(folder / name), NAMES[kind])
            assert found.matched == expected["pairs"]
            for field, value in (("rmse", found.rmse), ("mean", found.mean), ("median", found.median)):
                assert value == pytest.approx(errors[field], abs=1e-5), (name, kind, field)
            assert found.largest == pytest.approx(errors["max"], abs=1e-5)
            assert found.scale == pytest.approx(errors["scale"], abs=1e-5)


def walk(count: int = 20) -> Trajectory:
    random = np.random.default_rng(0)
    T_world_camera = np.tile(np.eye(4), (count, 1, 1))
    T_world_camera[:, :3, :3] = Rotation.random(count, random_state=1).as_matrix()
    T_world_camera[:, :3, 3] = np.cumsum(random.normal(size=(count, 3)), axis=0)
    return Trajectory(time_s=np.arange(count) / 10, T_world_camera=T_world_camera)


def moved(path: Trajectory, scale: float) -> Trajectory:
    turn = Rotation.from_rotvec([0.3, -0.2, 0.5]).as_matrix()
    T_world_camera = path.T_world_camera.copy()
    T_world_camera[:, :3, :3] = turn @ T_world_camera[:, :3, :3]
    T_world_camera[:, :3, 3] = scale * T_world_camera[:, :3, 3] @ turn.T + [1.0, 2.0, 3.0]
    return Trajectory(time_s=path.time_s, T_world_camera=T_world_camera)


def test_alignment_takes_out_what_its_kind_allows():
    path = walk()
    assert compare(path, path, "none").rmse == 0
    assert compare(path, moved(path, 1.0), "none").rmse > 0.5
    assert compare(path, moved(path, 1.0), "rigid").rmse == pytest.approx(0, abs=1e-9)
    assert compare(path, moved(path, 0.5), "rigid").rmse > 0.5
    similar = compare(path, moved(path, 0.5), "similarity")
    assert similar.rmse == pytest.approx(0, abs=1e-9)
    assert similar.scale == pytest.approx(2)


def test_no_common_time_is_one_line():
    path = walk()
    late = Trajectory(time_s=path.time_s + 100, T_world_camera=path.T_world_camera)
    with pytest.raises(InputError, match=r"no time in common within 0.01 s: the truth spans 0.000 to 1.900 s"):
        compare(path, late)
