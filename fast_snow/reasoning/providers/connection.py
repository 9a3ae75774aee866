"""The connection under both providers' clients."""

import time
from collections.abc import Callable, Iterator

import httpx2

from fast_snow.errors import ConfigError
from fast_snow.limits import REPLY
from fast_snow.reasoning.providers.retry import ConnectionFailure, NoResponse


class _Bounded(httpx2.SyncByteStream):
    """An answer's body that must be complete at a given time, and bounded."""

    def __init__(self, stream: httpx2.SyncByteStream, deadline_s: float, request: httpx2.Request) -> None:
        self._stream, self._deadline_s, self._request = stream, deadline_s, request

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        for chunk in self._stream:
            if time.monotonic() > self._deadline_s:
                raise httpx2.ReadTimeout("the answer did not end in time", request=self._request)
            size += len(chunk)
            if size > REPLY.largest:
                raise httpx2.ReadError(f"the answer has more than {REPLY.largest} bytes", request=self._request)
            yield chunk

    def close(self) -> None:
        self._stream.close()


def http_client(timeout_s: float) -> httpx2.Client:
    """Return a connection that waits for an answer's last byte so long, and follows nobody elsewhere with a key.

    A plain timeout only bounds the silence between two pieces of an answer, and some servers send blanks to keep a
    connection open.

    Raises:
        ConfigError: the environment's proxy or certificates cannot be used.
    """

    def begin(request: httpx2.Request) -> None:
        request.extensions["deadline_s"] = time.monotonic() + timeout_s
        request.headers["accept-encoding"] = "identity"

    def bound(response: httpx2.Response) -> None:
        if response.headers.get("content-encoding", "identity") != "identity":  # unpacked, it could have any size
            raise httpx2.DecodingError("the answer is compressed, which was not asked for", request=response.request)
        if isinstance(response.stream, httpx2.SyncByteStream):
            response.stream = _Bounded(response.stream, response.request.extensions["deadline_s"], response.request)

    hooks: dict[str, list[Callable[..., None]]] = {"request": [begin], "response": [bound]}
    try:
        return httpx2.Client(timeout=timeout_s, follow_redirects=False, event_hooks=hooks)
    except (ValueError, ImportError, OSError) as error:
        kind = type(error).__name__  # the message may hold the password of a proxy
    raise ConfigError(
        f"the connection's settings in the environment cannot be used ({kind}): expected proxies like"
        " http://host:port in HTTP_PROXY, HTTPS_PROXY and ALL_PROXY, and a file in SSL_CERT_FILE"
    )


def no_response(error: BaseException) -> NoResponse:
    """Return why a request got no response."""
    causes = []
    cause: BaseException | None = error
    while cause is not None:
        causes.append(cause)
        cause = cause.__cause__ or cause.__context__
    if any(isinstance(each, httpx2.TimeoutException) for each in causes):
        return NoResponse(failure=ConnectionFailure.TIMED_OUT)
    # The client's own errors say little; the deepest one is the system's.
    reason = next((str(each) for each in reversed(causes) if str(each)), type(error).__name__)
    refused = any(isinstance(each, ConnectionRefusedError) for each in causes)
    return NoResponse(failure=ConnectionFailure.NOT_REACHED if refused else ConnectionFailure.BROKE_OFF, reason=reason)
