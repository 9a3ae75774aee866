"""How long a graph's prompt is, and how long it takes to write, beside a plain `json.dumps` of the same graph.

Run from the root of the repository: `python -m bench.prompt --json bench/results/prompt.json`. Graphs: the example clip
with the engines that need no weights, and the synthetic scene with its own depth, poses and masks. Tokens are those of
the o200k vocabulary, without pictures.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import numpy as np
import tyro

from bench.timing import hardware, measure
from fast_snow.api import build_graph
from fast_snow.config import Config, EnginesConfig
from fast_snow.inputs import from_recording
from fast_snow.output import graph_json
from fast_snow.reasoning.prompt import tokens
from fast_snow.reasoning.prompt.compose import compose_prompt
from fast_snow.synthetic.render import as_recording, render
from fast_snow.synthetic.scene import SceneConfig
from fast_snow.types import Cells, Observations, SceneGraph

EXAMPLE = Path("examples/scene.mp4")
QUESTION = "Which way is object 0 moving?"
NO_WEIGHTS = EnginesConfig(geometry="classical", segmenter="classical", tracker="classical")
WHOLE = 10**9
"""A budget that every graph fits into."""


def plain(value: object) -> Any:  # noqa: ANN401 (any JSON)
    """Return what anyone would hand to `json.dumps`: every field by its name, arrays as lists."""
    if is_dataclass(value):
        return {each.name: plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [plain(each) for each in value]
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def compared(graph: SceneGraph, runs: int) -> dict[str, Any]:
    """Count tokens per observation, and time the writing of both forms."""
    observations = sum(len(track.observations) for track in graph.tracks.values())
    prompt = compose_prompt(graph, QUESTION, (), budget=WHOLE)
    forms = {
        "json_dumps": tokens.count_tokens(json.dumps(plain(graph))),
        "4dsg.json": tokens.count_tokens(graph_json.dumps(graph)),
        "prompt": prompt.total_tokens,
        "prompt_without_tau": compose_prompt(_without_tau(graph), QUESTION, (), budget=WHOLE).total_tokens,
    }
    timed = measure(
        {
            "json_dumps": lambda: json.dumps(plain(graph)),
            "prompt": lambda: compose_prompt(graph, QUESTION, (), budget=WHOLE),
        },
        runs,
    )
    return {
        "objects": len(graph.tracks),
        "observations": observations,
        "tokens": forms,
        "tokens_per_observation": {name: round(count / observations, 2) for name, count in forms.items()},
        "seconds": {name: each.as_json() for name, each in timed.items()},
    }


def _without_tau(graph: SceneGraph) -> SceneGraph:
    tracks = {
        object_id: replace(track, observations=_uncovered(track.observations))
        for object_id, track in graph.tracks.items()
    }
    return replace(graph, tracks=MappingProxyType(tracks))


def _uncovered(seen: Observations) -> Observations:
    none = np.zeros(0, np.uint8)
    cells = Cells(offset=np.zeros(len(seen) + 1, np.int32), row=none, col=none, coverage=np.zeros(0, np.float32))
    return replace(seen, cells=cells)


def graphs() -> Iterator[tuple[str, SceneGraph]]:
    """Yield the graphs that are written, with their names."""
    yield "example clip, engines without weights", build_graph(EXAMPLE, config=Config(engines=NO_WEIGHTS)).graph
    given = from_recording(as_recording(render(SceneConfig())), Config().sampling)
    yield "synthetic scene, given depth and masks", build_graph(given).graph


def main(json_path: Annotated[Path | None, tyro.conf.arg(name="json")] = None, runs: int = 5) -> None:
    """Measure and print; write everything to `json_path`, if given."""
    if not tokens.has_vocabulary():
        raise SystemExit('bench.prompt: counts need the package rs-bpe: uv pip install -e ".[vlm]"')
    results = {}
    for name, graph in graphs():
        results[name] = compared(graph, runs)
        counts = "  ".join(f"{form} {count}" for form, count in results[name]["tokens_per_observation"].items())
        print(f"{name}: {results[name]['observations']} observations; tokens of each: {counts}", flush=True)
    if json_path is not None:
        report = {"hardware": hardware("numpy", "rs-bpe"), "results": results}
        json_path.parent.mkdir(parents=True, exist_ok=True)
        json_path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    tyro.cli(main)
