"""Depth, places and rest of what systems make of clips whose truth is known: rendered, and real."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("motmetrics")
pytest.importorskip("trackeval")
pytest.importorskip("evo")

from fast_snow.config import Config, DepthFilterConfig, EnginesConfig, SamplingConfig, StepConfig, WindowConfig
from fast_snow.errors import InputError
from fast_snow.evaluation import manifest as manifests
from fast_snow.evaluation.ground_truth import Truth
from fast_snow.evaluation.metrics.geometry import (
    T_truth_graph,
    annotated_placement,
    camera_path,
    depth_errors,
    own_placement,
    path_errors,
    static_spread,
)
from fast_snow.evaluation.metrics.scoring import score_run
from fast_snow.evaluation.systems import SYSTEMS, SystemRun, run_fast_snow
from fast_snow.inputs import from_recording
from fast_snow.synthetic.files import write_recording
from fast_snow.synthetic.render import SyntheticScene, as_recording
from fast_snow.synthetic.scene import CABINET, CRATE, SceneConfig
from tests.evaluation.cases import truth_of
from tests.scenes import rendered

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "eval"
PLAIN = Config(depth_filter=DepthFilterConfig(min_points=1), step=StepConfig(mask_margin=0))


@cache
def scene() -> SyntheticScene:
    return rendered(SceneConfig(size=(96, 128), frames=6, objects=(CRATE, CABINET)))


@dataclass(frozen=True)
class Depth:
    """The depth of the scene, in the truth's unit."""

    frames: Collection[int]
    scale: float = 1.0

    def __call__(self, index: int) -> np.ndarray:
        assert index in self.frames
        return np.float32(self.scale) * scene().depth[index]


def truth(**more) -> Truth:
    return replace(
        truth_of(scene()), read_depth=Depth(range(len(scene()))), intrinsics=scene().intrinsics, static=True, **more
    )


def larger(factor: float) -> Truth:
    """Return the truth in a unit that is so much smaller."""
    known = truth()
    poses = known.trajectory.T_world_camera.copy()
    poses[:, :3, 3] *= factor
    return replace(
        known,
        trajectory=replace(known.trajectory, T_world_camera=poses),
        read_depth=Depth(range(len(scene())), factor),
    )


@cache
def run(config: Config = PLAIN) -> SystemRun:
    return run_fast_snow(from_recording(as_recording(scene()), config.sampling), config)


def unscaled(made: SystemRun) -> SystemRun:
    return replace(made, graph=replace(made.graph, metric=False))


def test_given_depth_and_poses_leave_no_error():
    found = score_run(truth(exhaustive=True), run())
    assert found.problems == ()
    assert found.exhaustive is True
    metrics = found.metrics
    for name in ("centroid_m", "centroid_p90_m", "extent_m", "own_centroid_m", "own_extent_m"):
        assert metrics[name] == pytest.approx(0, abs=1e-4), name
    assert metrics["depth_abs_rel"] == metrics["depth_scaled_abs_rel"] == 0
    assert metrics["depth_delta"] == metrics["depth_coverage"] == metrics["placed"] == 1
    assert 0 < metrics["spread_m"] <= metrics["spread_p90_m"] < 0.2  # other sides come into view
    assert len(found.notes) == 3  # path, depth and masks are the input's own


def test_a_margin_moves_places_from_those_of_whole_masks_and_not_from_its_own():
    made = run(replace(PLAIN, step=StepConfig(mask_margin=2)))
    assert 1e-3 < annotated_placement(truth(), made)["centroid_m"] < 0.1
    assert own_placement(truth(), made)["own_centroid_m"] == pytest.approx(0, abs=1e-4)


def test_what_truth_does_not_know_is_not_measured():
    bare = replace(truth(), read_depth=None, intrinsics=None, static=False)
    names = set(score_run(bare, run()).metrics)
    assert "trajectory_rigid_m" in names
    assert not {"centroid_m", "own_centroid_m", "depth_abs_rel", "spread_m"} & names
    without_masks = set(score_run(replace(truth(), objects=()), run()).metrics)
    assert "own_centroid_m" in without_masks
    assert "centroid_m" not in without_masks
    assert "depth_abs_rel" not in score_run(truth(), unscaled(run())).metrics


def test_a_graph_without_scale_has_the_truth_s_by_depth():
    """Truth in a unit four times smaller: a graph that claims metres is wrong, one that does not is right."""
    known, made = larger(4.0), unscaled(run())
    assert T_truth_graph(known, made).scale == pytest.approx(4)
    assert annotated_placement(known, made)["centroid_m"] == pytest.approx(0, abs=1e-3)
    assert own_placement(known, made)["own_centroid_m"] == pytest.approx(0, abs=1e-3)
    assert depth_errors(known, made)["depth_scaled_abs_rel"] == pytest.approx(0, abs=1e-6)
    assert static_spread(known, made)["spread_m"] == pytest.approx(
        4 * static_spread(truth(), run())["spread_m"], rel=1e-4
    )
    assert annotated_placement(known, run())["centroid_m"] > 1
    assert depth_errors(known, run())["depth_abs_rel"] == pytest.approx(0.75)
    assert path_errors(known, run())["trajectory_rigid_m"] > 0.01


def test_without_true_depth_the_path_tells_the_scale():
    known = replace(larger(4.0), read_depth=None)
    assert T_truth_graph(known, unscaled(run())).scale == pytest.approx(4, rel=1e-3)


def test_a_truth_that_begins_later_anchors_a_later_camera():
    known = truth()
    late = replace(
        known.trajectory,
        time_s=known.trajectory.time_s[2:],
        T_world_camera=known.trajectory.T_world_camera[2:],
    )
    expected = T_truth_graph(known, run())
    found = T_truth_graph(replace(known, trajectory=late), run())
    np.testing.assert_allclose(found.R, expected.R, atol=1e-5)
    np.testing.assert_allclose(found.t, expected.t, atol=1e-5)
    assert annotated_placement(replace(known, trajectory=late), run())["placed"] == 1  # of the frames with a pose
    never = replace(known.trajectory, time_s=known.trajectory.time_s + 100)
    with pytest.raises(InputError, match="no frame has a true pose at its time"):
        T_truth_graph(replace(known, trajectory=never), run())


def test_each_window_has_one_scale():
    """Where a window's frames disagree, one scale does not mend it; where windows disagree, one each does."""
    made = run(replace(PLAIN, window=WindowConfig(length=4, overlap=2)))
    frames = made.depth.frames
    assert [each.window for each in frames] == [0, 0, 0, 0, 1, 1]
    doubled = {each.t: replace(each, depth=2 * each.depth) for each in frames}
    window = tuple(doubled[each.t] if each.window == 1 else each for each in frames)
    assert depth_errors(truth(), replace(made, depth=replace(made.depth, frames=window)))[
        "depth_scaled_abs_rel"
    ] == pytest.approx(0, abs=1e-6)
    alternate = tuple(doubled[each.t] if each.t % 2 else each for each in frames)
    assert (
        depth_errors(truth(), replace(made, depth=replace(made.depth, frames=alternate)))["depth_scaled_abs_rel"] > 0.1
    )


def test_depth_of_frames_that_were_not_sampled_is_one_line():
    known = truth()
    with pytest.raises(InputError, match="none of the frames with true depth was sampled"):
        depth_errors(replace(known, read_depth=Depth([77])), run())
    some = depth_errors(replace(known, read_depth=Depth([1, 77])), run())
    assert some["depth_coverage"] == 1


def test_the_path_of_a_graph_is_the_camera_s():
    poses = scene().T_world_camera
    relative = np.linalg.inv(poses[0]) @ poses
    np.testing.assert_allclose(camera_path(run().graph.ego).T_world_camera, relative, atol=1e-5)


@pytest.mark.parametrize("system", ["fast-snow", pytest.param("snow", marks=pytest.mark.slow)])
@pytest.mark.filterwarnings("ignore:frame t = 1. the camera jumps")  # half of its way between two frames
def test_both_systems_are_held_to_the_manifest_of_the_scene(tmp_path: Path, system: str):
    """The shipped manifest is true of what the generator writes."""
    pytest.importorskip("sklearn")
    write_recording(rendered(SceneConfig(frames=2)), tmp_path / "scene")
    (clip, _) = manifests.load_manifest(CONFIGS / "synthetic_manifest.json", tmp_path).clips
    assert manifests.check_manifest(replace_clips(tmp_path, clip), tmp_path) == ()
    config = Config()
    made = SYSTEMS[system](manifests.open_clip(clip, tmp_path, config.sampling), config)
    found = score_run(manifests.read_clip_truth(clip, tmp_path), made)
    assert found.exhaustive is True
    assert found.metrics["own_centroid_m"] == pytest.approx(0, abs=1e-3)  # masks are PNG, depth steps of 0.2 mm
    assert 0 < found.metrics["placed"] <= 1
    if system == "fast-snow":
        assert found.metrics["placed"] == 1
        assert found.metrics["centroid_m"] == pytest.approx(0, abs=1e-3)  # recorded depth in recorded masks: no margin


def replace_clips(root: Path, clip: manifests.Clip) -> manifests.EvaluationManifest:
    return replace(manifests.load_manifest(CONFIGS / "synthetic_manifest.json", root), clips=(clip,))


def real(clips: Path, name: str, config: Config, system: str = "fast-snow") -> tuple[Truth, SystemRun]:
    (clip,) = (
        each
        for each in manifests.load_manifest(CONFIGS / "fast_snow_eval_manifest.json", clips).clips
        if each.name == name
    )
    return manifests.read_clip_truth(clip, clips), SYSTEMS[system](
        manifests.open_clip(clip, clips, config.sampling), config
    )


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_kitchen_with_its_own_depth_is_placed_as_its_depth_says(clips: Path, system: str):
    pytest.importorskip("sklearn")
    known, made = real(clips, "redkitchen_dev", Config(sampling=SamplingConfig(max_frames=3)), system)
    found = score_run(known, made)
    assert found.problems == ()
    assert found.exhaustive is None
    assert found.metrics["own_centroid_p90_m"] < 2e-3  # poses are rounded
    assert found.metrics["depth_rmse_m"] == 0
    assert found.metrics["spread_m"] > 0


@pytest.mark.slow
def test_a_kitchen_with_estimated_depth_is_off_by_what_its_depth_is(clips: Path):
    config = Config(sampling=SamplingConfig(max_frames=5), engines=EnginesConfig(geometry="classical"))
    known, made = real(clips, "redkitchen_dev", config)
    found = score_run(known, made).metrics
    assert 0 < found["depth_scaled_abs_rel"] < 0.6
    assert 0 < found["own_centroid_m"] < 1.5
    assert "depth_abs_rel" not in found


def test_views_far_apart_keep_their_depth(clips: Path):
    with pytest.warns(UserWarning, match="fps is null"), pytest.warns(UserWarning, match="no tracks"):
        known, made = real(clips, "icl_livingroom5", Config())
    assert known.static
    assert known.intrinsics[0, 0] == 481.2
    found = depth_errors(known, made)
    assert found["depth_abs_rel"] == 0
    assert found["depth_coverage"] == 1


def test_a_static_clip_without_poses_spreads_in_metres_alone():
    known = replace(truth(), trajectory=None)
    assert score_run(known, run()).metrics["spread_m"] == pytest.approx(static_spread(truth(), run())["spread_m"])
    assert "spread_m" not in score_run(known, unscaled(run())).metrics
