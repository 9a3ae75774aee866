"""A clip, cut into overlapping windows while it is read."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import cv2
import numpy as np

from fast_snow.config import WindowConfig
from fast_snow.inputs import Input, SampledFrame
from fast_snow.inputs.sampled import Image
from fast_snow.inputs.sampling import shrink, shrunk_size
from fast_snow.point_matches import chained_matches
from fast_snow.types import Frames, PointMatches, Window

_MATCHED_SIDE = 504
"""Longest side of the images that are matched: that of most analysis grids."""

_Read = tuple[SampledFrame, PointMatches | None]
"""A frame and what it shares with the one before."""


def windows(source: Input, config: WindowConfig) -> Iterator[Window]:
    """Yield the windows of a clip; frames are read as they are needed, and at most one window of them is held.

    Neighbouring windows share `config.overlap` frames. A clip of at most `config.length` frames is one window. The last
    window is as long as what is left; it always brings new frames.

    Args:
        source: the opened input.
        config: length and overlap in frames.

    Raises:
        InputError: the input is found damaged while it is read.
    """
    pending: deque[_Read] = deque()
    index = first = shared = 0
    for frame in _matched(source.read()):
        pending.append(frame)
        if len(pending) == config.length:
            yield Window(index=index, frames=_gather(pending, first, keep=config.overlap), shared=shared)
            index, first, shared = index + 1, first + config.length - config.overlap, config.overlap
    if len(pending) > shared:
        yield Window(index=index, frames=_gather(pending, first, keep=0), shared=shared)


def _matched(frames: Iterable[SampledFrame]) -> Iterator[_Read]:
    """Match each frame with the one before; the images between are let go."""
    before: SampledFrame | None = None
    for t, frame in enumerate(frames):
        images = [] if before is None else [before.image, *frame.between, frame.image]
        frame = replace(frame, between=())
        yield frame, _match(t - 1, images) if images else None
        before = frame


def _match(t: int, images: Sequence[Image]) -> PointMatches:
    size = images[0].shape[:2]
    shape = shrunk_size((size[0], size[1]), _MATCHED_SIDE)
    start, end = chained_matches([cv2.cvtColor(shrink(each, shape), cv2.COLOR_RGB2GRAY) for each in images])
    scale = np.array([size[1] / shape[1], size[0] / shape[0]])
    before, now = ((each + 0.5) * scale - 0.5 for each in (start, end))
    return PointMatches(t=t, before=before.astype(np.float32), now=now.astype(np.float32))


def _gather(pending: deque[_Read], first: int, *, keep: int) -> Frames:
    """Join pending frames, of which the first is frame `first` of the clip, and drop all but the last `keep`."""
    count = len(pending)
    time_s = np.array([frame.time_s for frame, _ in pending], dtype=np.float64)
    source_frame = np.array([frame.source_frame for frame, _ in pending], dtype=np.int64)
    matches = np.empty(count, object)
    matches[:] = [each for _, each in pending]
    image = np.empty((count, *pending[0][0].image.shape), dtype=np.uint8)
    # Frames are let go as they are copied, so that a window is not held twice.
    for t in range(count):
        image[t] = pending[0][0].image
        pending.rotate(-1) if t >= count - keep else pending.popleft()
    return Frames(
        image=image,
        t=np.arange(first, first + count, dtype=np.int32),
        time_s=time_s,
        source_frame=source_frame,
        matches=matches,
    )
