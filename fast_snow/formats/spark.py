"""A dynamic scene graph of spark_dsg (Hydra, Khronos): objects with their trajectories, and the camera as an agent."""

import tempfile
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from fast_snow.formats.source import ExportSource
from fast_snow.output.graph_json.writing import coordinate_system
from fast_snow.types import SceneGraph, Track
from fast_snow.viewing.palette import rgb_of

if TYPE_CHECKING:
    from spark_dsg import ObjectNodeAttributes

_OBJECT: Final = "O"
_AGENT: Final = "a"


def scene_graph(source: ExportSource) -> dict[str, bytes]:
    """Return the JSON of a `DynamicSceneGraph`.

    Layer OBJECTS has a node `O<object_id>` per track with the last extent, and in its metadata `t`, `time_ns` and
    `trajectory`; layer AGENTS, partition `a`, a node `a<t>` per camera pose that is known.
    """
    import spark_dsg as dsg

    graph = source.graph
    out = dsg.DynamicSceneGraph()
    time_ns = _times(graph)
    for track in graph.tracks.values():
        out.add_node(dsg.DsgLayers.OBJECTS, dsg.NodeSymbol(_OBJECT, track.object_id), _object(track, time_ns))
    poses = graph.ego.T_world_camera
    layer = out.get_layer_key(dsg.DsgLayers.AGENTS).layer
    for t, T, xyzw in zip(graph.ego.t.tolist(), poses, graph.ego.quaternion_xyzw.tolist(), strict=True):
        if np.isfinite(T).all():
            attributes = dsg.AgentNodeAttributes()
            attributes.timestamp = timedelta(microseconds=time_ns[t] // 1000)
            attributes.position = T[:3, 3]
            x, y, z, w = xyzw
            attributes.world_R_body = dsg.Quaternion(w, x, y, z)
            out.add_node(layer, dsg.NodeSymbol(_AGENT, t), attributes, ord(_AGENT))
    out.metadata.add({"coordinate_system": coordinate_system(metric=graph.metric), "metric": graph.metric})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.json"
        out.save(str(path), include_mesh=False)
        return {"": path.read_bytes()}


def _object(track: Track, time_ns: dict[int, int]) -> "ObjectNodeAttributes":
    import spark_dsg as dsg

    seen, last = track.observations, track.observations[-1]
    attributes = dsg.ObjectNodeAttributes()
    attributes.name = f"object {track.object_id}"
    attributes.position = last.centroid.astype(np.float64)
    middle = (last.low.astype(np.float64) + last.high) / 2
    attributes.bounding_box = dsg.BoundingBox((last.high - last.low).astype(np.float32), middle.astype(np.float32))
    attributes.color = np.array(rgb_of(track.object_id), np.uint8)
    t = seen.t.tolist()
    attributes.metadata.add({"t": t, "time_ns": [time_ns[each] for each in t], "trajectory": seen.centroid.tolist()})
    return attributes


def _times(graph: SceneGraph) -> dict[int, int]:
    """Return the time of each frame in nanoseconds, or its number where no times are known."""
    known = bool(np.isfinite(graph.ego.time_s).all())
    values = np.maximum(graph.ego.time_s, 0.0) * 1e9 if known else graph.ego.t
    return dict(zip(graph.ego.t.tolist(), np.round(values).astype(np.int64).tolist(), strict=True))
