"""EdgeTAM in torch, as transformers builds it: tracks prompted objects through a window.

SAM 2 with a small image encoder and a memory of 512 tokens per frame and object; it takes the prompts of SAM3 and is
run by the same code.

Reference:
    Zhou et al., EdgeTAM: On-Device Track Anything Model, CVPR 2025.
"""

from functools import partial
from typing import Final

from transformers import EdgeTamVideoInferenceSession, EdgeTamVideoModel

from fast_snow.engines.sam3.transformers.network import Architecture
from fast_snow.engines.sam3.transformers.window import open_architecture
from fast_snow.engines.torch_runtime.squares import IMAGENET
from fast_snow.engines.torch_runtime.transformers_folder import Expected

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

open_tracker: Final = partial(open_architecture, EDGETAM)
