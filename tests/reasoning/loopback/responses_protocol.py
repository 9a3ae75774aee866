"""OpenAI's Responses API, as its server would take and give it."""

import itertools
from collections.abc import Mapping
from typing import Any

from tests.reasoning.loopback.checking import against, declaration, expect, openai_schema, picture_of_url
from tests.reasoning.loopback.script import Deny, Heard, Say, ViolationError

SIGNATURE = "gAAAAA-loopback-thought-"


def hear(body: Mapping[str, Any]) -> Heard:
    """Check a request and read it."""
    against(openai_schema("responses"), body)
    expect(body.get("store") is False, "store is not false: the answer would be kept by the provider")
    heard = Heard(instructions=body.get("instructions") or "")
    for tool in body.get("tools", ()):
        expect(tool["type"] == "function" and tool["strict"] is True, f"not a strict function: {tool['type']}")
        heard.tools.append(declaration(tool["name"], tool["parameters"]))
    called: list[str] = []
    for item in body["input"]:
        _hear_item(item, heard, called)
    unanswered = set(called) - set(heard.outcomes)
    expect(not unanswered, f"No tool output found for function call {', '.join(sorted(unanswered))}.")
    return heard


def _hear_item(item: Mapping[str, Any], heard: Heard, called: list[str]) -> None:
    kind = item.get("type", "message")
    if kind == "function_call":
        called.append(item["call_id"])
    elif kind == "function_call_output":
        expect(item["call_id"] in called, f"No tool call found for function call output {item['call_id']}.")
        expect(item["call_id"] not in heard.outcomes, f"two outputs for {item['call_id']}")
        heard.outcomes[item["call_id"]] = item["output"]
    elif kind == "reasoning":
        signature = item.get("encrypted_content") or ""
        expect(signature == f"{SIGNATURE}{item['id']}", f"Item '{item['id']}' not found: it is not stored")
    elif kind == "message":
        _hear_message(item, heard)
    else:
        raise ViolationError(f"an item of the type {kind}")


def _hear_message(item: Mapping[str, Any], heard: Heard) -> None:
    content = item["content"]
    if item["role"] == "assistant":
        return
    expect(item["role"] == "user", f"a message of the role {item['role']}")
    for part in [{"type": "input_text", "text": content}] if isinstance(content, str) else content:
        if part["type"] == "input_text":
            heard.texts.append(part["text"])
        else:
            expect(part["type"] == "input_image", f"a part of the type {part['type']}")
            heard.pictures.append(picture_of_url(part["image_url"]))


_numbers = itertools.count(1)


def say(deed: Say, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer."""
    status = "incomplete" if deed.cut_off or deed.blocked else "completed"
    usage = deed.usage
    answer: dict[str, Any] = {
        "id": f"resp_{next(_numbers)}",
        "object": "response",
        "created_at": 1_700_000_000,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "model": body["model"],
        "output": list(_items(deed, body)),
        "parallel_tool_calls": True,
        "store": False,
        "usage": {
            "input_tokens": usage["input"],
            "input_tokens_details": {"cached_tokens": usage["cached"]},
            "output_tokens": usage["output"],
            "output_tokens_details": {"reasoning_tokens": usage["thoughts"]},
            "total_tokens": usage["input"] + usage["output"],
        },
    }
    if status == "incomplete":
        answer["incomplete_details"] = {"reason": "content_filter" if deed.blocked else "max_output_tokens"}
    if deed.extra:
        answer |= {"horoscope": {"sign": "libra"}, "content_filters": None}
        answer["output"].insert(0, {"type": "moon_phase", "id": "mp_1", "phase": "full"})
    return answer


def _items(deed: Say, body: Mapping[str, Any]) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    if deed.thought:
        name = f"rs_{next(_numbers)}"
        signed = "reasoning.encrypted_content" in (body.get("include") or ())
        secret = {"encrypted_content": f"{SIGNATURE}{name}"} if signed else {}
        items.append({"type": "reasoning", "id": name, "summary": [], "status": None, **secret})
    content: list[dict[str, Any]] = []
    if deed.text:
        content.append({"type": "output_text", "text": deed.text, "annotations": [], "logprobs": []})
    if deed.refusal:
        content.append({"type": "refusal", "refusal": deed.refusal})
    if content:
        status = "incomplete" if deed.cut_off else "completed"
        name = f"msg_{next(_numbers)}"
        items.append({"type": "message", "id": name, "role": "assistant", "status": status, "content": content})
    for call in deed.calls:
        number = next(_numbers)
        items.append(
            {
                "type": "function_call",
                "id": f"fc_{number}",
                "call_id": f"call_{number}",
                "name": call.name,
                "arguments": call.as_text(),
                "status": "completed",
            }
        )
    return items


def deny(deed: Deny) -> dict[str, Any]:
    """Return the body of an error; chat completions have the same."""
    error = {"message": deed.message, "type": "invalid_request_error", "param": deed.param or None}
    return {"error": {**error, "code": deed.code or None}}
