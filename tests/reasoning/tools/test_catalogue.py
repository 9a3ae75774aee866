"""How tools are offered and their arguments checked."""

import json

import jsonschema
import numpy as np
import pytest

from fast_snow.errors import UserError
from fast_snow.reasoning.tools.catalogue import TOOLS, ToolError, call_tool, declarations
from tests.reasoning.tools.truth import made


@pytest.fixture(scope="module")
def graph():
    return made({3: np.tile((0.0, 0, 4), (8, 1)), 7: np.tile((1.0, 0, 4), (8, 1))})


@pytest.mark.parametrize("declared", declarations(), ids=lambda each: each.name)
def test_declarations_are_what_strict_tool_calling_takes(declared):
    jsonschema.Draft202012Validator.check_schema(declared.parameters)
    properties = declared.parameters["properties"]
    assert list(properties) == list(declared.parameters["required"])
    assert declared.parameters["additionalProperties"] is False
    assert declared.name.replace("_", "").isalnum()
    assert declared.description.endswith(".")
    assert all(each["description"] for each in properties.values())
    optional = properties.keys() - TOOLS[declared.name].required
    assert {
        name for name, each in properties.items() if "null" in each["type"] or None in each.get("enum", ())
    } <= optional
    json.dumps(declared.parameters)


def test_what_the_schema_lets_through_is_taken(graph):
    """Null for what may be left out, whole floats for whole numbers, and what is missing."""
    full = {"object_id": 3, "t_from": None, "t_to": 5.0}
    jsonschema.validate(full, TOOLS["is_moving"].parameters)
    assert call_tool(graph, "is_moving", full).value == "static"
    assert call_tool(graph, "is_moving", {"object_id": 3}).evidence == tuple(range(8))
    assert call_tool(graph, "order_of_appearance", {"object_ids": [7, 3]}).value == (3, 7)


@pytest.mark.parametrize(
    ("tool", "arguments", "message"),
    [
        ("distanze", {}, "tool: got 'distanze', expected distance"),
        ("", {}, "tool: got '', expected one of list_objects"),
        (
            "distance",
            {"t": 0},
            "distance: missing required argument object_id \\(number of the object\\); takes object_id t \\[other_id",
        ),
        ("distance", {"object_id": 3, "t": 0, "other": 7}, "distance: got argument 'other', expected other_id"),
        ("distance", {"object_id": "3", "t": 0}, "object_id: got '3', expected a whole number"),
        ("distance", {"object_id": True, "t": 0}, "object_id: got True, expected a whole number"),
        ("distance", {"object_id": 3.5, "t": 0}, "object_id: got 3.5, expected a whole number"),
        ("distance", {"object_id": float("nan"), "t": 0}, "object_id: got nan, expected a whole number"),
        ("distance", {"object_id": 10**400, "t": 0}, "object_id: got 1000"),
        ("distance", {"object_id": [3], "t": 0}, r"object_id: got \[3\], expected a whole number"),
        ("distance", {"object_id": 5, "t": 0}, "object_id: got 5, expected one of 3, 7"),
        ("distance", {"object_id": 3, "t": 8}, "t: got 8, expected a frame of the clip, 0 to 7"),
        ("distance", {"object_id": 3, "t": -1}, "t: got -1, expected a frame of the clip, 0 to 7"),
        ("is_moving", {"object_id": 3, "t_from": 5, "t_to": 2}, "t_from: got 5, expected at most t_to, 2"),
        (
            "direction",
            {"object_id": 3, "t": 0, "frame": "sofa"},
            "frame: got 'sofa', expected one of world, camera, object",
        ),
        ("order_of_events", {"object_ids": []}, r"object_ids: got \[\], expected a list"),
        ("order_of_events", {"object_ids": 3}, "object_ids: got 3, expected a list"),
        ("count", {"side": "left"}, "t: got none, expected a frame of the clip where side"),
        ("count", {"t": 0, "within": -1}, "within: got -1, expected a distance above 0"),
        ("between", {"object_id": 3, "other_id": 3, "t": 0}, "other_id: got 3 twice"),
    ],
)
def test_wrong_calls_are_refused_in_one_line(graph, tool, arguments, message):
    with pytest.raises(ToolError, match=message) as refused:
        call_tool(graph, tool, arguments)
    assert isinstance(refused.value, UserError)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 500


def test_json_says_value_unit_uncertainty_frame_and_evidence(graph):
    answer = call_tool(graph, "position", {"object_id": 3, "t": 2}).as_json()
    assert answer["value"] == [0.0, 0.0, 4.0]
    assert answer["unit"] == "m"
    assert len(answer["uncertainty"]) == 3
    assert (answer["frame"], answer["evidence"]) == ("world", [2])


def test_unknown_is_said_with_the_reason():
    path = np.tile((0.0, 0, 4), (8, 1))
    path[3] = np.nan
    answer = call_tool(made({3: path}), "position", {"object_id": 3, "t": 3}).as_json()
    assert answer["value"] == "unknown"
    assert answer["reason"] == "object 3 is not seen at t = 3; the nearest frame in which it is has t = 2"


def test_much_evidence_is_thinned_and_counted():
    answer = call_tool(made({3: np.tile((0.0, 0, 4), (500, 1))}), "is_moving", {"object_id": 3}).as_json()
    assert (answer["evidence"][0], answer["evidence"][-1], answer["evidence_count"]) == (0, 499, 500)
    assert len(answer["evidence"]) == 40
