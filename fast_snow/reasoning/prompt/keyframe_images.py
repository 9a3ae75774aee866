"""Keyframes of a run as images for a model, with the objects' numbers drawn on their masks."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from jaxtyping import UInt8

from fast_snow import output
from fast_snow.api import Result
from fast_snow.errors import InputError
from fast_snow.keyframes import encode_jpeg
from fast_snow.reasoning.conversation import ImagePart
from fast_snow.types import Keyframe, LabelledMasks, SceneGraph
from fast_snow.untrusted_images import read_rgb
from fast_snow.viewing.outlines import draw_objects

_JPEG_QUALITY: Final = 90
_INSTEAD: Final = "run infer again, or ask without pictures with --vlm.max-keyframes 0"

_Image = UInt8[np.ndarray, "height width 3"]


def keyframe_images(folder: Path, graph: SceneGraph, *, most: int, labelled: bool = True) -> tuple[ImagePart, ...]:
    """Read evenly spaced keyframes of a run folder and draw the numbered outlines of the graph's objects on them.

    Keyframes that are not to be labelled are as they were taken. Images are in order of time, named like `keyframe
    t=10`.

    Raises:
        InputError: a keyframe or its masks are missing, damaged or not inside the folder.
    """
    chosen = _evenly_spaced(graph.keyframes, most)
    if not labelled:
        return tuple(_image_part(keyframe, _read(folder, keyframe)) for keyframe in chosen)
    frames = output.read_masks(folder) if chosen else ()
    return _drawn(chosen, partial(_read, folder), frames, graph, str(folder / output.MASKS))


def result_keyframe_images(result: Result, *, most: int) -> tuple[ImagePart, ...]:
    """Return the images that `keyframe_images` would read once the result is saved.

    Raises:
        InputError: a keyframe or its masks are missing or damaged.
    """
    chosen = _evenly_spaced(result.graph.keyframes, most)
    jpegs = {image.path: image.jpeg for image in result.keyframes}
    return _drawn(chosen, partial(_decoded, jpegs), result.labelled, result.graph, "labelled masks")


def _evenly_spaced(keyframes: Sequence[Keyframe], most: int) -> Sequence[Keyframe]:
    """Return at most so many keyframes, the first and the last among them where there are two or more."""
    by_time = sorted(keyframes, key=lambda keyframe: keyframe.t)
    if len(by_time) <= most:
        return by_time
    return [by_time[round(i)] for i in np.linspace(0, len(by_time) - 1, most)]


def _read(folder: Path, keyframe: Keyframe) -> _Image:
    try:
        return read_rgb(folder / keyframe.path, within=folder)
    except InputError as error:
        raise InputError(f"keyframe t={keyframe.t}: {error}; {_INSTEAD}") from None


def _decoded(jpegs: Mapping[str, bytes], keyframe: Keyframe) -> _Image:
    jpeg = jpegs.get(keyframe.path)
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR) if jpeg else None
    if image is None:
        raise InputError(f"keyframe t={keyframe.t}: {keyframe.path} is no JPEG image of the result; {_INSTEAD}")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def _drawn(
    keyframes: Sequence[Keyframe],
    image_of: Callable[[Keyframe], _Image],
    frames: Iterable[LabelledMasks],
    graph: SceneGraph,
    origin: str,
) -> tuple[ImagePart, ...]:
    """Draw the objects that are in the graph: nothing could be said of the numbers of others."""
    wanted, images = {keyframe.t for keyframe in keyframes}, []
    masks = {frame.t: frame for frame in frames if frame.t in wanted}
    for keyframe in keyframes:
        image = image_of(keyframe)
        if keyframe.t not in masks:
            raise InputError(f"{origin}: nothing for keyframe t={keyframe.t}; {_INSTEAD}")
        frame = masks[keyframe.t]
        index = np.flatnonzero(np.isin(frame.object_id, list(graph.tracks)))
        images.append(_image_part(keyframe, draw_objects(image, frame[index])))
    return tuple(images)


def _image_part(keyframe: Keyframe, image: _Image) -> ImagePart:
    return ImagePart(jpeg=encode_jpeg(image, _JPEG_QUALITY), name=f"keyframe t={keyframe.t}")
