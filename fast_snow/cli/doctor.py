"""What this machine has for Fast-SNOW, what is missing and what to do about it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fast_snow.config import Config


class State(Enum):
    """Whether something can be used."""

    READY = "ready"
    MISSING = "missing"
    LATER = "not yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        topic: engines, weights, packages or keys.
        name: what was looked at.
        state: whether it can be used.
        detail: what was found, what it means or what to do.
        licence: under which it may be used; empty where that is no question.
    """

    topic: str
    name: str
    state: State
    detail: str
    licence: str = ""


@dataclass(frozen=True, slots=True)
class _Package:
    name: str
    licence: str
    needed: bool = False


PACKAGES = (
    _Package("pycolmap", "BSD-3-Clause", needed=True),
    _Package("opencv-python-headless", "Apache-2.0", needed=True),
    _Package("torch", "BSD-3-Clause"),
    _Package("ultralytics", "AGPL-3.0"),
    _Package("depth-anything-3", "Apache-2.0"),
    _Package("sam3", "SAM License"),
    _Package("onnxruntime", "MIT"),
    _Package("tensorrt", "NVIDIA licence"),
    _Package("rerun-sdk", "MIT or Apache-2.0"),
)
"""What the engines need; those that no engine of this version needs yet are told of for their licences."""


def examine(config: Config, environment: Mapping[str, str] = os.environ) -> tuple[Finding, ...]:
    """Look at engines, weights, packages and keys.

    Args:
        config: says where weights are.
        environment: where keys are looked for; their values are never shown.

    Returns:
        What was found.
    """
    return (
        *_engines(),
        *_weights(config),
        *(_package(each) for each in PACKAGES),
        *_keys(environment),
    )


def _engines() -> tuple[Finding, ...]:
    neural = "planned; until then the classical engines do this work"
    return (
        Finding(topic="engines", name="recorded", state=State.READY, detail="depth, poses and masks from a recording"),
        Finding(
            topic="engines",
            name="classical",
            state=State.READY,
            detail="all three slots on any CPU; rough outlines, no metric scale",
        ),
        Finding(topic="engines", name="fastsam", state=State.LATER, detail=neural),
        Finding(topic="engines", name="da3", state=State.LATER, detail=neural),
        Finding(topic="engines", name="sam3", state=State.LATER, detail=neural),
    )


def _weights(config: Config) -> tuple[Finding, ...]:
    places = (
        ("FastSAM", config.fastsam.model_path, "AGPL-3.0"),
        ("Depth Anything 3", config.da3.model_path, "Apache-2.0 (small, base); CC BY-NC 4.0 (large, giant)"),
        ("SAM3", config.sam3.model_path, "SAM License; access on request"),
    )
    return tuple(
        Finding(
            topic="weights",
            name=name,
            state=State.READY if Path(path).exists() else State.LATER,
            detail=path if Path(path).exists() else f"not needed by this version; looked for at {path}",
            licence=licence,
        )
        for name, path, licence in places
    )


def _package(package: _Package) -> Finding:
    try:
        state, detail = State.READY, version(package.name)
    except PackageNotFoundError:
        if package.needed:
            state, detail = State.MISSING, f"pip install {package.name}"
        else:
            state, detail = State.LATER, "not needed by the engines of this version"
    return Finding(topic="packages", name=package.name, state=state, detail=detail, licence=package.licence)


def _keys(environment: Mapping[str, str]) -> tuple[Finding, ...]:
    return tuple(
        Finding(
            topic="keys",
            name=name,
            state=State.READY if environment.get(name) else State.MISSING,
            detail="set" if environment.get(name) else f"only for questions to {whose}: export {name}=…",
        )
        for name, whose in (("OPENAI_API_KEY", "OpenAI"), ("GEMINI_API_KEY", "Google"))
    )


def print_findings(console: Console, findings: tuple[Finding, ...]) -> None:
    """Show findings as one table per topic."""
    colour = {State.READY: "green", State.MISSING: "yellow", State.LATER: "dim"}
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("", "", "", "", "licence"):
        table.add_column(column)
    topic = ""
    for each in findings:
        state = f"[{colour[each.state]}]{each.state.value}[/]"
        table.add_row(
            f"[bold]{each.topic}[/]" if each.topic != topic else "",
            escape(each.name),
            state,
            escape(each.detail),
            escape(each.licence),
        )
        topic = each.topic
    console.print(table)
