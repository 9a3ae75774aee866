"""What differs between systems: modules that only POSIX has, encodings of files and terminals, missing packages."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted(path for folder in ("fast_snow", "bench") for path in (ROOT / folder).rglob("*.py"))

_WITHOUT = """
import sys

blocked = set(sys.argv[1].split(","))

class Lacking:
    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in blocked else self.finder.find_spec(name, path, target)

for name in [name for name in sys.modules if name.partition(".")[0] in blocked]:
    del sys.modules[name]
sys.meta_path[:] = map(Lacking, sys.meta_path)
from fast_snow.cli.main import main
"""


def run(script, *arguments, **environment):
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        timeout=120,
    )


def fast_snow_without(packages, *arguments):
    return run(_WITHOUT + "main(sys.argv[2:])", packages, *map(str, arguments), OPENAI_API_KEY="none")


def posix_imports(path):
    """Return the modules that only POSIX has and that a file imports whenever it is imported."""
    found = []
    for node in ast.parse(path.read_text(encoding="utf-8")).body:  # top level: what stands below `if` may be guarded
        names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        found += [each for each in names if each.partition(".")[0] in {"fcntl", "grp", "pwd", "resource", "termios"}]
    return found


def test_no_module_needs_what_only_posix_has():
    assert {str(path): found for path in SOURCES if (found := posix_imports(path))} == {}


def calls_without_encoding(path):
    """Return the lines that read or write text in whatever encoding the system prefers."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        told = {each.arg for each in node.keywords} | ({"encoding"} if node.args and name == "read_text" else set())
        text = name in {"read_text", "write_text"} or (name in {"run", "Popen"} and "text" in told)
        if text and "encoding" not in told and not _reads_bounded(node):
            yield node.lineno


def _reads_bounded(node):
    """Return whether it is a function of our own, which knows the encoding: `read_text(path, limit=…)`."""
    return any(each.arg in ("limit", "within") for each in node.keywords)


def test_text_is_read_and_written_in_an_encoding_that_is_said():
    assert {str(path): lines for path in SOURCES if (lines := list(calls_without_encoding(path)))} == {}


@pytest.mark.parametrize("encoding", [pytest.param("cp437", marks=pytest.mark.slow), "cp932"])
def test_terminals_that_lack_characters_are_no_obstacle(encoding, tmp_path):
    shutil.copy(ROOT / "tests" / "golden" / "4dsg.json", tmp_path)
    commands = [["infer", "--help"], ["doctor"], ["validate", "Größe—☃"], ["query", str(tmp_path), "list_objects"]]
    script = f"""
from fast_snow.cli.main import main
for arguments in {commands!r}:
    try:
        main(arguments)
    except SystemExit as end:
        assert end.code in (0, 2), (arguments, end.code)
"""
    done = run(script, PYTHONIOENCODING=encoding, PYTHONUTF8="0")
    assert done.returncode == 0, done.stderr
    assert "UnicodeEncodeError" not in done.stderr
    assert "no such file" in done.stderr or "expected" in done.stderr


def test_eval_runs_where_there_is_no_module_resource(tmp_path):
    done = fast_snow_without("resource", "eval", "check", tmp_path / "missing.json")
    assert done.returncode == 2, done.stderr
    assert "missing.json" in done.stderr


@pytest.mark.parametrize(
    ("packages", "arguments", "install"),
    [
        pytest.param("onnx,ultralytics", ["export-engines"], "models,onnx", marks=pytest.mark.slow),
        (
            "ultralytics",
            ["infer", "examples/scene.mp4", "-o", "{run}/new", "--engines.segmenter", "fastsam-torch"],
            "models",
        ),
        pytest.param("huggingface_hub", ["fetch-models", "da3-small"], "models", marks=pytest.mark.slow),
        pytest.param("mcp", ["mcp", "{run}"], "vlm", marks=pytest.mark.slow),
        ("openai", ["ask", "{run}", "what?", "--vlm.max-keyframes", "0"], "vlm"),
    ],
)
def test_a_missing_package_is_one_line_with_the_command_that_installs_it(tmp_path, packages, arguments, install):
    shutil.copy(ROOT / "tests" / "golden" / "4dsg.json", tmp_path)
    done = fast_snow_without(packages, *(each.replace("{run}", str(tmp_path)) for each in arguments))
    assert done.returncode in (1, 2), done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert f'uv pip install -e ".[{install}]"' in done.stderr
    assert "ModuleNotFoundError" not in done.stderr
