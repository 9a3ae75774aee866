"""The motion of the background: found by way of the source's frames, objects left out, checked against poses."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from fast_snow.background import with_background
from fast_snow.config import Config
from fast_snow.emptiness import doubts
from fast_snow.inputs import from_recording
from fast_snow.inputs.recording import recording_from_arrays
from fast_snow.inputs.windows import windows
from fast_snow.reasoning.tools.catalogue import call_tool
from fast_snow.types import BackgroundMotion, DepthOrigin, Frames, Geometry, Health, TrackedPoints
from tests.building import boxes
from tests.output.test_graph_json import small_graph

SIZE = (120, 160)
PER_SOURCE_FRAME = 12
"""Pixels to the left: 36 per frame of the clip, of 160."""
FOCAL = 160.0


def scene(frames=10, *, mover=False):
    """Return images of a pan over noise at 30 Hz; a striped patch moves the other way, if there is one."""
    rng = np.random.default_rng(0)
    wide = cv2.GaussianBlur(
        rng.integers(0, 255, (SIZE[0], SIZE[1] + PER_SOURCE_FRAME * frames)).astype(np.float32), (0, 0), 2
    )
    wide = np.clip((wide - wide.mean()) / wide.std() * 50 + 128, 0, 255).astype(np.uint8)
    patch = np.clip(wide[:70, :80].astype(np.int32)[::-1] + 20, 0, 255).astype(np.uint8)
    images = []
    for i in range(frames):
        image = wide[:, PER_SOURCE_FRAME * i : PER_SOURCE_FRAME * i + SIZE[1]].copy()
        if mover:
            image[20:90, 3 * i : 3 * i + 80] = patch
        images.append(np.repeat(image[..., None], 3, axis=2))
    return np.stack(images)


def read(images):
    """Return the frames of a clip at 10 Hz."""
    source = from_recording(recording_from_arrays(images, 30.0), Config().sampling)
    return next(windows(source, Config().window)).frames


def geometry(n, origin=DepthOrigin.GROUND_PLANE_PRIOR):
    K = np.array([[FOCAL, 0, (SIZE[1] - 1) / 2], [0, FOCAL, (SIZE[0] - 1) / 2], [0, 0, 1.0]])
    return Geometry(
        depth=np.ones((n, *SIZE), np.float32),
        confidence=np.ones((n, *SIZE), np.float32),
        intrinsics=np.tile(K, (n, 1, 1)),
        T_camera_world=np.tile(np.eye(4), (n, 1, 1)),
        metric=False,
        origin=origin,
    )


def nothing(n):
    return [boxes(grid=SIZE)] * n


def test_a_fast_pan_is_followed_through_the_frames_between():
    frames = read(scene())
    assert frames.source_frame.tolist() == [0, 3, 6, 9]
    found = with_background(geometry(4), frames, nothing(4)).background
    assert found.matches[0] == -1
    assert (found.matches[1:] > 50).all()
    np.testing.assert_allclose(found.shift[1:, 0], -3 * PER_SOURCE_FRAME, rtol=0.03)
    off = (found.shift[1:] - (-3 * PER_SOURCE_FRAME, 0)) / found.shift_sigma[1:]
    assert np.abs(off).max() < 3


def test_the_turn_of_a_camera_in_its_place_is_that_of_the_background():
    T = with_background(geometry(4), read(scene()), nothing(4)).T_camera_world
    first = np.degrees(np.arctan2(T[1, 0, 2], T[1, 2, 2]))
    assert first == pytest.approx(-np.degrees(np.arctan(3 * PER_SOURCE_FRAME / FOCAL)), rel=0.1)


def test_what_is_on_objects_does_not_count():
    frames = read(scene(mover=True))
    on_it = [boxes((3 * i, 20, 3 * i + 80, 90), grid=SIZE) for i in frames.source_frame.tolist()]
    found = with_background(geometry(4), frames, on_it).background
    np.testing.assert_allclose(found.shift[1:, 0], -3 * PER_SOURCE_FRAME, rtol=0.03)


def test_what_rests_nearer_makes_the_motion_less_sure_by_its_parallax():
    frames = read(scene())
    u, v = (each.ravel().astype(np.float32) for each in np.meshgrid(np.arange(4, 156, 8), np.arange(4, 116, 8)))

    def uncertainty(parallax):
        way = np.where((u < 60) & (v > 60), 1 + parallax, 1.0) * 36
        points = np.array(
            [
                TrackedPoints(point_id=np.arange(len(u)), uv=np.stack([u - i * way, v], axis=1).astype(np.float32))
                for i in range(2)
            ]
        )
        found = with_background(geometry(2), replace(frames[:2], points=points), nothing(2)).background
        assert found.shift[1, 0] == pytest.approx(-36, abs=1)
        return found.shift_sigma[1, 0]

    assert uncertainty(0.0) == pytest.approx(0.05, abs=0.01)
    assert uncertainty(0.2) > 0.5


def test_poses_that_the_images_contradict_are_not_known():
    found = with_background(geometry(4, DepthOrigin.NETWORK), read(scene()), nothing(4)).background
    assert found.matches.tolist() == [-1, 0, 0, 0]
    assert np.isnan(found.shift).all()


def test_images_without_texture_tell_nothing():
    frames = read(np.full((10, *SIZE, 3), 90, np.uint8))
    assert with_background(geometry(4), frames, nothing(4)).background.matches.tolist() == [-1, 0, 0, 0]
    trusted = with_background(geometry(4, DepthOrigin.NETWORK), frames, nothing(4)).background
    assert trusted.matches.tolist() == [-1, -1, -1, -1]  # a network's poses do not rest on matches


def test_frames_without_points_are_left_alone():
    frames = read(scene())
    frames = Frames(image=frames.image, t=frames.t, time_s=frames.time_s, source_frame=frames.source_frame)
    assert with_background(geometry(4), frames, nothing(4)).background.matches.tolist() == [-1] * 4


def panned(*, lost=False):
    """Return a graph whose camera turns over three frames, one step of which may be lost."""
    graph = small_graph()
    background = replace(
        BackgroundMotion.untried(3),
        matches=np.array([-1, 200, 0 if lost else 200], np.int32),
        turn_sigma=np.array([np.nan, 0.01, 0.02], np.float32),
    )
    return replace(graph, ego=replace(graph.ego, background=background, focal_sigma=np.full(3, 0.25, np.float32)))


def test_a_pan_carries_the_uncertainty_of_its_steps_and_of_the_focal_length():
    figures = {each.name: each for each in call_tool(panned(), "camera_motion", {"t_to": 1}).figures}
    turn = figures["turn_to_the_right"]
    assert turn.sigma == pytest.approx(np.hypot(0.25 * turn.value, np.degrees(0.01)), rel=1e-3)


@pytest.mark.parametrize("tool", ["is_moving", "heading", "motion_without_camera", "speed", "displacement"])
def test_tools_that_rest_on_the_camera_say_that_its_motion_is_not_known(tool):
    answer = call_tool(panned(lost=True), tool, {"object_id": 4})
    assert answer.value is None
    assert "how the camera moves is not known from t = 1 to 2" in answer.reason


def test_the_camera_is_known_before_the_step_that_is_lost():
    assert call_tool(panned(lost=True), "camera_motion", {}).value is None
    assert call_tool(panned(lost=True), "camera_motion", {"t_to": 1}).value is not None


def test_a_warning_names_the_frames():
    (message,) = {*doubts(panned(lost=True), Health())} - {*doubts(panned(), Health())}
    assert message.startswith("how the camera moves to frame 2 is not known")
