"""SAM2's image model, as transformers builds it: an image is encoded once, then asked by points."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from transformers import Sam2Model

from fast_snow.engines.torch_runtime import devices, transformers_folder
from fast_snow.engines.torch_runtime.squares import IMAGENET, square
from fast_snow.engines.torch_runtime.transformers_folder import Expected

Embeddings = Sequence[torch.Tensor]
"""Feature maps of an image, finest first."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageNetwork:
    """Transformers' image model, and where and in which precision it computes."""

    module: Any
    device: torch.device
    precision: torch.dtype

    @property
    def side(self) -> int:
        """Height and width of its input in pixels."""
        return int(self.module.config.prompt_encoder_config.image_size)

    def encode(self, image: UInt8[np.ndarray, "height width 3"]) -> Embeddings:
        """Encode an image."""
        pixels = square(torch.tensor(image, device=self.device), self.side, IMAGENET)
        with torch.inference_mode(), devices.autocast(self.device, self.precision):
            embeddings: list[torch.Tensor] = self.module.get_image_embeddings(pixels[None])
        return embeddings

    def answer(
        self, embeddings: Embeddings, points: Float32[torch.Tensor, "k p 2"], *, several: bool
    ) -> tuple[Float[torch.Tensor, "k n h w"], Float[torch.Tensor, "k n"]]:
        """Outline what points lie on, in pixels of the network's input: coarse mask logits and predicted IoUs.

        Three masks are answered for each object with `several`, since one point may mean any of them; else one.
        """
        with torch.inference_mode(), devices.autocast(self.device, self.precision):
            output = self.module(
                image_embeddings=list(embeddings),
                input_points=points.to(self.device)[None],
                input_labels=torch.ones(points.shape[:2], dtype=torch.int64, device=self.device)[None],
                multimask_output=several,
            )
        return output.pred_masks[0], output.iou_scores[0]


def load(folder: Path, *, setting: str, device: str, precision: str) -> ImageNetwork:
    """Load the image model, from its own folder or that of the video model that holds it.

    Raises:
        ConfigError: no such device, or the folder holds no such network, or files that are damaged or do not belong
            together.
    """
    place = devices.choose_device(device)
    expected = Expected(
        setting=setting,
        network="SAM2",
        kinds=("sam2", "sam2_video"),  # the image model, or the video model as published, which holds it
        remedy="run fast-snow fetch-models sam2",
    )
    module = transformers_folder.load_folder(Sam2Model, folder, expected).to(place)
    return ImageNetwork(module=module, device=place, precision=devices.precision(precision, place))
