"""A tiny SAM3 tracker of the package `sam3` with random weights, and moving shapes for it to follow."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from fast_snow.engines.sam3.package.network import TrackingNetwork
from fast_snow.engines.sam3.package.workarounds import built, import_builder
from fast_snow.kernels.masks import encode
from fast_snow.types import BoxPrompt, Frames, MaskPrompt, PointPrompt

CPU = torch.device("cpu")
SIDE = 112
TOKENS = SIDE // 14
GRID = (24, 32)
WIDTH, MEMORY_WIDTH = 64, 16


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Kernels this small only wait for each other's threads; test modules import this to use it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@cache
def tiny_tracker() -> Any:
    """One tracker for all tests that do not change it."""
    return fresh_tracker(seed=0)


def fresh_tracker(seed: int) -> Any:
    """The real architecture at 112 pixels and a quarter of the width, with an image encoder of two layers."""
    builder = import_builder()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        tracker = built(lambda: _build(builder), CPU)
        _liven(tracker)
    return tracker


def tiny_network() -> TrackingNetwork:
    return TrackingNetwork(tiny_tracker(), CPU, torch.float32)


def _build(builder: Any) -> Any:
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
    neck = builder.Sam3DualViTDetNeck(
        position_encoding=builder.PositionEmbeddingSine(num_pos_feats=WIDTH),
        d_model=WIDTH,
        scale_factors=[4.0, 2.0, 1.0, 0.5],
        trunk=image,
        add_sam2_neck=True,
    )
    return builder.Sam3TrackerPredictor(
        image_size=SIDE,
        num_maskmem=7,
        backbone=builder.SAM3VLBackbone(scalp=1, visual=neck, text=None),
        backbone_stride=14,
        transformer=memory_attention(builder),
        maskmem_backbone=memory_encoder(builder),
        multimask_output_in_sam=True,
        multimask_output_for_tracking=True,
        multimask_min_pt_num=0,
        multimask_max_pt_num=1,
        non_overlap_masks_for_output=False,
        max_cond_frames_in_attn=4,
        sam_mask_decoder_extra_args={
            "dynamic_multimask_via_stability": True,
            "dynamic_multimask_stability_delta": 0.05,
            "dynamic_multimask_stability_thresh": 0.98,
        },
        clear_non_cond_mem_around_input=True,
        use_memory_selection=True,
    )


def memory_attention(builder: Any) -> Any:
    layer = builder.TransformerDecoderLayerv2(
        cross_attention_first=False,
        activation="relu",
        dim_feedforward=2 * WIDTH,
        dropout=0.1,
        pos_enc_at_attn=False,
        pre_norm=True,
        self_attention=_attention(builder),
        d_model=WIDTH,
        pos_enc_at_cross_attn_keys=True,
        pos_enc_at_cross_attn_queries=False,
        cross_attention=_attention(builder, kv_in_dim=MEMORY_WIDTH, rope_k_repeat=True),
    )
    encoder = builder.TransformerEncoderCrossAttention(
        batch_first=True, d_model=WIDTH, frozen=False, pos_enc_at_input=True, layer=layer, num_layers=2
    )
    return builder.TransformerWrapper(encoder=encoder, decoder=None, d_model=WIDTH)


def _attention(builder: Any, **options: Any) -> Any:
    return builder.RoPEAttention(embedding_dim=WIDTH, num_heads=1, dropout=0.1, feat_sizes=[TOKENS, TOKENS], **options)


def memory_encoder(builder: Any) -> Any:
    return builder.SimpleMaskEncoder(
        in_dim=WIDTH,
        out_dim=MEMORY_WIDTH,
        position_encoding=builder.PositionEmbeddingSine(num_pos_feats=MEMORY_WIDTH),
        mask_downsampler=builder.SimpleMaskDownSampler(
            embed_dim=WIDTH, kernel_size=3, stride=2, padding=1, interpol_size=[TOKENS * 16, TOKENS * 16]
        ),
        fuser=builder.SimpleFuser(layer=builder.CXBlock(dim=WIDTH, use_dwconv=True), num_layers=2),
    )


def _liven(tracker: Any) -> None:
    """Make random weights answer: objects are present, prompts, memory and object pointers matter."""
    decoder = tracker.sam_mask_decoder
    for name, each in decoder.transformer.named_modules():
        if name.endswith(("q_proj", "k_proj", "out_proj")):
            each.weight.data.mul_(3)
    last = decoder.pred_obj_score_head.layers[-1]
    last.bias.data.fill_(2.5)
    last.weight.data.mul_(20)
    for layer in tracker.transformer.encoder.layers:
        for each in (layer.cross_attn_image.q_proj, layer.cross_attn_image.k_proj, layer.cross_attn_image.out_proj):
            each.weight.data.mul_(3)
    for each in tracker.maskmem_backbone.fuser.layers:
        each.gamma.data.fill_(1.0)
    tracker.maskmem_tpos_enc.data.mul_(20)
    tracker.obj_ptr_proj.layers[-1].weight.data.mul_(8)


def moving_shapes(n: int) -> Frames:
    """A disc and a square that move across noise."""
    rng = np.random.default_rng(7)
    rows, cols = np.mgrid[:48, :64]
    images = rng.integers(60, 90, (n, 48, 64, 3), dtype=np.uint8)
    for t, image in enumerate(images):
        image[(rows - 14) ** 2 + (cols - 12 - 3 * t) ** 2 < 64] = (220, 60, 40)
        image[28:42, max(0, 44 - 2 * t) : 58 - 2 * t] = (40, 80, 230)
    return Frames(
        image=images,
        t=np.arange(n, dtype=np.int32),
        time_s=np.arange(n) / 10.0,
        source_frame=np.arange(n, dtype=np.int64),
    )


def box(frame: int, *xyxy: float) -> BoxPrompt:
    return BoxPrompt(frame=frame, box_xyxy=np.array(xyxy, np.float32))


def point(frame: int, u: float, v: float) -> PointPrompt:
    return PointPrompt(frame=frame, uv=np.array([u, v], np.float32))


def mask(frame: int, top: int, left: int, bottom: int, right: int) -> MaskPrompt:
    dense = np.zeros((1, *GRID), np.bool_)
    dense[0, top:bottom, left:right] = True
    return MaskPrompt(frame=frame, mask=encode(dense))
