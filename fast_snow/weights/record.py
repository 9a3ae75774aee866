"""`SHA256SUMS.json`: what was fetched into a folder, so that later loads can check it."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fast_snow import untrusted_json
from fast_snow.errors import InputError
from fast_snow.limits import SMALL_JSON_FILE
from fast_snow.untrusted_files import open_file

RECORD = "SHA256SUMS.json"
_FORMAT = 1
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What is known of one fetched file.

    Attributes:
        sha256: of its content, as hexadecimal digits.
        size: in bytes.
        source: the address it came from.
        revision: commit or release.
        verified: whether the source stated a digest, and the content has it.
    """

    sha256: str
    size: int
    source: str
    revision: str
    verified: bool


def read(folder: Path) -> dict[str, Recorded]:
    """Return what was fetched into a folder, by file name; nothing where there is no record, or none that can be read.

    A record that cannot be read is no failure: it only means that the files must be checked against their source again.
    """
    try:
        document: Any = untrusted_json.load(folder / RECORD, limit=SMALL_JSON_FILE)
    except InputError:
        return {}
    if not isinstance(document, dict) or document.get("format") != _FORMAT:
        return {}
    files = document.get("files")
    entries = {name: _recorded(each) for name, each in files.items()} if isinstance(files, dict) else {}
    return {name: each for name, each in entries.items() if each is not None}


def as_bytes(files: Mapping[str, Recorded]) -> bytes:
    """Return the record of a folder as it is written."""
    document = {"format": _FORMAT, "files": {name: asdict(files[name]) for name in sorted(files)}}
    return (json.dumps(document, indent=2) + "\n").encode()


def sha256_of(path: Path, report: Callable[[int], None] = lambda _: None) -> str:
    """Return the SHA-256 of a file as hexadecimal digits.

    Args:
        path: the file.
        report: told how many bytes were read so far.
    """
    digest, done = hashlib.sha256(), 0
    with open_file(path) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            done += len(chunk)
            report(done)
    return digest.hexdigest()


def check(path: Path) -> None:
    """Refuse a file that is not what was fetched; files without a record pass.

    Args:
        path: a file of weights, read to its end.

    Raises:
        InputError: the content differs from the record.
    """
    recorded = read(path.parent).get(path.name)
    if recorded is None:
        return
    actual = sha256_of(path)
    if actual != recorded.sha256:
        raise InputError(
            f"{path}: SHA-256 {actual[:12]}…, but {recorded.sha256[:12]}… was fetched: run fast-snow fetch-models"
            f" again, or remove its entry from {RECORD} if you put your own weights there"
        )


def _recorded(entry: object) -> Recorded | None:
    if not isinstance(entry, dict):
        return None
    match entry:
        case {
            "sha256": str(sha256),
            "size": int(size),
            "source": str(source),
            "revision": str(revision),
            "verified": bool(verified),
        }:
            return Recorded(sha256=sha256, size=size, source=source, revision=revision, verified=verified)
        case _:
            return None
