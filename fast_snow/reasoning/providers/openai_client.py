"""What OpenAI's two interfaces share: the client, and how its errors are read."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import openai

from fast_snow.reasoning.providers.connection import http_client, no_response
from fast_snow.reasoning.providers.endpoint import Endpoint
from fast_snow.reasoning.providers.retry import Attempt, ErrorResponse


@contextmanager
def open_client(endpoint: Endpoint) -> Iterator[openai.OpenAI]:
    """Open OpenAI's client on a server; it sends each request once."""
    with http_client(endpoint.timeout_s) as connection:
        yield openai.OpenAI(
            api_key=endpoint.key.value,
            base_url=endpoint.address,
            timeout=endpoint.timeout_s,
            max_retries=0,
            http_client=connection,
        )


def attempt(create: Callable[[], Any]) -> Attempt:
    """Send a request once and say what came of it."""
    try:
        return create().http_response.text
    except openai.APIStatusError as error:
        response = error.response
        return ErrorResponse(status=response.status_code, headers=dict(response.headers), body=response.text)
    except openai.APIConnectionError as error:
        return no_response(error)
