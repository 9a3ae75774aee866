"""A tiny tracker of SAM 3.1 with weights that anyone can make again, and upstream's own session to compare with."""

import zlib
from collections import defaultdict
from collections.abc import Sequence
from contextlib import redirect_stdout
from functools import cache
from importlib import import_module
from io import StringIO
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
import torch

from fast_snow.engines.sam3.images import network_images
from fast_snow.engines.sam3.multiplex.buckets import states_of_sweep
from fast_snow.engines.sam3.multiplex.network import MultiplexNetwork
from fast_snow.engines.sam3.package.workarounds import built, import_builder, on_device
from fast_snow.kernels.masks import decode
from fast_snow.types import Frames, MaskPrompt

CPU = torch.device("cpu")
SIDE, TOKENS, WIDTH, HEADS, SLOTS = 112, 8, 64, 8, 16
GRID = (24, 32)


class Answer(NamedTuple):
    """Per frame and object."""

    inside: np.ndarray
    score: np.ndarray


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
    for name, each in tracker.named_parameters():
        if name.endswith(("q_proj.weight", "k_proj.weight", "out_proj.weight")) and "trunk" not in name:
            each.mul_(3)
        if name.endswith("_tokens.weight") or "_embed" in name or name.endswith("_token.weight"):
            each.mul_(8)
    for decoder in (tracker.sam_mask_decoder, tracker.interactive_sam_mask_decoder):
        last = decoder.pred_obj_score_head.layers[-1]
        last.bias.fill_(2.5)
        last.weight.mul_(2)


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
            kept.update({name: each for name, each in options.items() if not isinstance(each, torch.nn.Module)})

    light = {name: lambda **_: torch.nn.Identity() for name in ("transformer", "maskmem_backbone", "tri_backbone")}
    with (
        patch.object(demo, "Sam3VideoTrackingMultiplexDemo", Noted),
        patch.multiple(builder, **{f"_create_multiplex_{name}": each for name, each in light.items()}),
        patch.object(builder, "TriHeadVisionOnly", light["transformer"]),
    ):
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


class _MemoryInFp32:
    """Torch, for upstream's predictor, which stores memory as bf16 whatever it computes in."""

    bfloat16 = torch.float32

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)


def upstream(tracker: Any, frames: Frames, prompts: Sequence[MaskPrompt]) -> Answer:
    """Run upstream's predictor: per sweep and state a session, to which masks are added in the frames of the prompts."""
    n, at = len(frames), [each.frame for each in prompts]
    answer = Answer(np.zeros((n, len(prompts), *GRID), np.bool_), np.zeros((n, len(prompts)), np.float32))
    demo = import_module("sam3.model.video_tracking_multiplex_demo")
    with torch.inference_mode(), on_device(CPU), patch.object(demo, "torch", _MemoryInFp32()):
        features = _features(tracker, frames)
        for reverse in (False, True):
            for joining in states_of_sweep(at, frames=n, bucket=SLOTS, most=len(prompts), reverse=reverse):
                _session(tracker, features, n, prompts, joining, answer, reverse=reverse)
    return answer


def _features(tracker: Any, frames: Frames) -> dict[int, Any]:
    from sam3.model.data_misc import NestedTensor

    prepared = network_images(frames.image, side=SIDE, device=CPU, on_host=True)
    found: dict[int, Any] = {}
    for t in range(len(frames)):
        image = prepared[t][None]
        found[t] = image, tracker.forward_image(
            NestedTensor(tensors=image, mask=None), need_interactive_out=True, need_propagation_out=True
        )
    return found


def _session(
    tracker: Any,
    features: dict[int, Any],
    n: int,
    prompts: Sequence[MaskPrompt],
    joining: Any,
    answer: Answer,
    *,
    reverse: bool,
) -> None:
    state = tracker.init_state(
        video_height=GRID[0], video_width=GRID[1], num_frames=n, cached_features=features, offload_state_to_cpu=True
    )
    state["device"] = CPU  # upstream names the GPU
    stops = [*joining, 0 if reverse else n - 1]
    prompted_at = defaultdict(lambda: -1, {i: frame for frame, some in joining.items() for i in some})
    for begin, end in zip(stops, stops[1:], strict=False):
        masks = torch.stack([torch.tensor(decode(prompts[i].mask)[0]) for i in joining[begin]])
        tracker.add_new_masks(state, begin, list(joining[begin]), masks)
        tracker.propagate_in_video_preflight(state, run_mem_encoder=True)
        for t, ids, logits, _, presence in tracker.propagate_in_video(
            state, begin, abs(end - begin), reverse, tqdm_disable=True
        ):
            on_grid = torch.nn.functional.interpolate(logits, size=GRID, mode="bilinear", align_corners=False)
            for row, i in enumerate(ids):
                if t != prompted_at[i] or t == begin:
                    answer.inside[t, i] = (on_grid[row, 0] > 0).numpy()
                    answer.score[t, i] = float(presence[row, 0].sigmoid())
