"""The tool loop: what is asked, how often, and how it ends."""

import json

import pytest

from fast_snow.errors import EngineError
from fast_snow.reasoning.agent import ANSWER_NOW, MOST_CALLS, Conversation, Ending, converse
from fast_snow.reasoning.conversation import (
    TextPart,
    ToolCall,
    ToolDeclaration,
    ToolOutcome,
    ToolTurn,
    Usage,
    UserTurn,
)
from tests.reasoning.scripted import Script, call, says

QUESTION = UserTurn(parts=(TextPart(text="How far away is object 7?"),))
DOUBLE = ToolDeclaration(
    name="double",
    description="Twice x.",
    parameters={
        "type": "object",
        "properties": {"x": {"type": "number"}},
        "required": ["x"],
        "additionalProperties": False,
    },
)


def double(asked: ToolCall) -> ToolOutcome:
    doubled = 2 * json.loads(asked.arguments)["x"]
    return ToolOutcome(call_id=asked.call_id, name=asked.name, content=json.dumps(doubled))


def talk(model: Script, *, declarations=(DOUBLE,), use=double, max_rounds: int = 3) -> Conversation:
    return converse(model, "Be exact.", QUESTION, declarations=declarations, use=use, max_rounds=max_rounds)


def test_an_answer_at_once_is_one_request():
    model = Script([says("Four metres.")])
    talked = talk(model)
    assert (talked.text, talked.ending, talked.used) == ("Four metres.", Ending.ANSWERED, ())
    assert model.asked == [("Be exact.", (QUESTION,), (DOUBLE,))]
    assert talked.usage == Usage(requests=1, input_tokens=100, output_tokens=7)


def test_outcomes_go_back_in_the_order_of_the_calls_and_usage_adds_up():
    first = says("", call("double", '{"x": 2}', "p"), call("double", '{"x": 3}', "q"))
    second = says("And now", call("double", '{"x": 4}', "r"))
    model = Script([first, second, says("Eight.")])
    talked = talk(model)
    assert talked.text == "Eight."
    turns = model.asked[2][1]
    assert turns == (
        QUESTION,
        first.turn,
        ToolTurn(
            outcomes=(
                ToolOutcome(call_id="p", name="double", content="4"),
                ToolOutcome(call_id="q", name="double", content="6"),
            )
        ),
        second.turn,
        ToolTurn(outcomes=(ToolOutcome(call_id="r", name="double", content="8"),)),
    )
    assert [(each.call.call_id, each.outcome.content) for each in talked.used] == [("p", "4"), ("q", "6"), ("r", "8")]
    assert talked.usage == Usage(requests=3, input_tokens=300, output_tokens=21)


def test_a_model_that_calls_to_the_end_of_its_rounds_is_told_to_answer_without_tools():
    calling = says("", call("double", '{"x": 2}'))
    model = Script([calling, calling, says("Four.")])
    talked = talk(model, max_rounds=2)
    assert (talked.text, talked.ending) == ("Four.", Ending.ANSWERED)
    assert [tools for _, _, tools in model.asked] == [(DOUBLE,), (DOUBLE,), ()]
    assert [instructions for instructions, _, _ in model.asked] == [
        "Be exact.",
        "Be exact.",
        f"Be exact.\n\n{ANSWER_NOW}",
    ]


def test_a_model_that_only_calls_tools_ends_with_a_clear_result():
    model = Script([says("", call("double", '{"x": 2}'))])
    talked = talk(model, max_rounds=3)
    assert (talked.text, talked.ending) == ("", Ending.STILL_CALLING)
    assert "vlm.max_rounds" in talked.ending.value
    assert len(model.asked) == 4
    assert len(talked.used) == 3  # the last call has no outcome


def test_without_tools_the_model_is_asked_once_and_as_it_is():
    model = Script([says("Far.")])
    assert talk(model, declarations=()).text == "Far."
    assert model.asked == [("Be exact.", (QUESTION,), ())]


@pytest.mark.parametrize(
    ("reply", "ending"),
    [
        (says("The car is", cut_off=True), Ending.CUT_OFF),
        (says("", cut_off=True), Ending.CUT_OFF),
        (says(" \n"), Ending.SILENT),
    ],
)
def test_answers_that_are_none(reply, ending: Ending):
    talked = talk(Script([reply]))
    assert (talked.text, talked.ending) == (reply.turn.text, ending)


def test_calls_of_a_turn_that_was_cut_off_are_still_answered():
    model = Script([says("", call("double", '{"x": 2}'), cut_off=True), says("Four.")])
    assert talk(model).ending is Ending.ANSWERED


def test_a_call_that_is_repeated_word_for_word_is_answered_from_memory():
    seen: list[ToolCall] = []

    def use(asked: ToolCall) -> ToolOutcome:
        seen.append(asked)
        return double(asked)

    two = '{"x": 2}'
    model = Script(
        [
            says("", call("double", two, "p"), call("double", two, "q")),
            says("", call("double", two, "r"), call("double", '{"x": 5}', "s")),
            says("Four."),
        ]
    )
    talked = talk(model, use=use)
    assert [each.call_id for each in seen] == ["p", "s"]
    assert [(each.outcome.call_id, each.outcome.content) for each in talked.used] == [
        ("p", "4"),
        ("q", "4"),
        ("r", "4"),
        ("s", "10"),
    ]


def test_far_too_many_calls_at_once_are_not_all_made():
    calls = [call("double", f'{{"x": {i}}}', str(i)) for i in range(MOST_CALLS + 2)]
    model = Script([says("", *calls), says("Done.")])
    outcomes = [each.outcome for each in talk(model).used]
    assert [each.call_id for each in outcomes] == [each.call_id for each in calls]
    assert [each.failed for each in outcomes] == [False] * MOST_CALLS + [True, True]
    assert str(MOST_CALLS) in outcomes[-1].content


def test_what_the_model_raises_passes_through():
    def refuse(*_: object) -> None:
        raise EngineError("localhost: does not answer")

    with pytest.raises(EngineError, match=r"^localhost: does not answer$"):
        converse(refuse, "", QUESTION, declarations=(DOUBLE,), use=double, max_rounds=3)
