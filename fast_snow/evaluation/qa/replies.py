"""The answer in what a model said: a letter, or the words behind its last "final answer"."""

import re
from typing import Final

from fast_snow.evaluation.qa.answer_choice import chosen
from fast_snow.evaluation.qa.dataset import Dataset
from fast_snow.evaluation.qa.question import UNREADABLE, Form, Mark, Question

_FINAL: Final = re.compile(r"final\s+answer\b[\s*_`\"']*(?:is\b)?[\s*_`\"':=$-]*", re.IGNORECASE)
_AROUND: Final = " \t\r\n*_`\"'$"


def answer_in(question: Question, reply: str) -> str | None:
    """Return the answer alone, in the form in which the dataset's official rule takes it; None where there is none.

    Without a "final answer" all that was said is the answer, as it is for the official rules.
    """
    if question.form is Form.CHOICE:
        return chosen(reply, {each.letter: each.text for each in question.choices})
    said = re.split(_FINAL, reply)[1:] or [reply]
    behind = next((each for each in reversed(said) if each.strip(_AROUND)), "")
    words = behind if question.form is Form.POINTS else next(iter(behind.strip(_AROUND).splitlines()), "")
    return words.strip(_AROUND) or None


def mark(dataset: Dataset, question: Question, reply: str) -> Mark:
    """Return what a model's reply is worth; nothing where no answer is found in it."""
    answer = answer_in(question, reply)
    return UNREADABLE if answer is None else dataset.score(question, answer)
