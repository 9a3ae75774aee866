"""One-line messages for errors of a server: what they mean and what to do about it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fast_snow import untrusted_json
from fast_snow.errors import EngineError, FastSnowError, InputError, UserError
from fast_snow.reasoning.providers.endpoint import Endpoint
from fast_snow.reasoning.providers.retry import (
    LONGEST_PAUSE_S,
    ConnectionFailure,
    ErrorResponse,
    NoResponse,
    is_transient,
    retry_after_s,
)

_LONGEST_QUOTE, _LONGEST_PAGE = 300, 10_000


@dataclass(frozen=True, slots=True)
class _Rule:
    """An error that the user can mend: a pattern in code, parameter and message, or a status of HTTP.

    A lasting one counts even where the status says that the trouble passes.
    """

    pattern: str
    meaning: str
    advice: str
    statuses: tuple[int, ...] = ()
    lasting: bool = False


# The first that fits counts; servers differ, so each pattern gathers the wordings of several.
_RULES = (
    _Rule(
        r"context.?(length|window|size)|prompt is too long|too many (input )?tokens|input token count|request too large"
        r"|string_above_max_length|maximum (number of )?(input )?tokens|longer than the maximum model length",
        "the prompt is too long for {model}",
        "lower --vlm.prompt-budget or --vlm.max-keyframes",
        (413,),
        lasting=True,
    ),
    _Rule(
        r"insufficient_quota|credit balance|payment required",
        "the account has no credit left",
        "check its billing page, or use another key",
        (402,),
        lasting=True,
    ),
    _Rule(
        r"api[ _]key|api_key_invalid|authentication",
        "the API key was rejected",
        "check {variable} in the environment, and that its account may use {model}",
        (401, 403),
    ),
    _Rule(
        r"at most \d+ image|too many images", "too many images for {model}", "lower --vlm.max-keyframes", lasting=True
    ),
    _Rule(
        r"mmproj|not a multimodal|(image|vision|multimodal)\w*( input| content)?s?( is| are)? (not|un)"
        r"|not support (image|vision)|support image input",
        "{model} does not accept images",
        "choose another model, or leave the images out with --vlm.max-keyframes 0",
        lasting=True,
    ),
    _Rule(
        r"not support (tool|function)|tools? (is|are|use is) not|tool choice requires|tools param requires"
        r"|function calling is not|--jinja|enable-auto-tool-choice",
        "the server does not support tool calling",
        "ask with --vlm.no-tools, or start the server with tool calling",
        lasting=True,
    ),
    _Rule(
        r"temperature",
        "{model} does not support this temperature",
        "leave --vlm.temperature at 1, or choose another model",
    ),
    _Rule(
        r"max_(output_|completion_|new_)?tokens|maxoutputtokens|max_output_tokens",
        "{model} does not support this many output tokens",
        "change --vlm.max-output-tokens",
    ),
    _Rule(
        r"content_policy|content_filter|content management|moderation|invalid_prompt|flagged|usage polic|safety",
        "the content was refused",
        "rephrase the question, or leave the images out with --vlm.max-keyframes 0",
    ),
    _Rule(
        r"model_not_found|model\S* .*(not found|not exist|not supported for)|no such model|unknown model|is pinned to",
        "no model {model} for this key, or wrong URL",
        "check --vlm.model and --vlm.base-url",
        (404, 405),
    ),
)


def error_to_raise(endpoint: Endpoint, outcome: ErrorResponse | NoResponse, retries: int) -> FastSnowError:
    """Return the error to raise for a request that was not answered, after so many retries.

    It is a UserError where the user can mend it, else an EngineError.
    """
    if isinstance(outcome, NoResponse):
        return _of_no_response(endpoint, outcome, retries)
    return _of_error_response(endpoint, outcome, retries)


def _of_error_response(endpoint: Endpoint, error: ErrorResponse, retries: int) -> FastSnowError:
    message, marks = error_text(error.body)
    answered = f"{error.status}: {message}" if message else str(error.status)
    if 300 <= error.status < 400:
        location = error.headers.get("location", "nowhere")
        return UserError(f"{endpoint.name}: redirects to {location}: set that as --vlm.base-url")
    rule = _rule(error.status, " ".join((*marks, message)).lower())
    if rule is not None:
        meaning = rule.meaning.format(model=endpoint.config.model)
        advice = rule.advice.format(model=endpoint.config.model, variable=endpoint.key.variable)
        return UserError(f"{endpoint.name}: {meaning} ({answered}): {advice}")
    if not is_transient(error.status):
        return EngineError(f"{endpoint.name}: rejected the request ({answered}): check --vlm.api and --vlm.model")
    wait_s = retry_after_s(error) or 0.0
    advice = f"wait {wait_s:.0f} s" if wait_s > LONGEST_PAUSE_S else "try again later, or raise --vlm.max-retries"
    return EngineError(f"{endpoint.name}: could not serve the request{_times(retries)} ({answered}): {advice}")


def _rule(status: int, text: str) -> _Rule | None:
    """Return what fits; words count before the status, which says less."""
    rules = [each for each in _RULES if each.lasting or not is_transient(status)]
    by_words = (each for each in rules if re.search(each.pattern, text))
    by_status = (each for each in rules if status in each.statuses)
    return next(by_words, None) or next(by_status, None)


def _of_no_response(endpoint: Endpoint, outcome: NoResponse, retries: int) -> FastSnowError:
    reason = f" ({_shortened(outcome.reason)})" if outcome.reason else ""
    times = _times(retries)
    match outcome.failure:
        case ConnectionFailure.TIMED_OUT:
            waited = f"no response within {endpoint.config.timeout_s:g} s{times}"
            return EngineError(f"{endpoint.name}: {waited}: raise --vlm.timeout-s, or lower --vlm.prompt-budget")
        case ConnectionFailure.NOT_REACHED:
            advice = (
                "check the connection and the proxy settings"
                if endpoint.own
                else "start the server, or correct --vlm.base-url"
            )
            return EngineError(f"{endpoint.name}: cannot be reached{reason}: {advice}")
        case ConnectionFailure.BROKE_OFF:
            return EngineError(f"{endpoint.name}: connection lost{times}{reason}: check server and proxy")


def _times(retries: int) -> str:
    return f", {retries + 1} times" if retries else ""


def error_text(body: str) -> tuple[str, Sequence[str]]:
    """Return the message of an error's body, and the codes beside it, in any of the forms that servers use."""
    try:
        value = untrusted_json.loads(body)
    except InputError:
        return _shortened(re.sub(r"<[^>]*>", " ", body[:_LONGEST_PAGE])), ()
    if isinstance(value, list) and value:
        value = value[0]
    error = value.get("error", value) if isinstance(value, dict) else value
    if not isinstance(error, dict):
        return _shortened(str(error)), ()
    marks = [str(error[each]) for each in ("code", "type", "param", "status") if error.get(each)]
    reasons = [str(each["reason"]) for each in _objects(error.get("details")) if "reason" in each]  # Google's
    return _shortened(_message(error)), (*marks, *reasons)


def _message(error: dict[str, Any]) -> str:
    message = error.get("message") or error.get("detail") or ""
    if isinstance(message, str):
        return message
    # FastAPI says what is wrong with each field, and repeats the whole field.
    return "; ".join(f"{each.get('loc')}: {each['msg']}" for each in _objects(message) if "msg" in each) or str(message)


def _objects(value: Any) -> list[dict[str, Any]]:  # noqa: ANN401 (JSON of a server)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _shortened(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}…"
