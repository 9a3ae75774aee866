"""Clips that differ, and the runs of each alone."""

import os
import shutil
from pathlib import Path

import pytest

from fast_snow.synthetic.files import write_recording
from fast_snow.synthetic.scene import SceneConfig
from tests.resuming.runs import infer, results
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
