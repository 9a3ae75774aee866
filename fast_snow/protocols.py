"""What an engine is, and how one is opened.

An engine is opened by a context manager: entering loads it, leaving frees what it holds. The core takes openers as
arguments and never imports an engine.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32

from fast_snow.types import Detections, Frames, Geometry, GridShape, Prompt, TrackedFrame

Progress = Callable[[str, int, int], None]
"""Told `(what is being done, how many are done, how many there are)`; the total is 0 where it is not known."""


def silent(what: str, done: int, total: int) -> None:
    """Ignore progress."""


@runtime_checkable
class GeometryEngine(Protocol):
    """Estimates depth and cameras of a window; the size at which it answers is the clip's analysis grid."""

    def __call__(self, frames: Frames) -> Geometry:
        """Return the geometry of `frames`, one entry per frame."""
        ...


@runtime_checkable
class MetricDepthEngine(Protocol):
    """Estimates depth in metres of single images, to give an unscaled geometry its scale."""

    def __call__(self, frames: Frames, geometry: Geometry) -> Float32[np.ndarray, "n h w"]:
        """Return metres along the optical axis, over the frames' full view at any size; 0 or NaN where there is none.

        Of `geometry` only the intrinsics mean anything to it: they refer to its analysis grid.
        """
        ...


@runtime_checkable
class Segmenter(Protocol):
    """Finds the objects of every frame of a window, without class labels."""

    def __call__(self, frames: Frames, geometry: Geometry) -> Sequence[Detections]:
        """Return the detections of each frame on the analysis grid of `geometry`.

        A list, or a `Segmentation`, which also tells how many surfaces are background.
        """
        ...


@runtime_checkable
class TrackingSession(Protocol):
    """Tracks prompted objects through the frames of one window."""

    def add(self, prompts: Sequence[Prompt]) -> None:
        """Queue one new object per prompt. Local ids count up from 0 in the order in which prompts are added."""
        ...

    def propagate(self) -> Sequence[TrackedFrame]:
        """Return, per frame, the masklets of the objects added since the last call, over the whole window.

        The first call answers with run id 0, the next with 1, and so on.
        """
        ...

    def close(self) -> None:
        """Free what the session holds."""
        ...


@runtime_checkable
class Tracker(Protocol):
    """Starts tracking sessions."""

    def start(self, frames: Frames, grid: GridShape) -> TrackingSession:
        """Begin a session over `frames` whose masks and prompts are on the analysis grid."""
        ...


OpenGeometry = Callable[[], AbstractContextManager[GeometryEngine]]
OpenMetricDepth = Callable[[], AbstractContextManager[MetricDepthEngine]]
OpenSegmenter = Callable[[], AbstractContextManager[Segmenter]]
OpenTracker = Callable[[], AbstractContextManager[Tracker]]
