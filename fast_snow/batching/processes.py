"""Processes of this machine that serve a pipe; imports nothing heavy, so that a child can first set itself up."""

import multiprocessing
import os
import pickle
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, Final

from fast_snow.errors import FastSnowError

if TYPE_CHECKING:
    from fast_snow.batching.messages import Reply, Request

_SPAWN = multiprocessing.get_context("spawn")
START_S: Final = 5.0
"""So long is waited for a worker to start before the next look."""


class LostError(FastSnowError):
    """A process or an actor died, or took longer than it may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How a child is set up before it imports anything heavy.

    Attributes:
        serves: the module whose `serve(connection, options)` it runs.
        options: of `serve`.
        log: where what it prints is appended.
        threads: of BLAS and OpenMP.
        memory_bytes: the most that it may allocate; None for no limit.
        environment: variables, such as which GPUs it sees.
    """

    serves: str
    options: Any
    log: Path
    threads: int
    memory_bytes: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


def send(connection: Connection, message: object) -> None:
    """Send a message; its arrays follow it one by one, without a copy."""
    arrays: list[pickle.PickleBuffer] = []
    tree = pickle.dumps(message, protocol=5, buffer_callback=arrays.append)
    connection.send_bytes(len(arrays).to_bytes(4, "big") + tree)
    for each in arrays:
        connection.send_bytes(each.raw())


def receive(connection: Connection) -> Any:  # noqa: ANN401 (any message)
    """Return the next message that our own process at the other end sent."""
    head = connection.recv_bytes()
    arrays = [connection.recv_bytes() for _ in range(int.from_bytes(head[:4], "big"))]
    return pickle.loads(memoryview(head)[4:], buffers=arrays)


class Child:
    """A process that answers messages until it is killed or its parent goes."""

    def __init__(self, setting: Setting) -> None:
        self._connection, theirs = _SPAWN.Pipe()
        self._sending = Lock()
        self._process = _SPAWN.Process(target=_begin, args=(theirs, setting), daemon=True)
        self._process.start()
        theirs.close()

    @property
    def pid(self) -> int | None:
        """Of the process."""
        return self._process.pid

    def send(self, message: object) -> None:
        """Send a message.

        Raises:
            LostError: the process died.
        """
        try:
            with self._sending:
                send(self._connection, message)
        except (OSError, ValueError):
            raise LostError(self._death()) from None

    def receive(self, limit_s: float) -> Any:  # noqa: ANN401 (any message)
        """Return the next message; None where none comes in time.

        Raises:
            LostError: the process died.
        """
        try:
            return receive(self._connection) if self._connection.poll(limit_s) else None
        except (OSError, EOFError):
            raise LostError(self._death()) from None

    def kill(self) -> None:
        """End the process at once; what it stores is whole or absent at any moment."""
        self._process.kill()
        self._process.join()

    def _death(self) -> str:
        self._process.join(timeout=10)
        code = self._process.exitcode
        if code is not None and code < 0:
            with suppress(ValueError):
                return f"was killed by {signal.Signals(-code).name}" + " (out of memory?)" * (code == -signal.SIGKILL)
        return f"ended with exit code {code}"


class ProcessWorker:
    """A worker in a process of its own."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._child: Child | None = None
        self._up = False

    def ready(self) -> bool:
        """Start the process where it does not run; return whether it does.

        Raises:
            LostError: it could not be started.
        """
        if self._child is None:
            self._child, self._up = Child(self._setting), False
        self._up = self._up or self._child.receive(START_S) is not None
        return self._up

    def call(self, request: "Request", limit_s: float) -> "Reply":
        """Return the reply.

        Raises:
            LostError: the process died, or took longer than the limit.
        """
        child = self._child
        if child is None:
            raise LostError("was ended")
        child.send(request)
        reply: Reply | None = child.receive(limit_s)
        if reply is None:
            raise LostError(f"took longer than {limit_s:g} s")
        return reply

    def close(self) -> None:
        """End the process."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()


def _begin(connection: Connection, setting: Setting) -> None:
    """Set the process up and serve."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C means
    Thread(target=_follow_parent, daemon=True).start()
    redirect(setting.log)
    os.environ.update({"OMP_NUM_THREADS": str(setting.threads), **setting.environment})
    if setting.memory_bytes is not None and sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (setting.memory_bytes, setting.memory_bytes))
    served = import_module(setting.serves)
    limit_threads(setting.threads)
    with suppress(EOFError, BrokenPipeError):
        served.serve(connection, setting.options)


def limit_threads(count: int) -> None:
    """Set how many threads OpenCV, BLAS and OpenMP may use in this process."""
    import cv2
    from threadpoolctl import threadpool_limits

    cv2.setNumThreads(count)
    threadpool_limits(count)


def block_interrupts() -> None:
    """Leave Ctrl-C to the main thread; children that this thread starts are spared it from their first moment."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))


def redirect(log: Path) -> None:
    """Append to a file what this process prints from now on, libraries in C included."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for number in (1, 2):
        os.dup2(descriptor, number)
    os.close(descriptor)


def _follow_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
