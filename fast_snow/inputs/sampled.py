"""What an input is: images with times, read one by one, and what is already known of them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from jaxtyping import UInt8

from fast_snow.inputs.live.state import Live
from fast_snow.inputs.recording import Recording
from fast_snow.types import GridShape

Image = UInt8[np.ndarray, "height width 3"]


class InputKind(StrEnum):
    """What the frames come from."""

    VIDEO = "video"
    RECORDING = "recording"
    STREAM = "stream"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SampledFrame:
    """One frame of the clip as it comes out of an input.

    Attributes:
        image: RGB, upright, of the input's `size`.
        time_s: presentation time in seconds, relative to the input's first frame.
        source_frame: index in the input.
        between: makes images of some of the input's frames between the last one and this, in order: they show where
            points went, and are in no graph.
    """

    image: Image
    time_s: float
    source_frame: int
    between: Callable[[], tuple[Image, ...]] = tuple


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Input:
    """An opened input; its frames are read only when they are asked for.

    Attributes:
        name: what the user calls it.
        kind: what the frames come from.
        size: height and width of the frames.
        source_fps: frames per second of the source on average, where it says so.
        expected_frames: how many frames the clip will have by what the source says of itself, which may be off; `None`
            where it does not say.
        read: starts an iteration over the clip's frames; each call begins anew.
        recording: what is known of depth, poses and masks.
        live: what has come of it so far, where it is read as it comes; then it can be read once.
    """

    name: str
    kind: InputKind
    size: GridShape
    source_fps: float | None
    expected_frames: int | None
    read: Callable[[], Iterator[SampledFrame]]
    recording: Recording | None = None
    live: Live | None = None
