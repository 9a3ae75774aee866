"""The real architectures with random weights, in files: the work per frame is that of trained ones.

`full` is the published size; `tiny` tries a script in seconds, with the small networks of the tests.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from fast_snow.config import Config, Sam3Config
from fast_snow.protocols import Tracker

SEED = 0
MODELS = ("fastsam", "sam2", "da3", "sam3", "sam3-hf", "edgetam")
OpenSam3 = Callable[[Sam3Config], AbstractContextManager[Tracker]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """Models that are ready to be loaded.

    Attributes:
        config: names their files, and sizes that suit them.
        open_sam3: opens the tracker of the package `sam3`.
        left_out: why a model is not here, by name.
    """

    config: Config
    open_sam3: OpenSam3
    left_out: Mapping[str, str]


@contextmanager
def full(folder: Path, device: str, only: Sequence[str] = MODELS) -> Iterator[Models]:
    """Write FastSAM-s, SAM 2.1 (large), DA3-small, SAM3 and EdgeTAM at their published sizes.

    Args:
        folder: where the files go; about 5 GB, most of it SAM3's.
        device: where the tracker will compute.
        only: which of `MODELS` to write.
    """
    config = _placed(folder, fastsam="FastSAM-s")
    writers = {
        "fastsam": _fastsam,
        "sam2": _sam2,
        "da3": _da3,
        "sam3": _sam3,
        "sam3-hf": _sam3_hf,
        "edgetam": _edgetam,
    }
    yield Models(config=config, open_sam3=partial(_open_sam3, device), left_out=_written(writers, config, only))


@contextmanager
def tiny(folder: Path, device: str, only: Sequence[str] = MODELS) -> Iterator[Models]:  # noqa: ARG001 (the tests' networks are on the CPU)
    """Write the small networks of the tests; they can be loaded as long as the block lasts."""
    config = _placed(folder, fastsam="FastSAM-n")
    config = replace(
        config,
        fastsam=replace(config.fastsam, imgsz=64),
        sam2=replace(config.sam2, points_per_side=4),
        da3=replace(config.da3, process_res=56),
    )
    writers = {
        "fastsam": _tiny_fastsam,
        "sam2": _tiny_sam2,
        "sam3": _tiny_sam3,
        "sam3-hf": _tiny_sam3_hf,
        "edgetam": _tiny_edgetam,
    }
    left_out = _written(writers, config, only)
    with ExitStack() as stack:
        if "da3" in only:
            try:
                from tests.engines.da3.tiny import save_random, tiny_variants
            except ImportError as error:
                left_out["da3"] = _missing(error)
            else:
                stack.enter_context(tiny_variants(folder))
                save_random(Path(config.da3.model_path), "da3-small", SEED)
        yield Models(config=config, open_sam3=_open_tiny_sam3, left_out=left_out)


def _placed(folder: Path, *, fastsam: str) -> Config:
    """Return the configuration that names files in a folder; every answer of a random network counts."""
    config = Config()
    return replace(
        config,
        engines=replace(config.engines, compiled_path=str(folder / "compiled")),
        fastsam=replace(config.fastsam, model_path=str(folder / "fastsam" / f"{fastsam}.pt"), conf_threshold=0.0),
        sam2=replace(config.sam2, model_path=str(folder / "sam2"), pred_iou_thresh=0.0, stability_score_thresh=0.0),
        da3=replace(config.da3, model_path=str(folder / "da3-small")),
        sam3=replace(config.sam3, model_path=str(folder / "sam3"), score_threshold_detection=0.0),
        edgetam=replace(config.edgetam, model_path=str(folder / "edgetam"), score_threshold_detection=0.0),
    )


def _written(writers: Mapping[str, Callable[[Config], None]], config: Config, only: Sequence[str]) -> dict[str, str]:
    left_out = {name: "not asked for" for name in MODELS if name not in only}
    for name, write in writers.items():
        if name in left_out:
            continue
        try:
            write(config)
        except ImportError as error:
            left_out[name] = _missing(error)
    return left_out


def _missing(error: ImportError) -> str:
    return f"the package {error.name or error} is not here"


def _fastsam(config: Config) -> None:
    from fast_snow.engines.fastsam.weights import random_weights

    path = Path(config.fastsam.model_path)
    path.parent.mkdir(parents=True)
    random_weights(path, variant=path.stem, seed=SEED)


def _da3(config: Config) -> None:
    import torch
    from safetensors.torch import save_model

    from fast_snow.engines.da3.quiet_import import MODEL_REGISTRY, create_object, load_config

    folder = Path(config.da3.model_path)
    torch.manual_seed(SEED)
    network = create_object(load_config(MODEL_REGISTRY[folder.name]))
    folder.mkdir(parents=True)
    save_model(torch.nn.ModuleDict({"model": network}), str(folder / "model.safetensors"))
    (folder / "config.json").write_text(json.dumps({"model_name": folder.name}), encoding="utf-8")


def _sam3(config: Config) -> None:
    import torch

    from fast_snow.engines.sam3.package.model import untrained

    torch.manual_seed(SEED)
    tensors = {
        f"detector.{name}" if name.startswith("backbone.") else f"tracker.{name}": tensor
        for name, tensor in untrained(torch.device("cpu")).state_dict().items()
    }
    folder = Path(config.sam3.model_path)
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(tensors, folder / "sam3.pt")


def _open_sam3(device: str, config: Sam3Config) -> AbstractContextManager[Tracker]:
    from fast_snow.engines.sam3.package.tracker import open_tracker

    return open_tracker(config, device=device)


def _sam3_hf(config: Config) -> None:
    import torch
    from transformers import Sam3TrackerVideoConfig, Sam3TrackerVideoModel

    torch.manual_seed(SEED)
    Sam3TrackerVideoModel(Sam3TrackerVideoConfig()).save_pretrained(config.sam3.model_path)


def _sam2(config: Config) -> None:
    import torch
    from transformers import Sam2Config, Sam2Model

    torch.manual_seed(SEED)
    stages = {
        "hidden_size": 144,
        "blocks_per_stage": [2, 6, 36, 4],
        "embed_dim_per_stage": [144, 288, 576, 1152],
        "num_attention_heads": 2,
        "num_attention_heads_per_stage": [2, 4, 8, 16],
        "window_size_per_stage": [8, 4, 16, 8],
        "global_attention_blocks": [23, 33, 43],
    }
    vision = {
        "model_type": "sam2_vision_model",
        "backbone_config": {"model_type": "sam2_hiera_det_model", **stages},
        "backbone_channel_list": [1152, 576, 288, 144],
    }
    Sam2Model(Sam2Config(vision_config=vision)).save_pretrained(config.sam2.model_path)


def _edgetam(config: Config) -> None:
    import torch
    from transformers import EdgeTamVideoConfig, EdgeTamVideoModel

    torch.manual_seed(SEED)
    backbone = {
        "model_type": "timm_wrapper",
        "architecture": "repvit_m1.dist_in1k",
        "num_classes": 1000,
        "model_args": {"in_chans": 3, "features_only": True, "out_indices": [0, 1, 2, 3]},
    }
    vision = {"model_type": "edgetam_vision_model", "backbone_config": backbone}
    EdgeTamVideoModel(EdgeTamVideoConfig(vision_config=vision)).save_pretrained(config.edgetam.model_path)


def _tiny_fastsam(config: Config) -> None:
    from tests.engines.fastsam.networks import write_weights

    path = Path(config.fastsam.model_path)
    path.parent.mkdir(parents=True)
    write_weights(path, seed=SEED)


def _tiny_sam3(config: Config) -> None:  # noqa: ARG001 (its network is built when it is opened: there is no file)
    from tests.engines.sam3.package.scenes import tiny_network

    tiny_network()


def _open_tiny_sam3(config: Sam3Config) -> AbstractContextManager[Tracker]:
    from fast_snow.engines.sam3.package.tracker import serving
    from tests.engines.sam3.package.scenes import tiny_network

    return serving(tiny_network(), config)


def _tiny_sam3_hf(config: Config) -> None:
    from tests.engines.sam3.transformers.networks import network

    network().save_pretrained(config.sam3.model_path)


def _tiny_sam2(config: Config) -> None:
    from tests.engines.sam2.networks import network

    network().save_pretrained(config.sam2.model_path)


def _tiny_edgetam(config: Config) -> None:
    from tests.engines.edgetam.networks import network

    network().save_pretrained(config.edgetam.model_path)
