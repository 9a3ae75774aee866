"""The arms of the comparison: what of a scene the same model is shown for the same questions."""

from enum import Enum
from typing import Final

from fast_snow.errors import ConfigError
from fast_snow.reasoning.prompt.instructions import PromptContent


class Arm(Enum):
    """One way to ask; the value is what the reader of a report is told."""

    A1 = "keyframes only"
    A2 = "keyframes with object numbers, and tracks in the image"
    A3 = "keyframes with object numbers, and the whole graph"
    A4 = "as A3, with the spatial tools"

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


_CONTENT: Final[dict[Arm, PromptContent]] = {Arm.A1: "frames", Arm.A2: "tracks", Arm.A3: "graph", Arm.A4: "graph"}


def named(text: str) -> tuple[Arm, ...]:
    """Return the arms of a list like `A1,A3`, each once.

    Raises:
        ConfigError: one is not known, or there is none.
    """
    names = [name.strip().upper() for name in text.split(",") if name.strip()]
    wrong = [name for name in names if name not in Arm.__members__]
    if wrong or not names:
        got = wrong[0] if wrong else "none"
        raise ConfigError(f"--arms: got {got}, expected some of {', '.join(Arm.__members__)} with commas between them")
    return tuple(Arm[name] for name in dict.fromkeys(names))
