"""Code on pages and in docstrings does what it says: it runs, in order, in a folder that holds what it names."""

import doctest
import inspect
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fast_snow
from tests.docs.pages import PAGES, blocks

PYTHON = {page: [block for block in blocks(page) if block.language == "python"] for page in PAGES}
RUN = [block for page in PYTHON.values() for block in page if not block.needs]
NEEDY = [block for page in PYTHON.values() for block in page if block.needs]
DOCTESTS = [
    test
    for name in fast_snow.__all__
    if inspect.isclass(value := getattr(fast_snow, name)) or inspect.isfunction(value)
    for test in doctest.DocTestFinder(exclude_empty=True).find(value, name, module=False)
    if test.examples
]
RUNNABLE = {
    "build_graph",
    "stream",
    "load",
    "Result.save",
    "recording_from_arrays",
    "read_recording_folder",
    "open_input",
    "Masks.from_dense",
    "SceneGraph.table",
    "SceneGraph.window",
    "validate",
    "write",
    "SegmenterFunction",
    "GeometryFunction",
}
"""What people call first: each shows how."""

pytestmark = pytest.mark.filterwarnings("ignore::fast_snow.FastSnowWarning")


@pytest.mark.parametrize("page", [page for page in PAGES if PYTHON[page]], ids=lambda page: page.stem)
def test_blocks_of_a_page_run_in_order(page: Path, workplace: Path, given: dict[str, np.ndarray]):
    namespace: dict[str, Any] = dict(given)
    for block in PYTHON[page]:
        if not block.needs:
            exec(compile("\n" * (block.line - 1) + block.code, block.page, "exec"), namespace)


@pytest.mark.parametrize("test", DOCTESTS, ids=lambda test: test.name)
def test_docstrings_run(test: doctest.DocTest, workplace: Path):
    test.globs = {"fast_snow": fast_snow, "np": np, "Path": Path, "json": json}
    report: list[str] = []
    doctest.DocTestRunner().run(test, out=report.append)
    assert report == []


def test_what_people_call_has_an_example():
    assert RUNNABLE - {test.name for test in DOCTESTS} == set()


def test_what_is_not_run_says_what_it_needs():
    assert {block.needs for block in NEEDY} <= {"a key", "a server", "a GPU", "weights"}
    assert len(RUN) > 2 * len(NEEDY)
