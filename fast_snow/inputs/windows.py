"""A clip, cut into overlapping windows while it is read."""

from collections import deque
from collections.abc import Iterator

import numpy as np

from fast_snow.config import WindowConfig
from fast_snow.inputs import Input, SampledFrame
from fast_snow.inputs.cuts import Look, is_cut, look_of
from fast_snow.types import Frames, Window


def windows(source: Input, config: WindowConfig) -> Iterator[Window]:
    """Yield the windows of a clip; frames are read as they are needed, and at most one window of them is held.

    Neighbouring windows share `config.overlap` frames. A clip of at most `config.length` frames is one window. The last
    window is as long as what is left; it always brings new frames. At a hard cut a window ends and the next one shares
    nothing with it, unless `config.split_at_cuts` is off or the input has poses, which know one world throughout.

    Args:
        source: the opened input.
        config: length and overlap in frames.

    Raises:
        InputError: the input is found damaged while it is read.
    """
    pending: deque[SampledFrame] = deque()
    index = first = shared = 0
    splits = config.split_at_cuts and not (source.recording is not None and source.recording.has_poses)
    look: Look | None = None
    for frame in source.read():
        before, look = look, look_of(frame) if splits else None
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


def _gather(pending: deque[SampledFrame], first: int, *, keep: int) -> Frames:
    """Join pending frames, of which the first is frame `first` of the clip, and drop all but the last `keep`."""
    count = len(pending)
    time_s = np.array([frame.time_s for frame in pending], dtype=np.float64)
    source_frame = np.array([frame.source_frame for frame in pending], dtype=np.int64)
    image = np.empty((count, *pending[0].image.shape), dtype=np.uint8)
    # Frames are let go as they are copied, so that a window is not held twice.
    for t in range(count):
        image[t] = pending[0].image
        pending.rotate(-1) if t >= count - keep else pending.popleft()
    return Frames(
        image=image, t=np.arange(first, first + count, dtype=np.int32), time_s=time_s, source_frame=source_frame
    )
