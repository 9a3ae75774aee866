"""Two runs that differ in every file, a folder with files of a user, and processes that die at a chosen moment."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

from fast_snow import output
from fast_snow.api import Result
from fast_snow.keyframes import KeyframeImage
from tests.reasoning.runs import small_run

CHANGES = ("link", "unlink", "rename", "replace", "mkdir", "rmdir", "fsync")
OF_THE_USER = {
    "NOTES.md": b"years of work",
    "figures/one.pdf": b"%PDF",
    "answers.jsonl": b"{}\n",
    "view.html": b"<html>",
    "keyframes/mine.txt": b"mine",
}


def new_run() -> Result:
    return small_run()


@cache
def old_run() -> Result:
    """Return a run of the first frames alone, with a keyframe that the new run lacks and another in its place."""
    run = small_run()
    pictures = (*run.keyframes[:1], KeyframeImage(path="keyframes/000099.jpg", jpeg=b"\xff\xd8old"))
    pictures = (replace(pictures[0], jpeg=b"\xff\xd8older"), pictures[1])
    return replace(
        run,
        graph=run.graph.window(t=3, length=4),
        labelled=run.labelled[:4],
        keyframes=pictures,
        record={**run.record, "frames": 4},
    )


@cache
def content(run: Callable[[], Result]) -> dict[str, bytes]:
    """Return the files of a run."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        run().save(folder)
        return files(Path(folder))


def files(folder: Path) -> dict[str, bytes]:
    """Return the files below a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if not p.is_dir()}


def add_files_of_the_user(folder: Path) -> None:
    for name, data in OF_THE_USER.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def save(run: Result, folder: Path, *, overwrite: bool = False) -> None:
    """Save a run as `infer` does."""
    with output.create(folder, overwrite=overwrite) as writer:
        writer.add(run.labelled, run.keyframes)
        writer.finish(run.graph, run.record)


class Killed(BaseException):
    """The process is gone: nothing that it would still do happens."""


@contextmanager
def fault(
    at: int, error: Callable[[], BaseException], *, after: bool = False, dead: bool = True
) -> Iterator[list[str]]:
    """Let one change of the file system fail.

    Args:
        at: which, from 0.
        error: what is raised.
        after: whether the change is made nevertheless.
        dead: whether no later change is made either.

    Yields:
        The changes that were asked for.
    """
    asked: list[str] = []
    original = {name: getattr(os, name) for name in CHANGES}

    def change(name: str, *arguments: object, **options: object) -> object:
        number = len(asked)
        asked.append(name)
        if number == at and after:
            original[name](*arguments, **options)
        if number == at or (dead and number > at):
            raise error()
        return original[name](*arguments, **options)

    try:
        for name in CHANGES:
            setattr(os, name, lambda *arguments, _name=name, **options: change(_name, *arguments, **options))
        yield asked
    finally:
        for name in CHANGES:
            setattr(os, name, original[name])
