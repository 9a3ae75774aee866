"""SAM3 in torch, as transformers builds it: tracks prompted objects through a window."""

from functools import partial
from typing import Final

from transformers import Sam3TrackerVideoInferenceSession, Sam3TrackerVideoModel

from fast_snow.engines.sam3.transformers.network import Architecture
from fast_snow.engines.sam3.transformers.window import open_architecture
from fast_snow.engines.torch_runtime.squares import HALF
from fast_snow.engines.torch_runtime.transformers_folder import Expected

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

open_tracker: Final = partial(open_architecture, SAM3)
