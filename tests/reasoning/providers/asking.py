"""What the tests of the providers share: a question with a picture, a tool, and waits that take no time."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, get_args

import cv2
import numpy as np
import pytest

from fast_snow.reasoning.conversation import (
    ImagePart,
    ModelTurn,
    TextPart,
    ToolDeclaration,
    ToolOutcome,
    ToolTurn,
    UserTurn,
    VisionLanguageModel,
)
from fast_snow.reasoning.providers import open_model
from tests.reasoning.loopback.servers import Loopback, Protocol

pytest.importorskip("openai", reason='needs uv pip install -e ".[vlm]"')
pytest.importorskip("google.genai", reason='needs uv pip install -e ".[vlm]"')

PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)
every_protocol = pytest.mark.parametrize("protocol", PROTOCOLS)
IMAGE = np.full((24, 32, 3), (200, 30, 30), np.uint8)
JPEG = cv2.imencode(".jpg", IMAGE[..., ::-1])[1].tobytes()
QUESTION = UserTurn(
    parts=(TextPart(text="Which way?"), ImagePart(jpeg=JPEG, name="keyframe 0"), TextPart(text="One word."))
)
WORDS = UserTurn(parts=(TextPart(text="Which way?"),))
DISTANCE = ToolDeclaration(
    name="distance",
    description="Distance of two objects in metres.",
    parameters={
        "type": "object",
        "properties": {"a": {"type": "integer"}, "t": {"type": ["integer", "null"]}},
        "required": ["a", "t"],
        "additionalProperties": False,
    },
)


@dataclass
class Pauses:
    """Records the waits instead of waiting."""

    seconds: list[float] = field(default_factory=list)

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


@contextmanager
def asking(server: Loopback, pause: Any = None, **changes: Any) -> Iterator[VisionLanguageModel]:
    """Open the model behind a server; nothing waits."""
    config = server.config(**changes)
    with open_model(config, environ=server.environ, pause=pause or Pauses()) as model:
        yield model


def answered(turn: ModelTurn, content: str = '{"value": 3.5}', *, failed: bool = False) -> ToolTurn:
    """Give every call of a turn the same outcome."""
    result = {} if failed else json.loads(content)
    outcomes = (
        ToolOutcome(call_id=each.call_id, name=each.name, content=content, failed=failed, result=result)
        for each in turn.calls
    )
    return ToolTurn(outcomes=tuple(outcomes))
