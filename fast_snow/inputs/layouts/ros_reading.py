"""Bags as rosbags reads them: opened with one clear error, messages in order or by frame."""

import threading
import weakref
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Int64

from fast_snow.errors import InputError, first_line
from fast_snow.untrusted_files import open_file, shown

METADATA: Final = "metadata.yaml"
"""Of a folder that is a ROS 2 bag."""
Bag = Any
"""`rosbags.highlevel.AnyReader`, open."""
Message = Any
"""What rosbags generates of a message definition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A topic of a recording: its name, type and number of messages."""

    name: str
    kind: str
    count: int


def topics(path: Path) -> tuple[Topic, ...]:
    """List the topics of a recording by name.

    Raises:
        InputError: it cannot be read, or rosbags is not installed.
    """
    with opened(path) as bag:
        return tuple(
            Topic(name=name, kind=info.msgtype or "several types", count=info.msgcount)
            for name, info in sorted(bag.topics.items())
        )


@contextmanager
def opened(path: Path) -> Iterator[Bag]:
    """Open a bag for the while of a block; whatever rosbags raises in it is the file's fault."""
    reader = open_bag(path)
    try:
        yield reader
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001 (rosbags lets those of its parts through)
        raise _damaged(path, error) from None
    finally:
        reader.close()


def open_bag(path: Path) -> Bag:
    """Open a bag; the caller closes it; raises InputError where it cannot be read, or rosbags is not installed."""
    try:
        from rosbags.highlevel import AnyReader
        from rosbags.typesys import Stores, get_typestore
    except ImportError:
        raise InputError(
            f'{shown(path)}: ROS bags and MCAP files need rosbags: uv pip install -e ".[robots]"'
        ) from None
    for file in [path / METADATA, *path.iterdir()] if path.is_dir() else [path]:
        open_file(file, within=path if path.is_dir() else None).close()
    try:
        reader = AnyReader([path], default_typestore=get_typestore(Stores.LATEST))
        reader.open()
    except Exception as error:  # noqa: BLE001 (rosbags lets those of its parts through)
        raise _damaged(path, error) from None
    return reader


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(
        f"{shown(path)}: cannot be read as a ROS bag or MCAP file ({first_line(error)}); expected one: copy it again"
    )


class MessageReader:
    """Reads messages of one topic, mostly in order, from a file of its own that is closed with it."""

    def __init__(self, path: Path, topic: str, recorded: Int64[np.ndarray, " n"]) -> None:
        self._path, self._topic, self._recorded = path, topic, recorded
        self._lock = threading.Lock()
        self._bag = open_bag(path)
        self._ahead: Generator[Any, None, None] = _nothing()
        self._latest = int(np.iinfo(np.int64).max)
        self._running = [self._ahead]
        weakref.finalize(self, _close, self._running, self._bag)

    def message(self, index: int) -> Message:
        """Return the message of a frame."""
        wanted = int(self._recorded[index])
        with self._lock:
            if wanted <= self._latest:
                self._ahead.close()
                self._ahead = self._running[0] = self._bag.messages(connections(self._bag, self._topic), start=wanted)
            try:
                for connection, recorded, data in self._ahead:
                    self._latest = recorded
                    if recorded == wanted:
                        return self._bag.deserialize(data, connection.msgtype)
            except Exception as error:  # noqa: BLE001 (rosbags lets those of its parts through)
                raise _damaged(self._path, error) from None
        raise InputError(
            f"{shown(self._path)}: changed while it was read; expected it to stay: record into another file"
        )


def _nothing() -> Generator[Any, None, None]:
    yield from ()


def _close(running: list[Generator[Any, None, None]], bag: Bag) -> None:
    """Close a bag; SQLite refuses while messages are still being read."""
    running[0].close()
    bag.close()


def connections(bag: Bag, topic: str) -> list[Any]:
    """Return the connections of a topic."""
    return [each for each in bag.connections if each.topic == topic]


def messages(bag: Bag, topic: str) -> Iterator[tuple[int, Message]]:
    """Yield the messages of a topic in order, each with the time in nanoseconds when it was recorded."""
    for connection, recorded, data in bag.messages(connections(bag, topic)):
        yield recorded, bag.deserialize(data, connection.msgtype)


def topics_of(bag: Bag, *kinds: str) -> list[str]:
    """Return the topics of some types that hold messages, by name."""
    return sorted({each.topic for each in bag.connections if each.msgtype in kinds and each.msgcount})
