"""The scene in 3D for viewers and modellers: extents as boxes, trails and the camera's path as lines or points."""

from typing import TYPE_CHECKING, Final

import numpy as np
from jaxtyping import Float64

from fast_snow.errors import InputError
from fast_snow.formats.source import ExportSource
from fast_snow.output.graph_json.writing import coordinate_system
from fast_snow.types import SceneGraph, Track
from fast_snow.viewing.palette import rgb_of

if TYPE_CHECKING:
    import trimesh

_T_GLTF_WORLD: Final = np.diag([1.0, -1.0, -1.0, 1.0])
"""glTF: x right, y up, z towards the viewer; the graph's world: x right, y down, z forward."""
_CAMERA_RGB: Final = (40, 40, 40)
_CAMERA_ID: Final = -1
_EXTENT: Final = 120
"""Opacity of boxes, of 255."""


def glb(source: ExportSource) -> dict[str, bytes]:
    """Return a glTF scene: `object_3` is the box of the last extent seen, `trail_3` its path, and `camera_path`."""
    import trimesh

    graph = source.graph
    scene = trimesh.Scene(metadata={"coordinate_system": coordinate_system(metric=graph.metric) + "; here y up"})
    for track in graph.tracks.values():
        scene.add_geometry(_box(track), node_name=f"object_{track.object_id}", geom_name=f"object_{track.object_id}")
    trails = {f"trail_{k}": (_trail(track), rgb_of(k)) for k, track in graph.tracks.items()}
    for name, (points, rgb) in {**trails, "camera_path": (_camera(graph), _CAMERA_RGB)}.items():
        if len(points) > 1:
            line = trimesh.load_path(points)
            line.colors = np.tile([*rgb, 255], (len(line.entities), 1)).astype(np.uint8)
            scene.add_geometry(line, node_name=name, geom_name=name)
    if not scene.geometry:
        raise InputError("4dsg.json: no tracks and no camera path, expected something to show in 3D")
    scene.apply_transform(_T_GLTF_WORLD)
    return {"": scene.export(file_type="glb")}


def ply(source: ExportSource) -> dict[str, bytes]:
    """Return one PLY in the graph's world: boxes as triangles; trails and the camera's path as vertices without faces.

    Each vertex has a colour and `object_id`, -1 for the camera.
    """
    import trimesh

    graph = source.graph
    boxes = [_box(track) for track in graph.tracks.values()]
    parts = [(k, np.asarray(box.vertices)) for k, box in zip(graph.tracks, boxes, strict=True)]
    faces = [np.asarray(box.faces) + 8 * i for i, box in enumerate(boxes)]
    parts += [(k, _trail(track)) for k, track in graph.tracks.items()] + [(_CAMERA_ID, _camera(graph))]
    ids = np.repeat(np.array([k for k, _ in parts], np.int32), [len(points) for _, points in parts])
    colors = np.array([_CAMERA_RGB if k == _CAMERA_ID else rgb_of(k) for k in ids.tolist()], np.uint8).reshape(-1, 3)
    mesh = trimesh.Trimesh(
        vertices=np.concatenate([points for _, points in parts]),
        faces=np.concatenate([np.zeros((0, 3), np.int64), *faces]),
        vertex_colors=np.column_stack([colors, np.full(len(colors), 255, np.uint8)]),
        process=False,
    )
    mesh.vertex_attributes["object_id"] = ids
    return {"": mesh.export(file_type="ply")}


def _box(track: Track) -> "trimesh.Trimesh":
    """Return the extent of the object's last observation, along the world's axes."""
    import trimesh

    last = track.observations[-1]
    box = trimesh.creation.box(bounds=np.stack([last.low, last.high]).astype(np.float64))
    box.visual.face_colors = [*rgb_of(track.object_id), _EXTENT]
    return box


def _trail(track: Track) -> Float64[np.ndarray, "n 3"]:
    return track.observations.centroid.astype(np.float64)


def _camera(graph: SceneGraph) -> Float64[np.ndarray, "n 3"]:
    return graph.ego.position.astype(np.float64)
