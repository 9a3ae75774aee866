"""Clips that differ, and the runs of each alone."""

import os
import shutil
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from threading import Condition
from typing import Any

import pytest

from fast_snow.batching import folding
from fast_snow.batching.messages import Job, Perceived, Plan, Request
from fast_snow.batching.report import BatchRow
from fast_snow.batching.resources import Resources
from fast_snow.batching.worker import WindowWorker
from fast_snow.synthetic.files import write_recording
from fast_snow.synthetic.scene import SceneConfig
from tests.resuming.runs import CONFIG, infer, results
from tests.scenes import rendered

SIZE = (48, 64)


def write_clips(folder: Path, count: int) -> list[Path]:
    """Write clips of 6, 7 … frames."""
    paths = [folder / f"clip{number:02d}" for number in range(count)]
    for number, path in enumerate(paths):
        write_recording(rendered(SceneConfig(size=SIZE, frames=6 + number)), path)
    return paths


def alone(paths: list[Path], folder: Path) -> dict[str, dict[str, bytes]]:
    """Return the files of the run of each clip, one after the other, but its record."""
    for path in paths:
        infer(path, folder / path.name)
    return {path.name: results(folder / path.name) for path in paths}


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_clips(tmp_path_factory.mktemp("clips"), 2)


@pytest.fixture(scope="session")
def twelve(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_clips(tmp_path_factory.mktemp("twelve"), 12)


@pytest.fixture(scope="session")
def twelve_alone(twelve: list[Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    return alone(twelve, tmp_path_factory.mktemp("alone"))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)


def copied(clip: Path, name: str, folder: Path) -> Path:
    """Return a copy of a clip with another name."""
    shutil.copytree(clip, folder / name)
    return folder / name


class PromptWorker(folding.Exchange):
    """Stands in for the coordinator, without a pipe: answers at once what a fold asks for, and counts it."""

    def __init__(self) -> None:
        self._worker, self.changed = WindowWorker(CONFIG), Condition()
        self.asked = self.folded = self.most = 0
        self.perceived: list[Perceived] = []

    def send(self, message: object) -> None:
        """Take what the folding process tells."""

    def ask(self, request: Request, then: Callable[[Any], Any]) -> "Future[Any]":
        reply, future = self._worker(request), Future[Any]()
        future.set_result(then(reply))
        if isinstance(reply, Perceived):
            self.perceived.append(reply)
            with self.changed:
                self.asked += 1
                self.most = max(self.most, self.asked - self.folded)
                self.changed.notify_all()
        return future


def folded(clip: Path, folder: Path, worker: PromptWorker, *, workers: int = 1) -> BatchRow:
    """Fold a clip in this process, as a folding process does."""
    folder.mkdir()
    plan = Plan(folder=folder, remote=None, config=CONFIG, overwrite=False, resources=Resources(workers=workers))
    job = Job(row=BatchRow(video=clip.name, source=str(clip)), source=clip, plan=plan)
    return folding._folded(job, worker)
