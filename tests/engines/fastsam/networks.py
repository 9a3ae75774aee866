"""The real architecture at its smallest scale, with random weights that detect something."""

from pathlib import Path

import numpy as np
import torch

from fast_snow.engines.compiled.network import Arrays
from fast_snow.engines.fastsam.detections import BOXES, COEFFICIENTS, PROTOTYPES, SCORES
from fast_snow.engines.fastsam.preprocessing import IMAGES
from fast_snow.engines.fastsam.quiet_import import ultralytics
from fast_snow.engines.fastsam.weights import load_fastsam

ultralytics()
from ultralytics.nn.tasks import SegmentationModel  # noqa: E402


def write_weights(path: Path, *, seed: int = 0, scale: str = "n", classes: int = 1) -> Path:
    """Write a file as ultralytics trains one, tuned so that scores spread and masks have edges.

    Random layers make almost constant maps: normalisation by the statistics of images brings contrast back.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = SegmentationModel(f"yolov8{scale}-seg.yaml", ch=3, nc=classes, verbose=False)
        _normalise(network)
        head = network.model[-1]
        with torch.no_grad():
            for branches, spread, bias in ((head.cv2, 0.05, 0.0), (head.cv3, 0.12, 0.0), (head.cv4, 0.1, 0.0)):
                for branch in branches:
                    branch[-1].weight.normal_(0, spread)
                    branch[-1].bias.fill_(bias)
    torch.save({"model": network.eval().half(), "ema": None, "train_args": {"imgsz": 640}}, path)
    return path


def _normalise(network: torch.nn.Module) -> None:
    network.train()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # a plain mean
            module.reset_running_stats()
    with torch.no_grad():
        network(torch.cat([_blocks(side) for side in (2, 5, 20)]))
    network.eval()


def _blocks(side: int) -> torch.Tensor:
    """Make images of sharp contrast; what is calmer than they are, as photographs, is not amplified layer by layer."""
    colour = 0.8 * torch.rand(4, 1, side, side).round() + 0.2 * torch.rand(4, 3, side, side)
    return torch.nn.functional.interpolate(colour, size=(160, 160), mode="nearest")


class UltralyticsNetwork:
    """What ultralytics' own backend answers, to the bit, behind the protocol of a compiled network."""

    def __init__(self, path: Path) -> None:
        from ultralytics.nn.autobackend import AutoBackend

        self._backend = AutoBackend(load_fastsam(path).network, device=torch.device("cpu"), verbose=False)

    def __call__(self, inputs: Arrays) -> Arrays:
        with torch.inference_mode():
            (predictions, prototypes), _ = self._backend(torch.from_numpy(inputs[IMAGES]))
        answers = (predictions[:, :4], predictions[:, 4], predictions[:, 5:], prototypes)
        return {
            name: np.ascontiguousarray(each.numpy())
            for name, each in zip((BOXES, SCORES, COEFFICIENTS, PROTOTYPES), answers, strict=True)
        }
