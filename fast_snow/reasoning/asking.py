"""The Python interface to questions: a run, a result or a bare graph is asked, a model answers."""

from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory

from fast_snow.api import Result, load
from fast_snow.config import Config
from fast_snow.reasoning.answering import Answer, answer
from fast_snow.reasoning.conversation import ImagePart, VisionLanguageModel
from fast_snow.reasoning.prompt.compose import compose_prompt
from fast_snow.reasoning.prompt.keyframe_images import keyframe_images
from fast_snow.reasoning.providers import open_model
from fast_snow.types import SceneGraph

Source = str | Path | Result | SceneGraph
"""The folder of a run, what `build_graph` returned, or a graph alone, to which no pictures belong."""


def ask(
    source: Source, question: str, *, config: Config = Config(), model: VisionLanguageModel | None = None
) -> Answer:
    """Ask a vision-language model a question about a scene.

    Args:
        source: the folder of a run, what `build_graph` returned, or a graph alone (no pictures go along then).
        question: in any language.
        config: its part `vlm` says which model is asked, and how.
        model: your own model in place of the one that the configuration names.

    Returns:
        The answer with the tools it used, the frames it rests on, what it consumed, and what had to be left out.

    Raises:
        UserError: the run or the configuration cannot be used, the key is missing, the provider refuses the question.
        EngineError: the model cannot be reached or does not answer as its protocol says.
    """
    vlm = config.vlm
    graph, images = _read(source, vlm.max_keyframes)
    prompt = compose_prompt(graph, question, images, budget=vlm.prompt_budget)
    with open_model(vlm) if model is None else nullcontext(model) as opened:
        return answer(opened, prompt, graph, tools=vlm.tools, max_rounds=vlm.max_rounds)


def _read(source: Source, most: int) -> tuple[SceneGraph, tuple[ImagePart, ...]]:
    if isinstance(source, SceneGraph):
        return source, ()
    if isinstance(source, Result):
        with TemporaryDirectory() as folder:
            source.save(folder)
            return source.graph, keyframe_images(Path(folder), source.graph, most=most)
    path, graph = Path(source), load(source)
    return graph, keyframe_images(path if path.is_dir() else path.parent, graph, most=most)
