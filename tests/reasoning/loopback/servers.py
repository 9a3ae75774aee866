"""Loopback servers that speak the providers' protocols: Responses, chat completions, Google's generateContent.

    from tests.reasoning.loopback.servers import KEY, Call, Deny, Say, serving

    with serving("chat", [Say(calls=(Call(name="distance", arguments={"a": 1, "b": 2}),)), Say(text="left")]) as server:
        config = server.config(max_retries=0)          # a VlmConfig that points to the server
        main(["ask", str(out), "Which way?", *server.options])      # the same for the command line
    assert len(server.asked) == 2

A server runs in a thread on 127.0.0.1. It takes one behaviour of its script per request, in order; a behaviour may be a
function of the request (`lambda asked: Say(text="B" if "left" in asked.text else "A")`), and `itertools.repeat(…)` is a
script without end. `server.asked` holds every request that came, read: instructions, text, decoded pictures, offered
tools, outcomes of tools.

Each request is checked as the provider would: the schema of the provider's own client made strict, the key (`KEY`,
which belongs into the environment variable `server.variable`), the model's name, images decoded, strict tools, each
tool call answered exactly once, signed thoughts carried back. What fails is answered as the provider would, with 400,
401 or 404; when the block ends, violations of the protocol and requests beyond the script raise AssertionError. Answers
come whole: no client here streams, and a request to stream is a violation.
"""

import json
import socket
import struct
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import ModuleType
from typing import Any, Literal

from fast_snow.config import VlmConfig
from tests.reasoning.loopback import chat_protocol, google_protocol, responses_protocol
from tests.reasoning.loopback.script import (
    Asked,
    Behaviour,
    Call,
    CutShort,
    Deed,
    Deny,
    Dribble,
    Hang,
    Raw,
    Reset,
    Say,
    ViolationError,
)

__all__ = [
    "KEY",
    "MODEL",
    "Asked",
    "Behaviour",
    "Call",
    "CutShort",
    "Deny",
    "Dribble",
    "Hang",
    "Loopback",
    "Protocol",
    "Raw",
    "Reset",
    "Say",
    "serving",
]

Protocol = Literal["responses", "chat", "google"]
KEY = "sk-loopback-0123456789abcdef"
"""The key that clients must send; it is nobody's."""
MODEL = "loopback-vision"
"""The only model there is."""
_SPEAKERS: dict[Protocol, ModuleType] = {
    "responses": responses_protocol,
    "chat": chat_protocol,
    "google": google_protocol,
}
_PATHS: dict[Protocol, str] = {
    "responses": "/v1/responses",
    "chat": "/v1/chat/completions",
    "google": f"/v1beta/models/{MODEL}:generateContent",
}


@dataclass
class Loopback:
    """A server that runs.

    Attributes:
        protocol: which it speaks.
        script: what it does with the requests to come.
        asked: the requests that came, whether they were answered or not.
        problems: what a real provider would not have taken.
        needs_key: whether requests without the key are refused.
    """

    protocol: Protocol
    script: Iterator[Behaviour]
    asked: list[Asked] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    needs_key: bool = True
    port: int = 0
    ended: threading.Event = field(default_factory=threading.Event)
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        """What `vlm.base_url` must be."""
        return f"http://127.0.0.1:{self.port}{'' if self.protocol == 'google' else '/v1'}"

    @property
    def variable(self) -> str:
        """The environment variable in which the key is looked for."""
        return "GEMINI_API_KEY" if self.protocol == "google" else "OPENAI_API_KEY"

    @property
    def environ(self) -> dict[str, str]:
        """The environment in which the key is set."""
        return {self.variable: KEY}

    def config(self, **changes: Any) -> VlmConfig:
        """Return settings that lead to this server."""
        provider = "google" if self.protocol == "google" else "openai"
        api = "auto" if self.protocol == "google" else self.protocol
        config = VlmConfig(provider=provider, api=api, base_url=self.url, model=MODEL)
        return replace(config, **changes)

    @property
    def options(self) -> list[str]:
        """Return the same settings as options of the command line."""
        config = self.config()
        chosen = ["--vlm.provider", config.provider, "--vlm.api", config.api, "--vlm.model", config.model]
        return [*chosen, "--vlm.base-url", self.url]

    def hear(self, path: str, headers: dict[str, str], content: bytes) -> Deed:
        """Record a request and say what is done with it."""
        with self._one_at_a_time:
            body = json.loads(content)
            asked = Asked(path=path, headers=headers, body=body)
            try:
                heard = _SPEAKERS[self.protocol].hear(body)
            except ViolationError as violation:
                self.asked.append(asked)
                self.problems.append(str(violation))
                return Deny(status=400, message=str(violation))
            asked = replace(
                asked,
                instructions=heard.instructions,
                text="\n".join(heard.texts),
                pictures=tuple(heard.pictures),
                tools=tuple(heard.tools),
                outcomes=heard.outcomes,
            )
            self.asked.append(asked)
            return self._refusal(asked) or self._next(asked)

    def _refusal(self, asked: Asked) -> Deny | None:
        if self.needs_key and self._key(asked) != KEY:
            return Deny(status=401, message="Incorrect API key provided.", code="")
        if asked.path != _PATHS[self.protocol] or asked.body.get("model", MODEL) != MODEL:
            return Deny(status=404, message="The model does not exist or you do not have access to it.")
        return None

    def _key(self, asked: Asked) -> str:
        if self.protocol == "google":
            return asked.headers.get("x-goog-api-key", "")
        return asked.headers.get("authorization", "").removeprefix("Bearer ")

    def _next(self, asked: Asked) -> Deed:
        behaviour = next(self.script, None)
        if behaviour is None:
            self.problems.append(f"request {len(self.asked)} came after the script's end")
            return Deny(status=400, message="the script is at its end")
        return behaviour(asked) if callable(behaviour) else behaviour


@contextmanager
def serving(protocol: Protocol, script: Iterable[Behaviour], *, needs_key: bool = True) -> Iterator[Loopback]:
    """Serve a script until the block ends.

    Args:
        protocol: which the server speaks.
        script: what it does with the requests, one after the other.
        needs_key: whether requests without the key are refused, as local servers do not.

    Raises:
        AssertionError: a request broke the protocol, or came after the script's end; behaviours that are left over do
            not raise: `server.asked` tells.
    """
    loopback = Loopback(protocol, iter(script), needs_key=needs_key)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            try:
                _do(self, loopback, loopback.hear(self.path, headers, content), json.loads(content))
            except OSError:  # the client went away, as some tests have it
                raise
            except Exception as error:
                loopback.problems.append(f"the loopback server itself failed: {error!r}")
                raise

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """Say nothing of clients that go away, which is what some tests do."""

    server = Server(("127.0.0.1", 0), Handler)
    loopback.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield loopback
    except BaseException as error:
        for problem in loopback.problems:
            error.add_note(f"the loopback server complained: {problem}")
        raise
    finally:
        loopback.ended.set()
        server.shutdown()
        thread.join()
        server.server_close()
    assert not loopback.problems, "\n".join(loopback.problems)


def _do(request: BaseHTTPRequestHandler, loopback: Loopback, deed: Deed, body: dict[str, Any]) -> None:
    request.close_connection = True
    speaker = _SPEAKERS[loopback.protocol]
    match deed:
        case Say():
            _send(request, 200, {}, json.dumps(speaker.say(deed, body)).encode())
        case Deny():
            denial = (google_protocol if loopback.protocol == "google" else responses_protocol).deny(deed)
            _send(request, deed.status, deed.headers, json.dumps(denial).encode())
        case Raw():
            _send(request, deed.status, deed.headers, deed.body)
        case _:
            _misbehave(request, loopback, deed)


def _misbehave(request: BaseHTTPRequestHandler, loopback: Loopback, deed: Deed) -> None:
    match deed:
        case Hang():
            loopback.ended.wait()
        case Dribble():
            _send(request, 200, {"Transfer-Encoding": "chunked"}, b"")
            with suppress(OSError):
                while not loopback.ended.is_set():
                    request.wfile.write(b"1\r\n \r\n")
        case Reset():
            request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            request.connection.close()
        case CutShort():
            _send(request, 200, {"Content-Length": "1000"}, b'{"output": [')


def _send(request: BaseHTTPRequestHandler, status: int, headers: Any, body: bytes) -> None:
    request.send_response(status)
    if not {"Transfer-Encoding", "Content-Length"} & set(headers):
        request.send_header("Content-Length", str(len(body)))
    for name, value in {"Content-Type": "application/json", "Connection": "close", **headers}.items():
        request.send_header(name, value)
    request.end_headers()
    request.wfile.write(body)
