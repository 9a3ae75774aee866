"""A finished run of the synthetic scene, with its exact depth, poses and identities, and arguments that fit it."""

import json
from functools import cache
from typing import Any

from fast_snow.api import Result, build_graph
from fast_snow.config import Config, OutputConfig, SamplingConfig
from fast_snow.inputs import from_recording
from fast_snow.reasoning.conversation import ToolDeclaration
from fast_snow.reasoning.tools import catalogue
from fast_snow.synthetic.render import as_recording
from fast_snow.synthetic.scene import SceneConfig
from fast_snow.types import SceneGraph
from tests.scenes import rendered


@cache
def small_run() -> Result:
    """Return a run of eight frames, every fourth a keyframe."""
    config = Config(sampling=SamplingConfig(target_fps=10.0), output=OutputConfig(keyframe_every=4))
    recording = as_recording(rendered(SceneConfig(size=(120, 160), frames=8)))
    return build_graph(from_recording(recording, config.sampling), config=config)


def some_arguments(tool: ToolDeclaration, graph: SceneGraph) -> dict[str, Any]:
    """Return arguments that fit a tool's parameters, null wherever it is allowed."""
    one, other = list(graph.tracks)[:2]
    named = {"object_id": one, "other_id": other, "t": int(graph.ego.t[2])}
    return {
        name: None if "null" in schema["type"] else schema["enum"][0] if "enum" in schema else named[name]
        for name, schema in tool.parameters["properties"].items()
    }


def returned(graph: SceneGraph, name: str, **arguments: object) -> dict[str, Any]:
    """Return what a tool answers, as it looks after a journey as JSON."""
    return json.loads(json.dumps(catalogue.call_tool(graph, name, arguments).as_json()))
