"""Inputs: a video file, a recording folder or arrays in memory, sampled and cut into windows while they are read."""

from fast_snow.inputs.opening import Input, InputKind, SampledFrame, from_recording, from_video, open_input

__all__ = ["Input", "InputKind", "SampledFrame", "from_recording", "from_video", "open_input"]
