"""The tracker of SAM 3.1 in the package `sam3` built from its source, with weights from its official checkpoint."""

from contextlib import redirect_stdout
from io import StringIO

import torch

from fast_snow.engines.sam3.package.checkpoint import SAM3_1, trained
from fast_snow.engines.sam3.package.workarounds import UpstreamTracker, built, import_builder
from fast_snow.errors import EngineError


def load(model_path: str, device: torch.device) -> UpstreamTracker:
    """Build the tracker, a `VideoTrackingDynamicMultiplex`, with the trained weights of a folder.

    It raises as `trained`, and EngineError where the package has no SAM 3.1.
    """
    return trained(lambda: untrained(device), model_path, SAM3_1).to(device)


def untrained(device: torch.device) -> UpstreamTracker:
    """Build the tracker at full size with random weights."""
    builder = import_builder()
    if not hasattr(builder, "build_sam3_multiplex_video_model"):
        raise EngineError(
            "sam3.1: the package sam3 is one without SAM 3.1; install it from its source (docs/models.md)"
        )
    with redirect_stdout(StringIO()):  # upstream prints what it changes of its own settings
        return built(lambda: builder.build_sam3_multiplex_video_model(load_from_HF=False, device=device), device)
