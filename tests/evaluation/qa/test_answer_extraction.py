"""Which choice an answer in free words takes."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fast_snow.evaluation.qa.answer_extraction import extract_choice

SWAN = {"A": "left", "B": "not moving", "C": "right", "D": "no cow there"}
COUNTS = {"A": "1", "B": "2", "C": "3", "D": "0"}


def test_real_endings(clips: Path):
    tails = json.loads((clips / "vqa" / "answer_tails_dev.json").read_text())
    assert [extract_choice(each["tail"], each["choices"]) for each in tails] == [
        each["expected_letter"] for each in tails
    ]


@pytest.mark.parametrize("letter", "ABCD")
@pytest.mark.parametrize(
    "form",
    [
        *("{}", "({})", "**{}**", "{}.", "[{}]", "${}$", "option {}", "I would pick ({})", "The answer is ({})."),
        *("final answer: {}", "Final Answer: **{}**", "FINAL ANSWER IS {}", "final answer:{}", "final answer - {}"),
        *("final answer: option ({})", "final answer: <{}>", "final answer is $\\boxed{{{}}}$", "Final answer:\n\n{}"),
        *(
            "**Final Answer**\n\nThe answer is: **{}**",
            "final answer: \u201c{}\u201d",
            '{{"answer": "{}"}}',
            "\\boxed{{{}}}",
        ),
        *("final answer: {} because it drifts", "The correct option is {}, since no other fits", "**Answer:** {}"),
        *("final answer: B\nNo, wait.\nfinal answer: {}", "final answer: {}\nThis final answer rests on object 3."),
        *("(A) is wrong, (B) too.\n{}", "final answer: The final answer is {}.", "{}\n\nbecause the water moves"),
    ],
)
def test_a_letter(form: str, letter: str):
    assert extract_choice(form.format(letter), SWAN) == letter
    assert extract_choice(form.format(f"{letter}: {SWAN[letter]}"), SWAN) == letter


@pytest.mark.parametrize(
    ("reply", "letter"),
    [
        ("(c)", "C"),
        ("a", "A"),
        ("right", "C"),
        ("Not moving.", "B"),
        ("final answer: moving to the left.", "A"),
        ("final answer: not moving", "B"),
        ("final answer: there\u2019s no cow there", "D"),
        ("The final answer is A car that moves right", "C"),
        ("final answer: A left", "A"),
        ("final answer: D right", "D"),
        ("final answer: A \u2013 left", "A"),
        ("final answer: B (not C)", "B"),
        ("final answer: right (C)", "C"),
        ("The swan goes left", "A"),
    ],
)
def test_a_letter_or_a_text_in_words(reply: str, letter: str):
    assert extract_choice(reply, SWAN) == letter


@pytest.mark.parametrize(
    "reply",
    [
        *("", "   ", "I cannot tell.", "A cow", "final answer: Because", "final answer is a bit unclear"),
        *("final answer: A or B", "final answer: A/B", "final answer: A, B", "final answer: C and B", "(A) or (B)"),
        *("final answer: both left and right", "final answer: not left", "final answer: left (not right)"),
        *("final answer: X", "final answer: E", "final answer: A-frame", "final answer: none of them"),
        "It moves left, then right.",
        "A: left - this matches.\nB: it does move.\nC: there is no sign of",
        "Step 1: the swan is on the left.\nStep 2: option C would mean",
    ],
)
def test_no_single_choice(reply: str):
    assert extract_choice(reply, SWAN) is None


def test_numbers_as_choices():
    replies = ["final answer: 3", "It jumps 2 times.", "2", "final answer: B: 2", "0", "final answer: 12"]
    assert [extract_choice(each, COUNTS) for each in replies] == ["C", "B", "B", "B", "D", None]


def test_of_equal_texts_the_first_is_taken():
    assert extract_choice("final answer: left", {"A": "right", "B": "left", "C": "Left."}) == "B"
    assert extract_choice("final answer: C", {"A": "right", "B": "left", "C": "left"}) == "C"


@given(st.text(max_size=60))
def test_any_text_gives_a_choice_or_none(text: str):
    assert extract_choice(text, SWAN) in (*SWAN, None)
    assert extract_choice(f"{text}\nfinal answer: C", SWAN) == "C"


@given(st.text(max_size=20), st.sampled_from("ABCD"))
def test_any_text_can_be_a_choice(text: str, letter: str):
    assert extract_choice(f"final answer: {letter}", {**SWAN, "B": text}) == letter
