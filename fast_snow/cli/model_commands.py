"""The commands that fetch and compile models: their options, with the settings that they read, and what they do."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal, TypeVar

import tyro

from fast_snow.cli.options import Debug, Preset, Quiet
from fast_snow.config import Config
from fast_snow.errors import ConfigError
from fast_snow.presets import apply_preset

if TYPE_CHECKING:
    from fast_snow.export.exporting import Exported
    from fast_snow.fetching import Fetched
    from fast_snow.types import GridShape

AnyCommand = TypeVar("AnyCommand", bound="_ModelCommand")

_MODELS: Final = {
    "fastsam.model_path": "FastSAM weights (.pt file).",
    "da3.model_path": "Folder of the Depth Anything 3 weights, or a variant: da3-base, da3-large, …",
}


class _ModelCommand:
    settings: ClassVar[tuple[str, ...]]

    @property
    def config(self) -> Config:
        """The configuration with these settings."""
        sections: dict[str, dict[str, Any]] = defaultdict(dict)
        for name in self.settings:
            section, setting = name.split(".")
            sections[section][setting] = getattr(self, f"{section}_{setting}")
        return apply_preset(Config(), sections)


def _reading(helps: Mapping[str, str]) -> Callable[[type[AnyCommand]], type[AnyCommand]]:
    """Make a class a command that also has these settings as options; each has a help text."""

    def command_of(command: type[AnyCommand]) -> type[AnyCommand]:
        for name, text in helps.items():
            section, setting = name.split(".")
            default = getattr(getattr(Config(), section), setting)
            option = tyro.conf.arg(name=name.replace("_", "-"), help=text)
            command.__annotations__[f"{section}_{setting}"] = Annotated[type(default), option]
            setattr(command, f"{section}_{setting}", default)
        command.settings = tuple(helps)
        return dataclass(frozen=True, kw_only=True)(command)

    return command_of


@_reading(
    {
        "engines.segmenter": "Segmenter to fetch weights for: sam2; others need FastSAM.",
        "engines.tracker": (
            "Tracker to fetch weights for: sam3.1, edgetam, sam3-hf (SAM3 in the format of transformers); others need"
            " SAM3."
        ),
        "fastsam.model_path": _MODELS["fastsam.model_path"],
        "sam2.model_path": "Folder of the SAM 2.1 weights, or a variant: sam2-tiny, sam2-small, …",
        "da3.model_path": _MODELS["da3.model_path"],
        "sam3.model_path": "Folder of the SAM3 weights.",
        "edgetam.model_path": "Folder of the EdgeTAM weights.",
    }
)
class FetchModels(_ModelCommand):
    """Download the weights of trained models: FastSAM or SAM 2.1, Depth Anything 3, SAM3 or EdgeTAM.

    Files already present and verified are skipped; interrupted downloads resume; checksums are verified. SAM3 is gated:
    accept its licence on its page, then run `hf auth login`. The licences are printed.

    Paths below fast_snow/models are in the folder FAST_SNOW_HOME if that variable is set, else in the project (nearest
    parent folder with a pyproject.toml), else in the user's cache (~/.cache/fast-snow on Linux).
    """

    names: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="NAME")] = ()
    """Weights to download, e.g. FastSAM-s da3-small sam3; if omitted, those that the settings name."""
    force: bool = False
    """Overwrite local files whose checksum differs from the published one."""
    preset: Preset = None
    quiet: Quiet = False
    debug: Debug = False

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

    rows = []
    for each in fetched:
        checked = "verified" if all(file.verified for file in each.files.values()) else "no published checksum"
        state = "downloaded" if each.downloaded else "already present"
        name, folder = f"[bold]{each.weights.name}[/]", escape(str(each.folder))
        rows.append((name, state, checked, folder, each.weights.licence))
    console().print(plain_table(rows=rows))


@_reading(
    {
        "engines.compiled_path": (
            "Output folder of the compiled networks (paths below fast_snow/models: see fetch-models --help)."
        ),
        "fastsam.model_path": _MODELS["fastsam.model_path"],
        "fastsam.imgsz": "FastSAM: longer side of the network input, in pixels.",
        "fastsam.batch_size": "FastSAM: maximum frames per forward pass.",
        "da3.model_path": _MODELS["da3.model_path"],
        "da3.process_res": "Depth Anything 3: longer side of the network input, in pixels.",
        "da3.chunk_size": "Depth Anything 3: frames per forward pass (0: the whole window).",
        "runtime.device": "Device: auto, cpu, cuda or cuda:N.",
        "sampling.max_side": "Maximum longer side of decoded frames, in pixels (0: source size); used with --like.",
    }
)
class ExportEngines(_ModelCommand):
    """Compile FastSAM and Depth Anything 3 to ONNX and, with TensorRT and a GPU, to TensorRT engines.

    Every compiled network is verified against PyTorch before it is stored, with a manifest beside it. Networks that are
    up to date are skipped. Depth Anything 3 is compiled for one frame size: give that of your videos.
    """

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

    def run(self) -> int:
        """Compile networks."""
        import numpy as np

        from fast_snow.api import collected_warnings
        from fast_snow.cli.terminal import shown_progress, terminable
        from fast_snow.export import preparing
        from fast_snow.inputs import open_input

        config = self.config
        with collected_warnings(show=False) as noticed, shown_progress(quiet=self.quiet) as progress, terminable():
            source = None if self.like is None else open_input(self.like, config.sampling, config.source)
            compared = () if source is None else islice(source.read(), preparing.COMPARED)
            exported = preparing.compile_networks(
                config,
                model=self.model,
                precision=self.precision,
                shape=self._frame_shape() if source is None else source.size,
                images=None if source is None else np.stack([each.image for each in compared]),
                target=self._target(config.runtime.device),
                force=self.force,
                progress=progress,
            )
        _print_exported(exported, noticed)
        return 0

    def _frame_shape(self) -> "GridShape":
        height, by, width = self.shape.partition("x")
        if not (by and height.isdecimal() and width.isdecimal()):
            raise ConfigError(f"--shape: got {self.shape!r}, expected height x width in pixels, like 720x1280")
        return int(height), int(width)

    def _target(self, device: str) -> str:
        from fast_snow.engines.compiled.artefacts import this_machine

        if self.target != "auto":
            return self.target
        machine = None if device == "cpu" else this_machine()
        return "onnx" if machine is None or machine.tensorrt is None else "tensorrt"


def _print_exported(exported: "Sequence[Exported]", warnings: Sequence[str]) -> None:
    """Print which compiled networks are in place, and their difference from PyTorch."""
    from rich.markup import escape

    from fast_snow.cli.terminal import console

    out = console()
    for each in exported:
        state = "up to date" if each.up_to_date else "built"
        out.print(f"[bold]{escape(str(each.path))}[/]  {state}")
        for name, agreement in each.manifest.parity.items():
            share = f"{agreement.worst:.0%} of the tolerance"
            out.print(f"    {name}: differs from PyTorch by at most {agreement.largest:.2g} ({share})")
    for warning in warnings:
        out.print(f"[yellow]warning[/]  {escape(warning)}")
