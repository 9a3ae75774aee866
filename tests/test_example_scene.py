"""The example scene end to end, with its own depth, poses and masks: identities and exact token values."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fast_snow.api import Result, build_graph
from fast_snow.config import Config, DepthFilterConfig, RuntimeConfig, StepConfig, WindowConfig
from fast_snow.inputs import from_recording
from fast_snow.inputs.recording import Recording, recording_from_arrays
from fast_snow.kernels.masks import decode
from fast_snow.output.graph_json import dumps
from fast_snow.synthetic.files import write_recording, write_video
from fast_snow.synthetic.render import SyntheticScene, as_recording
from fast_snow.synthetic.scene import SceneConfig
from tests.reference.back_projection import object_statistics
from tests.scenes import rendered

SMALL = DepthFilterConfig(min_points=10)


@pytest.fixture(scope="module")
def scene() -> SyntheticScene:
    return rendered(SceneConfig(size=(240, 320)))


def graph_of(recording: Recording, config: Config) -> Result:
    return build_graph(from_recording(recording, config.sampling), config=config)


@pytest.fixture(scope="module")
def result(scene: SyntheticScene) -> Result:
    return graph_of(as_recording(scene), Config(depth_filter=SMALL))


def objects_of_tracks(result: Result, scene: SyntheticScene) -> dict[int, int]:
    """Return the object that each track follows; a track never switches to another."""
    object_of: dict[int, int] = {}
    for labelled in result.labelled:
        for track, mask in zip(labelled.object_id.tolist(), decode(labelled.masks), strict=True):
            (seen,) = np.unique(scene.ids[labelled.t][mask])
            assert object_of.setdefault(track, int(seen)) == seen, f"track {track} switches at frame {labelled.t}"
    return object_of


def test_every_object_is_one_track_without_a_switch(result: Result, scene: SyntheticScene):
    assert sorted(objects_of_tracks(result, scene).values()) == scene.object_id.tolist()


@pytest.mark.slow
def test_recorded_numbers_are_the_object_ids_also_across_windows(result: Result, scene: SyntheticScene):
    """The ball that is away while two windows meet keeps its number too."""
    config = Config(depth_filter=SMALL, window=WindowConfig(length=25, overlap=5))
    for each in (result, graph_of(as_recording(scene), config)):
        assert objects_of_tracks(each, scene) == {k: k for k in scene.object_id.tolist()}
        assert {track.source_id for track in each.graph.tracks.values()} == set(scene.object_id.tolist())
        assert each.graph.merges == ()


def test_every_visible_object_is_observed(result: Result, scene: SyntheticScene):
    object_of = objects_of_tracks(result, scene)
    for track in result.graph.tracks.values():
        column = scene.object_id.tolist().index(object_of[track.object_id])
        expected = np.flatnonzero(scene.visible[:, column] >= SMALL.min_points)
        assert [each.t for each in track.observations] == expected.tolist()
        assert track.theta == (expected[0], expected[-1])


def test_centroids_are_where_the_objects_are(result: Result, scene: SyntheticScene):
    object_of = objects_of_tracks(result, scene)
    T_first_world = np.linalg.inv(scene.T_world_camera[0])
    for track in result.graph.tracks.values():
        column = scene.object_id.tolist().index(object_of[track.object_id])
        for each in track.observations:
            truth = T_first_world @ np.append(scene.centroid[each.t, column], 1)
            camera = T_first_world @ scene.T_world_camera[each.t, :, 3]
            distance = np.linalg.norm(truth[:3] - camera[:3])
            assert np.linalg.norm(each.centroid - truth[:3]) <= 0.02 * distance


@pytest.mark.slow
def test_the_written_recording_gives_the_same_tracks(result: Result, scene: SyntheticScene, tmp_path: Path):
    """Written depth is rounded to 0.2 mm and read back; everything else is exact."""
    write_recording(scene, tmp_path / "recording")
    again = build_graph(tmp_path / "recording", config=Config(depth_filter=SMALL))
    assert list(again.graph.tracks) == list(result.graph.tracks)
    for track, same in zip(again.graph.tracks.values(), result.graph.tracks.values(), strict=True):
        assert track.theta == same.theta
        for a, b in zip(track.observations, same.observations, strict=True):
            np.testing.assert_allclose(a.centroid, b.centroid, atol=2e-4)


@pytest.mark.parametrize("away_m", [0.0, 100.0])
def test_means_and_sigmas_are_those_of_a_double_precision_reference(scene: SyntheticScene, away_m: float):
    """To 1e-4 relative, also 100 m from the world's origin: the second frame sees the scene from afar."""
    frames = slice(0, 6)
    T_world_camera = scene.T_world_camera[frames].copy()
    T_world_camera[1:, :3, 3] += away_m * np.array([0.6, 0.0, 0.8])
    recording = recording_from_arrays(
        scene.image[frames],
        scene.fps,
        depth=scene.depth[frames],
        ids=scene.ids[frames],
        T_world_camera=T_world_camera,
        intrinsics=scene.intrinsics,
    )
    plain = Config(depth_filter=replace(SMALL, max_extent=1e6), step=StepConfig(mask_margin=0))
    result = graph_of(recording, plain)
    T_first_world = np.linalg.inv(T_world_camera[0])
    checked = 0
    for labelled in result.labelled:
        tokens = {
            track.object_id: each
            for track in result.graph.tracks.values()
            for each in track.observations
            if each.t == labelled.t
        }
        dense = np.stack([scene.ids[labelled.t] == number for number in scene.object_id])
        reference = object_statistics(
            dense,
            scene.depth[labelled.t],
            np.ones_like(scene.depth[labelled.t]),
            scene.intrinsics,
            np.linalg.inv(T_first_world @ T_world_camera[labelled.t]),
            conf_thresh=0.5,
        )
        for token in tokens.values():
            row = np.nanargmin(np.linalg.norm(reference.mean - token.centroid, axis=1))
            np.testing.assert_allclose(token.centroid, reference.mean[row], rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(token.sigma, reference.sigma[row], rtol=1e-4)
            assert token.num_points == reference.count[row]
            checked += 1
    assert checked >= 5 * 5


@pytest.mark.slow
def test_colour_alone_gives_the_same_graph_whatever_the_number_of_threads(tmp_path: Path):
    scene = rendered(SceneConfig(size=(120, 160), frames=8))
    write_video(scene, tmp_path / "scene.mp4")
    written = []
    for threads in (1, 2):
        config = Config(runtime=RuntimeConfig(threads=threads))
        written.append(dumps(build_graph(tmp_path / "scene.mp4", config=config).graph))
    assert written[0] == written[1]
    assert '"object_id"' in written[0]
