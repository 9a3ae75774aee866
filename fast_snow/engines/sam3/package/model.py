"""The tracker of the package `sam3`, with weights from its official checkpoint."""

import torch

from fast_snow.engines.sam3.package.checkpoint import SAM3, trained
from fast_snow.engines.sam3.package.workarounds import UpstreamTracker, built, import_builder, without_detector_neck


def load(model_path: str, device: torch.device) -> UpstreamTracker:
    """Build the tracker with its trained weights, `sam3.pt` or `sam3.safetensors` in a folder.

    It is a `Sam3TrackerPredictor`, of which only the parts that `Sam3TrackerBase` has are used. It raises as `trained`.
    """
    return without_detector_neck(trained(lambda: untrained(device), model_path, SAM3)).to(device)


def untrained(device: torch.device) -> UpstreamTracker:
    """Build the tracker at full size with random weights."""
    builder = import_builder()
    return built(lambda: builder.build_tracker(apply_temporal_disambiguation=True, with_backbone=True), device)
