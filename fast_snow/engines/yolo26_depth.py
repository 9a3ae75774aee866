"""Metric depth of single images from YOLO26-depth, to scale other depth by; only numbers are taken from its file."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import torch
from jaxtyping import Float32

from fast_snow.engines.fastsam.quiet_import import ultralytics
from fast_snow.engines.fastsam.weights import read_state
from fast_snow.engines.torch_runtime import devices, memory
from fast_snow.errors import InputError
from fast_snow.protocols import MetricDepthEngine
from fast_snow.types import Frames, Geometry

_SIDE: Final = 768
"""Pixels of the square that frames are stretched to, as it was trained."""
_LETTERS_BY_WIDTH: Final = {16: "n", 32: "s", 64: "ml", 96: "x"}
"""The scales of YOLO26 by the channels of its first convolution."""
_EXPECTED: Final = "expected YOLO26-depth"
_REMEDY: Final = "fetch yolo26s-depth.pt from ultralytics"


@contextmanager
def open_metric_depth(path: Path, *, device: str) -> Iterator[MetricDepthEngine]:
    """Load the network from ultralytics' `.pt` file, in fp32; leaving frees its memory.

    Yields:
        The engine: each image alone, whatever its camera. Answers are squares over the full view and own their arrays.

    Raises:
        ConfigError: no such device.
        InputError: weights that are missing, damaged or of something else.
    """
    place = devices.choose_device(device)
    network = _network(read_state(path, _EXPECTED, _REMEDY), path).to(place)

    @torch.inference_mode()
    def estimate(frames: Frames, geometry: Geometry) -> Float32[np.ndarray, "n h w"]:  # noqa: ARG001 (the protocol)
        return np.stack([network(_square(image).to(place))[0, 0].cpu().numpy() for image in frames.image])

    try:
        yield estimate
    finally:
        network.to("meta")
        memory.release(place)


def _square(image: np.ndarray) -> torch.Tensor:
    stretched = cv2.resize(image, (_SIDE, _SIDE), interpolation=cv2.INTER_LINEAR)
    return torch.from_numpy(stretched).permute(2, 0, 1)[None].float() / 255


def _network(state: Mapping[str, torch.Tensor], path: Path) -> torch.nn.Module:
    """Build the scale of the network that has these tensors."""
    ultralytics()
    from ultralytics.nn.tasks import DepthModel

    first = state.get("model.0.conv.weight")
    for letter in "" if first is None else _LETTERS_BY_WIDTH.get(len(first), ""):
        network: torch.nn.Module = DepthModel(f"yolo26{letter}-depth.yaml", ch=3, verbose=False)
        wanted = network.state_dict()
        if wanted.keys() == state.keys() and all(wanted[name].shape == each.shape for name, each in state.items()):
            network.load_state_dict(state)
            return network.float().eval()
    raise InputError(f"{path}: got another network, {_EXPECTED}; {_REMEDY}")
