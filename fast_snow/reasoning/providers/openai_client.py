"""OpenAI's client on one of its two interfaces, and how its errors are read."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import openai

from fast_snow.config import VlmConfig
from fast_snow.reasoning.providers import openai_chat, openai_responses
from fast_snow.reasoning.providers.connection import http_client, no_response
from fast_snow.reasoning.providers.endpoint import Endpoint
from fast_snow.reasoning.providers.retry import Attempt, ErrorResponse
from fast_snow.reasoning.providers.transport import RemoteModel


@contextmanager
def open_openai(endpoint: Endpoint, config: VlmConfig, pause: Callable[[float], None]) -> Iterator[RemoteModel]:
    """Open a model behind OpenAI's client; it sends each request once."""
    chat = config.api == "chat" or (config.api == "auto" and not endpoint.own)
    with http_client(endpoint.timeout_s) as connection:
        client = openai.OpenAI(
            api_key=endpoint.key.value,
            base_url=endpoint.address,
            timeout=endpoint.timeout_s,
            max_retries=0,
            http_client=connection,
        )

        def send(body: Mapping[str, Any]) -> Attempt:
            return _attempt((client.chat.completions if chat else client.responses).with_raw_response.create, body)

        yield RemoteModel(
            config=config,
            endpoint=endpoint,
            pause=pause,
            interface=openai_chat.INTERFACE if chat else openai_responses.INTERFACE,
            send=send,
        )


def _attempt(create: Callable[..., Any], body: Mapping[str, Any]) -> Attempt:
    """Send a request once and say what came of it."""
    try:
        text: str = create(**body).http_response.text
    except openai.APIStatusError as error:
        response = error.response
        return ErrorResponse(status=response.status_code, headers=dict(response.headers), body=response.text)
    except openai.APIConnectionError as error:
        return no_response(error)
    return text
