"""One question answered by a model that has read the graph and may use the spatial tools."""

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fast_snow.api import Result, load
from fast_snow.config import Config
from fast_snow.reasoning.agent import Ending, UsedTool, converse
from fast_snow.reasoning.conversation import ImagePart, Usage, VisionLanguageModel
from fast_snow.reasoning.prompt.compose import VlmPrompt, compose_prompt
from fast_snow.reasoning.prompt.keyframe_images import keyframe_images, result_keyframe_images
from fast_snow.reasoning.providers import open_model
from fast_snow.reasoning.tools import catalogue
from fast_snow.types import SceneGraph

_LEAST_READ: Final = 0.5
"""No vocabulary needs less than half of the tokens of another for a graph, which is nearly all digits."""


QuestionSource = str | Path | Result | SceneGraph
"""The folder of a run, what `build_graph` returned, or a graph alone, to which no pictures belong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A model's answer, and what it rests on.

    Attributes:
        text: the model's words; empty where it had none, and then `ending` tells why.
        ending: how the conversation ended.
        usage: what all requests together consumed.
        calls: the tools it used, in order, with what they answered.
        evidence: the frames (`t`) that the tools' answers rest on; of a tool that rests on very many, some of them.
        left_out: what the graph has but the prompt had no room for.
        unread: a warning that the server has not read the whole prompt; empty where nothing speaks for that.
    """

    text: str
    ending: Ending
    usage: Usage
    calls: tuple[UsedTool, ...]
    evidence: tuple[int, ...]
    left_out: tuple[str, ...]
    unread: str = ""

    @property
    def cut_off(self) -> bool:
        """Whether the answer ended at `vlm.max_output_tokens` in the middle."""
        return self.ending is Ending.CUT_OFF


def ask(
    source: QuestionSource, question: str, *, config: Config = Config(), model: VisionLanguageModel | None = None
) -> Answer:
    """Ask a vision-language model a question about a scene.

    Args:
        source: the folder of a run, what `build_graph` returned, or a graph alone (no pictures go along then).
        question: the question, in any language.
        config: its section `vlm` selects and configures the model.
        model: your own model, in place of the configured one.

    Returns:
        The answer with its tool calls, evidence frames, token usage, and what the prompt left out.

    Raises:
        UserError: the run or the configuration cannot be used, the key is missing, the provider refuses the question.
        EngineError: the model cannot be reached or does not answer as its protocol says.
    """
    vlm = config.vlm
    graph, images = _graph_and_images(source, vlm.max_keyframes)
    prompt = compose_prompt(graph, question, images, budget=vlm.prompt_budget)
    with open_model(vlm) if model is None else nullcontext(model) as opened:
        return answer_question(opened, prompt, graph, tools=vlm.tools, max_rounds=vlm.max_rounds)


def _graph_and_images(source: QuestionSource, most: int) -> tuple[SceneGraph, tuple[ImagePart, ...]]:
    if isinstance(source, SceneGraph):
        return source, ()
    if isinstance(source, Result):
        return source.graph, result_keyframe_images(source, most=most)
    path, graph = Path(source), load(source)
    return graph, keyframe_images(path if path.is_dir() else path.parent, graph, most=most)


def answer_question(
    model: VisionLanguageModel, prompt: VlmPrompt, graph: SceneGraph, *, tools: bool, max_rounds: int
) -> Answer:
    """Let a model answer a question about a graph.

    Tools measure all of the graph, also where the prompt leaves something out. It raises what the model raises.
    """
    conversation = converse(
        model,
        prompt.instructions,
        prompt.turn,
        declarations=catalogue.declarations() if tools else (),
        use=catalogue.tools_over(graph),
        max_rounds=max_rounds,
    )
    return Answer(
        text=conversation.text,
        ending=conversation.ending,
        usage=conversation.usage,
        calls=conversation.used,
        evidence=tuple(sorted({t for each in conversation.used for t in each.outcome.result.get("evidence", ())})),
        left_out=prompt.left_out,
        unread=_unread(prompt, conversation.usage),
    )


def _unread(prompt: VlmPrompt, usage: Usage) -> str:
    """Notice servers that cut what is longer than their context, and say nothing: Ollama does."""
    if not 0 < usage.input_tokens < _LEAST_READ * prompt.text_tokens * usage.requests:
        return ""
    read = usage.input_tokens // usage.requests
    return (
        f"the server counted {read} tokens where the text alone has about {prompt.text_tokens}: it may have truncated"
        " the prompt; raise its context length, or lower vlm.prompt_budget to match"
    )
