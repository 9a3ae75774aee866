"""Prompts in the terms of SAM: points with labels in pixels of the network's input.

A box is two points with the labels 2 and 3, its upper left and lower right corner; a point inside has the label 1.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int32

from fast_snow.config import PromptKind
from fast_snow.kernels.mask_measures import bounding_boxes, inside_point
from fast_snow.types import BoxPrompt, GridShape, MaskPrompt, PointPrompt, Prompt

INSIDE, UPPER_LEFT, LOWER_RIGHT = 1, 2, 3


class Points(NamedTuple):
    """What starts `m` objects: as many labelled points for each, in pixels of the network's input."""

    xy: Float32[np.ndarray, "m p 2"]
    label: Int32[np.ndarray, "m p"]


def as_kind(prompt: Prompt, kind: PromptKind) -> Prompt:
    """Turn a mask into the kind of prompt that is wanted; what is a box or a point stays as it is."""
    if not isinstance(prompt, MaskPrompt) or kind == "mask":
        return prompt
    if kind == "box":
        return BoxPrompt(frame=prompt.frame, box_xyxy=bounding_boxes(prompt.mask)[0])
    return PointPrompt(frame=prompt.frame, uv=inside_point(prompt.mask)[0].astype(np.float32))


def box_points(prompts: Sequence[BoxPrompt], grid: GridShape, side: int) -> Points:
    """Return the corners of boxes on the analysis grid in pixels of a square network input of `side` pixels."""
    boxes = np.array([each.box_xyxy for each in prompts], np.float32).reshape(-1, 2, 2)
    label = np.tile(np.array([UPPER_LEFT, LOWER_RIGHT], np.int32), (len(boxes), 1))
    return Points(boxes * _scale(grid, side), label)


def single_points(prompts: Sequence[PointPrompt], grid: GridShape, side: int) -> Points:
    """Return pixels of the analysis grid, by their centres, in pixels of a square network input of `side` pixels.

    SAM counts pixels by index and adds the half that leads to their centres itself.
    """
    uv = np.array([each.uv for each in prompts], np.float32).reshape(-1, 1, 2)
    return Points(
        (uv + np.float32(0.5)) * _scale(grid, side) - np.float32(0.5), np.full((len(uv), 1), INSIDE, np.int32)
    )


def _scale(grid: GridShape, side: int) -> Float32[np.ndarray, "2"]:
    return np.array([side / grid[1], side / grid[0]], np.float32)
