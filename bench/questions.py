"""How often the tools decide rightly what people asked about the DAVIS development clips.

Run from the root of the repository: `python -m bench.questions --clips CLIPS --masks true`, or `--masks classical` for
masks of the engines without weights, of which the track that overlaps most with the true masks is asked about. Which
tool a question is put to is in `question_tools.json`; nothing of it is in the product.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

import av
import cv2
import numpy as np
import tyro
from jaxtyping import Bool, UInt8

from fast_snow.api import Result, build_graph
from fast_snow.config import Config, EnginesConfig
from fast_snow.inputs import from_recording
from fast_snow.inputs.recording import recording_from_arrays
from fast_snow.kernels.masks import decode
from fast_snow.reasoning.tools.catalogue import call_tool
from fast_snow.reasoning.tools.tool_answers import ToolAnswer
from fast_snow.types import SceneGraph

FPS: Final = 24.0
LONGER_SIDE: Final = 480
NO_WEIGHTS: Final = EnginesConfig(geometry="classical", segmenter="classical", tracker="classical")
QUESTIONS: Final = ("vlm4d_questions_dev.json", "vlm4d_questions_dev2.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionTools:
    """Which tool a question is put to, and what a choice calls what a tool calls otherwise."""

    tools: Mapping[str, str]
    choices: Mapping[str, str]

    def choice(self, answer: ToolAnswer) -> str:
        """Return a tool's answer in the words of the choices."""
        return self.choices.get(str(answer.value), str(answer.value).split(", ")[0])


@cache
def question_tools() -> QuestionTools:
    """Read the table."""
    return QuestionTools(**json.loads(Path(__file__).with_name("question_tools.json").read_text(encoding="utf-8")))


def read_questions(clips: Path) -> dict[str, Any]:
    """Return the questions about clips that are there, by id."""
    asked = (
        each
        for name in QUESTIONS
        for each in json.loads((clips / "vqa" / name).read_text(encoding="utf-8"))["questions"]
    )
    return {each["id"]: each for each in asked if each["clip"]}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MarkedClip:
    """The frames of a clip and where its object is."""

    name: str
    images: UInt8[np.ndarray, "n h w 3"]
    inside: Bool[np.ndarray, "n h w"]


def read_clip(folder: Path) -> MarkedClip:
    """Read a clip of DAVIS, made smaller."""
    with av.open(str(folder / "video.mp4")) as container:
        images = np.stack([_shrunk(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)])
    inside = np.zeros(images.shape[:3], bool)
    for i, each in enumerate(inside):
        mask = cv2.imread(str(folder / "gt" / f"{i:05d}.png"), cv2.IMREAD_GRAYSCALE)
        assert mask is not None
        each[:] = cv2.resize(mask, each.shape[::-1], interpolation=cv2.INTER_NEAREST) > 127
    return MarkedClip(name=folder.name, images=images, inside=inside)


def _shrunk(image: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "a b 3"]:
    scale = LONGER_SIDE / max(image.shape[:2])
    return np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))


def graph_of(clip: MarkedClip) -> SceneGraph:
    """Return the graph of a clip: geometry by the classical engine, the true masks as object 1, at 10 Hz."""
    config = Config()
    recording = recording_from_arrays(clip.images, FPS, ids=clip.inside.astype(np.int32), name=clip.name)
    return build_graph(from_recording(recording, config.sampling), config=config).graph


def estimated(clip: MarkedClip) -> tuple[SceneGraph, int]:
    """Return the graph by the engines without weights alone, and the object that overlaps most with the true masks."""
    config = Config(engines=NO_WEIGHTS)
    recording = recording_from_arrays(clip.images, FPS, name=clip.name)
    result = build_graph(from_recording(recording, config.sampling), config=config)
    return result.graph, _best(clip, result)


def _best(clip: MarkedClip, result: Result) -> int:
    source = dict(zip(result.graph.ego.t.tolist(), result.graph.ego.source_frame.tolist(), strict=True))
    overlap: defaultdict[int, float] = defaultdict(float)
    for frame in result.labelled:
        marked = clip.inside[source[frame.t]].astype(np.uint8)
        true = cv2.resize(marked, frame.masks.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0
        for object_id, mask in zip(frame.object_id.tolist(), decode(frame.masks), strict=True):
            overlap[object_id] += float((mask & true).sum() / max((mask | true).sum(), 1))
    return max((each for each in overlap if each in result.graph.tracks), key=overlap.__getitem__)


def main(clips: Path, masks: Literal["true", "classical"] = "true") -> None:
    """Ask every question of the table and print what came of it, and the counts per tool."""
    table, questions, counts = question_tools(), read_questions(clips), Counter[str]()
    graphs: dict[str, tuple[SceneGraph, int]] = {}
    for name, tool in table.tools.items():
        asked = questions[name]
        folder = clips / Path(asked["clip"]).parent
        if folder.name not in graphs:
            clip = read_clip(folder)
            graphs[folder.name] = (graph_of(clip), 1) if masks == "true" else estimated(clip)
        graph, object_id = graphs[folder.name]
        answer = call_tool(graph, tool, {"object_id": object_id})
        offered = table.choice(answer) in asked["choices"].values()
        right = "right" if table.choice(answer) == asked["answer"] else "wrong"
        outcome = f"{right}, {answer.grade}" if answer.value is not None and offered else "undecided"
        counts[f"{tool}: {outcome}"] += 1
        print(f"{folder.name:15} {tool:22} {outcome:16} {answer.value or answer.reason}", flush=True)
    for each, count in sorted(counts.items()):
        print(f"{count:4}  {each}")


if __name__ == "__main__":
    tyro.cli(main)
