"""A file server on 127.0.0.1 that speaks what the sources of weights speak, and can be made to misbehave."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "c" * 40


@dataclass
class File:
    """What a path answers, and how.

    Attributes:
        content: the whole body.
        headers: sent with every answer.
        status: instead of 200 or 206.
        redirect: answer 302 to this address instead.
        cuts: how many bytes each of the first answers sends before the connection is dropped.
        ranges: whether `Range` is understood.
        claimed: a Content-Length that is not true.
    """

    content: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 0
    redirect: str = ""
    cuts: list[int] = field(default_factory=list)
    ranges: bool = True
    claimed: int = 0


@dataclass(frozen=True)
class Asked:
    """One request that came."""

    method: str
    path: str
    headers: dict[str, str]


@dataclass
class Site:
    """Files by path, and the requests that came for them."""

    files: dict[str, File] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def other_host(self) -> str:
        """The same server under another name, as a delivery network would be."""
        return f"http://localhost:{self.port}"

    def downloads(self) -> list[str]:
        """Ranges of the bodies that were asked for, by path; an empty range is the whole."""
        return [f"{each.path} {each.headers.get('Range', '')}".strip() for each in self.asked if each.method == "GET"]

    def publish_release(self, repository: str, tag: str, name: str, content: bytes, **how: object) -> File:
        """Offer a file as GitHub does, with its digest in the release's description."""
        asset = {"name": name, "size": len(content), "digest": f"sha256:{hashlib.sha256(content).hexdigest()}"}
        self.files[f"/repos/{repository}/releases/tags/{tag}"] = File(json.dumps({"assets": [asset]}).encode())
        file = File(content, **how)
        self.files[f"/{repository}/releases/download/{tag}/{name}"] = file
        return file

    def publish_large(self, repository: str, name: str, content: bytes, **how: object) -> File:
        """Offer a large file as the Hugging Face hub does: its digest in a redirect to another host."""
        headers = {
            "X-Repo-Commit": COMMIT,
            "X-Linked-Etag": f'"{hashlib.sha256(content).hexdigest()}"',
            "X-Linked-Size": str(len(content)),
        }
        for revision in ("main", COMMIT):
            where = f"{self.other_host}/delivery/{name}"
            self.files[f"/{repository}/resolve/{revision}/{name}"] = File(headers=headers, redirect=where)
        self.files[f"/delivery/{name}"] = file = File(content, **how)
        return file

    def publish_small(self, repository: str, name: str, content: bytes) -> None:
        """Offer a small file as the Hugging Face hub does: straight, under Git's hash."""
        git = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        for revision in ("main", COMMIT):
            headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{git}"'}
            self.files[f"/{repository}/resolve/{revision}/{name}"] = File(content, headers)


@contextmanager
def serving() -> Iterator[Site]:
    """Serve a site that the caller fills, until the block ends."""
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            _answer(self, site)

        def do_GET(self) -> None:
            _answer(self, site)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """Say nothing of clients that go away, which is what some tests do."""

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    site.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _answer(request: BaseHTTPRequestHandler, site: Site) -> None:
    site.asked.append(Asked(request.command, request.path, dict(request.headers)))
    request.close_connection = True
    file = site.files.get(request.path, File(status=404))
    wanted = request.headers.get("Range", "").removeprefix("bytes=").removesuffix("-")
    start = int(wanted) if wanted and file.ranges and not file.status else 0
    status, headers, body = _outcome(file, start)
    request.send_response(status)
    for key, value in headers.items():
        request.send_header(key, value)
    request.send_header("Content-Length", str(file.claimed or len(body)))
    request.send_header("Connection", "close")
    request.end_headers()
    if request.command == "GET":
        request.wfile.write(body[: file.cuts.pop(0)] if file.cuts else body)


def _outcome(file: File, start: int) -> tuple[int, dict[str, str], bytes]:
    if file.redirect:
        return 302, {**file.headers, "Location": file.redirect}, b""
    if file.status:
        return file.status, file.headers, b""
    if start >= len(file.content) > 0 and start:
        return 416, file.headers, b""
    if start:
        where = f"bytes {start}-{len(file.content) - 1}/{len(file.content)}"
        return 206, {**file.headers, "Content-Range": where}, file.content[start:]
    return 200, file.headers, file.content
