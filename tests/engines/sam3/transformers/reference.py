"""Tracking with transformers' own processor and iterator, as its documentation shows it."""

from collections.abc import Sequence

import numpy as np
import torch
from transformers import (
    EdgeTamVideoModel,
    Sam2VideoProcessor,
    Sam2VideoVideoProcessor,
    Sam3ImageProcessor,
    Sam3TrackerVideoModel,
    Sam3TrackerVideoProcessor,
)

from fast_snow.kernels.masks import decode
from fast_snow.types import BoxPrompt, Frames, PointPrompt, Prompt
from tests.engines.sam3.transformers.networks import GRID, SIDE

Tracker = EdgeTamVideoModel | Sam3TrackerVideoModel
Processor = Sam2VideoProcessor | Sam3TrackerVideoProcessor
_HALF = [0.5, 0.5, 0.5]
_SIZE = {"height": SIDE, "width": SIDE}


def video_processor() -> Sam2VideoVideoProcessor:
    """Prepare videos as `facebook/sam3` is told to, at the tiny network's size."""
    return Sam2VideoVideoProcessor(size=_SIZE, image_mean=_HALF, image_std=_HALF)


def processor() -> Sam3TrackerVideoProcessor:
    """Prepare videos and prompts."""
    return Sam3TrackerVideoProcessor(Sam3ImageProcessor(size=_SIZE), video_processor())


def tracked(module: Tracker, frames: Frames, prompts: Sequence[Prompt], prepare: Processor | None = None) -> np.ndarray:
    """Track objects that are prompted in one frame, forward to the end, then backward to the beginning.

    Args:
        module: the network.
        frames: of the video.
        prompts: one per object, all in one frame.
        prepare: prepares videos and prompts for the network; SAM3's unless given.

    Returns:
        Masks on the grid, (frames, objects, height, width).
    """
    prepare, start = prepare or processor(), prompts[0].frame
    session = prepare.init_video_session(video=list(frames.image))
    for number, prompt in enumerate(prompts):
        prepare.add_inputs_to_inference_session(
            session, start, number, **_inputs(prompt, frames, module.config.image_size)
        )
        module(session, frame_idx=start)
    seen = np.zeros((len(frames), len(prompts), *GRID), np.bool_)
    for reverse in (False, True):
        for answer in module.propagate_in_video_iterator(session, start_frame_idx=start, reverse=reverse):
            on_grid = torch.nn.functional.interpolate(answer.pred_masks, GRID, mode="bilinear", align_corners=False)
            seen[answer.frame_idx] = (on_grid[:, 0] > 0).numpy()
    return seen


def _inputs(prompt: Prompt, frames: Frames, side: int) -> dict[str, object]:
    """Say a prompt in pixels of the video, as lists per image, object and point."""
    size = np.array(frames.image.shape[2:0:-1])
    scale = size / np.array(GRID[::-1])
    if isinstance(prompt, BoxPrompt):
        return {"input_boxes": [[(prompt.box_xyxy.reshape(2, 2) * scale).ravel().tolist()]]}
    if isinstance(prompt, PointPrompt):
        half_a_pixel_of_the_network = 0.5 * size / side  # its encoder adds that again
        centre = (prompt.uv + 0.5) * scale - half_a_pixel_of_the_network
        return {"input_points": [[[centre.tolist()]]], "input_labels": [[[1]]]}
    return {"input_masks": decode(prompt.mask)[0]}
