"""What only the providers' own servers are sent."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from fast_snow.reasoning.conversation import VisionLanguageModel
from fast_snow.reasoning.providers.endpoint import Endpoint, Key
from fast_snow.reasoning.providers.retry import RetryPolicy
from tests.reasoning.loopback.servers import KEY, MODEL, Loopback, Protocol, Say, serving
from tests.reasoning.providers.asking import WORDS, every_protocol


def _opened(protocol: Protocol) -> Any:
    """Import late: the providers' packages may be missing, and then this module is skipped."""
    if protocol == "google":
        from fast_snow.reasoning.providers.google import open_gemini

        return open_gemini
    from fast_snow.reasoning.providers.openai_chat import open_chat
    from fast_snow.reasoning.providers.openai_responses import open_responses

    return open_chat if protocol == "chat" else open_responses


@contextmanager
def _as_own(server: Loopback, temperature: float) -> Iterator[VisionLanguageModel]:
    """Open a loopback server as if it were the provider's."""
    endpoint = Endpoint(
        name="OpenAI", address=server.url, own=True, model=MODEL, timeout_s=60.0, key=Key(KEY, server.variable)
    )
    with _opened(server.protocol)(
        endpoint, server.config(temperature=temperature), RetryPolicy(max_retries=0)
    ) as model:
        yield model


@every_protocol
@pytest.mark.parametrize(("temperature", "sent"), [(1.0, None), (0.2, 0.2)])
def test_default_temperature_is_left_to_them(protocol: Protocol, temperature: float, sent: float | None) -> None:
    with serving(protocol, [Say(text="Left.")]) as server, _as_own(server, temperature) as model:
        model("", [WORDS])
    body = server.asked[0].body
    assert body.get("generationConfig", body).get("temperature") == sent


def test_openai_stores_nothing_and_limits_under_its_newer_name() -> None:
    with serving("chat", [Say(text="Left.")]) as server, _as_own(server, 1.0) as model:
        model("", [WORDS])
    body = server.asked[0].body
    assert body["store"] is False
    assert body["max_completion_tokens"] == 1024
    assert "max_tokens" not in body
