"""Runs offered to assistants over HTTP (MCP's streamable transport): who may ask, and from where."""

import logging
import secrets
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import urlsplit

import uvicorn
from mcp.server.auth.middleware.bearer_auth import BearerAuthBackend
from mcp.server.auth.provider import AccessToken
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.middleware.authentication import AuthenticationMiddleware

from fast_snow.addresses import is_loopback
from fast_snow.errors import InputError
from fast_snow.reasoning.mcp_server import Runs, end_at_signals, server

TOKEN: Final = "FAST_SNOW_MCP_TOKEN"
"""The environment variable that holds the token."""
SHORTEST_TOKEN: Final = 16
LARGEST_REQUEST: Final = 1 << 20
MOST_CONNECTIONS: Final = 1_000
IDLE_S: Final = 75
"""How long an unused connection is kept: longer than clients do, or one may be closed as they write to it."""
LAST_ANSWERS_S: Final = 2
"""How long requests may take that are being answered when the server is ended."""
_LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpEndpoint:
    """Where a server listens, and whom it answers.

    Attributes:
        host: the address it listens at.
        port: 0 takes a free one.
        token: what clients must bear; empty where none is asked for.
        names: further host names by which clients reach it.
    """

    host: str
    port: int
    token: str = field(default="", repr=False)
    names: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        """What clients are given."""
        return f"http://{_bracketed(self.host)}:{self.port}/mcp"


def endpoint(address: str, names: Sequence[str], environ: Mapping[str, str]) -> HttpEndpoint:
    """Read where to listen.

    Args:
        address: HOST:PORT.
        names: further host names by which clients reach it.
        environ: holds the token.

    Raises:
        InputError: that is no address, or it is not loopback and there is no sound token.
    """
    try:
        parts = urlsplit(f"//{address}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if host is None or port is None or parts.netloc != address or "@" in address:
        raise InputError(f"mcp: --http: got {address[:80]!r}, expected HOST:PORT like 127.0.0.1:8765 or [::1]:8765")
    token = environ.get(TOKEN, "")
    if not token and not is_loopback(f"//{address}"):
        raise InputError(
            f"mcp: --http: got {host}, which others can reach, expected a token in the environment: set {TOKEN} (to"
            " what `openssl rand -hex 32` prints, say) or serve at 127.0.0.1"
        )
    if token and not (len(token) >= SHORTEST_TOKEN and token.isascii() and token.isprintable() and " " not in token):
        raise InputError(f"mcp: {TOKEN}: expected {SHORTEST_TOKEN} ASCII characters or more, without spaces")
    return HttpEndpoint(host=host, port=port, token=token, names=tuple(each.lower() for each in names))


def serve_http(runs: Runs, at: HttpEndpoint) -> None:
    """Serve runs over HTTP until SIGINT or SIGTERM ends the process; print where, once connections are taken.

    Raises:
        InputError: it cannot listen there.
    """
    end_at_signals()
    logging.getLogger("mcp").setLevel(logging.ERROR)  # its warnings repeat to the terminal what strangers send
    with listening(at) as taken:
        at = replace(at, port=taken.getsockname()[1])
        print(f"serving {', '.join(runs)} at {at.url} (Ctrl-C ends)", flush=True)
        http_server(runs, at).run(sockets=[taken])


def listening(at: HttpEndpoint) -> socket.socket:
    """Return a socket that listens.

    Raises:
        InputError: the port is in use, or the address is not this machine's.
    """
    try:
        family = socket.getaddrinfo(at.host, at.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return socket.create_server((at.host, at.port), family=family, backlog=MOST_CONNECTIONS)
    except (OSError, OverflowError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"mcp: --http: {at.host}:{at.port}: {reason}, expected a free port of this machine") from None


def http_server(runs: Runs, at: HttpEndpoint) -> uvicorn.Server:
    """Return a server for a socket that listens at an endpoint, whose port is the socket's."""
    return uvicorn.Server(
        uvicorn.Config(
            _application(runs, at),
            log_config=None,
            log_level="critical",  # else of every stream that is cut off at the end
            access_log=False,
            proxy_headers=False,
            server_header=False,
            ws="none",
            limit_concurrency=MOST_CONNECTIONS,
            timeout_keep_alive=IDLE_S,
            timeout_graceful_shutdown=LAST_ANSWERS_S,
        )
    )


def _application(runs: Runs, at: HttpEndpoint) -> Starlette:
    """Answer at /mcp, each request by itself: there are no sessions to keep, run out of or steal."""
    verifier = _Verifier(at.token) if at.token else None
    application: Starlette = server(runs).streamable_http_app(
        json_response=True,
        stateless_http=True,
        max_request_body_size=LARGEST_REQUEST,
        transport_security=_own_names(at),
        token_verifier=verifier,
    )
    if verifier is not None:
        application.add_middleware(AuthenticationMiddleware, backend=BearerAuthBackend(verifier))
    return application


@dataclass(frozen=True, slots=True)
class _Verifier:
    """Knows one token; comparing takes the same time wherever another one differs."""

    token: str = field(repr=False)

    async def verify_token(self, token: str) -> Any:  # noqa: ANN401 (mcp's AccessToken or None)
        if secrets.compare_digest(token.encode(), self.token.encode()):
            return AccessToken(token=token, client_id="fast-snow", scopes=[])
        return None


def _own_names(at: HttpEndpoint) -> TransportSecuritySettings:
    """Allow only the names of this server, against web pages that rebind a name of their own to its address."""
    own = {*_LOOPBACK, _bracketed(at.host), *at.names}
    if not is_loopback(at.url):
        own.add(socket.gethostname().lower())
    return TransportSecuritySettings(
        allowed_hosts=[shape for name in sorted(own) for shape in (name, f"{name}:*")],
        allowed_origins=[
            f"{scheme}://{name}{port}"
            for scheme in ("http", "https")
            for name in sorted(own)
            for port in ("", f":{at.port}")
        ],
    )


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
