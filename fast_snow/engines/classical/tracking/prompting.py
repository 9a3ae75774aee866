"""From a prompt to the mask of the object it means, in one frame."""

from typing import assert_never

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from fast_snow.engines.classical.appearance import histogram, log_odds, sigmoid
from fast_snow.engines.classical.edge_aware import Crop, smooth
from fast_snow.engines.classical.objectness import objectness
from fast_snow.engines.classical.region_tree import region_tree
from fast_snow.engines.classical.superpixels import edges_of, even_colours, superpixels
from fast_snow.engines.classical.tracking.object_model import View, view_of
from fast_snow.kernels.masks import decode
from fast_snow.types import BoxPrompt, GridShape, MaskPrompt, PointPrompt, Prompt

_ROUNDS = 4
_STRENGTH = 30.0
_COLOUR_WEIGHT = 1.5
_OUTSIDE = -4.0  # log-odds of a pixel outside the box
_LARGEST = 0.5  # share of the frame


def prompted_mask(prompt: Prompt, lab: UInt8[np.ndarray, "h w 3"]) -> Bool[np.ndarray, "h w"]:
    """Return the mask of the object that a prompt means.

    Args:
        prompt: a box, a point or a mask.
        lab: the frame on the analysis grid.

    Returns:
        The mask; empty where the prompt lies outside the frame.
    """
    match prompt:
        case MaskPrompt():
            return np.any(decode(prompt.mask), axis=0)
        case BoxPrompt():
            return _in_box(prompt.box_xyxy, view_of(lab))
        case PointPrompt():
            return _at_point(prompt.uv, lab)
        case _:
            assert_never(prompt)


def _in_box(box_xyxy: Float32[np.ndarray, "4"], view: View) -> Bool[np.ndarray, "h w"]:
    """Part the object from the background in a box by alternating between colour models and masks."""
    shape = view.fine.shape
    inside = np.zeros(shape, np.bool_)
    window = _clipped(box_xyxy, shape, grow=0.0)
    inside[window] = True
    around = _clipped(box_xyxy, shape, grow=0.3)
    if not inside.any():
        return inside
    crop, allowed = view.crop(around), inside[around]
    likely = allowed * _centre_prior(box_xyxy, around)
    for _ in range(_ROUNDS):
        odds = log_odds(histogram(crop.fine, likely), histogram(crop.fine, 1.0 - likely))[crop.fine]
        prior = np.where(allowed, 2.0 * _centre_prior(box_xyxy, around) - 0.5, _OUTSIDE)
        likely = smooth(sigmoid((_COLOUR_WEIGHT * odds + prior).astype(np.float32)), crop.alike, _STRENGTH) * allowed
    mask = np.zeros(shape, np.bool_)
    mask[around] = likely > 0.5
    return mask if mask.any() else inside


def _clipped(box_xyxy: Float32[np.ndarray, "4"], shape: GridShape, grow: float) -> Crop:
    x0, y0, x1, y1 = box_xyxy.astype(np.float64)
    margin_u, margin_v = grow * (x1 - x0), grow * (y1 - y0)
    left, right = np.clip([round(x0 - margin_u), round(x1 + margin_u)], 0, shape[1])
    top, bottom = np.clip([round(y0 - margin_v), round(y1 + margin_v)], 0, shape[0])
    return slice(int(top), int(bottom)), slice(int(left), int(right))


def _centre_prior(box_xyxy: Float32[np.ndarray, "4"], window: Crop) -> Float32[np.ndarray, "h w"]:
    """Return a bell over the box: objects fill its middle rather than its corners."""
    x0, y0, x1, y1 = box_xyxy
    v = (np.arange(window[0].start, window[0].stop) - (y0 + y1 - 1) / 2) / max(y1 - y0, 1)
    u = (np.arange(window[1].start, window[1].stop) - (x0 + x1 - 1) / 2) / max(x1 - x0, 1)
    return np.exp(-4.0 * (v[:, None] ** 2 + u[None, :] ** 2)).astype(np.float32)


def _at_point(uv: Float32[np.ndarray, "2"], lab: UInt8[np.ndarray, "h w 3"]) -> Bool[np.ndarray, "h w"]:
    """Return the region around a point that looks most like an object."""
    u, v = np.rint(uv).astype(int)
    if not (0 <= v < lab.shape[0] and 0 <= u < lab.shape[1]):
        return np.zeros(lab.shape[:2], np.bool_)
    colours = even_colours(lab)
    edges = edges_of(colours)
    tree = region_tree(superpixels(edges), colours, edges)
    members, score = tree.members(), objectness(tree)
    score = np.where(tree.area <= _LARGEST * tree.leaf.size, score, 0.0)
    holds = members[:, tree.leaf[v, u]]
    return members[int(np.where(holds, score, -1.0).argmax())][tree.leaf]
