"""Options of the commands that fetch and compile models, with the settings that they read."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import tyro

from fast_snow.config import (
    Config,
    Da3Config,
    EnginesConfig,
    FastSamConfig,
    RuntimeConfig,
    Sam3Config,
    SamplingConfig,
)

_Debug = Annotated[bool, tyro.conf.arg(help="Print the full traceback on error.")]
_Preset = Annotated[
    Path | None, tyro.conf.arg(metavar="FILE", help="TOML file of settings; options given here take precedence.")
]
_Quiet = Annotated[bool, tyro.conf.arg(help="Show no progress.")]
_FastSamPath = Annotated[str, tyro.conf.arg(name="fastsam.model-path", help="FastSAM weights (.pt file).")]
_Da3Path = Annotated[
    str,
    tyro.conf.arg(
        name="da3.model-path", help="Folder of the Depth Anything 3 weights, or a variant: da3-base, da3-large, …"
    ),
]


@dataclass(frozen=True, kw_only=True)
class FetchModels:
    """Download the weights of FastSAM, Depth Anything 3 and SAM3.

    Files already present and verified are skipped; interrupted downloads resume; checksums are verified. SAM3 is gated:
    accept its licence on its page, then run `hf auth login`. The licences are printed.

    Paths below fast_snow/models are in the folder FAST_SNOW_HOME if that variable is set, else in the project (nearest
    parent folder with a pyproject.toml), else in the user's cache (~/.cache/fast-snow on Linux).
    """

    settings: ClassVar[tuple[str, ...]] = (
        "engines.tracker",
        "fastsam.model_path",
        "da3.model_path",
        "sam3.model_path",
    )

    names: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="NAME")] = ()
    """Weights to download, e.g. FastSAM-s da3-small sam3; if omitted, those that the settings name."""
    force: bool = False
    """Overwrite local files whose checksum differs from the published one."""
    preset: _Preset = None
    quiet: _Quiet = False
    debug: _Debug = False
    tracker: Annotated[str, tyro.conf.arg(name="engines.tracker")] = EnginesConfig().tracker
    """Tracker to fetch SAM3 for; sam3-hf needs it in the format of transformers."""
    fastsam_path: _FastSamPath = FastSamConfig().model_path
    da3_path: _Da3Path = Da3Config().model_path
    sam3_path: Annotated[str, tyro.conf.arg(name="sam3.model-path")] = Sam3Config().model_path
    """Folder of the SAM3 weights."""

    @property
    def config(self) -> Config:
        """The configuration with these settings."""
        return Config(
            engines=EnginesConfig(tracker=self.tracker),
            fastsam=FastSamConfig(model_path=self.fastsam_path),
            da3=Da3Config(model_path=self.da3_path),
            sam3=Sam3Config(model_path=self.sam3_path),
        )


@dataclass(frozen=True, kw_only=True)
class ExportEngines:
    """Compile FastSAM and Depth Anything 3 to ONNX and, with TensorRT and a GPU, to TensorRT engines.

    Every compiled network is verified against PyTorch before it is stored, with a manifest beside it. Networks that are
    up to date are skipped. Depth Anything 3 is compiled for one frame size: give that of your videos.
    """

    settings: ClassVar[tuple[str, ...]] = (
        "engines.compiled_path",
        "fastsam.model_path",
        "fastsam.imgsz",
        "fastsam.batch_size",
        "da3.model_path",
        "da3.process_res",
        "da3.chunk_size",
        "runtime.device",
        "sampling.max_side",
    )

    model: Literal["fastsam", "da3", "all"] = "all"
    """Network to compile."""
    precision: Literal["auto", "fp32", "fp16"] = "auto"
    """Inference precision; auto: fp16 on a GPU, fp32 on a CPU."""
    shape: str = "720x1280"
    """Frame size of the videos, height x width in pixels."""
    like: Annotated[Path | None, tyro.conf.arg(metavar="INPUT")] = None
    """Take the frame size from this video or recording."""
    target: Literal["auto", "onnx", "tensorrt"] = "auto"
    """Format; auto: TensorRT if it is installed and there is a GPU, otherwise ONNX."""
    force: bool = False
    """Rebuild networks that are up to date."""
    preset: _Preset = None
    quiet: _Quiet = False
    debug: _Debug = False
    compiled_path: Annotated[str, tyro.conf.arg(name="engines.compiled-path")] = EnginesConfig().compiled_path
    """Output folder of the compiled networks (paths below fast_snow/models: see fetch-models --help)."""
    fastsam_path: _FastSamPath = FastSamConfig().model_path
    imgsz: Annotated[int, tyro.conf.arg(name="fastsam.imgsz")] = FastSamConfig().imgsz
    """FastSAM: longer side of the network input, in pixels."""
    batch_size: Annotated[int, tyro.conf.arg(name="fastsam.batch-size")] = FastSamConfig().batch_size
    """FastSAM: maximum frames per forward pass."""
    da3_path: _Da3Path = Da3Config().model_path
    process_res: Annotated[int, tyro.conf.arg(name="da3.process-res")] = Da3Config().process_res
    """Depth Anything 3: longer side of the network input, in pixels."""
    chunk_size: Annotated[int, tyro.conf.arg(name="da3.chunk-size")] = Da3Config().chunk_size
    """Depth Anything 3: frames per forward pass (0: the whole window)."""
    device: Annotated[str, tyro.conf.arg(name="runtime.device")] = RuntimeConfig().device
    """Device: auto, cpu, cuda or cuda:N."""
    max_side: Annotated[int, tyro.conf.arg(name="sampling.max-side")] = SamplingConfig().max_side
    """Maximum longer side of decoded frames, in pixels (0: source size); used with --like."""

    @property
    def config(self) -> Config:
        """The configuration with these settings."""
        return Config(
            engines=EnginesConfig(compiled_path=self.compiled_path),
            fastsam=FastSamConfig(model_path=self.fastsam_path, imgsz=self.imgsz, batch_size=self.batch_size),
            da3=Da3Config(model_path=self.da3_path, process_res=self.process_res, chunk_size=self.chunk_size),
            runtime=RuntimeConfig(device=self.device),
            sampling=SamplingConfig(max_side=self.max_side),
        )
