"""The examples run, each as its text says, and are short."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import fast_snow
from tests.docs.pages import ROOT, text

EXAMPLES = ROOT / "examples"
SCRIPTS = sorted(EXAMPLES.glob("*.py"))
OUTPUT = {
    "own_engine": r"SceneGraph\(4 frames",
    "own_masks": r"object_id .*\n +1   0\.00  -0\.54  -0\.01   2\.00\n(.*\n){11}",
    "stream": r"t =   0  camera .*\n(.*\n){2}t =   3  camera .*objects: 0",
}
"""What each example writes about the tiny clip; `ask` needs a key."""


def run(script: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run an example without a key."""
    command = ["env", "-u", "OPENAI_API_KEY", sys.executable, script, *arguments]
    return subprocess.run([str(word) for word in command], cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_examples_are_short_and_use_what_is_public(script: Path):
    assert len(text(script).splitlines()) < 40
    tree = ast.parse(text(script))
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "fast_snow"
    }
    assert used
    assert used - set(fast_snow.__all__) == set()
    assert [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "fast_snow"] == []


@pytest.mark.parametrize("name", OUTPUT)
def test_examples_run(name: str, clip: Path):
    done = run(EXAMPLES / f"{name}.py", *(() if name == "own_masks" else (clip,)))
    assert done.returncode == 0, done.stderr
    assert re.match(OUTPUT[name], done.stdout), done.stdout


def test_without_a_key_asking_says_so_in_one_line(tmp_path: Path):
    done = run(EXAMPLES / "ask.py", tmp_path, "Which objects move?")
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"ask\.py: no key, expected one in OPENAI_API_KEY: .*\n", done.stderr)


def test_every_example_is_run():
    assert {path.stem for path in SCRIPTS} == {*OUTPUT, "ask"}


@pytest.mark.slow
def test_the_notebook_runs(monkeypatch: pytest.MonkeyPatch):
    """Its cells run in order, as Jupyter does it, in one process; a warning would be an error."""
    monkeypatch.chdir(EXAMPLES)
    cells = json.loads(text(EXAMPLES / "quickstart.ipynb"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] for cell in cells if cell["cell_type"] == "code")
    namespace: dict[str, object] = {}
    for number, source in enumerate(code):
        exec(compile(source, f"quickstart.ipynb, code cell {number}", "exec"), namespace)
    assert namespace["result"].graph.num_frames == 16
    assert namespace["image"].size == (400, 300)
