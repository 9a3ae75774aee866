"""The pictures of the page: a bounded number of small JPEGs, the outlines over them, and the scene from above."""

import base64
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from jaxtyping import Float32, Float64, UInt8
from scipy.spatial.transform import Rotation

from fast_snow.keyframes import encode_jpeg
from fast_snow.types import GridShape, LabelledMasks, SceneGraph, Track
from fast_snow.viewing.outlines import outlines
from fast_snow.viewing.palette import color_of

MAX_FRAMES: Final = 300
MAX_SIDE: Final = 640
_JPEG_QUALITY: Final = 65
OUTLIERS: Final = 0.02
"""The share of object positions, at either end of each axis, that need not be in sight."""
MARGIN: Final = 0.12

_Image = UInt8[np.ndarray, "height width 3"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Thumbnail:
    """A frame's picture.

    Attributes:
        t: index in the clip.
        jpeg: encoded.
        size: height and width.
    """

    t: int
    jpeg: bytes
    size: GridShape

    def data_uri(self) -> str:
        """Return the picture as text that a page can hold."""
        return f"data:image/jpeg;base64,{base64.b64encode(self.jpeg).decode()}"


def thumbnails(images: Iterable[tuple[int, _Image]]) -> list[Thumbnail]:
    """Encode images, thinned evenly to at most `MAX_FRAMES` however many there are.

    Args:
        images: `(t, RGB image)`; read once.

    Returns:
        The pictures, by ascending `t`.
    """
    kept: list[Thumbnail] = []
    stride = 1
    for i, (t, image) in enumerate(images):
        if i % stride:
            continue
        kept.append(_thumbnail(t, image))
        if len(kept) > MAX_FRAMES:
            kept, stride = kept[::2], 2 * stride
    return sorted(kept, key=lambda thumbnail: thumbnail.t)


def _thumbnail(t: int, image: _Image) -> Thumbnail:
    height, width = image.shape[:2]
    shrink = min(1.0, MAX_SIDE / max(height, width))
    size = max(1, round(width * shrink)), max(1, round(height * shrink))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return Thumbnail(t=t, jpeg=encode_jpeg(small, _JPEG_QUALITY), size=(size[1], size[0]))


def outline_shapes(
    graph: SceneGraph, masks: Iterable[LabelledMasks], shown: Sequence[int], view: GridShape
) -> list[list[dict[str, Any]]]:
    """Return the outlines of each shown frame as SVG paths.

    Args:
        graph: the scene graph.
        masks: of any frames; read once.
        shown: the `t` of each shown frame.
        view: height and width of the drawing; corners are rounded to its units.

    Returns:
        Per shown frame, JSON values: `id`, `d` (path data), `at` (where its label belongs), and `unplaced` where the
        object is seen there without being placed in the world.
    """
    unplaced = {(t, track.object_id) for track in graph.tracks.values() for t in track.unplaced.t.tolist()}
    index = {t: i for i, t in enumerate(shown)}
    shapes: list[list[dict[str, Any]]] = [[] for _ in shown]
    for labelled in masks:
        if labelled.t not in index or not len(labelled.object_id):
            continue
        scale = np.array(view[::-1], np.float64) / labelled.masks.shape[::-1]
        shapes[index[labelled.t]] = [
            {
                "id": each.object_id,
                "d": "".join(_path((polygon + 0.5) * scale) for polygon in each.polygons),
                "at": [round(float(each.anchor[axis] + 0.5) * float(scale[axis]), 1) for axis in (0, 1)],
                **({"unplaced": True} if (labelled.t, each.object_id) in unplaced else {}),
            }
            for each in outlines(labelled)
        ]
    return shapes


def _path(corners: Float64[np.ndarray, "n 2"]) -> str:
    """Return SVG path data: the first corner, then steps between rounded corners, which stay exact."""
    rounded = np.round(corners).astype(np.int64)
    steps = np.diff(rounded, axis=0)
    moved = " ".join(f"{x} {y}" for x, y in steps.tolist())
    return f"M{rounded[0, 0]} {rounded[0, 1]}{'l' + moved if moved else ''}z"


def top_view(graph: SceneGraph, shown: Sequence[int]) -> dict[str, Any]:
    """Return what the page draws from above, for the frames it shows.

    Args:
        graph: the scene graph.
        shown: the `t` of each shown frame, ascending.

    Returns:
        JSON values: `bounds` (x0, x1, z0, z1), `ego` and `tracks`; all times are indices into `shown`.
    """
    index = {t: i for i, t in enumerate(shown)}
    tracks = [_track(track, index) for track in graph.tracks.values()]
    return {"bounds": _bounds(graph), "ego": _ego(graph, index), "tracks": tracks}


def _track(track: Track, index: Mapping[int, int]) -> dict[str, Any]:
    seen = track.observations[np.isin(track.observations.t, list(index))]
    return {
        "id": track.object_id,
        "color": color_of(track.object_id),
        "at": [index[each.t] for each in seen],
        "x": [_brief(each.centroid[0]) for each in seen],
        "z": [_brief(each.centroid[2]) for each in seen],
        "box": [[_brief(end[axis]) for axis in (0, 2) for end in (each.low, each.high)] for each in seen],
    }


def _ego(graph: SceneGraph, index: Mapping[int, int]) -> dict[str, Any]:
    ego = graph.ego[np.isin(graph.ego.t, list(index))]
    return {
        "at": [index[t] for t in ego.t.tolist()],
        "x": [_brief(x) for x in ego.position[:, 0]],
        "z": [_brief(z) for z in ego.position[:, 2]],
        "heading": [_heading(q) for q in ego.quaternion_xyzw],
        "half_view": _half_view(graph),
    }


def _heading(quaternion_xyzw: Float32[np.ndarray, "4"]) -> float | None:
    """Return the direction of the optical axis seen from above, in radians from Z towards X; None where unknown."""
    q = quaternion_xyzw.astype(np.float64)
    if not np.linalg.norm(q) > 0:
        return None
    x, _, z = Rotation.from_quat(q).apply([0.0, 0.0, 1.0])
    return _brief(math.atan2(x, z))


def _half_view(graph: SceneGraph) -> float:
    """Return half of the horizontal angle of view in radians; that of a usual camera where intrinsics are unknown."""
    fx = graph.ego.intrinsics[:, 0]
    known = fx[fx > 0]
    if not len(known) or not graph.analysis_grid[1]:
        return 0.5
    return math.atan(graph.analysis_grid[1] / 2 / float(np.median(known)))


def _bounds(graph: SceneGraph) -> list[float]:
    """Return x0, x1, z0, z1 around the camera's path and nearly all object positions."""
    objects = np.concatenate([np.zeros((0, 3)), *(track.observations.centroid for track in graph.tracks.values())])
    low, high = _range(graph.ego.position.astype(np.float64))
    if len(objects):
        near, far = np.quantile(objects, [OUTLIERS, 1 - OUTLIERS], axis=0)
        low, high = np.minimum(low, near), np.maximum(high, far)
    margin = MARGIN * max(float((high - low)[[0, 2]].max()), 1e-3)
    return [_brief(low[0] - margin), _brief(high[0] + margin), _brief(low[2] - margin), _brief(high[2] + margin)]


def _range(points: Float64[np.ndarray, "n 3"]) -> tuple[Float64[np.ndarray, "3"], Float64[np.ndarray, "3"]]:
    return points.min(axis=0, initial=0.0), points.max(axis=0, initial=0.0)


def _brief(value: float | np.floating[Any]) -> float:
    """Return a number with the digits that a plot can show."""
    return float(f"{float(value):.5g}")
