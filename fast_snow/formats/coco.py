"""Masks as run lengths of pycocotools: COCO, YouTube-VIS and MOTS. Sizes are those of the analysis grid."""

import json
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from fast_snow.formats.source import ExportSource, sightings
from fast_snow.kernels.mask_measures import area
from fast_snow.types import LabelledMasks, SceneGraph

_CATEGORY: Final = {"id": 1, "name": "object", "supercategory": "object"}
"""The graph has no classes."""
_MOTS_CLASS: Final = 2
"""MOTS knows cars (1) and pedestrians (2); its readers refuse any other."""


def coco(source: ExportSource) -> dict[str, bytes]:
    """Return a COCO file: an image per frame (`id` is t + 1), an annotation per object in it with its `track_id`."""
    graph = source.graph
    scores = {(each.t, k): float(each.score) for k, each in sightings(graph) if np.isfinite(each.score)}
    annotations: list[dict[str, Any]] = []
    for frame in source.frames():
        for object_id, rle in _encoded(frame):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": frame.t + 1,
                    "category_id": _CATEGORY["id"],
                    "iscrowd": 0,
                    "track_id": object_id,
                    **_measured(rle),
                    **({"score": scores[frame.t, object_id]} if (frame.t, object_id) in scores else {}),
                }
            )
    height, width = graph.analysis_grid
    images = [
        {"id": t + 1, "file_name": name, "height": height, "width": width, "frame_id": t}
        for t, name in _file_names(graph).items()
    ]
    return _json({"images": images, "annotations": annotations, "categories": [_CATEGORY]})


def vis(source: ExportSource) -> dict[str, bytes]:
    """Return a YouTube-VIS file: one video, and an annotation per object with a mask or null for each frame.

    Reference:
        Yang et al., Video Instance Segmentation, arXiv 1905.04804; the layout of the youtube-vis API.
    """
    graph = source.graph
    place = {int(t): i for i, t in enumerate(graph.ego.t)}
    tracks: dict[int, dict[str, Any]] = {}
    names, per_frame = ("segmentation", "bbox", "area"), ("segmentations", "bboxes", "areas")
    for frame in source.frames():
        for object_id, rle in _encoded(frame):
            track = tracks.setdefault(object_id, {name: [None] * len(place) for name in per_frame})
            measured = _measured(rle)
            for name, column in zip(names, per_frame, strict=True):
                track[column][place[frame.t]] = measured[name]
    height, width = graph.analysis_grid
    video = {"id": 1, "height": height, "width": width, "length": len(place)}
    annotations = [
        {"id": i, "video_id": 1, "category_id": _CATEGORY["id"], "iscrowd": 0, "track_id": object_id, **track}
        for i, (object_id, track) in enumerate(sorted(tracks.items()), 1)
    ]
    videos = [{**video, "file_names": [*_file_names(graph).values()]}]
    return _json({"videos": videos, "annotations": annotations, "categories": [_CATEGORY]})


def mots(source: ExportSource) -> dict[str, bytes]:
    """Return the lines of MOTS: `frame id class height width rle`; a pixel of several masks is the smallest's alone.

    Reference:
        Voigtlaender et al., MOTS, arXiv 1902.03604; the txt format of its tools.
    """
    height, width = source.graph.analysis_grid
    lines = []
    for frame in source.frames():
        for object_id, rle in _encoded(frame, disjoint=True):
            lines.append(f"{frame.t} {object_id} {_MOTS_CLASS} {height} {width} {rle['counts']}\n")
    return {"": "".join(lines).encode()}


def _encoded(frame: LabelledMasks, *, disjoint: bool = False) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield each object of a frame that has pixels with its mask as COCO's run lengths, one dense mask at a time."""
    from pycocotools import mask as rle_of

    sizes = area(frame.masks).tolist()
    taken = np.zeros(frame.masks.shape, bool)
    for i in sorted(range(len(sizes)), key=sizes.__getitem__) if disjoint else range(len(sizes)):
        dense = frame.masks[np.array([i])].to_dense()[0]
        if disjoint:
            dense, taken = dense & ~taken, taken | dense
        if dense.any():
            rle = rle_of.encode(np.asfortranarray(dense.astype(np.uint8)))
            yield int(frame.object_id[i]), {"size": list(rle["size"]), "counts": rle["counts"].decode("ascii")}


def _measured(rle: dict[str, Any]) -> dict[str, Any]:
    from pycocotools import mask as rle_of

    return {"segmentation": rle, "bbox": rle_of.toBbox(rle).tolist(), "area": int(rle_of.area(rle))}


def _file_names(graph: SceneGraph) -> dict[int, str]:
    """Return the file of each frame: the keyframe where there is one, else a name by its number."""
    keyframes = {each.t: each.path for each in graph.keyframes}
    return {int(t): keyframes.get(int(t), f"{t:06d}.jpg") for t in graph.ego.t}


def _json(content: dict[str, Any]) -> dict[str, bytes]:
    return {"": json.dumps(content, allow_nan=False, separators=(",", ":")).encode()}
