"""How clearly each pixel moves against the still scene, from the flow to both neighbouring frames."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float16, Float32, UInt8

from fast_snow.engines.classical.flow import consistency
from fast_snow.engines.classical.flow_trust import trust
from fast_snow.engines.classical.neighbour_flow import NeighbourFlow
from fast_snow.engines.classical.segmentation.camera_motion import relative_flow
from fast_snow.engines.classical.warping import fetch, pixel_grid
from fast_snow.types import Geometry, GridShape

Lab = UInt8[np.ndarray, "h w 3"]
FullFlow = Float32[np.ndarray, "rows columns 2"]
HalfFlow = Float16[np.ndarray, "h w 2"]
_Memory = tuple[Float32[np.ndarray, "h w"], Float32[np.ndarray, "h w"]]
"""Faded evidence and the weight it has kept."""

_LOST = 1e3
_COLOUR_ERROR = 40.0  # L*a*b* levels, summed over the channels
LEAST_MOTION = 1.0  # pixels of the grid
_OVER_MEDIAN = 2.0
_OVER_PEAK = 0.45
_PEAK = 98.0
_MEMORY = 0.9


class NeighbourMotion(NamedTuple):
    """What one neighbouring frame tells of the pixels of a frame, on the working grid, in half precision.

    Attributes:
        flow: to the neighbour, in working pixels.
        relative: the part of the flow that the camera does not explain, in pixels of the analysis grid; `None` once it
            is let go.
        trust: in [0, 1], by flow consistency and by colour.
    """

    flow: HalfFlow
    relative: HalfFlow | None
    trust: Float16[np.ndarray, "h w"]


class Links(NamedTuple):
    """What the neighbours tell of one frame; `None` before the first and after the last frame."""

    before: NeighbourMotion | None
    after: NeighbourMotion | None

    def all(self) -> list[NeighbourMotion]:
        """Return the neighbours that exist."""
        return [each for each in self if each is not None]

    def relative(self) -> list[Float32[np.ndarray, "h w 2"]]:
        """Return the motion towards each neighbour that the camera does not explain."""
        return [each.relative.astype(np.float32) for each in self.all() if each.relative is not None]

    def without_relative(self) -> "Links":
        """Return the links without what the camera does not explain: two fifths of them."""
        return Links(*(each and each._replace(relative=None) for each in self))


def link_neighbours(
    flows: Sequence[NeighbourFlow], lab: Sequence[Lab], geometry: Geometry, pool: Executor
) -> list[Links]:
    """Measure the motion between all neighbouring frames.

    Args:
        flows: from each frame but the last to the next, on the analysis grid.
        lab: the frames on the working grid.
        geometry: depth and poses; used where depth was measured or triangulated: what it explains does not move.
        pool: runs pairs of frames side by side.

    Returns:
        Per frame, what its neighbours tell.
    """
    pairs = list(pool.map(lambda a: _pair(flows[a], lab, geometry, a), range(len(flows))))
    after = [forward for forward, _ in pairs] + [None]
    before = [None] + [backward for _, backward in pairs]
    return [Links(*both) for both in zip(before, after, strict=True)]


def _pair(
    between: NeighbourFlow, lab: Sequence[Lab], geometry: Geometry, a: int
) -> tuple[NeighbourMotion, NeighbourMotion]:
    b, (forward, backward) = a + 1, between.both()
    relative = relative_flow(forward, between.homography, geometry, a, b)
    relative_back = relative_flow(backward, np.linalg.inv(between.homography), geometry, b, a)
    return (
        _neighbour(forward, backward, relative, lab[a], lab[b]),
        _neighbour(backward, forward, relative_back, lab[b], lab[a]),
    )


def _neighbour(flow: FullFlow, back: FullFlow, relative: FullFlow, lab: Lab, other_lab: Lab) -> NeighbourMotion:
    shape = lab.shape[:2]
    distance = _resized(np.minimum(consistency(flow, back), _LOST), shape)
    small = _resized(flow, shape) * np.array([shape[1] / flow.shape[1], shape[0] / flow.shape[0]], np.float32)
    trusted = trust(distance, small, lab, other_lab, _COLOUR_ERROR)
    return NeighbourMotion(*(_half(each) for each in (small, _resized(relative, shape), trusted)))


def _half(values: Float32[np.ndarray, "..."]) -> Float16[np.ndarray, "..."]:
    return np.clip(values, -_LOST, _LOST).astype(np.float16)


def _resized(image: Float32[np.ndarray, "..."], shape: GridShape) -> Float32[np.ndarray, "..."]:
    return cv2.resize(image, shape[::-1], interpolation=cv2.INTER_AREA)


def motion_evidence(links: Links, shape: GridShape) -> Float32[np.ndarray, "h w"]:
    """Combine what the neighbours tell of one frame.

    A pixel moves if it moves towards both neighbours: the ground that an object has just uncovered, or will cover next,
    seems to move towards one of them only.

    Args:
        links: of the frame.
        shape: of the working grid.

    Returns:
        Evidence in [-2, 2]: positive moves, negative is still; -1 everywhere in a single frame.
    """
    seen = links.all()
    if not seen:
        return np.full(shape, -1.0, np.float32)
    residual = np.minimum.reduce([_length(each) for each in links.relative()])
    trust = np.maximum.reduce([each.trust for each in seen]).astype(np.float32)
    threshold = max(LEAST_MOTION, _OVER_MEDIAN * np.median(residual), _OVER_PEAK * np.percentile(residual, _PEAK))
    evidence = np.clip((residual - threshold) / (0.5 * threshold), -2.0, 2.0)
    return np.where(evidence < 0, evidence, trust * evidence).astype(np.float32)


def _length(flow: Float32[np.ndarray, "h w 2"]) -> Float32[np.ndarray, "h w"]:
    u, v = flow[..., 0], flow[..., 1]
    return np.sqrt(u * u + v * v)


def through_time(
    evidence: Sequence[Float32[np.ndarray, "h w"]], links: Sequence[Links]
) -> list[Float32[np.ndarray, "h w"]]:
    """Average evidence along the flow over neighbouring frames, so that one misjudged frame is outvoted.

    Args:
        evidence: of every frame.
        links: of every frame.

    Returns:
        Evidence of every frame, with a memory that fades by `_MEMORY` per frame in both directions.
    """
    past = list(_carried(evidence, [each.before for each in links if each.before is not None]))
    future = _carried(evidence[::-1], [each.after for each in links[::-1] if each.after is not None])
    combined = []
    for now, b in zip(evidence[::-1], future, strict=True):
        a = past.pop()  # memory is freed on the way
        combined.append((now + a[0] + b[0]) / (1 + a[1] + b[1]))
    return combined[::-1]


def _carried(evidence: Sequence[Float32[np.ndarray, "h w"]], towards: Sequence[NeighbourMotion]) -> Iterator[_Memory]:
    """Bring the evidence of all earlier frames to each frame; `towards` leads from each frame to the one before."""
    total = weight = np.zeros_like(evidence[0])
    yield total, weight
    for before, motion in zip(evidence[:-1], towards, strict=True):
        where = pixel_grid(*total.shape) + motion.flow
        fade = np.float32(_MEMORY) * motion.trust
        total, weight = fade * fetch(total + before, where), fade * fetch(weight + 1, where)
        yield total, weight
