"""A run offered to assistants: by a real client to a real process, and in memory."""

import json
import signal
import subprocess
import sys
from base64 import b64decode
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from fast_snow import output
from fast_snow.api import Result
from fast_snow.cli.main import main
from fast_snow.errors import UserError
from fast_snow.output import Snapshot
from fast_snow.reasoning.prompt.keyframe_images import keyframe_images
from fast_snow.reasoning.tools import catalogue
from fast_snow.types import Keyframe, SceneGraph
from tests.reasoning.runs import returned, some_arguments

pytest.importorskip("mcp", reason='the package mcp is not installed: uv pip install -e ".[vlm]"')

import anyio
from mcp import Client, MCPError, StdioServerParameters

from fast_snow.reasoning.mcp_server import server

PATIENCE_S = 60.0
"""A server that does not answer fails the test instead of holding it up."""


def asked(client: Client, conversation) -> Any:
    """Hold a conversation with a server and return what it came to."""

    async def hold() -> Any:
        async with client:
            return await conversation(client)

    return anyio.run(hold)


def in_memory(graph: SceneGraph, folder: Path) -> Client:
    return Client(server({"run": lambda: Snapshot(graph=graph, folder=folder)}), read_timeout_seconds=PATIENCE_S)


@pytest.mark.parametrize(
    "mode", ["legacy", pytest.param("auto", marks=pytest.mark.slow)]
)  # the handshake of 2025, and the newer protocol without one
def test_every_tool_over_stdio_answers_as_it_does_here(mode: str, graph: SceneGraph, folder: Path):
    declared = {each.name: each for each in catalogue.declarations()}
    arguments = {name: some_arguments(each, graph) for name, each in declared.items()}

    async def conversation(client: Client) -> Any:
        listed = await client.list_tools()
        answers = {name: await client.call_tool(name, arguments[name]) for name in declared}
        wrong = [await client.call_tool(name, {"no_such_argument": 1}) for name in declared]
        with pytest.raises(MCPError, match="no_such_tool"):
            await client.call_tool("no_such_tool", {})
        return listed.tools, answers, wrong, await client.call_tool(*next(iter(arguments.items())))

    parameters = StdioServerParameters(command=sys.executable, args=["-m", "fast_snow", "mcp", str(folder)])
    client = Client(parameters, mode=mode, read_timeout_seconds=PATIENCE_S)
    listed, answers, wrong, still_there = asked(client, conversation)
    assert {each.name: each.input_schema for each in listed if each.name in declared} == {
        name: each.parameters for name, each in declared.items()
    }
    assert [each.name for each in listed] == [*declared, "show_keyframe"]
    assert all(each.annotations.read_only_hint for each in listed)
    for name, answer in answers.items():
        own = returned(graph, name, **arguments[name])
        assert not answer.is_error
        assert answer.structured_content == own
        assert json.loads(answer.content[0].text) == own
    assert all(each.is_error and each.structured_content is None for each in wrong)
    assert not still_there.is_error


def test_a_wrong_argument_is_told_in_the_words_of_the_tool(graph: SceneGraph, folder: Path):
    name = next(iter(catalogue.TOOLS))
    with pytest.raises(UserError) as refused:
        catalogue.call_tool(graph, name, {"no_such_argument": 1})
    reply = asked(in_memory(graph, folder), lambda client: client.call_tool(name, {"no_such_argument": 1}))
    assert (reply.is_error, reply.content[0].text) == (True, str(refused.value))


def test_keyframes_are_shown_with_numbers(graph: SceneGraph, folder: Path):
    async def conversation(client: Client) -> Any:
        shown = await client.call_tool("show_keyframe", {"t": 3})
        return shown, await client.read_resource("fast-snow://keyframes/4")

    shown, resource = asked(in_memory(graph, folder), conversation)
    last = keyframe_images(folder, graph, most=2)[-1]
    words, image = shown.content
    assert words.text == last.name == "keyframe t=4"
    assert image.mime_type == "image/jpeg"
    assert b64decode(image.data) == b64decode(resource.contents[0].blob) == last.jpeg
    plain = keyframe_images(folder, graph, most=2, labelled=False)[-1]
    assert np.any(decoded(last.jpeg) != decoded(plain.jpeg))


def decoded(jpeg: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)


@pytest.mark.parametrize("arguments", [{}, {"t": "0"}, {"t": True}, {"t": 1.5}, {"t": None}, {"t": 0, "size": 3}])
def test_a_keyframe_that_cannot_be_meant(arguments: dict[str, Any], graph: SceneGraph, folder: Path):
    reply = asked(in_memory(graph, folder), lambda client: client.call_tool("show_keyframe", arguments))
    assert reply.is_error
    assert "expected a frame" in reply.content[0].text


def test_the_graph_as_a_resource(graph: SceneGraph, folder: Path):
    async def conversation(client: Client) -> Any:
        return await client.list_resources(), await client.read_resource("fast-snow://graph")

    listed, about = asked(in_memory(graph, folder), conversation)
    uris = [each.uri for each in listed.resources]
    assert uris == ["fast-snow://graph", "fast-snow://keyframes/0", "fast-snow://keyframes/4"]
    overview = json.loads(about.contents[0].text)
    assert (overview["num_frames"], overview["metric"]) == (graph.num_frames, True)
    assert overview["time_s"] == pytest.approx([0.0, 0.7])
    assert [each["object_id"] for each in overview["objects"]] == list(graph.tracks)
    assert [each["uri"] for each in overview["keyframes"]] == uris[1:]


@pytest.mark.parametrize("uri", ["fast-snow://keyframes/1", "fast-snow://../../secret", "file:///etc/hostname"])
def test_resources_that_are_not_listed(uri: str, graph: SceneGraph, folder: Path):
    async def conversation(client: Client) -> Any:
        with pytest.raises(MCPError, match="expected one that is listed"):
            await client.read_resource(uri)

    asked(in_memory(graph, folder), conversation)


@pytest.mark.parametrize("path", ["../secret.jpg", "keyframes/gone.jpg"])
def test_keyframes_that_are_not_in_the_folder(path: str, graph: SceneGraph, folder: Path):
    (folder.parent / "secret.jpg").write_bytes((folder / "keyframes" / "000000.jpg").read_bytes())
    hostile = replace(graph, keyframes=(Keyframe(t=0, source_frame=0, path=path),))

    async def conversation(client: Client) -> Any:
        reply = await client.call_tool("show_keyframe", {"t": 0})
        with pytest.raises(MCPError, match="keyframe t=0"):
            await client.read_resource("fast-snow://keyframes/0")
        return reply, await client.read_resource("fast-snow://graph")

    reply, still_there = asked(in_memory(hostile, folder), conversation)
    assert reply.is_error
    assert path in reply.content[0].text
    assert still_there.contents


def test_without_keyframes_none_are_offered(graph: SceneGraph, folder: Path):
    async def conversation(client: Client) -> Any:
        with pytest.raises(MCPError, match="show_keyframe"):
            await client.call_tool("show_keyframe", {"t": 0})
        return await client.list_tools()

    listed = asked(in_memory(replace(graph, keyframes=()), folder), conversation)
    assert [each.name for each in listed.tools] == list(catalogue.TOOLS)


def test_a_live_run_is_followed_to_its_end(run: Result, tmp_path: Path):
    out = tmp_path / "out"
    calls = [("list_objects", {}), ("show_keyframe", {"t": 4})]

    async def conversation(client: Client) -> Any:
        replies = []
        with output.create(out) as writer:
            writer.add(run.labelled, run.keyframes)
            for last in (4, 7):
                writer.show(run.graph.window(t=last, length=4))
                replies.append([await client.call_tool(*each) for each in calls])
            about = await client.read_resource("fast-snow://graph")
            writer.finish(run.graph, run.record)
        return replies, about, await client.call_tool(*calls[0])

    client = Client(server({"run": output.Newest(out)}), read_timeout_seconds=PATIENCE_S)
    replies, about, finished = asked(client, conversation)
    for last, (answer, shown) in zip((4, 7), replies, strict=True):
        assert not answer.is_error
        assert answer.content[1].text.endswith(f"its last 4 frames, up to t = {last}")
        assert json.loads(answer.content[0].text) == returned(run.graph.window(t=last, length=4), "list_objects")
        assert shown.content[0].text == "keyframe t=4"
    assert json.loads(about.contents[0].text)["growing"].endswith("up to t = 7")
    assert len(finished.content) == 1
    assert json.loads(finished.content[0].text) == returned(run.graph, "list_objects")


def initialise(number: int) -> str:
    params = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": "initialize", "params": params}) + "\n"


@pytest.mark.parametrize("how", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGTERM, None])
def test_a_server_ends_quietly(how: signal.Signals | None, folder: Path):
    with subprocess.Popen(
        [sys.executable, "-m", "fast_snow", "mcp", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        process.stdin.write("this is no request\n" + initialise(1))
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["id"] == 1  # it serves, and nothing else is on standard output
        if how is not None:
            process.send_signal(how)
        rest, errors = process.communicate(timeout=PATIENCE_S)  # which also ends its standard input
    assert (process.returncode, rest, errors) == (0, "", "")


def test_an_assistant_that_goes_without_listening(folder: Path):
    with subprocess.Popen(
        [sys.executable, "-m", "fast_snow", "mcp", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        process.stdout.close()
        process.stdin.write(initialise(1))
        process.stdin.close()
        errors = process.stderr.read()
    assert (process.returncode, errors) == (0, "")


@pytest.mark.parametrize("damage", [None, "", "{}", "[1, 2"])
def test_a_run_that_cannot_be_served(damage: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    if damage is not None:
        (tmp_path / "4dsg.json").write_text(damage)
    with pytest.raises(SystemExit) as end:
        main(["mcp", str(tmp_path)])
    captured = capsys.readouterr()
    assert (end.value.code, captured.out) == (2, "")
    assert len(captured.err.strip().splitlines()) == 1
    assert str(tmp_path) in captured.err


def test_a_run_is_a_folder(folder: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as end:
        main(["mcp", str(folder / "4dsg.json")])
    assert end.value.code == 2
    assert "expected the one that infer wrote" in capsys.readouterr().err


def test_without_the_package_one_line_says_what_to_install(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setitem(sys.modules, "mcp", None)
    for each in ("mcp_server", "mcp_http"):
        monkeypatch.delitem(sys.modules, f"fast_snow.reasoning.{each}", raising=False)
        monkeypatch.delattr(f"fast_snow.reasoning.{each}", raising=False)
    with pytest.raises(SystemExit) as end:
        main(["mcp", str(folder)])
    assert end.value.code == 1
    assert 'uv pip install -e ".[vlm]"' in capsys.readouterr().err
