"""The answers about a run: a file that only grows, one JSON object per line."""

import json
import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from fast_snow.untrusted_files import shown

ANSWERS: Final = "answers.jsonl"


def keep(folder: Path, record: Mapping[str, Any]) -> Path | None:
    """Add a record to the answers and return their path; None, and a line on standard error, where that cannot be.

    Args:
        folder: of the run; it may be a stranger's, so no link is followed and nothing but a regular file is written.
        record: one answer.
    """
    path = folder / ANSWERS
    try:
        _append(path, f"{json.dumps(record)}\n".encode())
    except OSError as error:
        reason = "a link, expected a regular file" if path.is_symlink() else error.strerror
        print(f"fast-snow: {shown(path)}: the answer is not kept ({reason})", file=sys.stderr)
        return None
    return path


def _append(path: Path, line: bytes) -> None:
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0), 0o666)
    with os.fdopen(descriptor, "rb+", buffering=0) as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, "no regular file")
        if status.st_size > 0:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":  # someone wrote to it, or a disk was full
                line = b"\n" + line
        if file.write(line) != len(line):
            raise OSError(0, "no space left")
