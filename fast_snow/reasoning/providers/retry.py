"""When a request is sent again, and after which pause.

A client that gives up, or finds its connection reset, cannot know whether the server answered. Such a request is sent
again all the same: it only asks and changes nothing, so the worst is that an answer is paid for twice.

The SDKs' own retries are off (tests/reasoning/providers/test_retry.py shows why): openai also repeats what the user
must mend, such as an empty account; google-genai heeds neither Retry-After nor RetryInfo and does not count.
`Usage.retries` counts every further request.
"""

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum, auto

from fast_snow import untrusted_json
from fast_snow.errors import InputError

LONGEST_PAUSE_S = 120.0
"""Who is told to wait longer is told so instead."""
_FIRST_PAUSE_S, _LONGEST_BACKOFF_S = 1.0, 30.0


class ConnectionFailure(Enum):
    """How a request remained without an answer."""

    TIMED_OUT = auto()
    NOT_REACHED = auto()
    BROKE_OFF = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorResponse:
    """An error that the server answered; headers are by lower-case name."""

    status: int
    headers: Mapping[str, str]
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoResponse:
    """A request that was not answered, and what the connection said."""

    failure: ConnectionFailure
    reason: str = ""


Attempt = str | ErrorResponse | NoResponse
"""What one sending came to: the text of the answer, or why there is none."""


def is_transient(status: int) -> bool:
    """Tell whether a status of HTTP means that the same request may be served later."""
    return status in (408, 409, 429) or status >= 500


def pause_before_retry_s(outcome: ErrorResponse | NoResponse, retries: int) -> float | None:
    """Return how long to wait before the request is sent again; None where that is no use."""
    if isinstance(outcome, NoResponse):
        return None if outcome.failure is ConnectionFailure.NOT_REACHED else _backoff_s(retries)
    if not is_transient(outcome.status):
        return None
    asked_s = retry_after_s(outcome)
    if asked_s is None:
        return _backoff_s(retries)
    return asked_s if asked_s <= LONGEST_PAUSE_S else None


def _backoff_s(retries: int) -> float:
    """Return a pause that grows, of a random length that keeps clients from coming back all at once."""
    return min(_FIRST_PAUSE_S * 2 ** min(retries, 10), _LONGEST_BACKOFF_S) * (0.5 + 0.5 * random.random())


def retry_after_s(error: ErrorResponse) -> float | None:
    """Return how long the server asks to wait: by its headers, or as Google does in the error's details."""
    headers = error.headers
    pauses_s = (
        _seconds(headers.get("retry-after-ms"), 1e-3),
        _seconds(headers.get("retry-after")),
        _seconds_until(headers.get("retry-after")),
        _seconds(_retry_info(error.body).removesuffix("s")),
    )
    return next((each for each in pauses_s if each is not None), None)


def _seconds(text: str | None, unit_s: float = 1.0) -> float | None:
    try:
        seconds = float(text or "") * unit_s
    except ValueError:
        return None
    return max(seconds, 0.0) if not math.isnan(seconds) else None


def _seconds_until(date: str | None) -> float | None:
    try:
        moment = parsedate_to_datetime(date or "")
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max((aware - datetime.now(UTC)).total_seconds(), 0.0)


def _retry_info(body: str) -> str:
    try:
        details = untrusted_json.loads(body)["error"]["details"]
        return next(str(each["retryDelay"]) for each in details if "retryDelay" in each)
    except (InputError, KeyError, TypeError, StopIteration):
        return ""
