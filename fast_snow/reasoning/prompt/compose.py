"""What a model is sent: `[SYSTEM] [METADATA] [EGO POSES] [OBJECT k — F_k across T frames] [KEYFRAMES] [QUERY]`."""

from collections.abc import Sequence
from dataclasses import dataclass

from fast_snow.errors import UserError
from fast_snow.reasoning.conversation import ImagePart, TextPart, UserTurn
from fast_snow.reasoning.prompt.budget import GraphExcerpt, LeftOut, TokenMeter, fit, needed
from fast_snow.reasoning.prompt.prompt_sections import (
    PromptContent,
    ego_poses_section,
    instructions,
    keyframe_caption,
    metadata_section,
    object_section,
    question_section,
)
from fast_snow.reasoning.prompt.tokens import count_tokens, estimate_image_tokens
from fast_snow.types import SceneGraph


@dataclass(frozen=True, slots=True, kw_only=True)
class PartTokens:
    """How many tokens a part of a prompt takes; of pictures this is an estimate."""

    part: str
    tokens: int
    pictures: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class VlmPrompt:
    """The instructions and the turn with the graph, the keyframes and the question, and the tokens of each part.

    Sentences say what was left out of the graph.
    """

    instructions: str
    turn: UserTurn
    tokens: tuple[PartTokens, ...]
    left_out: tuple[str, ...]

    @property
    def total_tokens(self) -> int:
        """How many tokens all parts take."""
        return sum(each.tokens for each in self.tokens)

    @property
    def text_tokens(self) -> int:
        """How many tokens the text takes, which every model must read; what pictures cost differs widely."""
        return sum(each.tokens for each in self.tokens if not each.pictures)


def compose_prompt(
    graph: SceneGraph, question: str, pictures: Sequence[ImagePart], *, budget: int, content: PromptContent = "graph"
) -> VlmPrompt:
    """Write the prompt for a question; equal arguments give equal prompts.

    Pictures are keyframes in order of time; the budget is in tokens.

    Raises:
        UserError: the question is empty, or the budget does not even hold it with the pictures and one frame.
        InputError: a picture cannot be decoded.
        FastSnowError: the graph holds numbers that are not finite.
    """
    require_question(question)
    system = instructions(content, pictures=bool(pictures))
    captioned = tuple(part for each in pictures for part in (TextPart(text=keyframe_caption(each)), each))
    query = question_section(question)
    fixed = (
        PartTokens(part="SYSTEM", tokens=count_tokens(system)),
        PartTokens(part=f"KEYFRAMES ({len(pictures)}, estimated)", tokens=_tokens(captioned), pictures=True),
        PartTokens(part="QUERY", tokens=count_tokens(query)),
    )
    view = _view(graph, question, budget - sum(each.tokens for each in fixed), content)
    if view is None:
        raise _too_small(budget, fixed)
    left_out = view.left_out.sentences(graph)
    texts = {"METADATA": metadata_section(graph, content, left_out), **_graph_texts(graph, view, content)}
    return VlmPrompt(
        instructions=system,
        turn=UserTurn(parts=(*(TextPart(text=text) for text in texts.values()), *captioned, TextPart(text=query))),
        tokens=(
            fixed[0],
            *(PartTokens(part=part, tokens=count_tokens(text)) for part, text in texts.items()),
            *fixed[1:],
        ),
        left_out=left_out,
    )


def _too_small(budget: int, fixed: Sequence[PartTokens]) -> UserError:
    taken = ", ".join(f"{part.part} {part.tokens}" for part in fixed)
    return UserError(
        f"prompt: not even one frame of the graph fits into --vlm.prompt-budget {budget} (tokens) beside {taken};"
        " raise it, ask a shorter question or send fewer pictures with --vlm.max-keyframes"
    )


def require_question(question: str) -> None:
    """Refuse a question without words; raises UserError where there is nothing but space."""
    if not question.strip():
        raise UserError('question: got nothing, expected text like "Which way is object 3 moving?"')


def _tokens(parts: Sequence[TextPart | ImagePart]) -> int:
    return sum(count_tokens(part.text) if isinstance(part, TextPart) else estimate_image_tokens(part) for part in parts)


def _view(graph: SceneGraph, question: str, room: int, content: PromptContent) -> GraphExcerpt | None:
    """Return what of the graph there is room for beside its metadata; None where not even one frame fits."""
    longest = LeftOut(objects=tuple(graph.tracks), tau=True, every=10**9, span=(10**9, 10**9))
    room -= count_tokens(metadata_section(graph, content, longest.sentences(graph)))
    if content == "frames":
        return GraphExcerpt(graph=graph) if room >= 0 else None
    with_3d = content == "graph"
    measure = TokenMeter(
        cameras=lambda view: count_tokens(ego_poses_section(view)) if with_3d else 0,
        track=lambda track, tau: count_tokens(object_section(graph, track, content, tau=tau)),
        fewest_per_pose=8 if with_3d else 0,  # t, x, y, z and what stands between and behind them
        fewest_per_observation=26 if with_3d else 2,  # t and twelve numbers, the same; or t alone
        tau_may_go=with_3d,
    )
    return fit(graph, needed(graph, question), room, measure)


def _graph_texts(graph: SceneGraph, view: GraphExcerpt, content: PromptContent) -> dict[str, str]:
    if content == "frames":
        return {}
    tau = not view.left_out.tau
    tracks = [object_section(graph, track, content, tau=tau) for track in view.graph.tracks.values()]
    objects = {f"OBJECTS ({len(tracks)})": "".join(tracks)} if tracks else {}
    return {"EGO POSES": ego_poses_section(view.graph), **objects} if content == "graph" else objects
