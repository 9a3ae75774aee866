"""SAM2's image model as transformers builds it, from a folder on disk."""

from pathlib import Path
from typing import Any, Final

import torch
from transformers import Sam2Model

from fast_snow.engines.torch_runtime import transformers_folder
from fast_snow.engines.torch_runtime.transformers_folder import Expected

_EXPECTED: Final = Expected(
    setting="snow.model_path",
    network="SAM2",
    kinds=("sam2", "sam2_video"),  # the image model, or the video model as published, which holds it
    remedy="run fast-snow fetch-models sam2",
)


def load(folder: Path, device: torch.device) -> Any:  # noqa: ANN401 (transformers is not typed)
    """Load the image model.

    Args:
        folder: `config.json` and `model.safetensors`, of the image model or of the video model that holds it.
        device: where it will compute.

    Returns:
        transformers' `Sam2Model` in evaluation mode, fp32.

    Raises:
        ConfigError: the folder holds no such network, or files that are damaged or do not belong together.
    """
    return transformers_folder.load(Sam2Model, folder, _EXPECTED).to(device)
