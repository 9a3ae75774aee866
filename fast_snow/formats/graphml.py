"""Objects and the camera as nodes of a graph, and how they stand to each other at a frame as its edges."""

from itertools import combinations
from typing import TYPE_CHECKING, Final

import numpy as np

from fast_snow.formats.source import ExportSource
from fast_snow.reasoning.tools.positions import offset, seen_offset
from fast_snow.reasoning.tools.reference_frames import SIDES, frame_at, words
from fast_snow.reasoning.tools.tool_answers import Unknowable
from fast_snow.reasoning.tools.tracks import visible_objects
from fast_snow.types import SceneGraph

if TYPE_CHECKING:
    import networkx as nx

CAMERA: Final = "camera"


def graphml(source: ExportSource) -> dict[str, bytes]:
    """Return GraphML: what is known of each object, and with `relations_at` distances and sides at that frame.

    Raises:
        ToolError: the clip has no such frame.
    """
    import networkx as nx

    graph = source.graph
    network = nx.MultiDiGraph(metric=graph.metric, frames=graph.num_frames)
    network.add_node(CAMERA, kind="camera")
    for object_id, track in graph.tracks.items():
        last = track.observations[-1]
        place = {axis: float(each) for axis, each in zip("xyz", last.centroid, strict=True)}
        size = {f"size_{axis}": float(each) for axis, each in zip("xyz", last.high - last.low, strict=True)}
        seen = {"first_t": track.theta[0], "last_t": track.theta[1], "observations": len(track.observations)}
        network.add_node(_name(object_id), kind="object", object_id=object_id, **seen, **place, **size)
    if source.relations_at is not None:
        _relate(network, graph, source.relations_at)
    return {"": "\n".join([*nx.generate_graphml(network), ""]).encode()}


def _relate(network: "nx.MultiDiGraph", graph: SceneGraph, t: int) -> None:
    """Add the distance of each pair that is visible at a frame, and the sides that the noise leaves no doubt of.

    An edge from a to b says how b stands to a: `side` "left" means that b is left of a as the camera sees it.
    """
    visible = visible_objects(graph, t)
    pairs: list[tuple[int | None, int]] = [*((None, each) for each in visible), *combinations(visible, 2)]
    for one, other in pairs:
        length, sigma = offset(graph, other, one, t).length
        known = (
            {"distance": float(length), "distance_sigma": float(sigma)} if np.isfinite([length, sigma]).all() else {}
        )
        network.add_edge(_name(one), _name(other), relation="distance", t=t, **known)
        try:
            way, _ = seen_offset(graph, other, one, t, frame_at(graph, "camera", t, other))
        except Unknowable:
            continue
        for side in words(way, SIDES):
            network.add_edge(_name(one), _name(other), relation=side, t=t)


def _name(object_id: int | None) -> str:
    return CAMERA if object_id is None else f"object {object_id}"
