"""The real architectures with random weights, in files: the work per frame is that of trained ones.

`full` is the published size; `tiny` tries a script in seconds, with the small networks of the tests.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from fast_snow.config import Config, Precision
from fast_snow.errors import ConfigError
from fast_snow.protocols import Tracker

SEED = 0
PRESENT = 2.5
"""Bias of the logit of presence: SAM3 makes memory of masks of objects that are there, and random ones might not be."""
MODELS = ("fastsam", "sam2", "da3", "sam3", "sam3-hf", "edgetam")
OpenTracker = Callable[[Config, str], AbstractContextManager[Tracker]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """Models that are ready to be loaded.

    Attributes:
        config: names their files, sizes that suit them, and the device.
        openers: open the trackers, by name.
        left_out: why a model is not here, by name.
    """

    config: Config
    openers: Mapping[str, OpenTracker]
    left_out: Mapping[str, str]

    def open_tracker(
        self, name: str, *, precision: Precision = "auto", device: str = ""
    ) -> AbstractContextManager[Tracker]:
        """Open a tracker, on the device of the configuration unless another is named.

        Raises:
            ConfigError: it is left out.
        """
        if name in self.left_out:
            raise ConfigError(f"{name}: {self.left_out[name]}")
        config = replace(
            self.config,
            sam3=replace(self.config.sam3, precision=precision),
            edgetam=replace(self.config.edgetam, precision=precision),
        )
        return self.openers[name](config, device or self.config.runtime.device)


@contextmanager
def full(folder: Path, device: str, only: Sequence[str] = MODELS) -> Iterator[Models]:
    """Write FastSAM-s, SAM 2.1 (large), DA3-small, SAM3 and EdgeTAM at their published sizes.

    Args:
        folder: where the files go; about 5 GB, most of it SAM3's.
        device: where engines will compute.
        only: which of `MODELS` to write.
    """
    config = _placed(folder, device, fastsam="FastSAM-s")
    writers = {
        "fastsam": _fastsam,
        "sam2": _sam2,
        "da3": _da3,
        "sam3": _sam3,
        "sam3-hf": _sam3_hf,
        "edgetam": _edgetam,
    }
    openers = {"sam3": _open_sam3, "sam3-hf": _open_sam3_hf, "edgetam": _open_edgetam}
    yield Models(config=config, openers=openers, left_out=_written(writers, config, only))


@contextmanager
def tiny(folder: Path, device: str, only: Sequence[str] = MODELS) -> Iterator[Models]:
    """Write the small networks of the tests; they can be loaded as long as the block lasts."""
    config = _placed(folder, device, fastsam="FastSAM-n")
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
        openers = {"sam3": _open_tiny_sam3, "sam3-hf": _open_sam3_hf, "edgetam": _open_edgetam}
        yield Models(config=config, openers=openers, left_out=left_out)


def _placed(folder: Path, device: str, *, fastsam: str) -> Config:
    """Return the configuration that names files in a folder; every answer of a random network counts."""
    config = Config()
    return replace(
        config,
        runtime=replace(config.runtime, device=device),
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
        except Exception as error:  # noqa: BLE001 (one lease of a GPU: the other models must still be measured)
            left_out[name] = f"could not be written: {type(error).__name__}: {error}"
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
    tracker = untrained(torch.device("cpu"))
    tracker.sam_mask_decoder.pred_obj_score_head.layers[-1].bias.data.fill_(PRESENT)
    tensors = {
        f"detector.{name}" if name.startswith("backbone.") else f"tracker.{name}": tensor
        for name, tensor in tracker.state_dict().items()
    }
    folder = Path(config.sam3.model_path)
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(tensors, folder / "sam3.pt")


def _open_sam3(config: Config, device: str) -> AbstractContextManager[Tracker]:
    from fast_snow.engines.sam3.package.tracker import open_tracker

    return open_tracker(config.sam3, device=device)


def _open_sam3_hf(config: Config, device: str) -> AbstractContextManager[Tracker]:
    from fast_snow.engines.sam3.transformers.tracker import open_tracker

    return open_tracker(config.sam3, device=device)


def _sam3_hf(config: Config) -> None:
    import torch
    from transformers import Sam3TrackerVideoConfig, Sam3TrackerVideoModel

    torch.manual_seed(SEED)
    network = Sam3TrackerVideoModel(Sam3TrackerVideoConfig())
    network.mask_decoder.pred_obj_score_head.proj_out.bias.data.fill_(PRESENT)
    network.save_pretrained(config.sam3.model_path)


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
    network = EdgeTamVideoModel(EdgeTamVideoConfig(vision_config=vision))
    network.mask_decoder.pred_obj_score_head.proj_out.bias.data.fill_(PRESENT)
    network.save_pretrained(config.edgetam.model_path)


def _open_edgetam(config: Config, device: str) -> AbstractContextManager[Tracker]:
    from fast_snow.engines.edgetam.tracker import open_tracker

    return open_tracker(config.edgetam, device=device)


def _tiny_fastsam(config: Config) -> None:
    from tests.engines.fastsam.networks import write_weights

    path = Path(config.fastsam.model_path)
    path.parent.mkdir(parents=True)
    write_weights(path, seed=SEED)


def _tiny_sam3(config: Config) -> None:  # noqa: ARG001 (its network is built when it is opened: there is no file)
    from tests.engines.sam3.package.scenes import tiny_network

    tiny_network()


def _open_tiny_sam3(config: Config, device: str) -> AbstractContextManager[Tracker]:  # noqa: ARG001 (it computes on the CPU)
    from fast_snow.engines.sam3.package.tracker import serving
    from tests.engines.sam3.package.scenes import tiny_network

    return serving(tiny_network(), config.sam3)


def _tiny_sam3_hf(config: Config) -> None:
    from tests.engines.sam3.transformers.networks import network

    network().save_pretrained(config.sam3.model_path)


def _tiny_sam2(config: Config) -> None:
    from tests.engines.sam2.networks import network

    network().save_pretrained(config.sam2.model_path)


def _tiny_edgetam(config: Config) -> None:
    from tests.engines.edgetam.networks import network

    network().save_pretrained(config.edgetam.model_path)
