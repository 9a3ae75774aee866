"""Runs offered over HTTP: to the official client, to strangers, and to pages that rebind their names."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fast_snow import output
from fast_snow.api import Result
from fast_snow.cli.main import main
from fast_snow.output import Snapshot
from fast_snow.types import Keyframe, SceneGraph
from tests.reasoning.runs import returned

pytest.importorskip("mcp", reason='the package mcp is not installed: uv pip install -e ".[vlm]"')

import anyio
import httpx2
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

from fast_snow.reasoning.mcp_http import TOKEN, HttpEndpoint, http_server, listening
from fast_snow.reasoning.mcp_server import PAGE

PATIENCE_S = 180.0
"""A server that does not answer fails the test instead of holding it up."""
SECRET = "correct-horse-battery-staple"


@pytest.fixture
def runs(graph: SceneGraph, folder: Path) -> dict[str, Callable[[], Snapshot]]:
    """Return two runs, of which the second lacks the first object."""
    first = next(iter(graph.tracks))
    fewer = replace(graph, tracks={key: track for key, track in graph.tracks.items() if key != first})
    return {
        "yard": lambda: Snapshot(graph=graph, folder=folder),
        "hall": lambda: Snapshot(graph=fewer, folder=folder),
    }


@asynccontextmanager
async def serving(runs: dict[str, Callable[[], Snapshot]], **settings: Any) -> AsyncIterator[HttpEndpoint]:
    """Serve runs at a free port of this machine, in the event loop of the test."""
    at = HttpEndpoint(host="127.0.0.1", port=0, **settings)
    taken = listening(at)
    at = replace(at, port=taken.getsockname()[1])
    running = http_server(runs, at)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(running.serve, [taken])
        try:
            with anyio.fail_after(PATIENCE_S):
                yield at
        finally:
            running.should_exit = True


@asynccontextmanager
async def client(at: HttpEndpoint, token: str = "", mode: str = "auto") -> AsyncIterator[Client]:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    async with httpx2.AsyncClient(headers=headers, timeout=PATIENCE_S) as http:
        transport = streamable_http_client(at.url, http_client=http)
        async with Client(transport, mode=mode, read_timeout_seconds=PATIENCE_S) as asking:
            yield asking


@pytest.mark.parametrize(
    ("mode", "calls"),  # the handshake of 2025, and the newer protocol without one
    [("legacy", 10), *(pytest.param(mode, 200, marks=pytest.mark.slow) for mode in ("legacy", "auto"))],
)
def test_two_runs_answer_concurrent_calls(mode: str, calls: int, runs):
    own = {name: returned(runs[name]().graph, "list_objects") for name in runs}
    assert own["yard"] != own["hall"]
    wanted = [*runs] * (calls // 2)
    answers: list[Any] = [None] * len(wanted)

    async def conversation() -> Any:
        async with serving(runs) as at, client(at, mode=mode) as asking:
            listed = await asking.list_tools()

            async def call(i: int) -> None:
                answers[i] = await asking.call_tool("list_objects", {"run": wanted[i]})

            async with anyio.create_task_group() as tasks:
                for i in range(len(wanted)):
                    tasks.start_soon(call, i)
            wrong = [await asking.call_tool("list_objects", each) for each in ({}, {"run": "attic"}, {"run": 1})]
            return listed.tools, wrong, await asking.call_tool("show_keyframe", {"run": "hall", "t": 0})

    tools, wrong, shown = anyio.run(conversation)
    assert all(each.input_schema["properties"]["run"]["enum"] == ["yard", "hall"] for each in tools)
    assert all("run" in each.input_schema["required"] for each in tools)
    assert [each.structured_content for each in answers] == [own[name] for name in wanted]
    assert all(each.is_error and "expected one of yard, hall" in each.content[0].text for each in wrong)
    assert shown.content[1].mime_type == "image/jpeg"


def test_resources_are_listed_in_pages(runs, graph: SceneGraph, folder: Path):
    many = replace(graph, keyframes=tuple(Keyframe(t=t, source_frame=t, path="keyframes/x.jpg") for t in range(150)))
    runs = {"a b/ü": lambda: Snapshot(graph=many, folder=folder), **runs}

    async def conversation() -> Any:
        pages: list[Any] = []
        async with serving(runs) as at, client(at) as asking:
            while not pages or pages[-1].next_cursor is not None:
                pages.append(await asking.list_resources(cursor=pages[-1].next_cursor if pages else None))
            for cursor in ("", "1", "x.y", "0.0.0"):
                with pytest.raises(MCPError, match="cursor: got"):
                    await asking.list_resources(cursor=cursor)
            uris = [each.uri for page in pages for each in page.resources]
            abouts = [await asking.read_resource(each) for each in uris if each.endswith("/graph")]
            return pages, uris, abouts

    pages, uris, abouts = anyio.run(conversation)
    keyframes = sum(len(newest().graph.keyframes) for newest in runs.values())
    assert [len(page.resources) for page in pages] == [PAGE, keyframes + len(runs) - PAGE]
    assert len(set(uris)) == len(uris)
    assert uris[0] == "fast-snow://runs/a%20b%2F%C3%BC/graph"
    listed = [each["uri"] for about in abouts for each in json.loads(about.contents[0].text)["keyframes"]]
    assert listed == [each for each in uris if "/keyframes/" in each]


def ask(**headers: str) -> dict[str, Any]:
    """Return a request for the tools, as httpx2 takes it."""
    accept = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
    return {"json": {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, "headers": accept | headers}


NEWER = {"mcp-protocol-version": "2026-07-28"}


def test_what_is_asked_of_another_name_is_refused(runs):
    foreign = {
        ("host", "evil.example"): 421,
        ("host", "127.0.0.1.evil.example:80"): 421,
        ("origin", "http://evil.example"): 403,
        ("origin", "null"): 403,
    }
    own = [("host", "localhost:9000"), ("host", "scene.example"), ("origin", "https://scene.example")]

    async def conversation() -> dict[tuple[str, str], set[int]]:
        async with serving(runs, names=("scene.example",)) as at, httpx2.AsyncClient() as asking:
            return {
                (name, value): {
                    (await asking.post(at.url, **ask(**{name: value}, **protocol))).status_code
                    for protocol in ({}, NEWER)
                }
                for name, value in (*foreign, *own)
            }

    answered = anyio.run(conversation)
    assert {header: answered[header] for header in foreign} == {header: {code} for header, code in foreign.items()}
    assert all(not answered[header] & {401, 403, 421} and 200 in answered[header] for header in own)


def test_only_the_token_opens(runs):
    wrong = [SECRET[:1], SECRET[:-1], SECRET + "x", SECRET.upper(), "é" * 20]

    async def conversation() -> Any:
        async with serving(runs, token=SECRET) as at, httpx2.AsyncClient() as asking:
            refused = [
                await asking.post(at.url, **ask(authorization=b"Bearer " + each.encode("latin-1"), **protocol))
                for each in wrong
                for protocol in ({}, NEWER)
            ]
            refused += [await asking.get(at.url), await asking.post(at.url, **ask(authorization=f"Basic {SECRET}"))]
            async with client(at, SECRET) as known:
                return refused, await known.list_tools()

    refused, listed = anyio.run(conversation)
    assert {each.status_code for each in refused} == {401}
    assert all(each.headers["www-authenticate"].startswith("Bearer") for each in refused)
    assert listed.tools


def test_a_live_run_is_followed(run: Result, runs, tmp_path: Path):
    async def conversation() -> Any:
        replies = []
        with output.create(tmp_path / "out") as writer:
            writer.add(run.labelled, run.keyframes)
            async with serving({"live": output.Newest(tmp_path / "out"), **runs}) as at, client(at) as asking:
                for last in (4, 7):
                    writer.show(run.graph.window(t=last, length=4))
                    replies.append(await asking.call_tool("list_objects", {"run": "live"}))
        return replies

    for last, reply in zip((4, 7), anyio.run(conversation), strict=True):
        assert reply.content[1].text.endswith(f"its last 4 frames, up to t = {last}")
        assert reply.structured_content == returned(run.graph.window(t=last, length=4), "list_objects")


@pytest.mark.parametrize("how", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGTERM])
def test_a_server_ends_quietly_while_a_client_listens(how: signal.Signals, folder: Path):
    command = [sys.executable, "-m", "fast_snow", "mcp", str(folder), str(folder), "--http", "127.0.0.1:0"]

    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        words = process.stdout.readline().split()
        assert words[:4] == ["serving", "out,", "out-2", "at"]
        with httpx2.stream("GET", words[4], headers={"accept": "text/event-stream"}, timeout=PATIENCE_S) as stream:
            assert stream.status_code == 200
            process.send_signal(how)
            rest, errors = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, rest, errors) == (0, "", "")


@pytest.mark.parametrize(
    ("address", "token", "message"),
    [
        ("127.0.0.1", "", "expected HOST:PORT"),
        ("http://127.0.0.1:8765", "", "expected HOST:PORT"),
        ("127.0.0.1:8765/mcp", "", "expected HOST:PORT"),
        ("127.0.0.1:99999", "", "expected HOST:PORT"),
        ("0.0.0.0:0", "", f"set {TOKEN}"),
        ("[::]:0", "", f"set {TOKEN}"),
        ("scene.example:0", "", f"set {TOKEN}"),
        ("127.0.0.1:0", "short", "16 ASCII characters"),
        ("0.0.0.0:0", "with a space in it", "16 ASCII characters"),
        ("127.0.0.1:{taken}", "", "expected a free port"),
    ],
)
def test_where_a_server_cannot_listen(
    address: str, token: str, message: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys
):
    monkeypatch.setenv(TOKEN, token)
    monkeypatch.setattr("fast_snow.reasoning.mcp_http.end_at_signals", lambda: None)
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(SystemExit) as end:
        main(["mcp", str(folder), "--http", address.format(taken=other.getsockname()[1])])
    captured = capsys.readouterr()
    assert (end.value.code, captured.out, len(captured.err.strip().splitlines())) == (2, "", 1)
    assert message in captured.err
    assert not token or token not in captured.err
