"""The files of a run: what they are called, and which of them a run owns.

A run owns the files that its record names by path and digest, while their content is still the recorded one. Nothing
is owned by its name alone: a file that someone changed is theirs.
"""

import errno
import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final

from fast_snow import limits, untrusted_json
from fast_snow.errors import InputError, OutputError
from fast_snow.untrusted_files import shown

GRAPH: Final = "4dsg.json"
RECORD: Final = "run.json"
KEYFRAMES: Final = "keyframes"
MASKS: Final = "masks"
PERCEPTION: Final = "perception"
HIDDEN: Final = ".fast-snow"

NUMBERED: Final = re.compile(r"[0-9].*\.(jpg|png|npz)")
"""What keyframes, their depth, masks and perception files are called within their folders."""
_PLAIN: Final = re.compile(r"[^/\\:\x00]+(/[^/\\:\x00]+)*")
SEAL: Final = "record_sha256"
"""The record's digest of itself, without this entry."""
_AWAY: Final = "move it away or choose another folder with -o"


def inside(folder: Path, name: str) -> Path:
    """Return the path of a file in a folder; the name may come from a stranger.

    Raises:
        OutputError: the name leads elsewhere, or a folder on the way is a link.
    """
    parts = PurePosixPath(name).parts
    if not _PLAIN.fullmatch(name) or "/".join(parts) != name or ".." in parts or parts[0] == HIDDEN:
        raise OutputError(f"{shown(folder)}: records a file {name[:80]!r}, expected a plain path inside the folder")
    for depth in range(1, len(parts)):
        if folder.joinpath(*parts[:depth]).is_symlink():
            raise OutputError(
                f"{shown(folder.joinpath(*parts[:depth]))}: is a link, expected a folder; replace it or choose another"
                " folder with -o"
            )
    return folder.joinpath(*parts)


def exists(path: Path) -> bool:
    """Return whether anything has this name, a dangling link included."""
    return os.path.lexists(path)


def read_record(folder: Path) -> dict[str, Any]:
    """Read the record of a run.

    Args:
        folder: of the run.

    Returns:
        The content of `run.json`.

    Raises:
        InputError: it is missing or damaged.
    """
    path = folder / RECORD
    record = untrusted_json.load(path, limit=limits.RUN_RECORD_FILE, within=folder)
    if not isinstance(record, dict):
        raise InputError(f"{shown(path)}: got a {type(record).__name__}, expected an object; run infer again")
    return record


def sealed(record: Mapping[str, Any]) -> bytes:
    """Return the content of `run.json`, with a digest that tells later whether someone changed it."""
    unsealed = _unicode(record)
    return _text({**unsealed, SEAL: hashlib.sha256(_text(unsealed)).hexdigest()})


def digest(path: Path) -> str | None:
    """Return the SHA-256 of a regular file; None where there is a link, something else or nothing."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO):
            return None
        raise
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        return hashlib.file_digest(file, "sha256").hexdigest()


def owned_files(out: Path, *, overwrite: bool) -> dict[str, str]:
    """Return the files that a new run may replace, with their digests, and refuse a folder that it may not use.

    Args:
        out: the folder of the run.
        overwrite: whether a run that is there may be replaced.

    Raises:
        OutputError: a run is there that may not be replaced, or something that is not the run's has a name that a new
            run needs.
    """
    owned: dict[str, str] = {}
    if exists(out / GRAPH) or exists(out / RECORD):
        if not overwrite:
            raise OutputError(
                f"{shown(out)}: already holds a run; replace it with --overwrite or choose another with -o"
            )
        owned = _recorded(out)
    for name in _reserved(out):
        if name not in owned:
            raise OutputError(f"{shown(out / name)}: is not a file of a recorded run and stays; {_AWAY}")
    return owned


def _recorded(out: Path) -> dict[str, str]:
    try:
        record = read_record(out)
    except InputError as error:
        raise OutputError(f"{error}; without it nothing in {shown(out)} is replaced: {_AWAY}") from None
    files = record.get("files")
    if not isinstance(files, dict):
        raise OutputError(
            f"{shown(out / RECORD)}: does not record the run's files (an earlier version wrote it), so the run stays;"
            f" {_AWAY}"
        )
    unsealed = {name: value for name, value in record.items() if name != SEAL}
    written = digest(out / RECORD)
    if written is None or record.get(SEAL) != hashlib.sha256(_text(unsealed)).hexdigest():
        raise OutputError(_changed(out / RECORD))
    owned = {RECORD: written}
    for name, entry in files.items():
        path = inside(out, name)
        if exists(path):
            owned[name] = str(entry.get("sha256")) if isinstance(entry, dict) else ""
            if digest(path) != owned[name]:
                raise OutputError(_changed(path))
    return owned


def _reserved(out: Path) -> Iterator[str]:
    """Yield what has a name that a run's files have."""
    yield from (name for name in (GRAPH, RECORD) if exists(out / name))
    for folder in (KEYFRAMES, MASKS, PERCEPTION):
        if exists(out / folder) and ((out / folder).is_symlink() or not (out / folder).is_dir()):
            yield folder
        elif exists(out / folder):
            names = sorted(each.name for each in (out / folder).iterdir())
            yield from (f"{folder}/{name}" for name in names if NUMBERED.fullmatch(name))


def _changed(path: Path) -> str:
    return f"{shown(path)}: was changed since its run wrote it, so it is yours and stays; {_AWAY}"


def _text(record: Mapping[str, Any]) -> bytes:
    return (json.dumps(record, indent=2, ensure_ascii=False) + "\n").encode()


def _unicode(value: Any) -> Any:  # noqa: ANN401 (JSON)
    """Return JSON in which names of files that are no Unicode are escaped."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, Mapping):
        return {_unicode(str(name)): _unicode(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_unicode(each) for each in value]
    return value
