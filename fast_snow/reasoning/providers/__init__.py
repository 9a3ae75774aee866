"""Vision-language models behind OpenAI's and Google's interfaces, at the providers' or on a server of one's own."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from fast_snow.config import VlmConfig
from fast_snow.errors import UserError
from fast_snow.reasoning.conversation import VisionLanguageModel
from fast_snow.reasoning.providers.endpoint import configured_endpoint

__all__ = ["open_model"]

_CLIENTS = {"openai": "openai", "google": "google-genai", "httpx2": "openai"}
"""Packages to install, by what is imported."""


@contextmanager
def open_model(
    config: VlmConfig, *, environ: Mapping[str, str] = os.environ, pause: Callable[[float], None] = time.sleep
) -> Iterator[VisionLanguageModel]:
    """Open a vision-language model; nothing is sent before it is asked.

    The key is `OPENAI_API_KEY`, or `GOOGLE_API_KEY` or else `GEMINI_API_KEY`. `pause` waits so many seconds before a
    request is sent again.

    Raises:
        UserError: no key is set, or the provider's package is missing.
        ConfigError: the model is another provider's, or the address is none.
    """
    server = configured_endpoint(config, environ)
    try:
        if config.provider == "google":
            from fast_snow.reasoning.providers.google import open_gemini as opened
        else:
            from fast_snow.reasoning.providers.openai import open_openai as opened
    except ModuleNotFoundError as error:
        package = _CLIENTS.get((error.name or "").partition(".")[0], error.name)
        raise UserError(
            f'the package {package} is missing, which speaks to {config.provider}: uv pip install -e ".[vlm]"'
        ) from None
    with opened(server, pause) as model:
        yield model
