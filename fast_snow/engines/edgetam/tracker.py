"""EdgeTAM in torch, as transformers builds it: tracks prompted objects through a window.

SAM 2 with a small image encoder and a memory of 512 tokens per frame and object; it takes the prompts of SAM3 and is
run by the same code.

Reference:
    Zhou et al., EdgeTAM: On-Device Track Anything Model, CVPR 2025.
"""

from contextlib import AbstractContextManager
from typing import Final

from transformers import EdgeTamVideoInferenceSession, EdgeTamVideoModel

from fast_snow.config import EdgeTamConfig
from fast_snow.engines.sam3.transformers.network import Architecture
from fast_snow.engines.sam3.transformers.opening import open_architecture
from fast_snow.engines.torch_runtime.squares import IMAGENET
from fast_snow.engines.torch_runtime.transformers_folder import Expected
from fast_snow.protocols import Progress, Tracker, silent

EDGETAM: Final = Architecture(
    name="EdgeTAM",
    model=EdgeTamVideoModel,
    session=EdgeTamVideoInferenceSession,
    normalization=IMAGENET,
    expected=Expected(
        setting="edgetam.model_path",
        network="EdgeTAM",
        kinds=("edgetam_video",),
        remedy="run fast-snow fetch-models edgetam",
    ),
)


def open_tracker(
    config: EdgeTamConfig, *, device: str, patience: int | None = None, progress: Progress = silent
) -> AbstractContextManager[Tracker]:
    """Open EdgeTAM, as `open_architecture` does; the memory of an object is small and stays on the device.

    Args:
        config: its parameters.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        patience: frames in a row without an object after which it is no longer looked for; None never gives up.
        progress: told how many frames are done.
    """
    return open_architecture(EDGETAM, config, device=device, offload_state=False, patience=patience, progress=progress)
