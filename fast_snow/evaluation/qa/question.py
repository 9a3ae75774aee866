"""Questions, how they are worded for a model, and the arms of the comparison."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from fast_snow.errors import ConfigError
from fast_snow.reasoning.prompt.prompt_sections import PromptContent


class Form(Enum):
    """What an answer looks like; the value is how it is asked for."""

    CHOICE = 'Choose exactly one. End with the line "final answer: X", where X is the letter of your choice.'
    NUMBER = 'End with the line "final answer: N", where N is one number in digits, without a unit.'
    YES_NO = 'End with the line "final answer: yes" or "final answer: no".'
    WORD = 'End with the line "final answer: X", where X is one of: {words}.'
    POINTS = 'End with the line "final answer: [(x, y)]", with the point you are surest of first.'


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question and its true answer.

    Attributes:
        key: unique in its dataset, over all files.
        scene: what it is about, a relative path without a suffix; the run of this name shows it.
        video: file of the scene, relative to the dataset's folder; None where the dataset names none.
        category: the finest group that the official scores tell apart.
        text: what is asked.
        truth: the true answer as the dataset writes it.
        form: what an answer looks like.
        choices: texts by letter, which is a capital, where there is a choice.
        words: all words that can be an answer, where they are a closed set.
    """

    key: str
    scene: str
    video: str | None
    category: str
    text: str
    truth: str
    form: Form
    choices: Mapping[str, str] = field(default_factory=dict)
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What an answer is worth, from 0 to 1, and how it was understood; None where none was found in what was said."""

    score: float
    read_as: str | None


UNREADABLE: Final = Mark(score=0.0, read_as=None)


def wording(question: Question) -> str:
    """Return what a model is asked: the question, the choices with their letters, and the form of the answer."""
    choices = "".join(f"{letter}: {text}\n" for letter, text in question.choices.items())
    ending = question.form.value.format(words=", ".join(question.words))
    return "\n".join(part for part in (f"{question.text}\n", choices, ending) if part)


class Arm(Enum):
    """One way to ask; the value is what the reader of a report is told."""

    A1 = "keyframes only"
    A2 = "keyframes with object numbers, and tracks in the image"
    A3 = "keyframes with object numbers, and the whole graph"
    A4 = "as A3, with the spatial tools"
    S = "as A3, with the objects and the graph of the SNOW baseline in the place of ours"

    @property
    def content(self) -> PromptContent:
        """What of the graph is in the prompt."""
        return _CONTENT[self]

    @property
    def labelled(self) -> bool:
        """Whether keyframes carry the objects' numbers."""
        return self is not Arm.A1

    @property
    def tools(self) -> bool:
        """Whether the model may use the spatial tools."""
        return self is Arm.A4


_CONTENT: Final[dict[Arm, PromptContent]] = {
    Arm.A1: "frames",
    Arm.A2: "tracks",
    Arm.A3: "graph",
    Arm.A4: "graph",
    Arm.S: "graph",
}


def select_arms(text: str) -> tuple[Arm, ...]:
    """Return the arms of a list like `A1,A3`, each once.

    Raises:
        ConfigError: one is not known, or there is none.
    """
    names = [name.strip().upper() for name in text.split(",") if name.strip()]
    wrong = [name for name in names if name not in Arm.__members__]
    if wrong or not names:
        got = wrong[0] if wrong else "none"
        raise ConfigError(f"--arms: got {got}, expected some of {', '.join(Arm.__members__)}, comma-separated")
    return tuple(Arm[name] for name in dict.fromkeys(names))
