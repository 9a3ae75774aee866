"""Spatial tools from the shell: answers, the list of tools, and one line for each mistake."""

import json
import re

import numpy as np
import pytest

from fast_snow.cli.main import main
from fast_snow.cli.shell_tools import print_tool_answer
from fast_snow.output import graph_json
from fast_snow.reasoning.tools.tool_answers import Grade, ToolAnswer
from tests.reasoning.tools.truth import made


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "4dsg.json"
    paths = {
        3: np.linspace((0.0, 0.5, 4), (2.0, 0.5, 4), 20),
        7: np.tile((-1.0, 0, 5), (20, 1)),
    }
    graph_json.write(made(paths), path)
    return path


def told(capsys, *words):
    with pytest.raises(SystemExit) as end:
        main(["query", *map(str, words)])
    out, err = capsys.readouterr()
    return end.value.code, out, err


def test_a_readable_answer(run, capsys):
    code, out, _ = told(capsys, run, "heading", "--object-id", 3)
    assert code == 0
    assert out.splitlines()[0] == "right, away from the camera"  # its distance grows from 4 to 4.5
    assert "frame" in out
    assert "t = 0 to 19" in out


def test_what_is_not_certain_is_told_so(capsys):
    print_tool_answer(ToolAnswer(value="left", grade=Grade.LIKELY))
    assert "grade     likely" in capsys.readouterr().out
    print_tool_answer(ToolAnswer(value="left"))
    assert "grade" not in capsys.readouterr().out


def test_json_for_programs(run, capsys):
    code, out, _ = told(capsys, run, "distance", "--object-id=7", "--t", 3, "--json")
    assert code == 0
    answer = json.loads(out)
    assert answer["value"] == pytest.approx(26**0.5, rel=1e-4)
    assert answer["unit"] == "m"


def test_unknown_is_an_answer(run, capsys):
    code, out, _ = told(capsys, run, "direction", "--object-id", 3, "--other-id", 7, "--t", 3, "--frame", "object")
    assert (code, out.split(":")[0]) == (0, "unknown")


def test_lists_and_names_with_dashes(run, capsys):
    code, out, _ = told(capsys, run, "order-of-appearance", "--object-ids", 7, 3)
    assert (code, out.splitlines()[0]) == (0, "3, 7")


def test_the_tools_are_listed_with_their_arguments(run, capsys):
    code, out, _ = told(capsys, run)
    assert code == 0
    assert "--object-id N --t N [--other-id N] [--frame world|camera|object]" in out
    code, out, _ = told(capsys, run, "--json")
    assert {each["name"] for each in json.loads(out)} >= {"distance", "count"}


def test_a_long_answer_is_printed_once(run, capsys):
    code, out, _ = told(capsys, run, "order-of-events")
    assert code == 0
    assert out.splitlines()[0].startswith("t=0: object 3 is there from the start  event_time 0")
    assert all(out.count(event) == 1 for event in ("object 3 is there to the end", "object 7 is there to the end"))
    assert out.count("\n") == len({line.strip() for line in out.splitlines()})


@pytest.mark.parametrize(
    "words", [("out", "compare-sizes", "--help"), ("compare_sizes", "-h"), ("out", "distance", "-h")]
)
def test_help_of_a_tool_lists_its_own_options(capsys, words):
    code, out, err = told(capsys, *words)
    tool = words[-2].replace("-", "_")
    assert (code, err) == (0, "")
    assert out.startswith(f"usage: fast-snow query OUT {tool} --object-id N ")
    assert re.search(r"--other-id N +[nN]umber of the other", out)
    assert ("--t N" in out) == (tool == "distance")


def test_help_of_an_unknown_tool_is_that_of_the_command(capsys):
    code, out, _ = told(capsys, "out", "distanse", "--help")
    assert code == 0
    assert "Without TOOL" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["distanse"], "tool: got 'distanse', expected distance"),
        (["distance", "--t", "3"], "distance: missing required option --object-id (number of the object)"),
        (["distance", "--object-id", "3"], "distance: missing required option --t (frame index)"),
        (["distance"], "distance: missing required option --object-id (number of the object)"),
        (["distance", "--object-id", "3", "--t", "99"], "t: got 99, expected a frame of the clip, 0 to 19"),
        (["distance", "--object-id", "3", "--t", "-1"], "t: got -1, expected a frame of the clip, 0 to 19"),
        (["distance", "--object-id", "3", "--time", "9"], "distance: got argument 'time', expected"),
        (["distance", "--object-id", "three", "--t", "9"], "object_id: got 'three', expected a whole number"),
        (["distance", "--object-id", "3", "4", "--t", "9"], "got 2 values for --object-id, expected one"),
        (["distance", "--object-id", "--t", "9"], "got 0 values for --object-id, expected one"),
        (["distance", "3", "9"], "distance: got '3', expected arguments such as --object-id N --t N [--other-id N]"),
        (["--object-id", "3"], "query: got '--object-id' but no tool"),
        (["count", "--t", "0", "--side", "top"], "side: got 'top', expected one of left, right"),
    ],
)
def test_mistakes_are_one_line(run, capsys, words, message):
    code, out, err = told(capsys, run, *words)
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.strip().splitlines()) == 1


def test_a_missing_run_is_one_line(tmp_path, capsys):
    code, _, err = told(capsys, tmp_path / "nothing")
    assert code == 2
    assert "nothing" in err
