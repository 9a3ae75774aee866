"""Depth Anything 3 and FastSAM, counted at full size."""

from functools import partial
from typing import Any

import torch

from bench.cost.costs import Cost
from bench.cost.counting import counted, without_numbers

DA3_FRAMES, DA3_SIZE = 120, (280, 504)
FASTSAM_SIZE = (576, 1024)
"""Of a frame of 1080 x 1920 at the networks' own sizes."""


def da3(variant: str, frames: int = DA3_FRAMES) -> Cost:
    """Count one pass over a window of frames; the answer is per frame."""
    from fast_snow.engines.da3.quiet_import import MODEL_REGISTRY, create_object, load_config
    from fast_snow.engines.da3.torch_network import FIRST, _drop_rays, silence

    with without_numbers(), silence():
        network: Any = create_object(load_config(MODEL_REGISTRY[variant])).eval()
        _drop_rays(getattr(network, "da3", network))
        images = torch.zeros(1, frames, 3, *DA3_SIZE)
        return counted(partial(network, images, ref_view_strategy=FIRST)) * (1 / frames)


def fastsam(variant: str) -> Cost:
    """Count one frame."""
    from fast_snow.engines.fastsam.quiet_import import ultralytics
    from fast_snow.engines.fastsam.torch_network import FastSamOutputs

    ultralytics()
    from ultralytics.nn.tasks import SegmentationModel

    scale = {"FastSAM-s": "s", "FastSAM-x": "x"}[variant]
    network = FastSamOutputs(SegmentationModel(f"yolov8{scale}-seg.yaml", ch=3, nc=1, verbose=False))
    with without_numbers():
        return counted(partial(network, torch.zeros(1, 3, *FASTSAM_SIZE)))
