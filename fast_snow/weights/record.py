"""`SHA256SUMS.json`: the checksums of the files fetched into a folder, which loading verifies."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fast_snow import untrusted_json
from fast_snow.errors import InputError
from fast_snow.limits import SMALL_JSON_FILE
from fast_snow.typed_json import build_dataclass
from fast_snow.untrusted_files import open_file

RECORD = "SHA256SUMS.json"
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One fetched file; it is verified if it has a published checksum."""

    sha256: str
    size: int
    source: str
    revision: str
    verified: bool


def read(folder: Path) -> dict[str, Recorded]:
    """Return the record of a folder, by file name; empty without a readable one: its files are then verified again."""
    try:
        document: Any = untrusted_json.load(folder / RECORD, limit=SMALL_JSON_FILE)
    except InputError:
        return {}
    match document:
        case {"format": 1, "files": dict(files)}:
            entries = {name: _recorded(entry) for name, entry in files.items()}
            return {name: recorded for name, recorded in entries.items() if recorded is not None}
        case _:
            return {}


def as_bytes(files: Mapping[str, Recorded]) -> bytes:
    """Return the content of a folder's record."""
    document = {"format": 1, "files": {name: asdict(files[name]) for name in sorted(files)}}
    return (json.dumps(document, indent=2) + "\n").encode()


def sha256_of(path: Path, report: Callable[[int], None] = lambda _: None) -> str:
    """Return the SHA-256 of a file, hexadecimal; `report` receives the bytes read so far."""
    digest, done = hashlib.sha256(), 0
    with open_file(path) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            done += len(chunk)
            report(done)
    return digest.hexdigest()


def check(path: Path) -> None:
    """Verify a file against the record of its folder; files without an entry pass.

    Raises:
        InputError: the checksum differs.
    """
    recorded = read(path.parent).get(path.name)
    if recorded is not None and (actual := sha256_of(path)) != recorded.sha256:
        raise InputError(
            f"{path}: SHA-256 {actual[:12]}… differs from {recorded.sha256[:12]}… as fetched: run fast-snow"
            f" fetch-models again, or remove its entry from {RECORD} if these are your own weights"
        )


def _recorded(entry: object) -> Recorded | None:
    try:
        return build_dataclass(Recorded, entry, RECORD, extra=True)
    except InputError:
        return None
