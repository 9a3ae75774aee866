"""Keyframes of a run as pictures for a model, with the objects' numbers drawn on their masks."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from jaxtyping import UInt8

from fast_snow import output
from fast_snow.errors import InputError
from fast_snow.kernels.masks import select
from fast_snow.reasoning.conversation import ImagePart
from fast_snow.types import Keyframe, LabelledMasks, SceneGraph
from fast_snow.untrusted_images import read_rgb
from fast_snow.viewing.drawing import draw_objects

_JPEG_QUALITY: Final = 90

Image = UInt8[np.ndarray, "height width 3"]

_INSTEAD: Final = "run infer again, or ask without pictures with --vlm.max-keyframes 0"


def keyframe_images(folder: Path, graph: SceneGraph, *, most: int, labelled: bool = True) -> tuple[ImagePart, ...]:
    """Read keyframes, evenly chosen, and draw the numbered outlines of the graph's objects on them.

    Args:
        folder: of the run.
        graph: the run's graph; it is untrusted, and nothing outside the folder is read.
        most: how many pictures at most.
        labelled: whether the objects are drawn; else the keyframes are as they were taken.

    Returns:
        Pictures in order of time, named like `keyframe t=10`.

    Raises:
        InputError: a keyframe or its masks are missing, damaged or not inside the folder.
    """
    chosen = _evenly(sorted(graph.keyframes, key=lambda each: each.t), most)
    masks = _masks(folder, {each.t for each in chosen}) if labelled and chosen else {}
    return tuple(_picture(folder, each, graph, masks if labelled else None) for each in chosen)


def _evenly(keyframes: Sequence[Keyframe], most: int) -> Sequence[Keyframe]:
    """Return at most so many keyframes, the first and the last among them where there are two or more."""
    if len(keyframes) <= most:
        return keyframes
    return [keyframes[round(i)] for i in np.linspace(0, len(keyframes) - 1, most)]


def _masks(folder: Path, wanted: Collection[int]) -> dict[int, LabelledMasks]:
    return {each.t: each for each in output.read_masks(folder) if each.t in wanted}


def _picture(folder: Path, keyframe: Keyframe, graph: SceneGraph, masks: dict[int, LabelledMasks] | None) -> ImagePart:
    image = _image(folder, keyframe)
    if masks is not None:
        if keyframe.t not in masks:
            raise InputError(f"{folder / output.MASKS}: nothing for keyframe t={keyframe.t}; {_INSTEAD}")
        image = draw_objects(image, _of_graph(masks[keyframe.t], graph))
    _, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return ImagePart(jpeg=data.tobytes(), name=f"keyframe t={keyframe.t}")


def _image(folder: Path, keyframe: Keyframe) -> Image:
    try:
        return read_rgb(folder / keyframe.path, within=folder)
    except InputError as error:
        raise InputError(f"keyframe t={keyframe.t}: {error}; {_INSTEAD}") from None


def _of_graph(labelled: LabelledMasks, graph: SceneGraph) -> LabelledMasks:
    """Leave out objects that are not in the graph: nothing could be said of their numbers."""
    index = np.flatnonzero(np.isin(labelled.object_id, list(graph.tracks)))
    return LabelledMasks(t=labelled.t, object_id=labelled.object_id[index], masks=select(labelled.masks, index))
