"""SAM3 in torch, as transformers builds it: tracks prompted objects through a window."""

from contextlib import AbstractContextManager
from typing import Final

from transformers import Sam3TrackerVideoInferenceSession, Sam3TrackerVideoModel

from fast_snow.config import Sam3Config
from fast_snow.engines.sam3.transformers.network import Architecture
from fast_snow.engines.sam3.transformers.opening import open_architecture
from fast_snow.engines.torch_runtime.squares import HALF
from fast_snow.engines.torch_runtime.transformers_folder import Expected
from fast_snow.protocols import Progress, Tracker, silent

SAM3: Final = Architecture(
    name="SAM3",
    model=Sam3TrackerVideoModel,
    session=Sam3TrackerVideoInferenceSession,
    normalization=HALF,
    expected=Expected(
        setting="sam3.model_path",
        network="SAM3's tracker",
        kinds=("sam3_video", "sam3_tracker_video"),  # all of SAM3 for videos, as published, or its tracker alone
        remedy="run fast-snow fetch-models sam3-hf",
    ),
)
"""With the image encoder that the tracker shares with the detector."""


def open_tracker(
    config: Sam3Config, *, device: str, patience: int | None = None, progress: Progress = silent
) -> AbstractContextManager[Tracker]:
    """Open SAM3's tracker, as `open_architecture` does.

    Args:
        config: its parameters.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        patience: frames in a row without an object after which it is no longer looked for; None never gives up.
        progress: told how many frames are done.
    """
    offload = config.offload_state_to_cpu
    return open_architecture(SAM3, config, device=device, offload_state=offload, patience=patience, progress=progress)
