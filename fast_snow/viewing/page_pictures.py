"""The pictures of the page: a bounded number of small JPEGs, the outlines over them, and depth images."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from jaxtyping import Float64, Shaped, UInt8

from fast_snow.keyframes import DEPTH_SIDE, encode_jpeg
from fast_snow.types import GridShape, LabelledMasks, SceneGraph
from fast_snow.viewing.outlines import outlines

MAX_FRAMES: Final = 300
MAX_SIDE: Final = 640
MAX_BYTES: Final = 12 * 2**20
"""Of all JPEGs; a third more as text."""
MAX_DEPTHS: Final = 100
_JPEG_QUALITY: Final = 65

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
    """Encode images, thinned evenly to at most `MAX_FRAMES` and `MAX_BYTES` however many there are.

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
        while len(kept) > MAX_FRAMES or (len(kept) > 1 and sum(len(each.jpeg) for each in kept) > MAX_BYTES):
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


def depth_pictures(
    depths: Iterable[tuple[int, Shaped[np.ndarray, "_ _"]]], index: Mapping[int, int]
) -> list[dict[str, Any]]:
    """Return depth images of shown frames as PNGs that a page can decode.

    Args:
        depths: `(t, values)` as `keyframes.encode_depth` writes them; read once.
        index: of the shown frames, by `t`.

    Returns:
        JSON values, evenly thinned to at most `MAX_DEPTHS`: `at` (index of the frame) and `image`, whose red and green
        are the high and low bytes.
    """
    coded = [(index[t], _split(value)) for t, value in depths if t in index]
    return [
        {"at": at, "image": f"data:image/png;base64,{base64.b64encode(png).decode()}"}
        for at, png in coded[:: -(-len(coded) // MAX_DEPTHS) or 1]
    ]


def _split(value: Shaped[np.ndarray, "_ _"]) -> bytes:
    """Return 16-bit values as a PNG of 8 bits per channel: browsers read no more."""
    stride = -(-max(value.shape) // DEPTH_SIDE)
    small = value[stride // 2 :: stride, stride // 2 :: stride].astype(np.int64)
    bgr = np.stack([np.zeros_like(small), small & 255, small >> 8 & 255], axis=-1).astype(np.uint8)
    _, png = cv2.imencode(".png", bgr, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    return png.tobytes()
