"""EdgeTAM of transformers at 128 pixels with random weights, whose masks are neither empty nor full."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import (
    EdgeTamVideoConfig,
    EdgeTamVideoModel,
    Sam2ImageProcessor,
    Sam2VideoProcessor,
    Sam2VideoVideoProcessor,
)

SIDE = 128
_WIDTH = 128
_SIZE = {"height": SIDE, "width": SIDE}

BACKBONE = {
    "model_type": "timm_wrapper",
    "architecture": "repvit_m1",
    "num_classes": 2,
    "model_args": {
        "in_chans": 3,
        "features_only": True,
        "out_indices": [0, 1, 2, 3],
        "embed_dim": [8, 16, 24, 32],
        "depth": [1, 1, 1, 1],
    },
}
CONFIG = {
    "image_size": SIDE,
    "vision_config": {
        "model_type": "edgetam_vision_model",
        "backbone_config": BACKBONE,
        "backbone_channel_list": [32, 24, 16, 8],
        "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]],
        "fpn_hidden_size": _WIDTH,
    },
    "prompt_encoder_config": {"hidden_size": _WIDTH, "image_size": SIDE, "patch_size": 16},
    "mask_decoder_config": {
        "hidden_size": _WIDTH,
        "mlp_dim": 64,
        "iou_head_hidden_dim": 32,
        "num_attention_heads": 2,
    },
    "num_maskmem": 3,
    "max_object_pointers_in_encoder": 4,
    "memory_attention_hidden_size": _WIDTH,
    "memory_attention_mlp_hidden_size": 64,
    "memory_attention_rope_feat_sizes": [8, 8],
    "memory_attention_rope_k_sizes": [4, 4],
    "perceiver_resampler_num_latents": 16,
    "perceiver_resampler_num_latents_2d": 16,
    "perceiver_resampler_hidden_size": 64,  # the only width that memory attention takes
    "perceiver_resampler_mlp_intermediate_size": 32,
    "memory_encoder_hidden_size": _WIDTH,
    "memory_encoder_output_channels": 64,
    "mask_downsampler_embed_dim": _WIDTH,
    "memory_fuser_embed_dim": _WIDTH,
    "memory_fuser_intermediate_dim": 64,
}


def network(*, there: bool = True, seed: int = 7) -> EdgeTamVideoModel:
    """Build the tracker; it says of every object that it is there, or of none."""
    torch.manual_seed(seed)
    module = EdgeTamVideoModel(EdgeTamVideoConfig(**CONFIG)).eval()
    with torch.no_grad():
        _liven(module)
        module.mask_decoder.pred_obj_score_head.proj_out.bias.fill_(20 if there else -20)
    return module


def _liven(module: EdgeTamVideoModel) -> None:
    """Make masks depend on image, prompt and memory: at first, weights are so small that all answers are alike."""
    for name, value in module.named_parameters():
        if value.ndim == 4 and name.startswith("vision_encoder."):  # or images would hardly reach its end
            torch.nn.init.kaiming_normal_(value, nonlinearity="linear")
        elif value.ndim > 1:
            value.mul_(3)
        elif name.endswith("bias"):
            value.normal_(0, 0.1)
    for layer in module.vision_encoder.neck.convs:
        layer.weight.mul_(0.1)
    for layer in module.memory_attention.layers:
        layer.cross_attn_image.o_proj.weight.mul_(10)
        layer.cross_attn_image.k_proj.weight.mul_(3)
    _balance(module.mask_decoder)


def _balance(decoder: Any) -> None:
    """Make masks follow the image, with as many pixels inside as outside."""
    for layer in (decoder.upscale_conv2, decoder.conv_s0):
        layer.weight.mul_(3)
        layer.bias.zero_()
    for head in decoder.output_hypernetworks_mlps:
        head.proj_out.weight.sub_(head.proj_out.weight.mean(0, keepdim=True))
        head.proj_out.bias.sub_(head.proj_out.bias.mean())


def processor() -> Sam2VideoProcessor:
    """Prepare videos and prompts as the published network is told to, at the tiny network's size."""
    return Sam2VideoProcessor(Sam2ImageProcessor(size=_SIZE), Sam2VideoVideoProcessor(size=_SIZE))


def save(module: EdgeTamVideoModel, folder: Path) -> Path:
    """Write a network as a folder of weights."""
    module.config.save_pretrained(folder)
    save_file({name: value.contiguous() for name, value in module.state_dict().items()}, folder / "model.safetensors")
    return folder
