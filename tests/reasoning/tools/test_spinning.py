"""Spinning, as far as texture, shapes and paths tell."""

from dataclasses import replace

import numpy as np
import pytest

from fast_snow.reasoning.tools.catalogue import call_tool
from fast_snow.reasoning.tools.tool_answers import Grade
from fast_snow.reasoning.tools.turning import count_swings
from fast_snow.types import ImageRegion
from tests.reasoning.tools.truth import PIXELS, box, made, of_tokens

FRAMES = 60


def spun(turns, *, long=0.9, broad=0.25, high=0.5):
    """A box at rest that turns about the vertical so often."""
    graph = made({1: np.tile((0.0, 0.0, 4.0), (FRAMES, 1))})
    angle = np.linspace(0, 2 * np.pi * turns, FRAMES)
    width = np.abs(long * np.cos(angle)) + np.abs(broad * np.sin(angle))
    tokens = [box(t, np.array([0.0, 0, 4]), (width[t], high, 0.3), np.eye(4)) for t in range(FRAMES)]
    return of_tokens(graph, {1: tokens})


def circling(turns):
    """A box that drives around in circles, clockwise seen from above (y points down) where `turns` is positive."""
    angle = np.linspace(0, 2 * np.pi * turns, FRAMES)
    path = np.stack([np.sin(angle), np.zeros(FRAMES), 5 - np.cos(angle)], axis=1)
    return made({1: path * (1, 1, 1) + (0, 0.5, 0), **{k: np.tile((k - 3.0, 0, 6), (FRAMES, 1)) for k in (2, 3, 4, 5)}})


def textured(yaw=0.0, roll=0.0, share=0.9, *, high=0.5, camera=None):
    """A box at rest whose texture turns by so many degrees about the upright axis and the line of sight."""
    graph = made({1: np.tile((0.0, 0.0, 4.0), (FRAMES, 1))}, T_world_camera=camera)
    step = np.array([*np.radians([yaw, roll]) / (FRAMES - 1), share])
    tokens = []
    for t in range(FRAMES):
        token = box(t, np.array([0.0, 0, 4]), (0.5, high, 0.3), np.eye(4))
        region = ImageRegion(
            area=4000,
            box=np.array([100, 60, 220, 180], np.int32),
            centroid=np.array(PIXELS[::-1], np.float32) / 2,
            covariance=np.array([1200, 0, 1200 * (2 * high) ** 2], np.float32),
            rotation=(step if t else np.full(3, np.nan)).astype(np.float32),
        )
        tokens.append(replace(token, region=region))
    return of_tokens(graph, {1: tokens})


@pytest.mark.parametrize(
    ("yaw", "roll", "value", "grade"),
    [
        (400, 0, "clockwise seen from above", Grade.STATED),
        (-400, 0, "counter-clockwise seen from above", Grade.STATED),
        (-170, 0, "counter-clockwise seen from above", Grade.LIKELY),
        (0, 500, "clockwise as seen from the camera", Grade.STATED),
        (0, -500, "counter-clockwise as seen from the camera", Grade.STATED),
        (20, 10, "not spinning", Grade.STATED),
    ],
)
def test_texture_tells_whether_and_which_way_something_spins(yaw, roll, value, grade):
    answer = call_tool(textured(yaw, roll), "spinning", {"object_id": 1})
    assert (answer.value, answer.grade) == (value, grade), answer.reason


@pytest.mark.parametrize("yaw", [120, 105])
def test_half_a_turn_is_neither_a_spin_nor_none(yaw):
    answer = call_tool(textured(yaw), "spinning", {"object_id": 1})
    assert answer.value is None
    assert "too little to tell a spin" in answer.reason


def test_what_the_camera_rolls_is_no_spin():
    camera = np.tile(np.eye(4), (FRAMES, 1, 1))
    angle = np.linspace(0, np.radians(500), FRAMES)
    camera[:, 0, 0] = camera[:, 1, 1] = np.cos(angle)
    camera[:, 1, 0] = np.sin(angle)
    camera[:, 0, 1] = -np.sin(angle)
    answer = call_tool(textured(0, -500, camera=camera), "spinning", {"object_id": 1})
    assert answer.value == "not spinning", answer.reason


def test_a_fragment_that_keeps_its_shape_is_not_surely_at_rest_where_its_texture_is_lost():
    answer = call_tool(textured(0, 0, share=0.1, high=1.0), "spinning", {"object_id": 1})
    assert answer.grade is Grade.LIKELY
    assert call_tool(textured(0, 0, high=1.0), "spinning", {"object_id": 1}).grade is Grade.STATED


def test_lost_texture_is_the_reason_where_the_shape_does_not_tell():
    answer = call_tool(textured(0, 0, share=0.1), "spinning", {"object_id": 1})
    assert answer.value is None
    assert "texture in its mask is lost" in answer.reason


@pytest.mark.parametrize("factor", [1.5, 2.5])
def test_an_outline_that_doubles_within_a_frame_is_doubted(factor):
    graph = textured()
    tokens = list(graph.tracks[1].observations)
    grown = replace(tokens[30].region, area=int(4000 * factor))
    tokens[30] = replace(tokens[30], region=grown)
    graph = of_tokens(graph, {1: tokens})
    doubts = [note for note in call_tool(graph, "is_moving", {"object_id": 1}).notes if "outline" in note]
    assert [("t = 30, 31" in each) for each in doubts] == ([True] if factor > 2 else [])
    answer = call_tool(graph, "spinning", {"object_id": 1})
    assert answer.value == (None if factor > 2 else "not spinning")
    assert factor < 2 or "doubles or halves within a frame" in answer.reason
    before = call_tool(graph, "spinning", {"object_id": 1, "t_to": 29})
    assert not any("outline" in note for note in before.notes)


def test_a_long_thing_that_keeps_its_shape_does_not_spin():
    assert call_tool(spun(0), "spinning", {"object_id": 1}).value == "not spinning"


@pytest.mark.parametrize("turns", [2, 3])
def test_a_long_thing_that_swings_its_shape_may_spin_but_extents_do_not_tell_the_sense(turns):
    answer = call_tool(spun(turns), "spinning", {"object_id": 1})
    assert answer.value is None
    assert "as if it spun" in answer.reason


def test_a_round_thing_shows_nothing():
    answer = call_tool(spun(0, long=0.5), "spinning", {"object_id": 1})
    assert answer.value is None
    assert "as wide as it is high" in answer.reason


@pytest.mark.parametrize(("turns", "sense"), [(-1.5, "clockwise"), (1.5, "counter-clockwise")])
def test_driving_in_circles_has_a_sense(turns, sense):
    """Going forward and to the left first where turns is positive: from nearest the camera to the right, then away."""
    answer = call_tool(circling(turns), "spinning", {"object_id": 1})
    assert answer.value == f"{sense} seen from above"
    side = "right" if sense == "clockwise" else "left"
    assert call_tool(circling(turns), "turning", {"object_id": 1}).value == f"turning {side}"


def test_few_observations_do_not_tell():
    answer = call_tool(spun(0), "spinning", {"object_id": 1, "t_to": 4})
    assert "seen 5 times" in answer.reason


@pytest.mark.parametrize(
    ("values", "expected"), [([0, 0, 0], 0), ([0, 1, 2], 1), ([0, 2, 0, 2], 3), ([0, 0.4, 0, 0.4], 0), ([5, 3, 4.5], 2)]
)
def test_swings_are_counted(values, expected):
    assert count_swings(np.array(values, float), 1.0) == expected
