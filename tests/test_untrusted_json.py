"""Untrusted JSON and TOML, and that nothing else in the package reads them."""

import ast
from pathlib import Path
from time import perf_counter

import pytest

from fast_snow import untrusted_json
from fast_snow.errors import InputError
from fast_snow.limits import JSON_DEPTH, Limit

PACKAGE = Path(__file__).parents[1] / "fast_snow"
DEEPEST = JSON_DEPTH.largest
HUGE = "1" + "0" * 400


def readers_in(path: Path) -> list[str]:
    """Return the calls of a module that read JSON or TOML by themselves, and imports that would hide them."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module in ("json", "tomllib"):
            found += [f"from {node.module} import {each.name}" for each in node.names]
        if isinstance(node, ast.Import):
            found += [f"import {each.name}" for each in node.names if each.name == "tomllib"]
            found += [f"json as {each.asname}" for each in node.names if each.name == "json" and each.asname]
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "json":
            found += [f"json.{node.attr}"] if node.attr in ("load", "loads", "JSONDecoder") else []
    return found


def test_one_module_reads_json_and_toml():
    found = {path.relative_to(PACKAGE).as_posix(): readers_in(path) for path in sorted(PACKAGE.rglob("*.py"))}
    assert {name for name, calls in found.items() if calls} == {"untrusted_json.py"}
    assert len(found) > 250


@pytest.mark.parametrize(
    "text",
    [
        "[" * DEEPEST + "]" * DEEPEST,
        '{"a":' * DEEPEST + "1" + "}" * DEEPEST,
        '["[[[[\\"[",' * DEEPEST + "1" + "]" * DEEPEST,
        '["\\\\",' * DEEPEST + '"{' + "[" * 500 + '"' + "]" * DEEPEST,
        "[" + '"[","]",' * 100 + "[]]",
    ],
)
def test_the_deepest_documents_are_read(text):
    untrusted_json.loads(text)


@pytest.mark.parametrize("deeper", [1, 2, 936, 100_000])
@pytest.mark.parametrize(
    ("begin", "end"), [("[", "]"), ('{"a":', "}"), ('["\\"]",', "]"), ('["\\\\",', "]"), ('{"]}":[', "]}")]
)
def test_deeper_ones_are_refused_before_they_are_built(begin, end, deeper):
    count = DEEPEST + deeper
    for text in (begin * count + "1" + end * count, begin * count, "[" * 70 + begin * count + '"' + end * count):
        with pytest.raises(InputError, match="nested too deeply"):
            untrusted_json.loads(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HUGE, "holds the integer 1000"),
        (f"-{HUGE}", "holds the integer -1000"),
        ("9223372036854775808", "at most 64 bits"),
        ("1e400", "holds the number 1e400"),
        ("[1E+0400]", "holds the number"),
        ("-Infinity", "holds -Infinity"),
        ('"\\ud800"', "half of a UTF-16 pair"),
        ('{"\\uDFFF": 1}', "half of a UTF-16 pair"),
        ('{"a": 1, "a": 2}', 'two members "a"'),
        ("[1,]", "line 1, column"),
        ("", "line 1, column 1"),
        ("]" + "[]" * 1000, "expected JSON"),
    ],
)
def test_what_python_lets_pass_is_refused(text, message):
    with pytest.raises(InputError, match=message):
        untrusted_json.loads(text)


def test_pairs_of_surrogates_are_characters():
    assert untrusted_json.loads('"\\ud83d\\ude00"') == "😀"


def test_names_that_repeat_take_linear_time():
    text = "{" + ",".join(f'"n{i}":1' for i in range(100_000)) + ',"n99999":1}'
    began = perf_counter()
    with pytest.raises(InputError, match="two members"):
        untrusted_json.loads(text)
    assert perf_counter() - began < 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"a = {HUGE}", "64 bits"),
        (f"a = {'1' * 5000}", "64 bits"),
        (f"a = {HUGE}.0", "finite"),
        ("a = nan", "finite"),
        ("a = " + "[" * 2000, "nested too deeply|not TOML"),
        ("a = ", "not TOML"),
        ("a" + ".a" * 500_000 + " = 1", "nested too deeply"),
        ("[" + "a." * 500_000 + "a]", "nested too deeply"),
    ],
)
def test_toml_is_bounded_too(text, message):
    with pytest.raises(InputError, match=message):
        untrusted_json.loads_toml(text)


def test_a_file_is_bounded_and_named(tmp_path):
    path = tmp_path / "a\nb.json"
    path.write_text("[1, 2")
    with pytest.raises(InputError, match=r"a\\x0ab.json: line 1"):
        untrusted_json.load(path, limit=Limit(name="it", largest=10, unit="bytes", reason=""))
    path.write_text("[" + " " * 20 + "]")
    with pytest.raises(InputError, match="has 22 bytes, expected at most 10"):
        untrusted_json.load(path, limit=Limit(name="it", largest=10, unit="bytes", reason=""))
