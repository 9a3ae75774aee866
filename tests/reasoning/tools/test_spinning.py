"""Spinning, as far as shapes and paths tell."""

import numpy as np
import pytest

from fast_snow.reasoning.tools.catalogue import call_tool
from fast_snow.reasoning.tools.turning import count_swings
from tests.reasoning.tools.truth import box, made, of_tokens

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
