"""SAM3's tracker of transformers at 112 pixels with random weights, whose masks are neither empty nor full."""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import Sam3TrackerVideoConfig, Sam3TrackerVideoModel

from fast_snow.types import Frames

SIDE = 112
GRID = (36, 48)
_WIDTH = 128

VISION = {
    "model_type": "sam3_vision_model",
    "fpn_hidden_size": _WIDTH,
    "backbone_config": {
        "model_type": "sam3_vit_model",
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": SIDE,
        "patch_size": 14,
        "window_size": 4,
        "global_attn_indexes": [1],
        "pretrain_image_size": 56,
    },
}
TRACKER = {
    "vision_config": VISION,
    "image_size": SIDE,
    "prompt_encoder_config": {"hidden_size": _WIDTH, "image_size": SIDE},
    "mask_decoder_config": {
        "hidden_size": _WIDTH,
        "mlp_dim": 64,
        "iou_head_hidden_dim": 32,
        "num_attention_heads": 2,
    },
    "num_maskmem": 3,
    "max_object_pointers_in_encoder": 4,
    "memory_attention_hidden_size": _WIDTH,
    "memory_attention_num_layers": 2,
    "memory_attention_feed_forward_hidden_size": 64,
    "memory_encoder_hidden_size": _WIDTH,
    "memory_encoder_output_channels": 64,
    "mask_downsampler_embed_dim": _WIDTH,
    "memory_fuser_embed_dim": _WIDTH,
    "memory_fuser_intermediate_dim": 64,
}


def network(*, there: bool = True, seed: int = 7) -> Sam3TrackerVideoModel:
    """Build the tracker; it says of every object that it is there, or of none."""
    torch.manual_seed(seed)
    module = Sam3TrackerVideoModel(Sam3TrackerVideoConfig(**TRACKER)).eval()
    with torch.no_grad():
        _liven(module)
        module.mask_decoder.pred_obj_score_head.proj_out.bias.fill_(20 if there else -20)
    return module


def _liven(module: Sam3TrackerVideoModel) -> None:
    """Make masks depend on image, prompt and memory: at first, weights are so small that all answers are alike."""
    for name, value in module.named_parameters():
        if value.ndim > 1:
            value.mul_(3)
        elif name.endswith("bias"):
            value.normal_(0, 0.1)
    decoder = module.mask_decoder
    for layer in (decoder.upscale_conv2, decoder.conv_s0):
        layer.weight.mul_(3)
        layer.bias.zero_()
    for head in decoder.output_hypernetworks_mlps:  # as many pixels inside as outside
        head.proj_out.weight.sub_(head.proj_out.weight.mean(0, keepdim=True))
        head.proj_out.bias.sub_(head.proj_out.bias.mean())
    for layer in module.memory_attention.layers:
        layer.cross_attn_image.o_proj.weight.mul_(10)
        layer.cross_attn_image.k_proj.weight.mul_(3)


def save(module: Sam3TrackerVideoModel, folder: Path) -> Path:
    """Write a network as a folder of weights."""
    module.config.save_pretrained(folder)
    save_file({name: value.contiguous() for name, value in module.state_dict().items()}, folder / "model.safetensors")
    return folder


def frames(count: int) -> Frames:
    """Draw a bright square that moves over noise."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 90, (count, 72, 96, 3), dtype=np.uint8)
    for k in range(count):
        image[k, 20:50, 10 + 8 * k : 40 + 8 * k] = 220
    t = np.arange(count)
    return Frames(image=image, t=t.astype(np.int32), time_s=t / 10, source_frame=t.astype(np.int64))
