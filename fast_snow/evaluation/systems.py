"""What is compared: a system turns an opened input into a graph, and tells how long it took."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from fast_snow.config import Config
from fast_snow.evaluation.depth_samples import DepthSamples
from fast_snow.inputs import Input
from fast_snow.selection import EngineUse
from fast_snow.types import LabelledMasks, SceneGraph, StageSeconds


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SystemRun:
    """What a system made of a clip.

    Attributes:
        graph: the 4D scene graph.
        labelled: the masks of every frame with the objects they belong to.
        engines: which engines worked.
        seconds: wall time per stage.
        wall_s: from the first frame asked for to the finished graph.
        frame_s: for each frame, how long after the frame before it was done: window time shared evenly among the
            frames of a window where a system answers window by window.
        depth: samples of what its geometry engine answered.
        config: all settings, as it took them.
    """

    graph: SceneGraph
    labelled: tuple[LabelledMasks, ...]
    engines: tuple[EngineUse, ...]
    seconds: StageSeconds
    wall_s: float
    frame_s: Float64[np.ndarray, " n"]
    depth: DepthSamples
    config: Config


System = Callable[[Input, Config], SystemRun]
"""Reads the input's frames, runs with the seed of `config.runtime`, and returns what it made."""
