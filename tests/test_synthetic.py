"""The synthetic scene: what it says of itself must agree with itself, and survive files exactly."""

import subprocess
import sys
from itertools import groupby
from pathlib import Path

import av
import numpy as np
import pytest

from fast_snow.config import SamplingConfig, WindowConfig
from fast_snow.engines.recorded import open_geometry, open_segmenter, open_tracker
from fast_snow.errors import ConfigError, OutputError
from fast_snow.inputs import from_recording, open_input
from fast_snow.inputs.windows import windows
from fast_snow.kernels.masks import decode
from fast_snow.synthetic.files import DEPTH_SCALE, write_recording, write_video
from fast_snow.synthetic.render import as_recording, render
from fast_snow.synthetic.scene import CRATE, LATECOMER, RETURNING_BALL, ROLLING_BALL, SceneConfig
from fast_snow.synthetic.view import MISSED, enter_ball, enter_box, leave_box
from fast_snow.types import PointPrompt
from tests.scenes import rendered

CONFIG = SceneConfig(size=(90, 120), frames=20)


@pytest.fixture(scope="module")
def scene():
    return rendered(CONFIG)


def points(scene, k):
    """Back-project all pixels of one frame."""
    height, width = scene.depth.shape[1:]
    u, v = np.meshgrid(np.arange(width), np.arange(height))
    rays = np.stack([u, v, np.ones_like(u)], axis=-1) @ np.linalg.inv(scene.intrinsics).T
    local = rays * scene.depth[k, ..., None].astype(float)
    return local @ scene.T_world_camera[k, :3, :3].T + scene.T_world_camera[k, :3, 3]


def stretches(scene, thing):
    """Return the visibility of an object as [(visible, frames), …]."""
    column = np.flatnonzero(scene.object_id == thing.object_id)[0]
    return [(bool(seen), len(list(group))) for seen, group in groupby(scene.visible[:, column] > 0)]


def test_the_same_seed_gives_the_same_scene(scene):
    again = render(CONFIG)
    assert np.array_equal(scene.image, again.image)
    assert np.array_equal(scene.depth, again.depth)
    other = render(SceneConfig(size=CONFIG.size, frames=1, seed=1))
    assert not np.array_equal(scene.image[0], other.image[0])
    assert np.array_equal(scene.ids[0], other.ids[0])


def test_the_story_is_told(scene):
    visible = scene.visible > 0
    assert visible[0].sum() >= 6
    assert [seen for seen, _ in stretches(scene, CRATE)] == [True]
    assert [seen for seen, _ in stretches(scene, LATECOMER)] == [False, True]
    assert [seen for seen, _ in stretches(scene, RETURNING_BALL)] == [True, False, True]
    assert [seen for seen, _ in stretches(scene, ROLLING_BALL)].count(False) >= 1


def test_depth_and_poses_agree_between_frames(scene):
    """The room does not move: its points must be met again, at the same place, from the next frame."""
    for k in (0, 8, 17):
        world = points(scene, k)
        local = (world - scene.T_world_camera[k + 1, :3, 3]) @ scene.T_world_camera[k + 1, :3, :3]
        u, v = np.rint((local @ scene.intrinsics.T)[..., :2] / local[..., 2:]).astype(int).transpose(2, 0, 1)
        height, width = scene.depth.shape[1:]
        inside = (u >= 0) & (u < width) & (v >= 0) & (v < height) & (scene.ids[k] == 0)
        met = scene.depth[k + 1][v[inside], u[inside]]
        same = np.abs(met - local[inside][:, 2]) < 0.05 * met
        assert same.mean() > 0.9


def test_room_points_lie_on_its_faces(scene):
    world = points(scene, 5)
    on_floor = np.abs(world[..., 2]) < 1e-4
    assert 0.3 < on_floor[scene.ids[5] == 0].mean() < 0.9
    assert (world[..., 2] > -1e-4).all()


def test_centroids_are_those_of_the_visible_surface(scene):
    for k in range(0, len(scene), 5):
        world = points(scene, k)
        for column, number in enumerate(scene.object_id):
            here = scene.ids[k] == number
            assert scene.visible[k, column] == here.sum()
            if here.any():
                assert np.allclose(world[here].mean(axis=0), scene.centroid[k, column], atol=1e-5)
            else:
                assert np.isnan(scene.centroid[k, column]).all()


def test_poses_are_rigid_and_the_camera_moves(scene):
    rotation = scene.T_world_camera[:, :3, :3]
    assert np.allclose(rotation @ rotation.transpose(0, 2, 1), np.eye(3), atol=1e-12)
    assert np.allclose(np.linalg.det(rotation), 1)
    assert np.linalg.norm(np.diff(scene.T_world_camera[:, :3, 3], axis=0), axis=1).sum() > 2


def test_arrays_cannot_be_changed(scene):
    with pytest.raises(ValueError, match="read-only"):
        scene.depth[0, 0, 0] = 1


def test_a_recording_reads_back_exactly(scene, tmp_path):
    write_recording(scene, tmp_path / "walk")
    source = open_input(tmp_path / "walk", SamplingConfig(max_side=0))
    (window,) = windows(source, WindowConfig())
    recording = source.recording
    assert np.array_equal(window.frames.image, scene.image)
    with open_geometry(recording) as estimate, open_segmenter(recording) as segment, open_tracker(recording) as tracker:
        geometry = estimate(window.frames)
        detections = segment(window.frames, geometry)
        session = tracker.start(window.frames, geometry.grid)
        v, u = np.argwhere(scene.ids[0] == CRATE.object_id)[0]
        session.add([PointPrompt(frame=0, uv=np.array([u, v], np.float32))])
        crate = session.propagate()
    assert np.array_equal(geometry.depth, (np.rint(scene.depth * DEPTH_SCALE) / DEPTH_SCALE).astype(np.float32))
    assert np.abs(geometry.depth - scene.depth).max() < 0.6 / DEPTH_SCALE
    assert np.array_equal(recording.T_world_camera, scene.T_world_camera)
    assert np.allclose(geometry.T_camera_world @ scene.T_world_camera, np.eye(4), atol=1e-12)
    assert np.array_equal(geometry.intrinsics[0], scene.intrinsics)
    for k, found in enumerate(detections):
        ids = np.unique(scene.ids[k])[1:]
        assert np.array_equal(decode(found.masks), scene.ids[k][None] == ids[:, None, None])
        assert np.array_equal(decode(crate[k].masks)[0], scene.ids[k] == CRATE.object_id)


def test_a_recording_in_memory_holds_the_scene(scene):
    source = from_recording(as_recording(scene), SamplingConfig())
    (window,) = windows(source, WindowConfig())
    assert np.array_equal(source.recording.prior(window.frames).depth, scene.depth)
    assert np.array_equal(source.recording.id_maps(window.frames), scene.ids)


def test_a_recording_is_never_mixed_with_another(scene, tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(OutputError, match="not empty"):
        write_recording(scene, tmp_path)


def test_a_video_is_the_same_wherever_its_encoder_lies_in_memory(tmp_path):
    scene, elsewhere, written = rendered(SceneConfig(size=(120, 160), frames=24)), [], set()
    for i, size in enumerate((10_007, 100_003, 1_000_003, 500_009)):
        elsewhere.append(np.ones(size))
        write_video(scene, tmp_path / f"{i}.mp4")
        written.add((tmp_path / f"{i}.mp4").read_bytes())
    assert len(written) == 1


def test_a_video_shows_the_scene_and_is_the_same_every_time(scene, tmp_path):
    one, other = tmp_path / "one.mp4", tmp_path / "other.mp4"
    write_video(scene, one)
    write_video(scene, other)
    assert one.read_bytes() == other.read_bytes()
    frames = list(open_input(one, SamplingConfig()).read())
    assert [frame.time_s for frame in frames] == [k / 10 for k in range(len(scene))]
    error = np.stack([frame.image for frame in frames]).astype(float) - scene.image
    assert np.sqrt((error**2).mean()) < 12
    with av.open(str(one)) as container:
        assert container.streams.video[0].codec_context.name == "h264"


def test_a_video_of_odd_size_is_refused(tmp_path):
    with pytest.raises(OutputError, match=r"15x10; H.264 expects even sizes"):
        write_video(rendered(SceneConfig(size=(10, 15), frames=1)), tmp_path / "odd.mp4")


def test_the_command_writes_both(tmp_path):
    video, folder = tmp_path / "scene.mp4", tmp_path / "recording"
    command = [sys.executable, "-m", "fast_snow.synthetic", str(video), "--recording", str(folder), "--frames", "2"]
    subprocess.run(command, check=True, timeout=120)
    assert len(list(open_input(video, SamplingConfig()).read())) == 2
    assert open_input(folder, SamplingConfig()).recording.has_masks


@pytest.mark.parametrize("wrong", [{"frames": 0}, {"size": (0, 4)}, {"fps": 0.0}, {"objects": (CRATE, CRATE)}])
def test_what_cannot_be_rendered_is_refused(wrong):
    with pytest.raises(ConfigError, match="scene: "):
        SceneConfig(**wrong)


def test_rays_meet_a_ball_and_a_box_where_geometry_says():
    origin = np.array([0.0, 0.0, -5.0])
    direction = np.array([[0.0, 0, 1], [0.1, 0, 1], [1.0, 0, 1]])
    assert enter_ball(origin, direction, 2.0).tolist()[::2] == [3.0, MISSED]
    met = origin + enter_ball(origin, direction, 2.0)[1] * direction[1]
    assert np.linalg.norm(met) == pytest.approx(2)
    depth, face = enter_box(origin, direction, np.array([0.5, 1.0, 2.0]))
    assert depth.tolist() == [3.0, 3.0, MISSED]
    assert face.tolist()[:2] == [4, 4]
    depth, face = leave_box(origin, direction, np.array([-1.0, -1, -6]), np.array([1.0, 1, 6]))
    assert depth.tolist() == [11.0, 10.0, 1.0]
    assert face.tolist() == [5, 1, 1]


def test_the_committed_example_is_small_and_readable():
    example = Path(__file__).resolve().parents[1] / "examples" / "scene.mp4"
    assert example.stat().st_size <= 2_000_000
    source = open_input(example, SamplingConfig())
    assert (source.size, source.expected_frames) == ((480, 640), 60)
