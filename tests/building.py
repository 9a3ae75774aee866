"""Small masks, frames and perceptions that tests are made of."""

from collections.abc import Sequence

import numpy as np

from fast_snow.fusion import FrameObjects
from fast_snow.kernels import masks as mask_kernels
from fast_snow.types import (
    DepthOrigin,
    Detections,
    Frames,
    Geometry,
    Health,
    Masks,
    Perception,
    StageSeconds,
    TrackedFrame,
)

GRID = (24, 32)

Box = tuple[int, int, int, int]
"""x0, y0, x1, y1, half-open."""


def boxes(*corners: Box, grid: tuple[int, int] = GRID) -> Masks:
    """Return one filled rectangle per box."""
    dense = np.zeros((len(corners), *grid), dtype=bool)
    for mask, (x0, y0, x1, y1) in zip(dense, corners, strict=True):
        mask[y0:y1, x0:x1] = True
    return mask_kernels.encode(dense)


def detections(*corners: Box, score: Sequence[float] | None = None) -> Detections:
    return Detections(
        masks=boxes(*corners),
        box_xyxy=np.array(corners, dtype=np.float32).reshape(-1, 4),
        score=np.array(score if score is not None else [1.0] * len(corners), dtype=np.float32),
    )


def tracked(*named: tuple[int, int, Box], score: Sequence[float] | None = None) -> TrackedFrame:
    """Return masklets given as (run id, local id, box)."""
    return TrackedFrame(
        run_id=np.array([run for run, _, _ in named], dtype=np.int32),
        local_id=np.array([local for _, local, _ in named], dtype=np.int32),
        masks=boxes(*(box for _, _, box in named)),
        score=np.array(score if score is not None else [1.0] * len(named), dtype=np.float32),
    )


def objects(t: int, *named: tuple[int, int, Box], score: Sequence[float] | None = None) -> FrameObjects:
    """Return observed masklets given as (run id, local id, box); centroids are box centres, one metre per pixel."""
    frame = tracked(*named, score=score)
    centre = [((x0 + x1) / 2, (y0 + y1) / 2, 0.0) for _, _, (x0, y0, x1, y1) in named]
    return FrameObjects(
        t=t,
        run_id=frame.run_id,
        local_id=frame.local_id,
        masks=frame.masks,
        score=frame.score,
        centroid=np.array(centre, dtype=np.float32).reshape(-1, 3),
        source_id=frame.source_id,
        appearance=frame.appearance,
    )


def frames(n: int, *, first: int = 0, size: tuple[int, int] = GRID) -> Frames:
    """Return black frames at 10 Hz."""
    t = np.arange(first, first + n)
    return Frames(
        image=np.zeros((n, *size, 3), dtype=np.uint8),
        t=t.astype(np.int32),
        time_s=t / 10.0,
        source_frame=t.astype(np.int64),
    )


def flat_geometry(n: int, *, depth: float = 4.0, metric: bool = True) -> Geometry:
    """Return a still camera before a wall."""
    height, width = GRID
    K = np.array([[20.0, 0.0, width / 2], [0.0, 20.0, height / 2], [0.0, 0.0, 1.0]])
    return Geometry(
        depth=np.full((n, *GRID), depth, dtype=np.float32),
        confidence=np.ones((n, *GRID), dtype=np.float32),
        intrinsics=np.tile(K, (n, 1, 1)),
        T_camera_world=np.tile(np.eye(4), (n, 1, 1)),
        metric=metric,
        origin=DepthOrigin.SENSOR,
    )


def perception(
    masklets: Sequence[TrackedFrame],
    *,
    window: int = 0,
    first: int = 0,
    shared: int = 0,
    geometry: Geometry | None = None,
) -> Perception:
    clip = frames(len(masklets), first=first)
    return Perception(
        window=window,
        shared=shared,
        t=clip.t,
        time_s=clip.time_s,
        source_frame=clip.source_frame,
        geometry=flat_geometry(len(masklets)) if geometry is None else geometry,
        tracked=tuple(masklets),
        health=Health(),
        seconds=StageSeconds(),
    )
