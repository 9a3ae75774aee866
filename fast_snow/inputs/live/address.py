"""The addresses of live inputs, and what FFmpeg may do to open each; credentials are never shown."""

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol, runtime_checkable
from urllib.parse import urlsplit

from fast_snow.config import LiveConfig
from fast_snow.errors import InputError
from fast_snow.limits import PATH_LENGTH

PIPE: Final = "-"
_CAMERA: Final = re.compile(r"camera:(\d{1,3})|/dev/video(\d{1,3})")
_SCHEME: Final = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_EXPECTED: Final = "rtsp://HOST/PATH, tcp://HOST:PORT or udp://HOST:PORT (MPEG-TS), /dev/videoN, camera:N or - (a pipe)"


@runtime_checkable
class Readable(Protocol):
    """An open binary file, of which a pipe needs no more."""

    def read(self, size: int, /) -> bytes | None:
        """Return at most so many bytes; none at the end."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveAddress:
    """What is read live.

    Attributes:
        name: what messages, files and pages call it: without user, password, path and query.
        folder: the name of its run folder.
        target: what FFmpeg opens, credentials included; `-` is standard input.
        format: the format it must have; None lets FFmpeg find out.
        protocols: what FFmpeg may speak, also where what it reads names other addresses.
        pipe: what is read instead of standard input, if it is a pipe.
    """

    name: str
    folder: str
    target: str = field(repr=False)
    format: str | None
    protocols: str
    pipe: Readable | None = None

    @property
    def is_pipe(self) -> bool:
        """Whether it comes only once and cannot be opened again."""
        return self.target == PIPE

    def options(self, config: LiveConfig) -> Mapping[str, str]:
        """Return FFmpeg's options for opening it."""
        given = {"protocol_whitelist": self.protocols}
        if self.format == "rtsp":
            microseconds = str(int(config.timeout_s * 1e6))
            given |= {"rtsp_transport": config.transport, "timeout": microseconds}
        return given


def live_address(text: str) -> LiveAddress | None:
    """Read the address of a live input.

    Returns:
        The address; None where the text is a path.

    Raises:
        InputError: it is a URL that cannot be read live; the message does not repeat it, as it may hold a password.

    Examples:
        >>> from fast_snow.inputs.live.address import live_address
        >>> live_address("rtsp://admin:secret@camera.local/h264?token=1").name
        'rtsp://camera.local/…'
        >>> live_address("video.mp4") is None
        True
    """
    if text == PIPE:
        return piped(None)
    if match := _CAMERA.fullmatch(text):
        number = int(match[1] or match[2])
        target, kind = (str(number), "avfoundation") if sys.platform == "darwin" else (f"/dev/video{number}", "v4l2")
        return LiveAddress(name=f"camera:{number}", folder=f"camera-{number}", target=target, format=kind, protocols="")
    match = _SCHEME.match(text)
    return None if match is None else _stream(match[1].lower(), text)


def piped(pipe: Readable | None) -> LiveAddress:
    """Return the address of an open pipe; None is standard input."""
    name = "standard input" if pipe is None else "pipe"
    return LiveAddress(name=name, folder="pipe", target=PIPE, format=None, protocols="", pipe=pipe)


def _stream(scheme: str, text: str) -> LiveAddress:
    try:
        url = urlsplit(text)
        host, port = url.hostname or "", url.port
    except ValueError:
        host, port = "", None
    formats = {"rtsp": ("rtsp", "rtsp,rtp,tcp,udp"), "tcp": ("mpegts", "tcp"), "udp": ("mpegts", "udp")}
    plain = text.isprintable() and " " not in text and len(text) <= PATH_LENGTH.largest
    if scheme not in formats or not plain or not host or (scheme != "rtsp" and port is None):
        raise InputError(f"input: got a URL of scheme {scheme!r}, expected {_EXPECTED}, or the path of a file")
    name, protocols = formats[scheme]
    at = f"[{host}]" if ":" in host else host
    shown = f"{scheme}://{at}{f':{port}' if port else ''}{'/…' if url.path.strip('/') or url.query else ''}"
    folder = re.sub(r"[^a-z0-9.-]", "-", host).strip(".-") or scheme
    return LiveAddress(name=shown, folder=folder, target=text, format=name, protocols=protocols)
