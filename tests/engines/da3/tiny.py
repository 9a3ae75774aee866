"""Depth Anything 3 as upstream builds it, only small: a backbone of six blocks of width 48, with random weights."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from unittest.mock import patch

import torch
from safetensors.torch import save_model

from fast_snow.engines.da3.quiet_import import (
    MODEL_REGISTRY,
    create_object,
    load_config,
    vision_transformer,
)

WIDTH, DEPTH, HEADS = 48, 6, 2
MAIN = f"""
__object__: {{path: depth_anything_3.model.da3, name: DepthAnything3Net, args: as_params}}
net:
  __object__: {{path: depth_anything_3.model.dinov2.dinov2, name: DinoV2, args: as_params}}
  name: vits
  out_layers: [2, 3, 4, 5]
  alt_start: 2
  qknorm_start: 2
  rope_start: 2
  cat_token: True
head:
  __object__: {{path: depth_anything_3.model.dualdpt, name: DualDPT, args: as_params}}
  dim_in: {2 * WIDTH}
  output_dim: 2
  features: 16
  out_channels: [8, 8, 16, 16]
cam_enc:
  __object__: {{path: depth_anything_3.model.cam_enc, name: CameraEnc, args: as_params}}
  dim_out: {WIDTH}
  num_heads: 2
  trunk_depth: 1
cam_dec:
  __object__: {{path: depth_anything_3.model.cam_dec, name: CameraDec, args: as_params}}
  dim_in: {2 * WIDTH}
"""
METRIC = f"""
__object__: {{path: depth_anything_3.model.da3, name: DepthAnything3Net, args: as_params}}
net:
  __object__: {{path: depth_anything_3.model.dinov2.dinov2, name: DinoV2, args: as_params}}
  name: vits
  out_layers: [2, 3, 4, 5]
  cat_token: False
head:
  __object__: {{path: depth_anything_3.model.dpt, name: DPT, args: as_params}}
  dim_in: {WIDTH}
  output_dim: 1
  features: 16
  out_channels: [8, 8, 16, 16]
"""
NESTED = """
__object__: {path: depth_anything_3.model.da3, name: NestedDepthAnything3Net, args: as_params}
anyview: {__inherit__: %s}
metric: {__inherit__: %s}
"""


@contextmanager
def tiny_variants(folder: Path) -> Iterator[None]:
    """Let upstream build small networks under the names of its own, on one thread: more only wait for each other."""
    texts = {"da3-small": MAIN, "da3metric-large": METRIC}
    paths = {name: str(folder / f"{name}.yaml") for name in [*texts, "da3nested-giant-large"]}
    texts["da3nested-giant-large"] = NESTED % (paths["da3-small"], paths["da3metric-large"])
    for name, text in texts.items():
        Path(paths[name]).write_text(text)
    small = partial(vision_transformer.DinoVisionTransformer, embed_dim=WIDTH, depth=DEPTH, num_heads=HEADS)
    with patch.dict(MODEL_REGISTRY, paths), patch("depth_anything_3.model.dinov2.dinov2.vit_small", small):
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)


def save_random(folder: Path, name: str, seed: int = 0) -> Path:
    """Write random weights as Hugging Face has them; call within `tiny_variants`."""
    torch.manual_seed(seed)
    network = create_object(load_config(MODEL_REGISTRY[name]))
    _spread(network)
    folder.mkdir(parents=True, exist_ok=True)
    save_model(torch.nn.ModuleDict({"model": network}), str(folder / "model.safetensors"))
    (folder / "config.json").write_text(json.dumps({"model_name": name}))
    return folder


@torch.no_grad()
def _spread(network: torch.nn.Module) -> None:
    """Give parameters that start at zero or one a spread, so that no part of the network is without effect."""
    for key, value in network.named_parameters():
        if key.endswith(("cls_token", "pos_embed")):
            value.normal_(std=0.5)
        elif key.endswith("fc_fov.0.bias"):
            value.fill_(1.0)
        elif key.endswith("gamma"):
            value.uniform_(0.5, 1.0)
