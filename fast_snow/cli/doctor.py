"""`fast-snow doctor`: what this machine has for Fast-SNOW, what is missing and how to get it."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from fast_snow.cli.options import Debug
from fast_snow.config import Config
from fast_snow.presets import load_preset

if TYPE_CHECKING:
    from rich.console import Console

    from fast_snow.selection.candidates import Candidate


@dataclass(frozen=True, kw_only=True)
class Doctor:
    """List the engines, weights, packages and API keys found, with their licences, and how to get what is missing.

    With INPUT, say what that holds instead: frames, depth, poses, intrinsics, masks, and the topics of a bag.
    """

    input: Annotated[tyro.conf.Positional[Path | None], tyro.conf.arg(metavar="INPUT")] = None
    """A video, bag, dataset or scan to look into."""
    preset: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """TOML file of settings, for the paths of the weights."""
    debug: Debug = False

    def run(self) -> int:
        """Print what is found and what is missing."""
        from fast_snow.cli.terminal import console

        config = Config() if self.preset is None else load_preset(self.preset)
        if self.input is not None:
            print_input(console(), self.input, config)
            return 0
        print_findings(console(), config, examine(config))
        return 0


def print_input(out: "Console", path: Path, config: Config) -> None:
    """Print what an input holds, one line each."""
    from rich.markup import escape

    from fast_snow.cli.input_commands import described
    from fast_snow.cli.terminal import plain_table

    rows = [(escape(name), escape(text)) for name, text in described(path, config)]
    out.print(plain_table(rows=rows, padding=(0, 0, 0, 2)))


class State(Enum):
    """Whether something can be used."""

    READY = "ready"
    ON_REQUEST = "on request"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Finding:
    """Whether one thing can be used, and why.

    Attributes:
        topic: machine, a slot of the pipeline, weights, packages or keys.
        name: of the thing.
        state: whether it can be used.
        detail: what was found, what it means or how to get it.
        licence: of weights and packages.
    """

    topic: str
    name: str
    state: State
    detail: str
    licence: str = ""


USUAL_FRAME = 720, 1280
"""Frame size at which compiled networks, which are for one size, are looked for."""
WIDTH = 80
"""Columns of the output."""
SLOTS = ("geometry", "segmenter", "tracker")


@dataclass(frozen=True, slots=True)
class _Package:
    name: str
    licence: str
    extra: str = ""
    instead: str = ""


PACKAGES = (
    _Package("pycolmap", "BSD-3-Clause"),
    _Package("opencv-python-headless", "Apache-2.0"),
    _Package("torch", "BSD-3-Clause", extra="models"),
    _Package("ultralytics", "AGPL-3.0", extra="models"),
    _Package("depth-anything-3", "Apache-2.0", extra="models"),
    _Package("sam3", "SAM License", extra="models"),
    _Package("transformers", "Apache-2.0", extra="models"),
    _Package("timm", "Apache-2.0", extra="models"),
    _Package("rosbags", "Apache-2.0", extra="robots"),
    _Package("rosbags-image", "Apache-2.0", extra="robots"),
    _Package("pyarrow", "Apache-2.0", extra="robots"),
    _Package("onnx", "Apache-2.0", extra="onnx"),
    _Package("onnxruntime", "MIT", extra="onnx", instead="onnxruntime-gpu"),
    _Package("tensorrt", "NVIDIA licence", extra="gpu"),
    _Package("openai", "Apache-2.0", extra="vlm"),
    _Package("google-genai", "Apache-2.0", extra="vlm"),
    _Package("mcp", "MIT", extra="vlm"),
    _Package("rs-bpe", "MIT", extra="vlm"),
)
"""Packages that engines and questions need, and the extra of this package that installs them."""


def examine(config: Config, environment: Mapping[str, str] = os.environ) -> tuple[Finding, ...]:
    """Look for engines, weights, packages and API keys.

    Args:
        config: paths of the weights.
        environment: variables that may hold keys; their values are never shown.
    """
    return (
        *_machine(),
        *_engines(config),
        *_weights(config),
        *(_package(each) for each in PACKAGES),
        _key(environment, "OpenAI", "OPENAI_API_KEY"),
        _key(environment, "Google", "GEMINI_API_KEY", "GOOGLE_API_KEY"),
    )


def _machine() -> tuple[Finding, ...]:
    from fast_snow.engines.hardware import gpus

    found = [
        f"{each.name}, {each.memory_bytes / 2**30:.0f} GiB, compute capability {each.compute_capability}"
        for each in gpus()
    ]
    if found:
        return tuple(Finding("machine", "GPU", State.READY, each) for each in found)
    missing = "no CUDA GPU found: trained models are slow here and run on request only"
    return (Finding("machine", "GPU", State.MISSING, missing),)


def _engines(config: Config) -> tuple[Finding, ...]:
    """Return the engines of each slot, the best first."""
    from fast_snow.protocols import silent
    from fast_snow.selection import geometry, segmenter, tracker

    slots: tuple[Sequence[Candidate[Any]], ...] = (
        geometry.candidates(config, None, USUAL_FRAME, silent),
        segmenter.candidates(config, None, USUAL_FRAME, silent),
        tracker.candidates(config, None, silent),
    )
    return tuple(
        Finding(slot, each.name, *_state(each)) for slot, some in zip(SLOTS, slots, strict=True) for each in some
    )


def _state(candidate: "Candidate[Any]") -> tuple[State, str]:
    if candidate.name == "recorded":
        return State.ON_REQUEST, "used if the input provides it"
    if candidate.missing:
        return State.MISSING, ", and ".join(candidate.missing)
    if candidate.caveats:
        return State.ON_REQUEST, ", and ".join(candidate.caveats)
    return State.READY, candidate.meaning


def _weights(config: Config) -> tuple[Finding, ...]:
    from fast_snow import weights

    return tuple(
        Finding(
            "weights",
            each.model if each.weights is None else each.weights.name,
            State.READY if each.complete else State.MISSING,
            str(each.folder) if each.complete else f"{each.folder}: {'; '.join(each.problems)}; {each.remedy}",
            "" if each.weights is None else each.weights.licence,
        )
        for each in weights.find(config)
    )


def _package(package: _Package) -> Finding:
    for name in filter(None, (package.name, package.instead)):
        try:
            detail = f"{version(name)}{'' if name == package.name else f' ({name})'}"
        except PackageNotFoundError:
            continue
        return Finding("packages", package.name, State.READY, detail, package.licence)
    detail = f'uv pip install -e ".[{package.extra}]"' if package.extra else "uv pip install -e ."
    return Finding("packages", package.name, State.MISSING, detail, package.licence)


def _key(environment: Mapping[str, str], whose: str, *names: str) -> Finding:
    found = next((each for each in names if environment.get(each, "").strip()), None)
    if found is None:
        return Finding("keys", names[0], State.MISSING, f"for questions to {whose} only: export {names[0]}=…")
    return Finding("keys", found, State.READY, "set")


def next_command(config: Config, findings: tuple[Finding, ...]) -> str:
    """Return what to type next: what brings this machine closest to its best engines, or a run where nothing does."""
    from fast_snow import weights

    missing = {(each.topic, each.name) for each in findings if each.state is State.MISSING}
    if ("machine", "GPU") in missing:  # trained models would not be chosen
        return "fast-snow infer VIDEO"
    if any(("packages", each.name) in missing for each in PACKAGES if each.extra == "models"):
        return 'uv pip install -e ".[models]"'
    if any(("weights", each.name) in missing for each in weights.wanted(config)):
        return "fast-snow fetch-models"
    if ("packages", "tensorrt") not in missing and ("geometry", "da3-tensorrt") in missing:
        return "fast-snow export-engines --like VIDEO"
    return "fast-snow infer VIDEO"


def licences(config: Config) -> str:
    """Return the licences of the weights that the settings name, and which of them restrict their use."""
    from fast_snow import weights

    named = weights.wanted(config)
    restricted = ", ".join(each.name for each in named if each.restricted)
    listed = [f"{each.name} {each.licence}" for each in named]
    if restricted:
        verdict = f"use restricted: {restricted}"
    else:
        verdict = "none restricts use" if len(named) == len(SLOTS) else "those of your own weights are not known"
    return f"{', '.join(listed)}; {verdict}" if listed else verdict


def print_findings(console: "Console", config: Config, findings: tuple[Finding, ...]) -> None:
    """Print one table per topic, the licences of the weights that the settings name, the engines and the next command.

    At most 80 columns.
    """
    from rich.markup import escape

    from fast_snow.cli.terminal import plain_table

    colour = {State.READY: "green", State.ON_REQUEST: "cyan", State.MISSING: "yellow"}
    width = min(console.width, WIDTH)
    for topic in dict.fromkeys(each.topic for each in findings):
        rows = [
            (f"[{colour[each.state]}]{each.state.value}[/]", *map(escape, (each.name, each.detail, each.licence)))
            for each in findings
            if each.topic == topic
        ]
        console.print(f"[bold]{topic}[/]")
        console.print(plain_table(rows=rows, padding=(0, 0, 0, 2)), width=width)
    console.print(f"[bold]licences[/]  {escape(licences(config))}", width=width)
    ready = {each.topic: each.name for each in reversed(findings) if each.state is State.READY}
    named = {slot: getattr(config.engines, slot) for slot in SLOTS}
    engines = ", ".join(f"{slot} {ready[slot] if name == 'auto' else name}" for slot, name in named.items())
    console.print(f"[bold]selected[/]  {escape(engines)}", width=width)
    console.print(f"[bold]next[/]      {escape(next_command(config, findings))}", width=width)
