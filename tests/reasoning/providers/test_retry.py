"""How long a server asks to wait."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from fast_snow.reasoning.providers.retry import ErrorResponse, retry_after_s


@pytest.mark.parametrize(
    ("headers", "body", "pause_s"),
    [
        ({}, "", None),
        ({"retry-after": "7"}, "", 7.0),
        ({"retry-after": "0"}, "", 0.0),
        ({"retry-after": "-3"}, "", 0.0),
        ({"retry-after": "0.25"}, "", 0.25),
        ({"retry-after-ms": "250", "retry-after": "7"}, "", 0.25),
        ({"retry-after": "nan"}, "", None),
        ({"retry-after": "soon"}, "", None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, "", 0.0),
        ({}, '{"error": {"details": [{"@type": "x"}, {"retryDelay": "17.5s"}]}}', 17.5),
        ({}, '{"error": {"details": [{"retryDelay": {}}]}}', None),
        ({}, '{"error": "x"}', None),
        ({}, "[" * 100_000, None),
    ],
)
def test_asked_pause(headers: dict[str, str], body: str, pause_s: float | None) -> None:
    assert retry_after_s(ErrorResponse(status=429, headers=headers, body=body)) == pause_s


def test_asked_pause_until_a_date() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    pause_s = retry_after_s(ErrorResponse(status=503, headers={"retry-after": later}, body=""))
    assert pause_s is not None
    assert 3000 < pause_s <= 3600


def test_infinite_wait_is_no_number_lost() -> None:
    assert retry_after_s(ErrorResponse(status=429, headers={"retry-after": "inf"}, body="")) == float("inf")
