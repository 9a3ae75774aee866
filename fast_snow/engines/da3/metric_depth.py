"""Metric depth of single images from Depth Anything 3's metric network, to scale other depth by."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
import torch
from jaxtyping import Float32

from fast_snow.cameras import rescale
from fast_snow.engines.da3.preprocessing import preprocess
from fast_snow.engines.da3.torch_network import load_da3, silence
from fast_snow.engines.da3.variants import VARIANTS
from fast_snow.engines.torch_runtime import devices, memory
from fast_snow.protocols import MetricDepthEngine
from fast_snow.types import Frames, Geometry

_CANONICAL_FOCAL: Final = 300.0
"""Depth is answered as a camera of this focal length in pixels would see it, as upstream has it."""
_SKY: Final = 0.3
"""Pixels that look like sky by so much have no depth, as upstream has it."""


@contextmanager
def open_metric_depth(folder: Path, *, process_res: int, device: str) -> Iterator[MetricDepthEngine]:
    """Load the network, in half precision on GPUs, in fp32 on a CPU; leaving frees its memory.

    Yields:
        The engine: each image alone, as deep as the focal length of its camera says. Answers own their arrays.

    Raises:
        ConfigError: the folder holds no such network, or weights that are damaged or another variant's.
    """
    place = devices.choose_device(device)
    module = load_da3(folder, VARIANTS["da3metric-large"]).to(place)
    precision = devices.half_precision(place)

    @torch.inference_mode()
    def estimate(frames: Frames, geometry: Geometry) -> Float32[np.ndarray, "n h w"]:
        images = preprocess(frames.image, process_res)
        depth = np.empty((len(images), *images.shape[2:]), np.float32)
        for i, image in enumerate(images):
            with silence(), devices.autocast(place, precision):
                answer = module(torch.from_numpy(image).to(place)[None, None])
            K = rescale(geometry.intrinsics[i], geometry.grid, depth.shape[1:])
            focal = (K[0, 0] + K[1, 1]) / 2
            metres = answer.depth[0, 0].float().cpu().numpy() * np.float32(focal / _CANONICAL_FOCAL)
            depth[i] = np.where(answer.sky[0, 0].float().cpu().numpy() < _SKY, metres, 0)
        return depth

    try:
        yield estimate
    finally:
        module.to("meta")
        memory.release(place)
