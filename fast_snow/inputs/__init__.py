"""Inputs: a video file, a recording folder or arrays in memory, sampled and cut into windows while they are read.

What opens inputs is imported when it is first used: frames in memory need no video decoder.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from fast_snow.inputs.sampled import Input, InputKind, SampledFrame

if TYPE_CHECKING:
    from fast_snow.inputs.opening import from_recording, from_video, open_input

__all__ = ["Input", "InputKind", "SampledFrame", "from_recording", "from_video", "open_input"]


def __getattr__(name: str) -> object:
    if name in __all__:
        return getattr(import_module("fast_snow.inputs.opening"), name)
    raise AttributeError(f"module 'fast_snow.inputs' has no attribute {name!r}")
