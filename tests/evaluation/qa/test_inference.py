"""Asking a model, and what is kept of it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from fast_snow.config import VlmConfig
from fast_snow.errors import EngineError, UserError
from fast_snow.evaluation.qa.inference import MOST_FAILURES_IN_A_ROW, Answered, ask_all
from fast_snow.evaluation.qa.question import Arm
from fast_snow.evaluation.qa.requests import Failure, Request, RunFolders, make_requests
from fast_snow.reasoning.conversation import ModelReply
from tests.evaluation.qa.files import given, store, vlm4d_row
from tests.reasoning.runs import small_run
from tests.reasoning.scripted import Script, says

VLM = VlmConfig(model="scripted")


class Unsteady(Script):
    """Raises what stands in its lines in the place of a reply."""

    def __call__(self, instructions: str, turns: Sequence, tools: Sequence = ()) -> ModelReply:
        said = super().__call__(instructions, turns, tools)
        if isinstance(said, BaseException):
            raise said
        return said


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "dog"
    small_run().save(folder)
    return folder


def made(tmp_path: Path, run: Path, *rows, arms=(Arm.A1, Arm.A3), vlm=VLM):
    asked = given(store(tmp_path / "real_mc.json", list(rows))).asked
    folders = {each.scene: run for each in asked}
    return list(make_requests(asked, arms, RunFolders(ours=folders, snow=folders), vlm))


def test_a_digest_covers_what_decides_on_the_answer(tmp_path: Path, run: Path):
    row = vlm4d_row()
    digests = {"": [each.digest for each in made(tmp_path, run, row, arms=tuple(Arm))]}
    assert len(set(digests[""])) == 5
    changed = {
        "model": {"model": "other"},
        "temperature": {"temperature": 0.5},
        "max_output_tokens": {"max_output_tokens": 9},
        "base_url": {"base_url": "http://localhost:1"},
        "max_keyframes": {"max_keyframes": 1},
    }
    for name, changes in changed.items():
        digests[name] = [each.digest for each in made(tmp_path, run, row, arms=tuple(Arm), vlm=replace(VLM, **changes))]
    digests["question"] = [each.digest for each in made(tmp_path, run, vlm4d_row(2), arms=tuple(Arm))]
    every = [digest for its in digests.values() for digest in its]
    assert len(set(every)) == len(every)
    patient = replace(VLM, timeout_s=1.0, max_retries=0, tools=False)
    assert [each.digest for each in made(tmp_path, run, row, arms=tuple(Arm), vlm=patient)] == digests[""]
    rounds = [each.digest for each in made(tmp_path, run, row, arms=tuple(Arm), vlm=replace(VLM, max_rounds=3))]
    assert [a == b for a, b in zip(rounds, digests[""], strict=True)] == [True, True, True, False, True]


def test_another_graph_is_another_request(tmp_path: Path, run: Path):
    first = made(tmp_path, run, vlm4d_row())
    document = run / "4dsg.json"
    content = document.read_text()
    try:
        document.write_text(content + "\n")
        again = made(tmp_path, run, vlm4d_row())
    finally:
        document.write_text(content)
    assert not {each.digest for each in first} & {each.digest for each in again}


def test_an_interrupted_evaluation_goes_on_where_it_was(tmp_path: Path, run: Path):
    wanted = made(tmp_path, run, *(vlm4d_row(n) for n in range(3)))
    model = Unsteady([says("A"), says("B"), says("C"), KeyboardInterrupt()])
    with pytest.raises(KeyboardInterrupt):
        ask_all(wanted, model, VLM, folder=tmp_path / "out")
    rest = Script([says("D")])
    done = ask_all(wanted, rest, VLM, folder=tmp_path / "out", parallel=2)
    assert [each.reply.text for each in done] == ["A", "B", "C", "D", "D", "D"]
    assert len(rest.asked) == 3


def test_equal_requests_are_made_once(tmp_path: Path, run: Path):
    wanted = made(tmp_path, run, *(vlm4d_row(1) for _ in range(4)), arms=(Arm.A1,))
    assert len({each.question.key for each in wanted}) == 4
    model = Script([says("A"), says("B")])
    done = ask_all(wanted, model, VLM, folder=tmp_path / "out", parallel=4)
    assert [each.reply.text for each in done] == ["A"] * 4
    assert len(model.asked) == 1


def test_failures_are_outcomes_until_there_are_too_many_in_a_row(tmp_path: Path, run: Path):
    wanted = made(tmp_path, run, *(vlm4d_row(n) for n in range(12)), arms=(Arm.A1,))
    broken = [EngineError("away")] * (MOST_FAILURES_IN_A_ROW - 1)
    model = Unsteady([*broken, says("A"), *broken, UserError("no credit")])
    done = ask_all(wanted, model, VLM, folder=tmp_path / "out")
    assert [isinstance(each, Answered) for each in done] == [False] * 7 + [True] + [False] * 4
    later = Unsteady([EngineError("away")])
    done = ask_all(wanted, later, VLM, folder=tmp_path / "out")
    assert [type(each) for each in done] == [Failure] * 7 + [Answered] + [Failure] * 4
    none = ask_all(wanted, Unsteady([EngineError("away")]), VLM, folder=tmp_path / "elsewhere")
    assert [each.why for each in none] == ["away"] * MOST_FAILURES_IN_A_ROW


def test_a_prompt_without_room_fails_alone_and_a_short_one_is_told(tmp_path: Path, run: Path):
    long = "Where? " * 6000
    vlm = replace(VLM, prompt_budget=5000, max_keyframes=1)
    wanted = made(tmp_path, run, vlm4d_row(1, question=long), vlm4d_row(2), arms=(Arm.A3,), vlm=vlm)
    assert [type(each) for each in wanted] == [Failure, Request]
    assert "--vlm.prompt-budget 5000" in wanted[0].why
    (_, done) = ask_all(wanted, Script([says("A")]), vlm, folder=tmp_path / "out")
    assert done.reply.left_out == wanted[1].prompt.left_out != ()


def test_progress_tells_every_outcome(tmp_path: Path, run: Path):
    wanted = made(tmp_path, run, vlm4d_row(1), vlm4d_row(2))
    told = []
    ask_all(wanted, Script([says("A")]), VLM, folder=tmp_path, total=4, progress=lambda *each: told.append(each))
    assert told == [("questions", done, 4) for done in range(5)]
