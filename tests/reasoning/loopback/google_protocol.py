"""Google's generateContent, as its server would take and give it."""

import base64
import itertools
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from tests.reasoning.loopback.checking import declaration, expect, picture
from tests.reasoning.loopback.script import Deny, Heard, Say, ViolationError

SIGNATURE = "loopback thought "
_CODES = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND"}
_CODES |= {429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED"}


@cache
def _adapters() -> dict[str, Any]:
    """What may stand in a request, by key: the types of Google's own client, which forbid what they do not name."""
    from google.genai import types
    from pydantic import TypeAdapter

    return {
        "contents": TypeAdapter(list[types.Content]),
        "systemInstruction": TypeAdapter(types.Content),
        "tools": TypeAdapter(list[types.Tool]),
        "toolConfig": TypeAdapter(types.ToolConfig),
        "safetySettings": TypeAdapter(list[types.SafetySetting]),
        "generationConfig": TypeAdapter(types.GenerationConfig),
    }


def hear(body: Mapping[str, Any]) -> Heard:
    """Check a request and read it."""
    body = {key: _normal(key, value) for key, value in body.items()}
    heard = Heard()
    heard.instructions = "\n".join(part["text"] for part in body.get("systemInstruction", {}).get("parts", ()))
    for tool in body.get("tools", ()):
        for each in tool["functionDeclarations"]:
            heard.tools.append(declaration(each["name"], each["parametersJsonSchema"]))
    expect(body.get("contents"), "contents is not specified")
    waiting: list[Mapping[str, Any]] = []
    for content in body["contents"]:
        waiting = _hear_content(content, heard, waiting)
    expect(body["contents"][-1]["role"] == "user", "the last turn is the model's own")
    return heard


def _normal(key: str, value: Any) -> Any:
    """Return a value with its keys in camel case: Google's server takes them in snake case too."""
    from pydantic import ValidationError

    expect(key in _adapters(), f"Unknown name {key!r}: cannot find field")
    adapter = _adapters()[key]
    try:
        read = adapter.validate_json(json.dumps(value))
    except ValidationError as error:
        raise ViolationError(f"{key}: {error}") from error
    return adapter.dump_python(read, mode="json", by_alias=True, exclude_none=True)


def _hear_content(content: Mapping[str, Any], heard: Heard, waiting: list[Mapping[str, Any]]) -> list[Any]:
    """Read one turn; `waiting` are the calls of the turn before, and the calls of this one are returned."""
    parts = content["parts"]
    if content["role"] == "model":
        calls = [part for part in parts if "functionCall" in part]
        signatures = [part["thoughtSignature"] for part in calls if "thoughtSignature" in part]
        if calls and _name(calls[0]["functionCall"]) in _signed:
            expect(signatures, "Function call is missing a thought_signature in functionCall parts.")
        for each in signatures:
            expect(_decoded(each).startswith(SIGNATURE), "the thought's signature came back changed")
        return [part["functionCall"] for part in calls]
    expect(content["role"] == "user", f"a turn of the role {content['role']}")
    answers = [part["functionResponse"] for part in parts if "functionResponse" in part]
    expect(len(answers) == len(waiting), f"{len(waiting)} function calls have {len(answers)} function responses")
    for index, (call, answer) in enumerate(zip(waiting, answers, strict=True)):
        expect(call["name"] == answer["name"], f"the response of {answer['name']} stands where {call['name']}'s should")
        expect(call.get("id") == answer.get("id"), f"{answer['name']}: the response's id is not the call's")
        heard.outcomes[call.get("id") or f"{call['name']}#{index}"] = json.dumps(answer["response"])
    for part in parts:
        if "text" in part:
            heard.texts.append(part["text"])
        elif "inlineData" in part:
            expect(part["inlineData"]["mimeType"] == "image/jpeg", "inline data is no JPEG")
            heard.pictures.append(picture(part["inlineData"]["data"]))
    return []


_signed: set[str] = set()
"""Calls whose thought was signed."""


def _name(call: Mapping[str, Any]) -> str:
    return json.dumps([call["name"], call["args"]], sort_keys=True)


def _decoded(signature: str) -> str:
    return base64.urlsafe_b64decode(signature.replace("+", "-").replace("/", "_")).decode(errors="replace")


_numbers = itertools.count(1)


def say(deed: Say, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer."""
    parts: list[dict[str, Any]] = []
    signature = base64.b64encode(f"{SIGNATURE}?>~ {next(_numbers)}".encode()).decode()
    if deed.thought:
        parts.append({"text": "a summary of the thought", "thought": True})
    if deed.text:
        parts.append({"text": deed.text})
    for index, call in enumerate(deed.calls):
        arguments = json.loads(call.as_text())
        part: dict[str, Any] = {"functionCall": {"name": call.name, "args": arguments}}
        if deed.extra:
            part["functionCall"] |= {"id": f"fc-{next(_numbers)}", "haste": "great"}
        if deed.thought and index == 0:  # of parallel calls only the first is signed
            part["thoughtSignature"] = signature
            _signed.add(_name(part["functionCall"]))
        parts.append(part)
    usage = deed.usage
    candidate: dict[str, Any] = {
        "content": {"role": "model", "parts": parts},
        "finishReason": _reason(deed),
        "index": 0,
    }
    if not parts:
        del candidate["content"]["parts"]
    answer: dict[str, Any] = {
        **({"promptFeedback": {"blockReason": "SAFETY"}} if deed.refusal else {"candidates": [candidate]}),
        "usageMetadata": {
            "promptTokenCount": usage["input"],
            "cachedContentTokenCount": usage["cached"],
            "candidatesTokenCount": usage["output"] - usage["thoughts"],
            "thoughtsTokenCount": usage["thoughts"],
            "totalTokenCount": usage["input"] + usage["output"],
        },
        "modelVersion": "loopback",
    }
    if deed.extra:
        answer["horoscope"] = {"sign": "libra"}
        candidate["safetyRatings"] = [{"category": "HARM_CATEGORY_PUNS", "probability": "NEGLIGIBLE"}]
        parts.insert(0, {"moonPhase": {"phase": "full"}})
    return answer


def _reason(deed: Say) -> str:
    if deed.cut_off:
        return "MAX_TOKENS"
    return "SAFETY" if deed.blocked else "STOP"


def deny(deed: Deny) -> dict[str, Any]:
    """Return the body of an error."""
    status = deed.code or _CODES.get(deed.status, "UNKNOWN")
    return {"error": {"code": deed.status, "message": deed.message, "status": status, "details": []}}
