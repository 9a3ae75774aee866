"""Chat completions, as OpenAI and the servers that copy its API take and give them."""

import itertools
from collections.abc import Mapping
from typing import Any

from tests.reasoning.loopback.checking import against, declaration, expect, openai_schema, picture_of_url
from tests.reasoning.loopback.script import Heard, Say

THOUGHT = "loopback thinks: "


def hear(body: Mapping[str, Any]) -> Heard:
    """Check a request and read it."""
    against(openai_schema("chat"), body)
    heard = Heard()
    for tool in body.get("tools", ()):
        function = tool["function"]
        expect(tool["type"] == "function" and function["strict"] is True, f"not a strict function: {tool['type']}")
        heard.tools.append(declaration(function["name"], function["parameters"]))
    expect(all(each["role"] != "system" for each in body["messages"][1:]), "the system's message is not the first")
    waiting: list[str] = []
    for message in body["messages"]:
        if message["role"] == "tool":
            expect(message["tool_call_id"] in waiting, f"no tool call {message['tool_call_id']} is waiting")
            waiting.remove(message["tool_call_id"])
            heard.outcomes[message["tool_call_id"]] = message["content"]
            continue
        expect(not waiting, f"An assistant message with 'tool_calls' must be followed by tool messages: {waiting}")
        _hear_message(message, heard, waiting)
    expect(not waiting, f"An assistant message with 'tool_calls' must be followed by tool messages: {waiting}")
    expect(body["messages"][-1]["role"] != "assistant", "the last message is the assistant's own")
    return heard


def _hear_message(message: Mapping[str, Any], heard: Heard, waiting: list[str]) -> None:
    if message["role"] == "system":
        heard.instructions = message["content"]
    elif message["role"] == "user":
        content = message["content"]
        for part in [{"type": "text", "text": content}] if isinstance(content, str) else content:
            if part["type"] == "text":
                heard.texts.append(part["text"])
            else:
                expect(part["type"] == "image_url", f"a part of the type {part['type']}")
                heard.pictures.append(picture_of_url(part["image_url"]["url"]))
    else:
        expect(message["role"] == "assistant", f"a message of the role {message['role']}")
        expect(message.get("reasoning_content", THOUGHT).startswith(THOUGHT), "the thought came back changed")
        waiting.extend(call["id"] for call in message.get("tool_calls", ()))


_numbers = itertools.count(1)


def say(deed: Say, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer."""
    message: dict[str, Any] = {"role": "assistant", "content": deed.text or None, "refusal": deed.refusal or None}
    message["annotations"] = []
    if deed.thought:
        message["reasoning_content"] = f"{THOUGHT}{next(_numbers)}"
    if deed.calls:
        message["tool_calls"] = [
            {
                "id": f"call_{next(_numbers)}",
                "type": "function",
                "function": {"name": call.name, "arguments": call.as_text()},
            }
            for call in deed.calls
        ]
    if deed.extra:
        message |= {"mood": "cheerful", "audio": None}
    usage = deed.usage
    return {
        "id": f"chatcmpl-{next(_numbers)}",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": _reason(deed)}],
        "usage": {
            "prompt_tokens": usage["input"],
            "prompt_tokens_details": {"cached_tokens": usage["cached"]},
            "completion_tokens": usage["output"],
            "completion_tokens_details": {"reasoning_tokens": usage["thoughts"]},
            "total_tokens": usage["input"] + usage["output"],
        },
        **({"horoscope": {"sign": "libra"}} if deed.extra else {}),
    }


def _reason(deed: Say) -> str:
    if deed.cut_off:
        return "length"
    if deed.blocked:
        return "content_filter"
    return "tool_calls" if deed.calls else "stop"
