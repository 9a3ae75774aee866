"""Answers on disk, one file each under the digest of its request: what was answered is not asked again."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from fast_snow import untrusted_json
from fast_snow.atomic_files import store
from fast_snow.errors import InputError, OutputError
from fast_snow.limits import RUN_RECORD_FILE
from fast_snow.reasoning.agent import Ending
from fast_snow.reasoning.conversation import Usage
from fast_snow.typed_json import build_dataclass

FOLDER: Final = "answers"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReply:
    """What a model said to a request.

    Attributes:
        text: its words.
        ending: how the conversation ended.
        usage: what it consumed.
        tools: names of the tools it used, in order.
        left_out: what of the graph the prompt had no room for.
        unread: a warning that the server has not read the whole prompt; empty where nothing speaks for that.
    """

    text: str
    ending: Ending
    usage: Usage
    tools: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    unread: str = ""


def cache_answer(folder: Path, digest: str, reply: ModelReply, about: Mapping[str, str]) -> None:
    """Store a reply.

    Args:
        folder: of the evaluation.
        digest: of the request.
        reply: the answer.
        about: what a person who looks at the file should know.

    Raises:
        OutputError: the folder cannot be written.
    """
    path = _path(folder, digest)
    values = {**about, **asdict(reply), "ending": reply.ending.name}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path.parent}: cannot be made ({error.strerror}); choose another with -o") from error
    store(path, json.dumps(values, indent=1).encode())


def cached_answer(folder: Path, digest: str) -> ModelReply | None:
    """Return the reply to a request; None where there is none yet.

    Raises:
        InputError: its file is damaged.
    """
    path = _path(folder, digest)
    if not path.is_file():
        return None
    try:
        return build_dataclass(ModelReply, untrusted_json.load(path, limit=RUN_RECORD_FILE), str(path), extra=True)
    except InputError as error:
        raise InputError(f"{error}; not an answer of this version: delete it to ask again") from None


def _path(folder: Path, digest: str) -> Path:
    return folder / FOLDER / digest[:2] / f"{digest}.json"
