"""Engines from plain functions over NumPy images: the shortest way to bring a model of one's own."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from fast_snow.errors import EngineError
from fast_snow.kernels.mask_measures import area, bounding_boxes
from fast_snow.kernels.mask_resize import resize
from fast_snow.protocols import Segmenter
from fast_snow.types import DepthOrigin, Detections, Frames, Geometry, GridShape, Masks


@dataclass(frozen=True, slots=True)
class SegmenterFunction:
    """Opens a segmenter that calls a function once per frame.

    Attributes:
        function: takes an RGB image (uint8, `(H, W, 3)`) and returns boolean masks `(m, H, W)`, or a pair of these and
            scores `(m,)` from 0 to 1. Masks may overlap; empty ones are dropped.
        name: under which the engine stands in summary and record.

    Examples:
        >>> bright = fast_snow.SegmenterFunction(lambda image: image.min(axis=2)[None] > 120, name="bright")
        >>> result = fast_snow.build_graph("video.mp4", engines=fast_snow.Engines(segmenter=bright))
        >>> result.record["engines"]["segmenter"]["name"]
        'bright'
    """

    function: Callable[[np.ndarray], Any]
    name: str

    @contextmanager
    def __call__(self) -> Iterator[Segmenter]:
        """Open the segmenter."""

        def segment(frames: Frames, geometry: Geometry) -> Sequence[Detections]:
            return [self._detections(image, geometry.grid) for image in frames.image]

        yield segment

    def _detections(self, image: np.ndarray, grid: GridShape) -> Detections:
        answer = self.function(image)
        masks, score = answer if isinstance(answer, tuple) else (answer, np.ones(len(answer), np.float32))
        dense, score = np.asarray(masks), np.asarray(score, np.float32)
        if dense.dtype != bool or dense.ndim != 3 or dense.shape[1:] != image.shape[:2] or score.shape != (len(dense),):
            raise EngineError(
                f"segmenter {self.name}: got {dense.dtype} masks of shape {dense.shape} and scores of shape"
                f" {score.shape}, expected bool (m, {image.shape[0]}, {image.shape[1]}) and (m,)"
            )
        on_grid = resize(Masks.from_dense(dense), grid)
        seen = area(on_grid) > 0
        on_grid = on_grid[seen]
        return Detections(masks=on_grid, box_xyxy=bounding_boxes(on_grid), score=score[seen])


@dataclass(frozen=True, slots=True)
class GeometryFunction:
    """Opens a geometry engine that calls a function once per window.

    Attributes:
        function: takes the RGB images of a window (uint8, `(n, H, W, 3)`) and returns depth `(n, h, w)` along the
            optical axis, intrinsics `(n, 3, 3)` of the grid `(h, w)`, and world-to-camera poses `(n, 4, 4)`.
        name: under which the engine stands in summary and record.
        metric: whether depth and poses are in metres.

    Examples:
        >>> def wall(images):  # two metres away, before a camera that stands still
        ...     n, h, w = images.shape[:3]
        ...     K = np.array([[w, 0, w / 2], [0, w, h / 2], [0, 0, 1]])
        ...     return np.full((n, h, w), 2.0), np.tile(K, (n, 1, 1)), np.tile(np.eye(4), (n, 1, 1))
        >>> geometry = fast_snow.GeometryFunction(wall, name="wall", metric=True)
        >>> fast_snow.build_graph("recording", engines=fast_snow.Engines(geometry=geometry)).graph.metric
        True
    """

    function: Callable[[np.ndarray], tuple[Any, Any, Any]]
    name: str
    metric: bool = False

    @contextmanager
    def __call__(self) -> Iterator[Callable[[Frames], Geometry]]:
        """Open the geometry engine."""

        def estimate(frames: Frames) -> Geometry:
            depth, intrinsics, T_camera_world = self.function(frames.image)
            depth = np.asarray(depth, np.float32)
            return Geometry(
                depth=depth,
                confidence=(np.isfinite(depth) & (depth > 0)).astype(np.float32),
                intrinsics=np.asarray(intrinsics, np.float64),
                T_camera_world=np.asarray(T_camera_world, np.float64),
                metric=self.metric,
                origin=DepthOrigin.NETWORK,
            )

        yield estimate
