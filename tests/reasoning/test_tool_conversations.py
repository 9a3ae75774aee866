"""Whole conversations with tools over each provider's protocol: loopback servers ask, the real tools answer."""

import json
from pathlib import Path

import pytest

import fast_snow
from fast_snow.config import Config
from fast_snow.errors import UserError
from fast_snow.reasoning.agent import ANSWER_NOW, Ending
from fast_snow.reasoning.tools import catalogue
from fast_snow.types import SceneGraph
from tests.reasoning.runs import returned, small_run

pytest.importorskip("openai", reason='needs uv pip install -e ".[vlm]"')
pytest.importorskip("google.genai", reason='needs uv pip install -e ".[vlm]"')

from tests.reasoning.loopback.servers import Call, Protocol, Say, serving


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "out"
    small_run().save(folder)
    return folder


@pytest.fixture
def graph(folder: Path) -> SceneGraph:
    return fast_snow.load(folder)


@pytest.mark.parametrize("protocol", ["responses", "chat", "google"])
def test_tools_are_called_over_each_protocol(
    protocol: Protocol, graph: SceneGraph, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    """The model calls two tools at once, then one wrongly; what the server gets back is what the tools say here."""
    speed = {"object_id": 2, "t_from": None, "t_to": None}
    script = [
        Say(thought=True, calls=(Call(name="list_objects", arguments={"t": 3}), Call(name="speed", arguments=speed))),
        Say(text="One moment.", calls=(Call(name="when_visible", arguments={"object_id": 999}),)),
        Say(text="Object 2 moves."),
    ]
    with serving(protocol, script) as server:
        for name, value in server.environ.items():
            monkeypatch.setenv(name, value)
        config = Config(vlm=server.config(max_retries=0))
        given = fast_snow.ask(folder, "Which object moves?", config=config)
    with pytest.raises(UserError) as refused:
        catalogue.call_tool(graph, "when_visible", {"object_id": 999})
    listed, moved = returned(graph, "list_objects", t=3), returned(graph, "speed", **speed)
    received = list(server.asked[-1].outcomes.values())
    if protocol == "google":
        sent = [json.loads(each) for each in received]
        assert sent == [{"output": listed}, {"output": moved}, {"error": str(refused.value)}]
    else:
        assert [json.loads(each) for each in received[:2]] == [listed, moved]
        assert received[2] == str(refused.value)
    assert (given.text, given.ending, len(given.calls)) == ("Object 2 moves.", Ending.ANSWERED, 3)
    assert set(given.evidence) == {*listed["evidence"], *moved["evidence"]}
    assert given.usage.requests == len(server.asked) == 3
    assert all(set(each.tools) == set(catalogue.TOOLS) for each in server.asked)
    assert len(server.asked[0].pictures) == 2
    assert "Which object moves?" in server.asked[0].text


@pytest.mark.parametrize("protocol", ["responses", "chat", "google"])
def test_the_last_round_offers_no_tools_over_each_protocol(
    protocol: Protocol, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    script = [Say(calls=(Call(name="list_objects", arguments={"t": None}),)), Say(text="Seven.")]
    with serving(protocol, script) as server:
        for name, value in server.environ.items():
            monkeypatch.setenv(name, value)
        given = fast_snow.ask(folder, "How many?", config=Config(vlm=server.config(max_rounds=1)))
    assert given.text == "Seven."
    assert [bool(each.tools) for each in server.asked] == [True, False]
    assert [ANSWER_NOW in each.instructions for each in server.asked] == [False, True]
    assert [len(each.outcomes) for each in server.asked] == [0, 1]
