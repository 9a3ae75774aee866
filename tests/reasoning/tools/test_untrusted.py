"""Documents of others: whatever they hold, a tool answers, or says that it does not know."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fast_snow.reasoning.tools.catalogue import TOOLS, ToolError, call_tool
from tests.reasoning.graphs import any_graph, graph, token
from tests.reasoning.tools.truth import made, of_tokens


def arguments_of(tool, rng, ids, frames):
    """Plausible arguments: known objects and frames, and every choice."""
    made_up = {}
    for name, schema in tool.arguments.items():
        if name not in tool.required and rng.random() < 0.3:
            continue
        if "enum" in schema:
            made_up[name] = str(rng.choice([x for x in schema["enum"] if x is not None]))
        elif name.startswith("t"):
            made_up[name] = int(rng.integers(frames))
        elif name == "within":
            made_up[name] = float(rng.exponential())
        else:
            one = int(rng.choice(ids)) if ids else 0
            made_up[name] = [one] if name == "object_ids" else one
    return made_up


def ask_everything(some, seed):
    rng = np.random.default_rng(seed)
    answers = {}
    for name, tool in TOOLS.items():
        try:
            answers[name] = call_tool(some, name, arguments_of(tool, rng, list(some.tracks), some.num_frames)).as_json()
        except ToolError as error:
            answers[name] = str(error)
        json.loads(json.dumps(answers[name], allow_nan=False))
    return answers


@given(st.integers(0, 10_000))
@settings(max_examples=40)
def test_any_graph_is_answered(seed):
    ask_everything(any_graph(seed), seed)


@pytest.mark.parametrize("seed", range(3))
def test_no_objects(seed):
    answers = ask_everything(graph({}), seed)
    assert call_tool(graph({}), "count", {}).value == 0
    assert answers["is_moving"] == "object_id: got 0, expected one of the graph's objects, of which there are none"


def test_one_observation_tells_no_motion():
    some = graph({4: [2]})
    for tool in ("is_moving", "displacement", "speed", "heading", "turning", "motion_in_image", "approach"):
        assert call_tool(some, tool, {"object_id": 4}).value is None, tool
    assert call_tool(some, "position", {"object_id": 4, "t": 2}).value is not None


def test_no_usable_time_stamps():
    some = made({1: np.linspace((0.0, 0, 4), (1, 0, 4), 12)})
    for time_s in (np.full(12, np.nan), np.zeros(12)):
        unknown = replace(some, ego=replace(some.ego, time_s=time_s))
        assert "no usable time stamps" in call_tool(unknown, "speed", {"object_id": 1}).reason
        assert call_tool(unknown, "is_moving", {"object_id": 1}).value == "moving"


def test_no_cells_no_cameras_no_extents_and_gaps():
    some = made({k: np.linspace((0.0, 0, 4 + k), (1, 0, 4 + k), 12) for k in range(5)})
    bare = of_tokens(
        some,
        {
            k: [
                replace(
                    x,
                    row=x.row[:0],
                    col=x.col[:0],
                    coverage=x.coverage[:0],
                    low=x.centroid,
                    high=x.centroid,
                    sigma=np.zeros(3, np.float32),
                    num_points=0,
                )
                for x in track.observations[:: k + 1]
            ]
            for k, track in some.tracks.items()
        },
    )
    assert call_tool(bare, "motion_in_image", {"object_id": 0}).value == "right"
    assert call_tool(bare, "compare_sizes", {"object_id": 0, "other_id": 1}).value is None
    assert call_tool(bare, "spinning", {"object_id": 0}).value is None
    blind = replace(
        bare,
        ego=replace(
            bare.ego,
            quaternion_xyzw=np.full((12, 4), np.nan, np.float32),
            intrinsics=np.full((12, 4), np.nan, np.float32),
        ),
    )
    for seed in range(5):
        ask_everything(bare, seed)
        ask_everything(blind, seed)
    assert "no place in the image" in call_tool(blind, "motion_in_image", {"object_id": 0}).reason
    assert "orientation" in call_tool(blind, "camera_motion", {}).reason


def test_without_cameras_motion_is_compared_with_that_of_the_others():
    """Everything moves to the left in the image, as when the camera turns right; one object stays."""
    drift = np.linspace((0.0, 0, 0), (-1.5, 0, 0), 15)
    some = made(
        {k: drift + np.array([0.4 * k, 0.2 * k - 0.4, 5]) for k in range(4)} | {9: np.tile((0.0, 0.8, 5), (15, 1))}
    )
    blind = replace(some, ego=replace(some.ego, quaternion_xyzw=np.zeros((15, 4), np.float32)))
    assert call_tool(blind, "motion_without_camera", {"object_id": 9}).value == "right"
    assert call_tool(blind, "motion_without_camera", {"object_id": 1}).value == "not moving"


def test_huge_numbers_are_no_numbers_to_reckon_with():
    huge = token(
        0, centroid=np.full(3, 3e38, np.float32), low=np.full(3, -3e38, np.float32), high=np.full(3, 3e38, np.float32)
    )
    some = of_tokens(graph({1: [0, 1]}), {1: [huge, replace(huge, t=1)], 2: [replace(huge, centroid=-huge.centroid)]})
    for seed in range(5):
        ask_everything(some, seed)
