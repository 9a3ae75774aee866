"""The images of a finished run's clip: read again from its input, or else its keyframes."""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped, UInt8

from fast_snow import output
from fast_snow.config import SamplingConfig, SourceConfig
from fast_snow.errors import InputError, UserError
from fast_snow.inputs import Input, open_input
from fast_snow.keyframes import depth_path
from fast_snow.presets import apply_preset
from fast_snow.types import SceneGraph
from fast_snow.untrusted_files import shown
from fast_snow.untrusted_images import read_channel, read_rgb

_Image = UInt8[np.ndarray, "height width 3"]


def clip_images(
    folder: Path, graph: SceneGraph, record: Mapping[str, Any], *, video: Path | None = None
) -> tuple[Iterator[tuple[int, _Image]], str]:
    """Return the images of a run's clip with their `t`, and a line that says where they are from.

    Args:
        folder: of the run.
        graph: the run's graph.
        record: the run's record.
        video: a file or folder to read instead of the one that the record names.

    Returns:
        Every frame of the clip where `video` is given, or where what the record names still has the recorded size and
        digest; else the keyframes.

    Raises:
        UserError: `video` cannot be read.
    """
    if video is not None:
        recorded = record.get("input")
        same = isinstance(recorded, dict) and output.is_unchanged(video, recorded)
        unlike = "" if same else "; it is not what the run read: outlines may not match"
        return _frames(_opened(video, record), graph), f"{shown(video)}, named with --video{unlike}"
    try:
        recorded = record["input"]
        path = Path(recorded["path"])
        if output.is_unchanged(path, recorded):
            return _frames(_opened(path, record), graph), shown(path)
        reason = f"{shown(path)} is not, or no longer, what the run read; pass the video with --video"
    except (UserError, KeyError, TypeError):
        reason = "run.json names no readable input; pass the video with --video"
    images = ((t, read_rgb(path, within=folder)) for t, path in _stored(folder, graph, str))
    return images, f"keyframes only: {reason}"


def _opened(path: Path, record: Mapping[str, Any]) -> Input:
    """Open an input as the run did."""
    try:
        settings = record["config"]
        sampling = apply_preset(SamplingConfig(), settings["sampling"])
        source = apply_preset(SourceConfig(), settings.get("source", {}))
    except (KeyError, TypeError, AttributeError):
        raise InputError("run.json: sampling settings missing; run infer again") from None
    return open_input(path, sampling, source)


def _frames(source: Input, graph: SceneGraph) -> Iterator[tuple[int, _Image]]:
    t_of = {int(frame): int(t) for frame, t in zip(graph.ego.source_frame, graph.ego.t, strict=True)}
    for frame in source.read():
        if frame.source_frame in t_of:
            yield t_of[frame.source_frame], frame.image


def _stored(folder: Path, graph: SceneGraph, name_of: Callable[[str], str]) -> Iterator[tuple[int, Path]]:
    paths = ((keyframe.t, folder / name_of(keyframe.path)) for keyframe in graph.keyframes)
    return ((t, path) for t, path in paths if os.path.lexists(path))


def keyframe_depths(folder: Path, graph: SceneGraph) -> Iterator[tuple[int, Shaped[np.ndarray, "height width"]]]:
    """Return the depth images beside a run's keyframes, as they are stored, with their `t`.

    Args:
        folder: of the run, which may come from a stranger.
        graph: the run's graph.

    Raises:
        InputError: one is no image of one channel.
    """
    return ((t, read_channel(path, within=folder)) for t, path in _stored(folder, graph, depth_path))
