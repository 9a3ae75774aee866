"""Tool calls as a model writes them: what is wrong with one is told to it, and nothing is raised."""

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from fast_snow.reasoning.conversation import ToolOutcome
from fast_snow.reasoning.tools import catalogue
from fast_snow.reasoning.tools.catalogue import MOST_CHARACTERS, tools_over
from fast_snow.types import SceneGraph
from tests.reasoning.runs import returned, small_run, some_arguments
from tests.reasoning.scripted import call


@pytest.fixture(scope="module")
def graph() -> SceneGraph:
    return small_run().graph


@pytest.mark.parametrize("tool", catalogue.declarations(), ids=lambda each: each.name)
def test_every_tool_answers_as_it_does_without_a_model(tool, graph: SceneGraph):
    arguments = some_arguments(tool, graph)
    outcome = tools_over(graph)(call(tool.name, json.dumps(arguments), "c1"))
    assert (outcome.call_id, outcome.name, outcome.failed) == ("c1", tool.name, False)
    assert json.loads(outcome.content) == outcome.result == returned(graph, tool.name, **arguments)


@pytest.mark.parametrize("nothing", ["", "\n", "{}", " { } "])
def test_no_arguments(nothing: str, graph: SceneGraph):
    outcome = tools_over(graph)(call("list_objects", nothing))
    assert json.loads(outcome.content)["value"] == list(graph.tracks)


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("list_objcts", "{}", ["list_objcts", "list_objects"]),
        ("when_visible", '{"object_id": 999}', ["999"]),
        ("when_visible", '{"object_id": "the red car"}', ["the red car", "number"]),
        ("when_visible", '{"object": 1}', ["'object'", "object_id"]),
        ("when_visible", "{}", ["object_id"]),
        ("when_visible", '{"object_id": 1', ["JSON"]),
        ("when_visible", "object_id=1", ["JSON"]),
        ("when_visible", "[1]", ["list", "object"]),
        ("when_visible", "null", ["NoneType", "object"]),
        ("when_visible", '{"object_id": NaN}', ["NaN"]),
        ("when_visible", '{"object_id": Infinity}', ["Infinity"]),
        ("when_visible", '{"object_id": %s}' % ("9" * 5000), ["JSON"]),
        ("when_visible", "[" * 100_000, ["JSON"]),
        ("when_visible", '{"object_id": "%s"}' % ("x" * 100_000), ["xxx", "number"]),
        ("x" * 100_000, "{}", ["list_objects"]),
    ],
)
def test_a_wrong_call_is_told_in_one_short_line(name: str, arguments: str, told: Sequence[str], graph: SceneGraph):
    outcome = tools_over(graph)(call(name, arguments, "c1"))
    assert (outcome.call_id, outcome.failed) == ("c1", True)
    assert all(each in outcome.content for each in told)
    assert len(outcome.content) < 1000
    assert len(outcome.content.splitlines()) == 1


def test_an_answer_that_would_fill_the_context_is_refused_and_smaller_ones_are_not(graph: SceneGraph):
    (track,) = list(graph.tracks.values())[:1]
    many = {number: replace(track, object_id=number) for number in range(2000)}
    use = tools_over(replace(graph, tracks=many))
    refused = use(call("list_objects"))
    assert refused.failed
    assert str(MOST_CHARACTERS) in refused.content
    assert use(call("when_visible", '{"object_id": 1999}')) == ToolOutcome(
        call_id="a",
        name="when_visible",
        content=tools_over(graph)(call("when_visible", f'{{"object_id": {track.object_id}}}')).content,
    )
