"""What all protocols check: schemas made strict, images, tool declarations."""

import base64
import binascii
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import cv2
import numpy as np
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from tests.reasoning.loopback.script import ViolationError


def expect(condition: object, problem: str) -> None:
    if not condition:
        raise ViolationError(problem)


def against(validator: Draft202012Validator, body: object) -> None:
    """Refuse a body that the schema does not allow."""
    error = best_match(validator.iter_errors(body))
    if error is not None:
        where = "/".join(map(str, error.absolute_path))
        raise ViolationError(f"{where}: {error.message[:500]}")


def strict(schema: dict[str, Any], also: Mapping[str, tuple[str, ...]] = {}) -> Draft202012Validator:
    """Return a validator that refuses properties which the schema does not name.

    Args:
        schema: a JSON Schema.
        also: further properties, by the title of the object that may have them.
    """

    def tighten(node: Any) -> Any:
        if isinstance(node, list):
            return [tighten(each) for each in node]
        if not isinstance(node, dict):
            return node
        node = {key: tighten(value) for key, value in node.items()}
        if isinstance(node.get("properties"), dict) and node.get("type") == "object":
            node["properties"] |= {name: {} for name in also.get(node.get("title", ""), ())}
            node.setdefault("additionalProperties", False)
        return node

    return Draft202012Validator(tighten(schema))


@cache
def openai_schema(kind: str) -> Draft202012Validator:
    """The schema of OpenAI's requests, from the types of its own client."""
    from pydantic import TypeAdapter

    if kind == "responses":
        from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming

        return strict(TypeAdapter(ResponseCreateParamsNonStreaming).json_schema())
    from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming

    # Servers that think aloud get their thoughts back under the names that they use.
    thoughts = {"ChatCompletionAssistantMessageParam": ("reasoning_content", "reasoning")}
    return strict(TypeAdapter(CompletionCreateParamsNonStreaming).json_schema(), thoughts)


def picture(data: str) -> np.ndarray:
    """Decode a JPEG from base64."""
    try:
        encoded = base64.b64decode(data, altchars=b"-_" if "-" in data or "_" in data else None, validate=True)
    except binascii.Error as error:
        raise ViolationError(f"an image is not base64: {error}") from error
    expect(encoded.startswith(b"\xff\xd8\xff"), "an image is said to be a JPEG and is none")
    decoded = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR_RGB)
    expect(decoded is not None, "an image cannot be decoded")
    return decoded


def picture_of_url(url: str) -> np.ndarray:
    head, _, data = url.partition(",")
    expect(head == "data:image/jpeg;base64", f"an image's address begins with {head[:40]!r}, not as a JPEG's data URL")
    return picture(data)


def declaration(name: str, parameters: Mapping[str, Any]) -> str:
    """Check a tool's declaration by the rules of strict tool calling; return its name."""
    expect(re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]{0,63}", name), f"a tool's name is {name!r}")
    Draft202012Validator.check_schema(parameters)
    expect(parameters.get("type") == "object", f"{name}: its parameters are no object")
    expect(parameters.get("additionalProperties") is False, f"{name}: additionalProperties is not false")
    properties = set(parameters.get("properties", {}))
    expect(set(parameters.get("required", ())) == properties, f"{name}: not every property is required")
    return name
