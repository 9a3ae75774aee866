"""The commands that fetch and compile models: their options, with the settings that they read, and what they do."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import tyro

from fast_snow.cli.options import Debug, Preset, Quiet
from fast_snow.config import (
    Config,
    Da3Config,
    EdgeTamConfig,
    EnginesConfig,
    FastSamConfig,
    RuntimeConfig,
    Sam2Config,
    Sam3Config,
    SamplingConfig,
)
from fast_snow.errors import ConfigError

if TYPE_CHECKING:
    from fast_snow.export.exporting import Exported
    from fast_snow.fetching import Fetched
    from fast_snow.types import GridShape, ImageStack


_FastSamPath = Annotated[str, tyro.conf.arg(name="fastsam.model-path", help="FastSAM weights (.pt file).")]
_Da3Path = Annotated[
    str,
    tyro.conf.arg(
        name="da3.model-path", help="Folder of the Depth Anything 3 weights, or a variant: da3-base, da3-large, …"
    ),
]


@dataclass(frozen=True, kw_only=True)
class FetchModels:
    """Download the weights of trained models: FastSAM or SAM 2.1, Depth Anything 3, SAM3 or EdgeTAM.

    Files already present and verified are skipped; interrupted downloads resume; checksums are verified. SAM3 is gated:
    accept its licence on its page, then run `hf auth login`. The licences are printed.

    Paths below fast_snow/models are in the folder FAST_SNOW_HOME if that variable is set, else in the project (nearest
    parent folder with a pyproject.toml), else in the user's cache (~/.cache/fast-snow on Linux).
    """

    settings: ClassVar[tuple[str, ...]] = (
        "engines.segmenter",
        "engines.tracker",
        "fastsam.model_path",
        "sam2.model_path",
        "da3.model_path",
        "sam3.model_path",
        "edgetam.model_path",
    )

    names: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="NAME")] = ()
    """Weights to download, e.g. FastSAM-s da3-small sam3; if omitted, those that the settings name."""
    force: bool = False
    """Overwrite local files whose checksum differs from the published one."""
    preset: Preset = None
    quiet: Quiet = False
    debug: Debug = False
    segmenter: Annotated[str, tyro.conf.arg(name="engines.segmenter")] = EnginesConfig().segmenter
    """Segmenter to fetch weights for: sam2; others need FastSAM."""
    tracker: Annotated[str, tyro.conf.arg(name="engines.tracker")] = EnginesConfig().tracker
    """Tracker to fetch weights for: sam3.1, edgetam, sam3-hf (SAM3 in the format of transformers); others need SAM3."""
    fastsam_path: _FastSamPath = FastSamConfig().model_path
    sam2_path: Annotated[str, tyro.conf.arg(name="sam2.model-path")] = Sam2Config().model_path
    """Folder of the SAM 2.1 weights, or a variant: sam2-tiny, sam2-small, …"""
    da3_path: _Da3Path = Da3Config().model_path
    sam3_path: Annotated[str, tyro.conf.arg(name="sam3.model-path")] = Sam3Config().model_path
    """Folder of the SAM3 weights."""
    edgetam_path: Annotated[str, tyro.conf.arg(name="edgetam.model-path")] = EdgeTamConfig().model_path
    """Folder of the EdgeTAM weights."""

    @property
    def config(self) -> Config:
        """The configuration with these settings."""
        return Config(
            engines=EnginesConfig(segmenter=self.segmenter, tracker=self.tracker),
            fastsam=FastSamConfig(model_path=self.fastsam_path),
            sam2=Sam2Config(model_path=self.sam2_path),
            da3=Da3Config(model_path=self.da3_path),
            sam3=Sam3Config(model_path=self.sam3_path),
            edgetam=EdgeTamConfig(model_path=self.edgetam_path),
        )

    def run(self) -> int:
        """Download weights."""
        from fast_snow.cli.terminal import shown_progress, terminable
        from fast_snow.fetching import fetch_weights

        with shown_progress(quiet=self.quiet) as progress, terminable():
            fetched = fetch_weights(self.names, self.config, force=self.force, progress=progress)
        _print_fetched(fetched)
        return 0


def _print_fetched(fetched: "Sequence[Fetched]") -> None:
    """Print which weights are in place, where, and under which licence."""
    from rich.markup import escape

    from fast_snow.cli.terminal import console, plain_table

    table = plain_table()
    for each in fetched:
        checked = "verified" if all(file.verified for file in each.files.values()) else "no published checksum"
        state = "downloaded" if each.downloaded else "already present"
        table.add_row(f"[bold]{each.weights.name}[/]", state, checked, escape(str(each.folder)), each.weights.licence)
    console().print(table)


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
    """Take the frame size from this video or recording, and compare with PyTorch on its frames."""
    target: Literal["auto", "onnx", "tensorrt"] = "auto"
    """Format; auto: TensorRT if it is installed and there is a GPU, otherwise ONNX."""
    force: bool = False
    """Rebuild networks that are up to date."""
    preset: Preset = None
    quiet: Quiet = False
    debug: Debug = False
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

    def run(self) -> int:
        """Compile networks."""
        from fast_snow.api import collected_warnings
        from fast_snow.cli.terminal import shown_progress, terminable
        from fast_snow.export import preparing

        with collected_warnings(show=False) as noticed, shown_progress(quiet=self.quiet) as progress, terminable():
            exported = preparing.compile_networks(
                self.config,
                model=self.model,
                precision=self.precision,
                shape=self._frame_shape(),
                images=self._images(preparing.COMPARED),
                target=self._target(),
                force=self.force,
                progress=progress,
            )
        _print_exported(exported, noticed)
        return 0

    def _images(self, most: int) -> "ImageStack | None":
        """Return the first frames of the video that the networks are for; None where none is named."""
        if self.like is None:
            return None
        from itertools import islice

        import numpy as np

        from fast_snow.inputs import open_input

        return np.stack(
            [
                each.image
                for each in islice(open_input(self.like, self.config.sampling, self.config.source).read(), most)
            ]
        )

    def _frame_shape(self) -> "GridShape":
        from fast_snow.inputs import open_input

        if self.like is not None:
            return open_input(self.like, self.config.sampling, self.config.source).size
        height, by, width = self.shape.partition("x")
        if not (by and height.isdecimal() and width.isdecimal()):
            raise ConfigError(f"--shape: got {self.shape!r}, expected height x width in pixels, like 720x1280")
        return int(height), int(width)

    def _target(self) -> str:
        from fast_snow.engines.compiled.artefacts import this_machine

        if self.target != "auto":
            return self.target
        machine = None if self.device == "cpu" else this_machine()
        return "onnx" if machine is None or machine.tensorrt is None else "tensorrt"


def _print_exported(exported: "Sequence[Exported]", warnings: Sequence[str]) -> None:
    """Print which compiled networks are in place, and their difference from PyTorch."""
    from rich.markup import escape

    from fast_snow.cli.terminal import console

    out = console()
    for each in exported:
        state = "up to date" if each.up_to_date else "built"
        out.print(f"[bold]{escape(str(each.path))}[/]  {state}", highlight=False)
        for name, agreement in each.manifest.parity.items():
            share = f"{agreement.worst:.0%} of the tolerance"
            out.print(f"    {name}: differs from PyTorch by at most {agreement.largest:.2g} ({share})", highlight=False)
    for warning in warnings:
        out.print(f"[yellow]warning[/]  {escape(warning)}", highlight=False)
