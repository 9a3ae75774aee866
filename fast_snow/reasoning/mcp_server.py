"""The spatial tools and the keyframes of runs for any assistant that speaks MCP (Model Context Protocol)."""

import json
import os
import re
import signal
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any, Final
from urllib.parse import quote

import anyio
import anyio.to_thread
import numpy as np
from mcp import types
from mcp.server import Server, ServerRequestContext
from mcp.server.stdio import stdio_server
from mcp.shared.exceptions import MCPError

from fast_snow.errors import InputError
from fast_snow.output import Snapshot
from fast_snow.output.graph_json.writing import coordinate_system
from fast_snow.reasoning.conversation import ImagePart, ToolCall, ToolDeclaration
from fast_snow.reasoning.prompt.keyframe_images import keyframe_images
from fast_snow.reasoning.tools import catalogue
from fast_snow.types import Keyframe, SceneGraph

ROOT_URI: Final = "fast-snow://"
JPEG: Final = "image/jpeg"
PAGE: Final = 100
"""Most resources of one answer; a cursor leads on."""

Runs = Mapping[str, Callable[[], Snapshot]]
"""By name, what reads a run as it is now."""

INSTRUCTIONS: Final = (
    "A 4D scene graph of one video: what was seen, where and when, as numbered objects without names. The tools measure"
    " in it and answer with value, uncertainty and the frames they rest on, or say why a thing is unknown. To learn"
    " which number is which thing, look at keyframes, on which the numbers are drawn. t counts the frames of the clip."
)

SHOW_KEYFRAME: Final = ToolDeclaration(
    name="show_keyframe",
    description="The image of the clip nearest to frame t, with the objects' outlines and numbers drawn on it.",
    parameters={
        "type": "object",
        "properties": {"t": {"type": "integer", "description": "frame index"}},
        "required": ["t"],
        "additionalProperties": False,
    },
)

SEVERAL: Final = " This server holds several runs: name one in each call. Each has its own objects, frames and world."

_Context = ServerRequestContext[Any]
_Page = types.PaginatedRequestParams | None
_ONE_AT_A_TIME: Final = anyio.CapacityLimiter(1)


def serve(runs: Runs) -> None:
    """Serve runs over standard input and output until the assistant goes, or SIGINT or SIGTERM ends the process.

    Args:
        runs: at least one; nothing outside their folders is read.
    """
    end_at_signals()
    try:
        anyio.run(_serve, server(runs))
    except* BrokenPipeError:  # the assistant is gone
        pass


async def _serve(offered: "Server[Any]") -> None:
    async with stdio_server() as (incoming, outgoing):
        await offered.run(incoming, outgoing, offered.create_initialization_options())


def end_at_signals() -> None:
    """Let SIGINT and SIGTERM end the process at once, without an error.

    The thread that waits for standard input cannot be woken, and nothing is left to do.
    """
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: os._exit(0))


def server(runs: Runs) -> "Server[Any]":
    """Return a server that offers runs; it is to be run over any transport.

    Args:
        runs: at least one; where there are several, each tool takes the name of one as `run`.
    """
    offer = _Offer(runs=runs)
    return Server(
        "fast-snow",
        version=version("fast-snow"),
        title="Fast-SNOW",
        instructions=INSTRUCTIONS + (SEVERAL if len(runs) > 1 else ""),
        on_list_tools=_in_thread(offer.list_tools),
        on_call_tool=_in_thread(offer.call_tool),
        on_list_resources=_in_thread(offer.list_resources),
        on_read_resource=_in_thread(offer.read_resource),
    )


def _in_thread(answer: Callable[[Any], Any]) -> Callable[[_Context, Any], Awaitable[Any]]:
    """Answer beside the event loop, so that a long answer holds up no other connection."""

    async def handle(_: _Context, params: Any) -> Any:  # noqa: ANN401 (params and result of each method)
        return await anyio.to_thread.run_sync(answer, params, limiter=_ONE_AT_A_TIME)

    return handle


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Offer:
    """What runs answer to each request, one at a time: reading is not made for threads."""

    runs: Runs

    def list_tools(self, _: _Page) -> types.ListToolsResult:
        keyframes = any(newest().graph.keyframes for newest in self.runs.values())
        declared = catalogue.declarations() + ((SHOW_KEYFRAME,) if keyframes else ())
        return types.ListToolsResult(tools=[_tool(each, self._names) for each in declared])

    def call_tool(self, params: types.CallToolRequestParams) -> types.CallToolResult:
        arguments = dict(params.arguments or {})
        name = arguments.pop("run", None) if self._names else next(iter(self.runs))
        if type(name) is not str or name not in self.runs:
            return _error(f"{params.name}: run: got {json.dumps(name)[:200]}, expected one of {', '.join(self._names)}")
        run = self.runs[name]()
        up_to = [types.TextContent(text=str(run))] if run.growing else []
        if params.name == SHOW_KEYFRAME.name and run.graph.keyframes:
            return _show(run, arguments)
        if params.name not in catalogue.TOOLS:
            known = ", ".join(catalogue.TOOLS)
            raise MCPError(types.INVALID_PARAMS, f"tool: got {params.name!r}, expected one of {known}")
        use = catalogue.tools_over(run.graph)
        outcome = use(ToolCall(call_id="", name=params.name, arguments=json.dumps(arguments)))
        return types.CallToolResult(
            content=[types.TextContent(text=outcome.content), *up_to],
            structured_content=None if outcome.failed else dict(outcome.result),
            is_error=outcome.failed,
        )

    def list_resources(self, params: _Page) -> types.ListResourcesResult:
        """List one page; a cursor is the run and the number of its resource that come next, so that runs may grow."""
        begin = _position(None if params is None else params.cursor)
        listed = [
            ((number, i), resource)
            for number, name in enumerate(self.runs)
            for i, resource in enumerate(self._resources(name))
            if (number, i) >= begin
        ]
        more = "{}.{}".format(*listed[PAGE][0]) if len(listed) > PAGE else None
        return types.ListResourcesResult(resources=[each for _, each in listed[:PAGE]], next_cursor=more)

    def _resources(self, name: str) -> Iterator[types.Resource]:
        root, of = self._root(name), f" of {name}" if self._names else ""
        yield types.Resource(
            uri=f"{root}graph",
            name=f"graph{of}",
            title=f"About the scene graph{of}",
            description="Frames, units, where depth comes from, the objects and when they are seen.",
            mime_type="application/json",
        )
        for each in self.runs[name]().graph.keyframes:
            title = f"Keyframe at t = {each.t}{of}"
            yield types.Resource(uri=_uri(each, root), name=f"keyframe-{each.t}{of}", title=title, mime_type=JPEG)

    def read_resource(self, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        for name, newest in self.runs.items():
            root, run = self._root(name), newest()
            if params.uri == f"{root}graph":
                text = json.dumps(graph_overview(run.graph, root) | ({"growing": str(run)} if run.growing else {}))
                about = types.TextResourceContents(uri=params.uri, mime_type="application/json", text=text)
                return types.ReadResourceResult(contents=[about])
            for each in run.graph.keyframes:
                if _uri(each, root) == params.uri:
                    return _image(run, each, params.uri)
        raise MCPError(types.INVALID_PARAMS, f"resource: got {params.uri[:200]!r}, expected one that is listed")

    @property
    def _names(self) -> tuple[str, ...]:
        """The runs to choose from; none where there is no choice."""
        return tuple(self.runs) if len(self.runs) > 1 else ()

    def _root(self, name: str) -> str:
        return f"{ROOT_URI}runs/{quote(name, safe='')}/" if self._names else ROOT_URI


def _position(cursor: str | None) -> tuple[int, int]:
    """Return the run and the number of its resource at which a page begins."""
    if cursor is None:
        return 0, 0
    match = re.fullmatch(r"([0-9]{1,9})\.([0-9]{1,9})", cursor)
    if match is None:
        raise MCPError(types.INVALID_PARAMS, f"cursor: got {cursor[:40]!r}, expected the next_cursor of a page")
    return int(match[1]), int(match[2])


def _image(run: Snapshot, keyframe: Keyframe, uri: str) -> types.ReadResourceResult:
    try:
        blob = b64encode(_picture(run, keyframe).jpeg).decode()
    except InputError as error:
        raise MCPError(types.INTERNAL_ERROR, str(error)) from error
    return types.ReadResourceResult(contents=[types.BlobResourceContents(uri=uri, mime_type=JPEG, blob=blob)])


def _show(run: Snapshot, arguments: Mapping[str, Any]) -> types.CallToolResult:
    t = arguments.get("t")
    if type(t) is not int or len(arguments) != 1:
        return _error(f'show_keyframe: got {json.dumps(arguments)[:200]}, expected a frame, like {{"t": 0}}')
    nearest = min(run.graph.keyframes, key=lambda each: abs(each.t - t))
    try:
        picture = _picture(run, nearest)
    except InputError as error:
        again = "; the run is still growing, this may be just being written: ask again" if run.growing else ""
        return _error(f"{error}{again}")
    image = types.ImageContent(data=b64encode(picture.jpeg).decode(), mime_type=JPEG)
    return types.CallToolResult(content=[types.TextContent(text=picture.name), image])


def _picture(run: Snapshot, keyframe: Keyframe) -> ImagePart:
    (picture,) = keyframe_images(run.folder, replace(run.graph, keyframes=(keyframe,)), most=1)
    return picture


def graph_overview(graph: SceneGraph, root: str = ROOT_URI) -> dict[str, Any]:
    """Return what a reader must know of a graph before asking it, as JSON; root begins the URIs of its images."""
    time_s = graph.ego.time_s[np.isfinite(graph.ego.time_s)].tolist()
    return {
        "num_frames": graph.num_frames,
        "time_s": [time_s[0], time_s[-1]] if time_s else None,
        "metric": graph.metric,
        "coordinate_system": coordinate_system(metric=graph.metric, segments=len(graph.segments)),
        **({"segments": [list(each) for each in graph.segments]} if graph.segments else {}),
        "depth_origin": list(graph.depth_origin),
        "objects": [{"object_id": each.object_id, "theta": list(each.theta)} for each in graph.tracks.values()],
        "keyframes": [{"t": each.t, "uri": _uri(each, root)} for each in graph.keyframes],
    }


def _uri(keyframe: Keyframe, root: str) -> str:
    return f"{root}keyframes/{keyframe.t}"


def _tool(declaration: ToolDeclaration, runs: tuple[str, ...]) -> types.Tool:
    """Return a tool as it is offered; where there are runs to choose from, `run` is its first argument."""
    schema = dict(declaration.parameters)
    if runs:
        run = {"type": "string", "enum": [*runs], "description": "the run to ask"}
        schema["properties"] = {"run": run, **schema["properties"]}
        schema["required"] = ["run", *schema.get("required", ())]
    return types.Tool(
        name=declaration.name,
        description=declaration.description,
        input_schema=schema,
        annotations=types.ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False),
    )


def _error(message: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=message)], is_error=True)
