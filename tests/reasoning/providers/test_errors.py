"""Right errors out, over each protocol, and exactly as many requests as were meant."""

import json

import pytest

from fast_snow.errors import EngineError, UserError
from tests.reasoning.loopback.servers import (
    Behaviour,
    CutShort,
    Deny,
    Dribble,
    Hang,
    Loopback,
    Protocol,
    Raw,
    Reset,
    Say,
    serving,
)
from tests.reasoning.providers.asking import WORDS, Pauses, asking, every_protocol

LEFT = Say(text="Left.")
two_forms = pytest.mark.parametrize("protocol", ["chat", "google"])
"""Both of OpenAI's interfaces have the same form of errors."""


def _complaint(server: Loopback, kind: type[Exception], pauses: Pauses | None = None, **changes: object) -> str:
    """Ask, and return the one line that comes instead of an answer."""
    with asking(server, pauses, **changes) as model, pytest.raises(kind) as caught:
        model("", [WORDS])
    assert type(caught.value) is kind
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 800
    return message


@every_protocol
@pytest.mark.parametrize(
    "hitch",
    [
        Deny(status=429, message="Rate limit reached", headers={"Retry-After": "7"}),
        Deny(status=500, message="The server had an error"),
        Deny(status=503, message="The model is overloaded"),
        Raw(status=502, body=b"<html><h1>Bad Gateway</h1></html>", headers={"Content-Type": "text/html"}),
        Reset(),
        CutShort(),
    ],
    ids=lambda hitch: f"{type(hitch).__name__}{getattr(hitch, 'status', '')}",
)
def test_hitch_is_overcome(protocol: Protocol, hitch: Behaviour) -> None:
    pauses = Pauses()
    with serving(protocol, [hitch, LEFT]) as server, asking(server, pauses) as model:
        reply = model("", [WORDS])
    assert (reply.turn.text, reply.usage.requests, reply.usage.retries) == ("Left.", 1, 1)
    assert len(server.asked) == 2
    assert server.asked[0].body == server.asked[1].body
    (waited_s,) = pauses.seconds
    assert waited_s == 7 if isinstance(hitch, Deny) and hitch.status == 429 else 0.5 <= waited_s <= 1


@every_protocol
def test_timeout_is_overcome(protocol: Protocol) -> None:
    with serving(protocol, [Hang(), LEFT]) as server, asking(server, timeout_s=0.4) as model:
        assert model("", [WORDS]).usage.retries == 1
    assert len(server.asked) == 2


@every_protocol
@pytest.mark.parametrize("silence", [Hang(), Dribble()], ids=["nothing", "blanks"])
def test_timeout_that_lasts(protocol: Protocol, silence: Behaviour) -> None:
    with serving(protocol, [silence] * 2) as server:
        message = _complaint(server, EngineError, timeout_s=0.2, max_retries=1)
    assert "no response within 0.2 s, 2 times" in message
    assert "--vlm.timeout-s" in message
    assert len(server.asked) == 2


@every_protocol
@pytest.mark.parametrize(("status", "max_retries"), [(500, 0), (500, 2), (408, 2)])
def test_server_that_does_not_recover(protocol: Protocol, status: int, max_retries: int) -> None:
    denial = Deny(status=status, message="Our safety system had an error")
    with serving(protocol, [denial] * (max_retries + 1)) as server:
        message = _complaint(server, EngineError, max_retries=max_retries)
    assert f"({status}: Our safety system had an error)" in message
    assert len(server.asked) == max_retries + 1


@every_protocol
def test_connection_that_is_always_reset(protocol: Protocol) -> None:
    with serving(protocol, [Reset()] * 3) as server:
        message = _complaint(server, EngineError, max_retries=2)
    assert "connection lost, 3 times" in message
    assert len(server.asked) == 3


@every_protocol
def test_pauses_grow(protocol: Protocol) -> None:
    pauses = Pauses()
    with serving(protocol, [Deny(status=500)] * 5) as server:
        _complaint(server, EngineError, pauses)
    assert [base / 2 <= each <= base for base, each in zip([1, 2, 4, 8], pauses.seconds, strict=True)] == [True] * 4


def test_pauses_stay_finite() -> None:
    pauses = Pauses()
    with serving("chat", [Reset()] * 40) as server:
        _complaint(server, EngineError, pauses, max_retries=39)
    assert max(pauses.seconds) <= 30


@every_protocol
def test_long_wait_is_told_instead(protocol: Protocol) -> None:
    with serving(protocol, [Deny(status=429, message="Rate limit", headers={"Retry-After": "3600"})]) as server:
        message = _complaint(server, EngineError)
    assert "429: Rate limit" in message
    assert message.endswith("wait 3600 s")
    assert len(server.asked) == 1


def test_google_says_in_the_body_how_long_to_wait() -> None:
    pauses = Pauses()
    message = "You exceeded your current quota, please check your plan and billing details."
    body = json.dumps({"error": {"code": 429, "message": message, "details": [{"retryDelay": "17s"}]}}).encode()
    with serving("google", [Raw(status=429, body=body), LEFT]) as server, asking(server, pauses) as model:
        model("", [WORDS])
    assert pauses.seconds == [17]


@every_protocol
def test_waiting_can_be_interrupted(protocol: Protocol) -> None:
    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    two = serving(protocol, [Deny(status=500), LEFT])
    with two as server, asking(server, interrupt) as model, pytest.raises(KeyboardInterrupt):
        model("", [WORDS])
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("denial", "says"),
    [
        (Deny(status=401, message="Incorrect API key provided."), ["the API key was rejected", "401", "_API_KEY"]),
        (Deny(status=403, message="Country not supported"), ["the API key was rejected", "Country not supported"]),
        (Deny(status=400, message="API key not valid. Please pass a valid API key."), ["the API key was rejected"]),
        (Deny(status=404, message="The model `x` does not exist"), ["no model loopback-vision", "--vlm.model"]),
        (Deny(status=400, message="model 'x' not found, try pulling it first"), ["--vlm.model"]),
        (Deny(status=400, message="Server is pinned to 'a/b'; requested 'x'."), ["--vlm.model"]),
        (Deny(status=400, code="context_length_exceeded", message="Your input"), ["too long", "--vlm.prompt-budget"]),
        (
            Deny(status=400, message="This model's maximum context length is 4096 tokens. However, you requested 5000"),
            ["too long for loopback-vision", "--vlm.max-keyframes"],
        ),
        (Deny(status=400, message="The input token count (2000000) exceeds the maximum"), ["too long"]),
        (Deny(status=413, message=""), ["too long"]),
        (Deny(status=429, code="insufficient_quota", message="You exceeded"), ["no credit"]),
        (Deny(status=429, message="Request too large for x on tokens per min (TPM): Limit 30000"), ["too long"]),
        (
            Deny(status=400, param="temperature", message="Unsupported value: 'temperature' does not support 0"),
            ["--vlm.temperature at 1"],
        ),
        (Deny(status=400, message="registry.ollama.ai/library/x does not support tools"), ["--vlm.no-tools"]),
        (
            Deny(status=400, message='"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser'),
            ["--vlm.no-tools"],
        ),
        (Deny(status=500, message="tools param requires --jinja flag"), ["--vlm.no-tools"]),
        (
            Deny(status=500, message="image input is not supported - hint: provide the mmproj"),
            ["does not accept images"],
        ),
        (Deny(status=400, message="x is not a multimodal model"), ["--vlm.max-keyframes 0"]),
        (Deny(status=400, message="At most 4 image(s) may be provided in one request."), ["lower --vlm.max-keyframes"]),
        (Deny(status=400, message="max_tokens is too large: 99999"), ["--vlm.max-output-tokens"]),
        (Deny(status=400, code="content_policy_violation", message="Rejected by safety"), ["content was refused"]),
        (
            Deny(status=307, headers={"Location": "http://elsewhere.test/v1"}),
            ["http://elsewhere.test/v1", "--vlm.base-url"],
        ),
    ],
    ids=lambda value: f"{value.status}-{value.code or value.message[:20]}" if isinstance(value, Deny) else "",
)
def test_what_the_user_can_mend_is_said_at_once(denial: Deny, says: list[str]) -> None:
    with serving("chat", [denial]) as server:
        message = _complaint(server, UserError)
    assert [each for each in says if each not in message] == []
    assert server.url in message
    assert len(server.asked) == 1


@pytest.mark.parametrize("protocol", ["responses", "google"])
@pytest.mark.parametrize(
    ("denial", "says"),
    [
        (Deny(status=400, message="API key not valid. Please pass a valid API key."), "the API key was rejected"),
        (Deny(status=404, message="models/x is not found for API version v1beta"), "--vlm.model"),
        (Deny(status=400, message="The input token count (2000000) exceeds the maximum"), "too long"),
        (Deny(status=307, headers={"Location": "http://elsewhere.test/v1"}), "http://elsewhere.test/v1"),
    ],
    ids=["key", "model", "length", "address"],
)
def test_what_the_user_can_mend_is_said_over_the_other_protocols(protocol: Protocol, denial: Deny, says: str) -> None:
    with serving(protocol, [denial]) as server:
        assert says in _complaint(server, UserError)
    assert len(server.asked) == 1


@two_forms
@pytest.mark.parametrize(
    "body",
    [
        b'{"error": "out of cheese"}',
        b'{"detail": "out of cheese"}',
        b'{"detail": [{"loc": ["body"], "msg": "out of cheese", "input": "' + b"x" * 1_000_000 + b'"}]}',
        b'{"object": "error", "message": "out of cheese", "code": 40001}',
        b'[{"error": {"message": "out of cheese", "code": 400}}]',
        b"<html><body><h1>out of cheese</h1></body></html>",
    ],
)
def test_errors_are_read_in_any_form(protocol: Protocol, body: bytes) -> None:
    with serving(protocol, [Raw(status=418, body=body)]) as server:
        message = _complaint(server, EngineError)
    assert "out of cheese" in message
    assert len(server.asked) == 1


@two_forms
@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"null", b"[1, 2]", b"[" * 100_000, b"<" * 100_000])
def test_error_without_words(protocol: Protocol, body: bytes) -> None:
    with serving(protocol, [Raw(status=418, body=body)]) as server:
        _complaint(server, EngineError, max_retries=0)
    assert len(server.asked) == 1


@two_forms
@pytest.mark.parametrize(
    "body", [b'{"output": [', b"<html>Welcome to the hotel</html>", b"", b"[]", b"\xff\xfe", b"[" * 100_000]
)
def test_answer_that_is_no_json(protocol: Protocol, body: bytes) -> None:
    with serving(protocol, [Raw(body=body)]) as server:
        assert "expected a JSON object" in _complaint(server, EngineError)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("protocol", "body"),
    [
        ("responses", b'{"output": "left"}'),
        ("responses", b'{"output": ["left"]}'),
        ("responses", b'{"output": [{"type": "message", "content": [{"type": "output_text", "text": {}}]}]}'),
        ("responses", b'{"output": [{"type": "function_call", "arguments": [1]}]}'),
        ("chat", b'{"choices": {}}'),
        ("chat", b'{"choices": [{"message": "left"}]}'),
        ("chat", b'{"choices": [{"message": {"content": 7}}]}'),
        ("chat", b'{"choices": [{"message": {"tool_calls": ["distance"]}}]}'),
        ("google", b'{"candidates": "left"}'),
        ("google", b'{"candidates": [{"content": {"parts": ["left"]}}]}'),
        ("google", b'{"candidates": [{"content": {"parts": [{"text": 7}]}}]}'),
        ("google", b'{"candidates": [{"content": {"parts": [{"functionCall": {"name": "f", "args": 7}}]}}]}'),
        ("google", b'{"candidates": [{"content": {"parts": [{"text": "a", "thoughtSignature": "?"}]}}]}'),
    ],
)
def test_answer_of_another_shape(protocol: Protocol, body: bytes) -> None:
    with serving(protocol, [Raw(body=body)]) as server:
        assert "the server's answer has" in _complaint(server, EngineError)
    assert len(server.asked) == 1


@every_protocol
def test_empty_answer(protocol: Protocol) -> None:
    with serving(protocol, [Say()]) as server:
        assert "returned an empty answer" in _complaint(server, EngineError)


@every_protocol
def test_nothing_said_before_the_limit(protocol: Protocol) -> None:
    with serving(protocol, [Say(cut_off=True, thought=True)]) as server:
        message = _complaint(server, UserError)
    assert "raise --vlm.max-output-tokens" in message
    assert "30 reasoning tokens" in message


@every_protocol
@pytest.mark.parametrize("say", [Say(refusal="I cannot help with that."), Say(text="Le", blocked=True)])
def test_refused_content(protocol: Protocol, say: Say) -> None:
    with serving(protocol, [say]) as server:
        message = _complaint(server, UserError)
    assert "refused to answer" in message
    assert len(server.asked) == 1


def test_response_that_failed() -> None:
    body = b'{"status": "failed", "error": {"code": "server_error", "message": "it fell over"}, "output": []}'
    with serving("responses", [Raw(body=body)]) as server:
        assert "it fell over" in _complaint(server, EngineError)


def test_error_that_comes_as_an_answer() -> None:
    with serving("chat", [Raw(body=b'{"error": {"message": "upstream is away", "code": 502}}')]) as server:
        assert "upstream is away" in _complaint(server, EngineError)


@pytest.mark.parametrize("reason", ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL"])
def test_google_call_that_cannot_be_read(reason: str) -> None:
    with serving("google", [Raw(body=b'{"candidates": [{"finishReason": "%s"}]}' % reason.encode())]) as server:
        assert "--vlm.no-tools" in _complaint(server, EngineError)


def test_google_reason_that_nobody_knows_is_a_refusal() -> None:
    with serving("google", [Raw(body=b'{"candidates": [{"finishReason": "FULL_MOON"}]}')]) as server:
        assert "FULL_MOON" in _complaint(server, UserError)


@every_protocol
def test_wrong_key_and_wrong_model_as_the_server_sees_them(protocol: Protocol) -> None:
    with serving(protocol, []) as server:
        assert "no model nonesuch" in _complaint(server, UserError, model="nonesuch")


@every_protocol
def test_server_that_is_not_there_is_not_asked_twice(protocol: Protocol) -> None:
    with serving(protocol, []) as server:
        pass
    pauses = Pauses()
    message = _complaint(server, EngineError, pauses)
    assert "cannot be reached" in message
    assert pauses.seconds == []
