"""How long a server asks to wait, and why the SDKs' own retries do not suffice."""

import json
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from fast_snow.reasoning.providers.retry import ErrorResponse, retry_after_s
from tests.reasoning.loopback.servers import KEY, MODEL, Deny, Raw, Say, serving


@pytest.mark.parametrize(
    ("headers", "body", "pause_s"),
    [
        ({}, "", None),
        ({"retry-after": "7"}, "", 7.0),
        ({"retry-after": "0"}, "", 0.0),
        ({"retry-after": "-3"}, "", 0.0),
        ({"retry-after": "0.25"}, "", 0.25),
        ({"retry-after-ms": "250", "retry-after": "7"}, "", 0.25),
        ({"retry-after": "nan"}, "", None),
        ({"retry-after": "soon"}, "", None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, "", 0.0),
        ({}, '{"error": {"details": [{"@type": "x"}, {"retryDelay": "17.5s"}]}}', 17.5),
        ({}, '{"error": {"details": [{"retryDelay": {}}]}}', None),
        ({}, '{"error": "x"}', None),
        ({}, "[" * 100_000, None),
    ],
)
def test_asked_pause(headers: dict[str, str], body: str, pause_s: float | None) -> None:
    assert retry_after_s(ErrorResponse(status=429, headers=headers, body=body)) == pause_s


def test_asked_pause_until_a_date() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    pause_s = retry_after_s(ErrorResponse(status=503, headers={"retry-after": later}, body=""))
    assert pause_s is not None
    assert 3000 < pause_s <= 3600


def test_infinite_wait_is_no_number_lost() -> None:
    assert retry_after_s(ErrorResponse(status=429, headers={"retry-after": "inf"}, body="")) == float("inf")


def test_openai_retries_what_the_user_must_mend() -> None:
    """Ours names the empty account at once: see test_errors."""
    openai = pytest.importorskip("openai")
    spent = Deny(status=429, message="You exceeded your current quota", code="insufficient_quota")
    question = [{"role": "user", "content": "Which way?"}]
    with (
        serving("chat", [spent, spent]) as server,
        openai.OpenAI(api_key=KEY, base_url=server.url, max_retries=1) as client,
        pytest.raises(openai.RateLimitError),
    ):
        client.chat.completions.create(model=MODEL, messages=question)
    assert len(server.asked) == 2


def test_google_does_not_wait_as_long_as_the_server_asks() -> None:
    """Ours waits the 17 s, and counts the retry: see test_errors."""
    genai = pytest.importorskip("google.genai")
    body = json.dumps({"error": {"code": 429, "message": "slow down", "details": [{"retryDelay": "17s"}]}}).encode()
    retry = genai.types.HttpRetryOptions(attempts=2, initial_delay=0.01, max_delay=0.01, jitter=0.01)
    busy = Raw(status=429, body=body, headers={"Content-Type": "application/json", "Retry-After": "17"})
    began_s = time.monotonic()
    with serving("google", [busy, Say(text="Left.")]) as server:
        options = genai.types.HttpOptions(base_url=server.url, api_version="v1beta", retry_options=retry)
        with genai.Client(vertexai=False, api_key=KEY, http_options=options) as client:
            answer = client.models.generate_content(model=MODEL, contents="Which way?")
    assert time.monotonic() - began_s < 15
    assert (answer.text, len(server.asked)) == ("Left.", 2)
    assert not any("retr" in name for name in type(answer).model_fields)
