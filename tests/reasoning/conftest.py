"""A small run to ask questions about."""

from pathlib import Path

import pytest

from fast_snow.api import Result
from fast_snow.types import SceneGraph
from tests.reasoning.runs import small_run


@pytest.fixture(scope="module")
def run() -> Result:
    return small_run()


@pytest.fixture(scope="module")
def folder(run: Result, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "out"
    run.save(folder)
    return folder


@pytest.fixture
def graph(run: Result) -> SceneGraph:
    return run.graph
