"""SAM2's image model of transformers at 128 pixels with random weights, whose masks are neither empty nor full."""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import Sam2Config, Sam2Model

SIDE = 128
_WIDTH = 32

CONFIG = {
    "vision_config": {
        "model_type": "sam2_vision_model",
        "backbone_config": {
            "model_type": "sam2_hiera_det_model",
            "hidden_size": 16,
            "num_attention_heads": 1,
            "image_size": [SIDE, SIDE],
            "window_positional_embedding_background_size": [7, 7],
            "blocks_per_stage": [1, 1, 2, 1],
            "embed_dim_per_stage": [16, 32, 48, 64],
            "num_attention_heads_per_stage": [1, 2, 2, 4],
            "window_size_per_stage": [8, 4, 4, 4],
            "global_attention_blocks": [3],
        },
        "backbone_channel_list": [64, 48, 32, 16],
        "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]],
        "fpn_hidden_size": _WIDTH,
    },
    "prompt_encoder_config": {"hidden_size": _WIDTH, "image_size": SIDE, "patch_size": 16},
    "mask_decoder_config": {
        "hidden_size": _WIDTH,
        "mlp_dim": 64,
        "num_attention_heads": 2,
        "iou_head_hidden_dim": 32,
    },
}


def network(seed: int = 3) -> Sam2Model:
    torch.manual_seed(seed)
    module = Sam2Model(Sam2Config(**CONFIG)).eval()
    with torch.no_grad():
        for name, value in module.named_parameters():
            if value.ndim > 1:
                value.mul_(3)
            elif name.endswith("bias"):
                value.normal_(0, 0.1)
        for head in module.mask_decoder.output_hypernetworks_mlps:  # as many pixels inside as outside
            head.proj_out.weight.sub_(head.proj_out.weight.mean(0, keepdim=True))
            head.proj_out.bias.sub_(head.proj_out.bias.mean())
    return module


def save(module: Sam2Model, folder: Path) -> Path:
    """Write a network as a folder of weights."""
    module.config.save_pretrained(folder)
    save_file({name: value.contiguous() for name, value in module.state_dict().items()}, folder / "model.safetensors")
    return folder


def image(seed: int = 0) -> np.ndarray:
    """Draw a bright square over noise."""
    drawn = np.random.default_rng(seed).integers(0, 90, (72, 96, 3), dtype=np.uint8)
    drawn[20:50, 30:70] = 220
    return drawn
