"""Boxes as text, one line per object and frame: MOTChallenge and KITTI tracking.

Boxes are those of the whole mask on the analysis grid, also where an object could not be placed in the world.
"""

from collections.abc import Iterator

import numpy as np

from fast_snow.formats.source import ExportSource, sightings
from fast_snow.types import SceneGraph, Sighting, StepToken


def motchallenge(source: ExportSource) -> dict[str, bytes]:
    """Return the lines of MOTChallenge's 2D and 3D results: frames, numbers and pixels count from 1.

    `frame,id,left,top,width,height,confidence,x,y,z`, where x, y and z are the centroid in the world, and -1 where an
    object has no place in it.

    Reference:
        Leal-Taixé et al., MOTChallenge 2015, arXiv 1504.01942, section 3.3 (data format).
    """
    lines = []
    for object_id, seen in _boxed(source.graph):
        left, top, right, bottom = seen.region.box.tolist()
        score = 1.0 if np.isnan(seen.score) else seen.score
        place = [f"{each:.9g}" for each in seen.centroid] if isinstance(seen, StepToken) else ["-1"] * 3
        box = f"{left + 1},{top + 1},{right - left},{bottom - top}"
        lines.append(f"{seen.t + 1},{object_id + 1},{box},{score:.6g},{','.join(place)}\n")
    return {"": "".join(lines).encode()}


def kitti(source: ExportSource) -> dict[str, bytes]:
    """Return the lines of KITTI's tracking labels: frames and numbers count from 0, all objects are of type Misc.

    What needs boxes turned with the object (alpha, dimensions, location, rotation) has the values that stand for
    "unknown" there.

    Reference:
        Geiger et al., KITTI tracking development kit, readme.txt (data format description).
    """
    lines = []
    for object_id, seen in _boxed(source.graph):
        left, top, right, bottom = seen.region.box.tolist()
        score = 1.0 if np.isnan(seen.score) else seen.score
        box = f"{left:.2f} {top:.2f} {right - 1:.2f} {bottom - 1:.2f}"
        unknown = "-1 -1 -1 -1000 -1000 -1000 -10"
        lines.append(f"{seen.t} {object_id} Misc -1 -1 -10 {box} {unknown} {score:.6g}\n")
    return {"": "".join(lines).encode()}


def _boxed(graph: SceneGraph) -> Iterator[tuple[int, StepToken | Sighting]]:
    """Yield what has a box, by frame."""
    for object_id, each in sorted(sightings(graph), key=lambda seen: (seen[1].t, seen[0])):
        if min(each.region.box.tolist()) >= 0:
            yield object_id, each
