"""The tools on real clips with given masks: what they decide of the questions that people asked about these clips.

Of the 32 questions, 18 ask for a direction, for closer or further away, for spinning or for turning of the object whose
masks are given. Of the others, some are about things without masks or that are not there, some count things, jumps or
spins, and some ask for forwards or backwards, which needs to know an object's front. Three of the 18 the tools leave
unknown.
"""

from functools import cache
from pathlib import Path

import pytest

from bench.questions import graph_of, question_tools, read_clip, read_questions
from fast_snow.reasoning.tools.catalogue import call_tool
from fast_snow.reasoning.tools.tool_answers import Grade

UNKNOWN = ("real/validation_194", "real/validation_681", "real/validation_684")
ASKED = {name: tool for name, tool in question_tools().tools.items() if name not in UNKNOWN}
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def graph(clips: Path):
    """Returns the graph of a clip: geometry by the classical engine, the given masks as object 0, at 10 Hz."""
    return cache(lambda name: graph_of(read_clip(clips / "davis" / name)))


@pytest.fixture(scope="module")
def questions(clips: Path):
    return read_questions(clips)


@pytest.mark.parametrize(("name", "tool"), ASKED.items())
def test_the_tool_decides_as_people_do(graph, questions, name, tool):
    asked = questions[name]
    answer = call_tool(graph(Path(asked["clip"]).parent.name), tool, {"object_id": 1})
    assert answer.value is not None, answer.reason
    choice = question_tools().choice(answer)
    assert choice in asked["choices"].values(), answer.as_json()
    assert choice == asked["answer"], answer.as_json()


@pytest.mark.parametrize("name", UNKNOWN)
def test_the_tool_does_not_state_what_it_cannot_know(graph, questions, name):
    tool = question_tools().tools[name]
    answer = call_tool(graph(Path(questions[name]["clip"]).parent.name), tool, {"object_id": 1})
    assert answer.value is None or answer.grade is Grade.UNKNOWN, answer.as_json()


@pytest.mark.parametrize("name", ["blackswan", "car-shadow", "horsejump-high", "libby"])
def test_each_object_moves_in_the_world_while_the_camera_follows_it(graph, name):
    assert call_tool(graph(name), "is_moving", {"object_id": 1}).value == "moving"


def test_what_the_camera_follows_stays_where_it_is_on_screen(graph):
    """To a few pixels of 480."""
    on_screen, corrected = (
        call_tool(graph("blackswan"), tool, {"object_id": 1}).figures[0].value
        for tool in ("motion_in_image", "motion_without_camera")
    )
    assert abs(on_screen) < 20
    assert corrected > 100
