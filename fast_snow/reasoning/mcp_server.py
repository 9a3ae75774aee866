"""The spatial tools and the keyframes of one run for any assistant that speaks MCP (Model Context Protocol)."""

import json
import os
import signal
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any, Final

import anyio
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

GRAPH_URI: Final = "fast-snow://graph"
KEYFRAME_URI: Final = "fast-snow://keyframes/"
JPEG: Final = "image/jpeg"

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

_Context = ServerRequestContext[Any]
_Page = types.PaginatedRequestParams | None


def serve(newest: Callable[[], Snapshot]) -> None:
    """Serve one run over standard input and output until the assistant goes, or SIGINT or SIGTERM ends the process.

    Args:
        newest: reads the run as it is now; nothing outside its folder is read.
    """
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, _stop)
    try:
        anyio.run(_serve, server(newest))
    except* BrokenPipeError:  # the assistant is gone
        pass


async def _serve(offered: "Server[Any]") -> None:
    async with stdio_server() as (incoming, outgoing):
        await offered.run(incoming, outgoing, offered.create_initialization_options())


def _stop(*_: object) -> None:
    """End the process at once: the thread that waits for standard input cannot be woken, and nothing is left to do."""
    os._exit(0)


def server(newest: Callable[[], Snapshot]) -> "Server[Any]":
    """Return a server that offers one run; it is to be run over any transport.

    Args:
        newest: reads the run as it is now.
    """
    offer = _Offer(newest=newest)
    return Server(
        "fast-snow",
        version=version("fast-snow"),
        title="Fast-SNOW",
        instructions=INSTRUCTIONS,
        on_list_tools=offer.list_tools,
        on_call_tool=offer.call_tool,
        on_list_resources=offer.list_resources,
        on_read_resource=offer.read_resource,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Offer:
    """What one run answers to each request."""

    newest: Callable[[], Snapshot]

    async def list_tools(self, _: _Context, __: _Page) -> types.ListToolsResult:
        declared = catalogue.declarations() + ((SHOW_KEYFRAME,) if self.newest().graph.keyframes else ())
        return types.ListToolsResult(tools=[_tool(each) for each in declared])

    async def call_tool(self, _: _Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        arguments, run = params.arguments or {}, self.newest()
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

    async def list_resources(self, _: _Context, __: _Page) -> types.ListResourcesResult:
        keyframes = self.newest().graph.keyframes
        overview = types.Resource(
            uri=GRAPH_URI,
            name="graph",
            title="About the scene graph",
            description="Frames, units, where depth comes from, the objects and when they are seen.",
            mime_type="application/json",
        )
        images = [
            types.Resource(uri=_uri(each), name=f"keyframe-{each.t}", title=f"Keyframe at t = {each.t}", mime_type=JPEG)
            for each in keyframes
        ]
        return types.ListResourcesResult(resources=[overview, *images])

    async def read_resource(self, _: _Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        run = self.newest()
        if params.uri == GRAPH_URI:
            text = json.dumps(graph_overview(run.graph) | ({"growing": str(run)} if run.growing else {}))
            return types.ReadResourceResult(
                contents=[types.TextResourceContents(uri=params.uri, mime_type="application/json", text=text)]
            )
        matching = [each for each in run.graph.keyframes if _uri(each) == params.uri]
        if not matching:
            raise MCPError(types.INVALID_PARAMS, f"resource: got {params.uri[:200]!r}, expected one that is listed")
        try:
            blob = b64encode(_picture(run, matching[0]).jpeg).decode()
        except InputError as error:
            raise MCPError(types.INTERNAL_ERROR, str(error)) from error
        return types.ReadResourceResult(
            contents=[types.BlobResourceContents(uri=params.uri, mime_type=JPEG, blob=blob)]
        )


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


def graph_overview(graph: SceneGraph) -> dict[str, Any]:
    """Return what a reader must know of a graph before asking it, as JSON."""
    time_s = graph.ego.time_s[np.isfinite(graph.ego.time_s)].tolist()
    return {
        "num_frames": graph.num_frames,
        "time_s": [time_s[0], time_s[-1]] if time_s else None,
        "metric": graph.metric,
        "coordinate_system": coordinate_system(metric=graph.metric, segments=len(graph.segments)),
        **({"segments": [list(each) for each in graph.segments]} if graph.segments else {}),
        "depth_origin": list(graph.depth_origin),
        "objects": [{"object_id": each.object_id, "theta": list(each.theta)} for each in graph.tracks.values()],
        "keyframes": [{"t": each.t, "uri": _uri(each)} for each in graph.keyframes],
    }


def _uri(keyframe: Keyframe) -> str:
    return f"{KEYFRAME_URI}{keyframe.t}"


def _tool(declaration: ToolDeclaration) -> types.Tool:
    return types.Tool(
        name=declaration.name,
        description=declaration.description,
        input_schema=dict(declaration.parameters),
        annotations=types.ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False),
    )


def _error(message: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=message)], is_error=True)
