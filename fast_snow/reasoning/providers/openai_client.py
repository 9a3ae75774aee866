"""What OpenAI's two interfaces share: the client, and how its errors are read."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import openai

from fast_snow.config import VlmConfig
from fast_snow.reasoning.providers.connection import http_client, no_response
from fast_snow.reasoning.providers.endpoint import Endpoint
from fast_snow.reasoning.providers.retry import Attempt, ErrorResponse, RetryPolicy
from fast_snow.reasoning.providers.transport import OptionalField, RemoteModel, ReplyReader, RequestBuilder, Transport


@contextmanager
def open_client(
    endpoint: Endpoint,
    config: VlmConfig,
    retry_policy: RetryPolicy,
    *,
    create: Callable[[openai.OpenAI], Callable[..., Any]],
    optional_fields: tuple[OptionalField, ...],
    request: RequestBuilder,
    reply: ReplyReader,
) -> Iterator[RemoteModel]:
    """Open OpenAI's client on a server; it sends each request once.

    Args:
        endpoint: the server.
        config: how the model is asked.
        retry_policy: of failed requests.
        create: the method of the client that sends a body and returns the raw response.
        optional_fields: the fields that the server may refuse.
        request: builds the body of a request.
        reply: reads a response.
    """
    with http_client(endpoint.timeout_s) as connection:
        client = openai.OpenAI(
            api_key=endpoint.key.value,
            base_url=endpoint.address,
            timeout=endpoint.timeout_s,
            max_retries=0,
            http_client=connection,
        )

        def send(body: Mapping[str, Any]) -> Attempt:
            return _attempt(create(client), body)

        transport = Transport(endpoint=endpoint, retry_policy=retry_policy, send=send, optional_fields=optional_fields)
        yield RemoteModel(config=config, transport=transport, request=request, reply=reply)


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
