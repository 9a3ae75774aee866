"""The images of a finished run's clip: read again from its input, or else its keyframes."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import UInt8

from fast_snow.config import SamplingConfig
from fast_snow.errors import UserError
from fast_snow.inputs import Input, open_input
from fast_snow.presets import apply
from fast_snow.types import SceneGraph

Image = UInt8[np.ndarray, "height width 3"]


def clip_images(folder: Path, graph: SceneGraph, record: Mapping[str, Any]) -> Iterator[tuple[int, Image]]:
    """Yield the images of a run's clip with their `t`.

    Args:
        folder: of the run.
        graph: the run's graph.
        record: the run's record.

    Yields:
        Every frame of the clip where the input is still where it was, else the keyframes.
    """
    source = _input(record)
    if source is not None:
        t_of = {int(frame): int(t) for frame, t in zip(graph.ego.source_frame, graph.ego.t, strict=True)}
        for frame in source.read():
            if frame.source_frame in t_of:
                yield t_of[frame.source_frame], frame.image
        return
    for keyframe in graph.keyframes:
        image = cv2.imread(str(folder / keyframe.path))
        if image is not None:
            yield keyframe.t, cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _input(record: Mapping[str, Any]) -> Input | None:
    """Open the run's input again; None where it is gone or is no longer what it was."""
    try:
        path, sampling = record["input"]["path"], apply(SamplingConfig(), record["config"]["sampling"])
        return open_input(Path(path), sampling)
    except (UserError, KeyError, TypeError):
        return None
