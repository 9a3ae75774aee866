"""A question answered from a run, a result or a graph by a scripted model with the real tools."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import fast_snow
from fast_snow.api import Result
from fast_snow.config import Config, VlmConfig
from fast_snow.errors import UserError
from fast_snow.reasoning.agent import Ending
from fast_snow.reasoning.answering import answer_question
from fast_snow.reasoning.conversation import ImagePart, TextPart, ToolTurn, Usage, UserTurn
from fast_snow.reasoning.prompt.compose import compose_prompt
from fast_snow.reasoning.tools import catalogue
from fast_snow.types import SceneGraph
from tests.reasoning.runs import returned
from tests.reasoning.scripted import Script, call, says

QUESTION = "Which object is seen first?"


def test_an_answer_tells_what_it_rests_on(graph: SceneGraph):
    model = Script(
        [
            says("", call("position", '{"object_id": 1, "t": 6, "frame": "world"}', "p"), call("position", "{}", "q")),
            says("", call("position", '{"object_id": 1, "t": 2, "frame": "world"}', "r")),
            says("Object 1."),
        ]
    )
    prompt = compose_prompt(graph, QUESTION, (), budget=100_000)
    given = answer_question(model, prompt, graph, tools=True, max_rounds=8)
    assert (given.text, given.ending, given.cut_off) == ("Object 1.", Ending.ANSWERED, False)
    assert given.evidence == (2, 6)
    assert given.usage.requests == 3
    assert given.left_out == prompt.left_out == ()
    assert [(each.call.call_id, each.outcome.failed) for each in given.calls] == [
        ("p", False),
        ("q", True),
        ("r", False),
    ]
    assert model.asked[0] == (prompt.instructions, (prompt.turn,), catalogue.declarations())


def test_without_tools_none_are_offered(graph: SceneGraph):
    model = Script([says("Object 0 is", cut_off=True)])
    prompt = compose_prompt(graph, QUESTION, (), budget=100_000)
    given = answer_question(model, prompt, graph, tools=False, max_rounds=8)
    assert (given.text, given.calls, given.evidence, given.cut_off) == ("Object 0 is", (), (), True)
    assert model.asked == [(prompt.instructions, (prompt.turn,), ())]


def test_tools_measure_what_the_prompt_had_no_room_for(graph: SceneGraph):
    whole = compose_prompt(graph, QUESTION, (), budget=100_000)
    prompt = compose_prompt(graph, QUESTION, (), budget=whole.total_tokens - 500)
    model = Script([says("", call("when_visible", '{"object_id": 5}')), says("Object 5.")])
    given = answer_question(model, prompt, graph, tools=True, max_rounds=8)
    assert given.left_out == prompt.left_out != ()
    assert json.loads(given.calls[0].outcome.content) == returned(graph, "when_visible", object_id=5)


@pytest.mark.parametrize(("share", "warned"), [(0.0, False), (0.3, True), (0.6, False), (2.0, False)])
def test_a_server_that_cuts_the_prompt_is_noticed(graph: SceneGraph, share: float, warned: bool):
    prompt = compose_prompt(graph, QUESTION, (), budget=100_000)
    usage = Usage(requests=2, input_tokens=2 * int(share * prompt.text_tokens))
    model = Script([replace(says("Object 1."), usage=usage)])
    given = answer_question(model, prompt, graph, tools=False, max_rounds=8)
    assert bool(given.unread) is warned
    assert "\n" not in given.unread


def pictures_of(turn: UserTurn) -> list[ImagePart]:
    return [each for each in turn.parts if isinstance(each, ImagePart)]


def test_a_run_a_result_and_a_graph_can_be_asked(run: Result, folder: Path):
    model = Script([says("Yes.")])
    for source in (folder, str(folder), folder / "4dsg.json", run, run.graph):
        assert fast_snow.ask(source, QUESTION, model=model).text == "Yes."
    turns = [turns[0] for _, turns, _ in model.asked]
    assert [len(pictures_of(each)) for each in turns] == [2, 2, 2, 2, 0]
    assert turns[0] == turns[1] == turns[2] == turns[3]
    assert any(QUESTION in each.text for each in turns[4].parts if isinstance(each, TextPart))


def test_a_result_is_asked_without_writing_it(run: Result, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Result, "save", None)
    monkeypatch.setattr("tempfile.mkdtemp", None)
    assert fast_snow.ask(run, QUESTION, model=Script([says("Yes.")])).text == "Yes."
    for broken in (replace(run, keyframes=()), replace(run, labelled=())):
        with pytest.raises(UserError, match="keyframe t=0"):
            fast_snow.ask(broken, QUESTION, model=Script([says("Yes.")]))


def test_the_configuration_is_heeded(run: Result):
    model = Script([says("", call("list_objects"))])
    few = Config(vlm=VlmConfig(max_keyframes=1, max_rounds=2))
    given = fast_snow.ask(run, QUESTION, config=few, model=model)
    assert (given.text, given.ending) == ("", Ending.STILL_CALLING)
    assert len(model.asked) == 3
    assert len(pictures_of(model.asked[0][1][0])) == 1
    assert isinstance(model.asked[-1][1][-1], ToolTurn)
    without = Config(vlm=VlmConfig(tools=False))
    fast_snow.ask(run, QUESTION, config=without, model=model)
    assert model.asked[-1][2] == ()


@pytest.mark.parametrize("question", ["", " \n"])
def test_a_question_must_be_one(question: str, graph: SceneGraph):
    with pytest.raises(UserError):
        fast_snow.ask(graph, question, model=Script([says("Yes.")]))


def test_a_missing_run_and_a_missing_key_are_told(graph: SceneGraph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(UserError, match="none"):
        fast_snow.ask(tmp_path / "none", QUESTION, model=Script([says("Yes.")]))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(UserError, match="OPENAI_API_KEY"):
        fast_snow.ask(graph, QUESTION)


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, fast_snow; print(sorted({'openai', 'google', 'mcp', 'numba', 'cv2'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
