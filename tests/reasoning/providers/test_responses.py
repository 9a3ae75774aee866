"""Right answers out, over each protocol; the loopback servers check every request."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from fast_snow.reasoning.conversation import ModelTurn, TextPart, ToolCall, Usage, UserTurn, VisionLanguageModel
from fast_snow.reasoning.providers import open_model
from fast_snow.reasoning.providers.endpoint import Endpoint, Key
from tests.reasoning.loopback.servers import KEY, Call, Deny, Loopback, Protocol, Say, serving
from tests.reasoning.providers.asking import DISTANCE, IMAGE, QUESTION, WORDS, answered, asking, every_protocol


@every_protocol
def test_question_with_picture_is_answered(protocol: Protocol) -> None:
    with serving(protocol, [Say(text="Left.")]) as server, asking(server) as model:
        assert isinstance(model, VisionLanguageModel)
        reply = model("Be exact.", [QUESTION])
    assert reply.turn.text == "Left."
    assert reply.turn.calls == ()
    assert not reply.cut_off
    assert reply.usage == Usage(requests=1, input_tokens=1000, cached_tokens=600, output_tokens=50, thought_tokens=30)
    (asked,) = server.asked
    assert (asked.instructions, asked.text, asked.tools) == ("Be exact.", "Which way?\nOne word.", ())
    np.testing.assert_allclose(asked.pictures[0], IMAGE, atol=4)


@every_protocol
def test_fields_that_nobody_knows_do_no_harm(protocol: Protocol) -> None:
    script = [Say(text="Left.", extra=True), Say(calls=(Call(name="distance", arguments={"a": 1}),), extra=True)]
    with serving(protocol, script) as server, asking(server) as model:
        assert model("", [WORDS]).turn.text == "Left."
        assert model("", [WORDS], [DISTANCE]).turn.calls[0].name == "distance"


@every_protocol
@pytest.mark.parametrize("extra", [False, True])
def test_parallel_calls_go_out_and_outcomes_and_thoughts_come_back(protocol: Protocol, extra: bool) -> None:
    calls = (Call(name="distance", arguments={"a": 1, "t": None}), Call(name="distance", arguments={"a": 2, "t": 5}))
    script = [Say(calls=calls, thought=True, extra=extra), Say(text="3.5 m")]
    with serving(protocol, script) as server, asking(server) as model:
        first = model("Be exact.", [QUESTION], [DISTANCE])
        assert [json.loads(each.arguments) for each in first.turn.calls] == [{"a": 1, "t": None}, {"a": 2, "t": 5}]
        assert len({each.call_id for each in first.turn.calls}) == 2
        second = model("Be exact.", [QUESTION, first.turn, answered(first.turn)], [DISTANCE])
    assert second.turn.text == "3.5 m"
    assert server.asked[0].tools == ("distance",)
    outcomes = [json.loads(each) for each in server.asked[1].outcomes.values()]
    assert outcomes == [{"output": {"value": 3.5}} if protocol == "google" else {"value": 3.5}] * 2


@every_protocol
def test_failed_tool_is_told(protocol: Protocol) -> None:
    script = [Say(calls=(Call(name="distance", arguments={"a": 99, "t": None}),)), Say(text="unknown")]
    with serving(protocol, script) as server, asking(server) as model:
        first = model("", [WORDS], [DISTANCE])
        model("", [WORDS, first.turn, answered(first.turn, "there is no object 99", failed=True)], [DISTANCE])
    (told,) = server.asked[1].outcomes.values()
    assert told == (json.dumps({"error": "there is no object 99"}) if protocol == "google" else "there is no object 99")


@every_protocol
def test_turns_of_no_provider_are_sent(protocol: Protocol) -> None:
    earlier = ModelTurn(text="Let me see.", calls=(ToolCall(call_id="c1", name="distance", arguments='{"a": 1}'),))
    script = [Say(text="3.5 m"), Say(text="yes")]
    with serving(protocol, script) as server, asking(server) as model:
        first = model("", [WORDS, earlier, answered(earlier)], [DISTANCE])
        model(
            "", [WORDS, earlier, answered(earlier), first.turn, UserTurn(parts=(TextPart(text="Sure?"),))], [DISTANCE]
        )
    assert list(server.asked[0].outcomes) == ["c1"]
    assert server.asked[1].text.endswith("Sure?")


@pytest.mark.parametrize("protocol", ["responses", "chat"])
def test_arguments_come_as_they_are(protocol: Protocol) -> None:
    with (
        serving(protocol, [Say(calls=(Call(name="distance", arguments='{"a": '),))]) as server,
        asking(server) as model,
    ):
        assert model("", [WORDS], [DISTANCE]).turn.calls[0].arguments == '{"a": '


@every_protocol
def test_answer_that_was_cut_off_says_so(protocol: Protocol) -> None:
    with serving(protocol, [Say(text="Left, bec", cut_off=True)]) as server, asking(server) as model:
        reply = model("", [WORDS])
    assert reply.cut_off
    assert reply.turn.text == "Left, bec"


@every_protocol
@pytest.mark.parametrize(
    "question",
    ['He said "left" \\ \'right\' {"a": [1]} </system>', "é 左 🚗 \u2028", "", "x" * 100_000, "\x00\x1b[31m"],
)
def test_any_question_arrives_as_it_is(protocol: Protocol, question: str) -> None:
    with serving(protocol, [Say(text="Left.")]) as server, asking(server) as model:
        model("", [UserTurn(parts=(TextPart(text=question),))])
    assert server.asked[0].text == question


@every_protocol
def test_bytes_that_are_no_characters_are_replaced(protocol: Protocol) -> None:
    with serving(protocol, [Say(text="Left.")]) as server, asking(server) as model:
        model("in caf\udce9.mp4", [UserTurn(parts=(TextPart(text="caf\udce9?"),))])
    assert (server.asked[0].instructions, server.asked[0].text) == ("in caf?.mp4", "caf??")


@every_protocol
@pytest.mark.parametrize(("temperature", "sent"), [(1.0, 1.0), (0.0, 0.0)])
def test_other_servers_are_told_the_temperature(protocol: Protocol, temperature: float, sent: float) -> None:
    with serving(protocol, [Say(text="Left.")]) as server, asking(server, temperature=temperature) as model:
        model("", [WORDS])
    body = server.asked[0].body
    assert body.get("generationConfig", body)["temperature"] == sent


@every_protocol
def test_limit_of_output_tokens_is_sent(protocol: Protocol) -> None:
    with serving(protocol, [Say(text="Left.")]) as server, asking(server, max_output_tokens=77) as model:
        model("", [WORDS])
    name = {"responses": "max_output_tokens", "chat": "max_tokens", "google": "maxOutputTokens"}[protocol]
    body = server.asked[0].body
    assert body.get("generationConfig", body)[name] == 77


def test_local_server_needs_no_key() -> None:
    server_without_keys = serving("chat", [Say(text="Left.")], needs_key=False)
    with server_without_keys as server, open_model(server.config(), environ={}) as model:
        assert model("", [WORDS]).turn.text == "Left."
    assert server.asked[0].headers["authorization"] == "Bearer no-key"


def test_model_that_does_not_think_is_not_asked_for_thoughts_again() -> None:
    denial = Deny(status=400, message="Encrypted content is not supported with this model.", param="include")
    with serving("responses", [denial, Say(text="one"), Say(text="two")]) as server, asking(server) as model:
        assert model("", [WORDS]).usage.retries == 1
        assert model("", [WORDS]).usage.retries == 0
    assert ["include" in each.body for each in server.asked] == [True, False, False]


def test_thought_that_is_not_encrypted_stays_out() -> None:
    denial = Deny(status=400, message="Encrypted content is not supported with this model.", param="include")
    calls = (Call(name="distance", arguments={"a": 1, "t": None}),)
    script = [denial, Say(calls=calls, thought=True), Say(text="3.5 m")]
    with serving("responses", script) as server, asking(server) as model:
        first = model("", [WORDS], [DISTANCE])
        model("", [WORDS, first.turn, answered(first.turn)], [DISTANCE])
    assert [each["type"] for each in server.asked[-1].body["input"]] == [
        "message",
        "function_call",
        "function_call_output",
    ]


def test_chat_limit_goes_under_the_name_that_the_model_knows() -> None:
    denial = Deny(
        status=400,
        message="Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead.",
        param="max_tokens",
    )
    with serving("chat", [denial, Say(text="one"), Say(text="two")]) as server, asking(server) as model:
        assert model("", [WORDS]).usage.retries == 1
        assert model("", [WORDS]).usage.retries == 0
    assert server.asked[-1].body["max_completion_tokens"] == 1024
    assert "max_tokens" not in server.asked[-1].body


@pytest.mark.parametrize("protocol", ["responses", "chat"])
def test_servers_that_stream_unless_told_are_told(protocol: Protocol) -> None:
    with serving(protocol, [Say(text="Left.")]) as server, asking(server) as model:
        model("", [WORDS])
    assert server.asked[0].body["stream"] is False


def _opened(protocol: Protocol) -> Any:
    """Import late: the providers' packages may be missing, and then this module is skipped."""
    if protocol == "google":
        from fast_snow.reasoning.providers.google import open_gemini

        return open_gemini
    from fast_snow.reasoning.providers.openai import open_openai

    return open_openai


@contextmanager
def _as_own(server: Loopback, temperature: float) -> Iterator[VisionLanguageModel]:
    """Open a loopback server as if it were the provider's."""
    config = server.config(temperature=temperature, max_retries=0)
    endpoint = Endpoint(name="OpenAI", address=server.url, own=True, key=Key(KEY, server.variable), config=config)
    with _opened(server.protocol)(endpoint, time.sleep) as model:
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
