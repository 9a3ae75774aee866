"""A tiny tracker of SAM 3.1 with weights that anyone can make again, and masks for it to follow."""

import zlib
from contextlib import ExitStack, redirect_stdout
from functools import cache
from importlib import import_module
from io import StringIO
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from fast_snow.engines.sam3.multiplex.network import MultiplexNetwork
from fast_snow.engines.sam3.package.workarounds import built, import_builder
from fast_snow.types import MaskPrompt
from tests.engines.sam3.package.scenes import mask

CPU = torch.device("cpu")
_MODULES = ("backbone", "transformer", "maskmem_backbone", "multiplex_controller")
SIDE, TOKENS, WIDTH, HEADS, SLOTS = 112, 8, 64, 8, 16


@cache
def tiny_tracker() -> Any:
    """One tracker for all tests that do not change it."""
    return fresh_tracker(seed=0)


def tiny_network() -> MultiplexNetwork:
    return MultiplexNetwork(tiny_tracker(), CPU, torch.float32)


def fresh_tracker(seed: int) -> Any:
    """The real architecture at 112 pixels and a quarter of the width, with an image encoder of two layers."""
    builder = import_builder()
    with redirect_stdout(StringIO()):
        tracker = built(lambda: _build(builder), CPU)
    fill(tracker, seed)
    return tracker


@torch.no_grad()
def fill(tracker: Any, seed: int) -> None:
    """Give every weight its values: normal numbers of NumPy's generator with the seed `[seed, crc32(name)]`.

    Matrices and kernels are divided by the square root of their inputs; vectors take a tenth, around one where they
    scale. Then what makes random weights answer: objects are present, prompts, memory and pointers matter.
    """
    for name, tensor in tracker.state_dict().items():
        if tensor.is_complex():
            continue  # tables of angles
        rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
        values = rng.standard_normal(tuple(tensor.shape))
        if tensor.ndim > 1 and not name.endswith("gaussian_matrix"):
            values /= np.sqrt(np.prod(tensor.shape[1:]))
        elif tensor.ndim == 1:
            values = 0.1 * values + (1.0 if name.endswith(("weight", "gamma")) else 0.0)
        tensor.copy_(torch.from_numpy(values))
    _liven(tracker)


def _liven(tracker: Any) -> None:
    for name, each in tracker.named_parameters():
        if name.endswith(("q_proj.weight", "k_proj.weight", "out_proj.weight")) and "trunk" not in name:
            each.mul_(3)
        if name.endswith(("_tokens.weight", "_token.weight")) or "_embed" in name:
            each.mul_(8)
    for decoder in (tracker.sam_mask_decoder, tracker.interactive_sam_mask_decoder):
        last = decoder.pred_obj_score_head.layers[-1]
        last.bias.fill_(1.0)
        last.weight.mul_(8)


def _build(builder: Any) -> Any:
    from sam3.model.video_tracking_multiplex_demo import Sam3VideoTrackingMultiplexDemo

    image = builder.ViT(
        img_size=SIDE,
        pretrain_img_size=56,
        patch_size=14,
        embed_dim=64,
        depth=2,
        num_heads=2,
        mlp_ratio=2,
        norm_layer="LayerNorm",
        qkv_bias=True,
        use_abs_pos=True,
        tile_abs_pos=True,
        global_att_blocks=(1,),
        rel_pos_blocks=(),
        use_rope=True,
        use_interp_rope=True,
        window_size=4,
        pretrain_use_cls_token=True,
        retain_cls_token=False,
        ln_pre=True,
        bias_patch_embed=False,
    )
    neck = builder.Sam3TriViTDetNeck(
        trunk=image,
        position_encoding=builder.PositionEmbeddingSine(num_pos_feats=WIDTH),
        d_model=WIDTH,
        scale_factors=[4.0, 2.0, 1.0],
    )
    return Sam3VideoTrackingMultiplexDemo(
        backbone=builder.TriHeadVisionOnly(visual=neck, n_features=WIDTH, scalp=0),
        transformer=_memory_attention(builder),
        maskmem_backbone=_memory_encoder(builder),
        multiplex_controller=builder.MultiplexController(multiplex_count=SLOTS, eval_multiplex_count=SLOTS),
        image_size=SIDE,
        **settings_of_the_full_network(),
    )


@cache
def settings_of_the_full_network() -> dict[str, Any]:
    """Return what upstream's builder says of its network, beside the modules and the size of images."""
    builder = import_builder()
    demo = import_module("sam3.model.video_tracking_multiplex_demo")
    kept: dict[str, Any] = {}

    class Noted(torch.nn.Module):
        def __init__(self, **options: Any) -> None:
            super().__init__()
            kept.update({name: each for name, each in options.items() if name not in _MODULES})

    with ExitStack() as stack:
        stack.enter_context(patch.object(demo, "Sam3VideoTrackingMultiplexDemo", Noted))
        for name in ("transformer", "maskmem_backbone", "tri_backbone"):
            stack.enter_context(patch.object(builder, f"_create_multiplex_{name}", lambda **_: None))
        stack.enter_context(patch.object(builder, "TriHeadVisionOnly", lambda **_: torch.nn.Identity()))
        builder.build_sam3_multiplex_video_model(load_from_HF=False, device="cpu")
    return {name: each for name, each in kept.items() if name != "image_size"}


def _memory_attention(builder: Any) -> Any:
    attention = {"d_model": WIDTH, "num_heads": HEADS, "dropout_p": 0.1, "feat_sizes": [TOKENS, TOKENS]}
    layer = builder.DecoupledTransformerDecoderLayerv2(
        activation="gelu",
        d_model=WIDTH,
        num_heads=HEADS,
        dropout=0.1,
        dim_feedforward=2 * WIDTH,
        pos_enc_at_attn=False,
        pre_norm=True,
        pos_enc_at_cross_attn_keys=True,
        pos_enc_at_cross_attn_queries=False,
        self_attention_rope=builder.SimpleRoPEAttention(**attention),
        cross_attention_rope=builder.SimpleRoPEAttention(rope_k_repeat=True, **attention),
    )
    encoder = builder.TransformerEncoderDecoupledCrossAttention(
        d_model=WIDTH,
        frozen=False,
        pos_enc_at_input=True,
        use_image_in_output=False,
        layer=layer,
        num_layers=2,
        batch_first=True,
    )
    return builder.TransformerWrapper(encoder=encoder, decoder=None, d_model=WIDTH)


def _memory_encoder(builder: Any) -> Any:
    return builder.SimpleMaskEncoder(
        in_dim=WIDTH,
        out_dim=WIDTH,
        position_encoding=builder.PositionEmbeddingSine(num_pos_feats=WIDTH),
        mask_downsampler=builder.SimpleMaskDownSampler(
            embed_dim=WIDTH,
            kernel_size=3,
            stride=2,
            padding=1,
            interpol_size=[TOKENS * 16, TOKENS * 16],
            multiplex_count=SLOTS,
            starting_out_chan=4,
            input_channel_multiplier=2,
        ),
        fuser=builder.SimpleFuser(layer=builder.CXBlock(dim=WIDTH, use_dwconv=True), num_layers=2),
    )


def twenty_masks() -> list[MaskPrompt]:
    """Twenty rectangles, some of them overlapping, prompted in six of twenty frames, the first and last too."""
    rng = np.random.default_rng(3)
    frames = [0] * 4 + [5] * 2 + [9] * 4 + [12, 19] + [0] * 2 + [3] * 6
    found = []
    for frame in frames:
        top, left = int(rng.integers(0, 14)), int(rng.integers(0, 20))
        found.append(mask(frame, top, left, top + int(rng.integers(4, 10)), left + int(rng.integers(4, 12))))
    return found
