"""A clip, cut into overlapping windows while it is read."""

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from dataclasses import replace

import cv2
import numpy as np

from fast_snow.config import ClassicalGeometryConfig, WindowConfig
from fast_snow.inputs import Input, SampledFrame
from fast_snow.inputs.cuts import Look, is_cut, look_of
from fast_snow.inputs.sampled import Image
from fast_snow.inputs.sampling import shrunk_size
from fast_snow.point_matches import Gray, rescaled, track_points
from fast_snow.types import Frames, GridShape, TrackedPoints, Window

_FOLLOWED = ClassicalGeometryConfig()

_Read = tuple[SampledFrame, TrackedPoints | None]
"""A frame and the points seen in it."""


def windows(source: Input, config: WindowConfig, geometry: ClassicalGeometryConfig = _FOLLOWED) -> Generator[Window]:
    """Yield the windows of a clip; frames are read as they are needed, and at most one window of them is held.

    Neighbouring windows share `config.overlap` frames. A clip of at most `config.length` frames is one window. The last
    window is as long as what is left; it always brings new frames. At a hard cut a window ends and the next one shares
    nothing with it, unless `config.split_at_cuts` is off or the input has poses, which know one world throughout.
    `geometry` says how many points are followed through the clip, and at what size.

    Raises:
        InputError: the input is found damaged while it is read.
    """
    pending: deque[_Read] = deque()
    index = first = shared = 0
    recording = source.recording
    splits = config.split_at_cuts and not (recording is not None and recording.has_poses)
    measured = recording is not None and recording.has_depth and recording.has_poses
    look: Look | None = None
    for frame in _followed(source.read(), geometry.sfm_res, geometry.max_points, follow=not measured):
        before, look = look, look_of(frame[0].image, frame[0].time_s) if splits else None
        if before is not None and look is not None and is_cut(before, look):
            count = len(pending)
            if count > shared:
                yield Window(index=index, frames=_gather(pending, first, keep=0), shared=shared)
                index += 1
            pending.clear()
            first, shared = first + count, 0
        pending.append(frame)
        if len(pending) == config.length:
            yield Window(index=index, frames=_gather(pending, first, keep=config.overlap), shared=shared)
            index, first, shared = index + 1, first + config.length - config.overlap, config.overlap
    if len(pending) > shared:
        yield Window(index=index, frames=_gather(pending, first, keep=0), shared=shared)


def _followed(frames: Iterable[SampledFrame], max_side: int, max_points: int, *, follow: bool) -> Iterator[_Read]:
    """Follow points through the frames and the images between, which are let go; not where all is measured."""
    if not follow:
        yield from ((replace(frame, between=tuple), None) for frame in frames)
        return
    read: deque[tuple[SampledFrame, GridShape, GridShape]] = deque()

    def grays() -> Iterator[list[Gray]]:
        for frame in frames:
            size = frame.image.shape[0], frame.image.shape[1]
            shape = shrunk_size(size, max_side)
            read.append((replace(frame, between=tuple), shape, size))
            yield [_gray(each, shape) for each in (*frame.between(), frame.image)]

    for points in track_points(grays(), max_points=max_points):
        frame, shape, size = read.popleft()
        yield frame, rescaled(points, shape, size)


def _gray(image: Image, shape: GridShape) -> Gray:
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(gray, shape[::-1], interpolation=cv2.INTER_AREA), np.uint8)


def _gather(pending: deque[_Read], first: int, *, keep: int) -> Frames:
    """Join pending frames, of which the first is frame `first` of the clip, and drop all but the last `keep`."""
    count = len(pending)
    time_s = np.array([frame.time_s for frame, _ in pending], dtype=np.float64)
    source_frame = np.array([frame.source_frame for frame, _ in pending], dtype=np.int64)
    points = np.empty(count, object)
    points[:] = [each for _, each in pending]
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
        points=points,
    )
