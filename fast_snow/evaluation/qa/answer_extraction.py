"""Extraction of the answer from a reply: the choice it takes, or the words after its last "final answer".

Models are asked to end with `final answer: X`, and mostly do; they also write it bold, in dollars, in brackets, with
the choice's text, or the text alone. An answer that takes two choices takes none, and nothing is guessed from the words
of an argument.
"""

import re
from collections.abc import Mapping, Sequence
from enum import Enum, auto
from typing import Final

from fast_snow.evaluation.qa.question import Form, Question


class _Verdict(Enum):
    """What a piece of an answer says where it names no choice."""

    SILENT = auto()
    UNDECIDED = auto()


_Found = str | _Verdict

_MOST_MARKS, _REACH = 20, 1000
"""How many marks are looked at, and how many characters behind each."""
_FINAL: Final = re.compile(r"final\s+answer\b", re.IGNORECASE)
_OTHER: Final = re.compile(
    r"\b(?:answer|correct\s+(?:option|choice|letter))\b(?:\s+(?:is|would\s+be|should\s+be)\b|\W*:)|\\boxed\b",
    re.IGNORECASE,
)
_LEAD: Final = re.compile(
    r"(?:[\s*_`~\"'$({\[<:=>→-]|\\\w+\{?|\b(?:is|be|would|should|the|option|choice|letter|answer)\b)*", re.IGNORECASE
)
_LETTER: Final = re.compile(r"([A-Za-z])(?![\w'-]\w)(?!\w)")
_MORE: Final = re.compile(r"[\s*_`\"'$)}\].,]*(?:\b(?:or|and)\b|[/&,])[\s*_`\"'$({\[]*([A-Za-z])\b")
_ENDS_LETTER: Final = re.compile(r"[\s*_`\"'$]*(?:$|[.,:;!?)}\]|<>\\=-]|\()")
_REASONS: Final = re.compile(r"\s+(?:because|since|as|for|which|given)\b", re.IGNORECASE)
_MARKED: Final = re.compile(r"\b(?:option|choice|letter)\s+\W?([A-Z])\b|\(([A-Za-z])\)|\*\*([A-Z])\b|\[([A-Z])\]")
_DENIAL: Final = re.compile(r"\b(?:not|neither|nor|never|no|cannot|isn t|doesn t|aren t)\b")
_TYPEWRITTEN: Final = str.maketrans({0x2018: "'", 0x2019: "'", 0x201C: '"', 0x201D: '"', 0x2013: "-", 0x2014: "-"})
_ARTICLE_LIKE: Final = frozenset("AIai")


def extract_choice(reply: str, choices: Mapping[str, str]) -> str | None:
    """Return the letter of the choice that an answer takes.

    What stands behind the last "final answer" counts; else behind the last "answer is", "answer:" or box; else a last
    or first line that is nothing but a choice; else, of a single line, the one letter or choice that it names. Choices
    have capital letters; of equal texts the first is taken.

    Returns:
        A letter of `choices`; None where the answer takes none of them, or leaves it open between two.
    """
    text = reply.translate(_TYPEWRITTEN).strip()
    for marks in (_FINAL, _OTHER):
        for mark in list(marks.finditer(text))[: -_MOST_MARKS - 1 : -1]:
            verdict = _behind(text[mark.end() : mark.end() + _REACH], choices)
            if verdict is not _Verdict.SILENT:
                return verdict if isinstance(verdict, str) else None
    lines = [line for line in text.splitlines() if line.strip(" *_`#>-")]
    for line in (lines[-1], lines[0]) if lines else ():
        verdict = _whole(line, choices)
        if verdict is not _Verdict.SILENT:
            return verdict if isinstance(verdict, str) else None
    return _named_in(lines[0], choices) if len(lines) == 1 else None


def _behind(text: str, choices: Mapping[str, str]) -> _Found:
    """Judge what stands behind a mark: on its line, or on the next that has words."""
    lines = [line for line in text.splitlines()[:3] if re.search(r"\w", line)]
    if not lines:
        return _Verdict.SILENT
    rest = lines[0][_end_of_lead(lines[0]) :]
    if not rest.strip(" .:*_`$\"'") and len(lines) > 1:
        return _behind("\n".join(lines[1:]), choices)
    verdict = _letter_at_start(rest, choices)
    return verdict if verdict is not _Verdict.SILENT else _text_in(rest, choices)


def _end_of_lead(line: str) -> int:
    lead = _LEAD.match(line)
    return lead.end() if lead else 0


def _letter_at_start(rest: str, choices: Mapping[str, str]) -> _Found:
    """Judge a letter that is no word of a sentence: nothing follows, or punctuation, its own text, or a reason."""
    match = _LETTER.match(rest)
    if match is None or match[1].upper() not in choices:
        return _Verdict.SILENT
    letter, behind = match[1].upper(), rest[match.end() :]
    more = _MORE.match(behind)
    if more is not None and more[1].upper() in choices and more[1].upper() != letter:
        return _Verdict.UNDECIDED
    stands_alone = _ENDS_LETTER.match(behind) or _REASONS.match(behind) or _begins_with(behind, choices[letter])
    if stands_alone or (match[1].isupper() and match[1] not in _ARTICLE_LIKE):
        return letter
    return _Verdict.SILENT


def _begins_with(text: str, choice: str) -> bool:
    wanted = _plain(choice)
    return bool(wanted) and f"{_plain(text)} ".startswith(f"{wanted} ")


def _whole(line: str, choices: Mapping[str, str]) -> _Found:
    """Judge a line that is nothing but a letter, a choice's text, or both."""
    rest = line[_end_of_lead(line) :]
    plain = _plain(rest)
    for letter, text in choices.items():
        wanted = _plain(text)
        if plain in (wanted, f"{letter.lower()} {wanted}".strip()):
            return letter
    match = _LETTER.match(rest)
    bare = match is not None and not re.search(r"\w", rest[match.end() :])
    return match[1].upper() if match is not None and bare and match[1].upper() in choices else _Verdict.SILENT


def _named_in(line: str, choices: Mapping[str, str]) -> str | None:
    """Judge a single line: one marked letter such as (C), **C** or option C, or one choice's text."""
    marked = {next(filter(None, each)).upper() for each in _MARKED.findall(line)} & set(choices)
    if marked:
        return marked.pop() if len(marked) == 1 else None
    verdict = _text_in(line, choices)
    return verdict if isinstance(verdict, str) else None


def _text_in(line: str, choices: Mapping[str, str]) -> _Found:
    """Judge which choice's text a line has as whole words; a text inside a longer one that is there does not count."""
    plain, taken = f" {_plain(line)} ", dict[str, str]()
    for letter, wanted in sorted(_plain_texts(choices), key=lambda each: -len(each[1])):
        if f" {wanted} " in plain:
            taken.setdefault(wanted, letter)
            plain = plain.replace(f" {wanted} ", "  ")
    if len(taken) != 1:
        return _Verdict.UNDECIDED if taken else _Verdict.SILENT
    return _Verdict.UNDECIDED if _DENIAL.search(plain) else next(iter(taken.values()))


def _plain_texts(choices: Mapping[str, str]) -> Sequence[tuple[str, str]]:
    return [(letter, plain) for letter, text in choices.items() if (plain := _plain(text))]


def _plain(text: str) -> str:
    """Return the words alone, in lower case."""
    return " ".join(re.findall(r"\w+", text.lower()))


_FINAL_ANSWER: Final = re.compile(r"final\s+answer\b[\s*_`\"']*(?:is\b)?[\s*_`\"':=$-]*", re.IGNORECASE)
_AROUND: Final = " \t\r\n*_`\"'$"


def extract_answer(question: Question, reply: str) -> str | None:
    """Return the answer alone, in the form in which the dataset's official rule takes it; None where there is none.

    Without a "final answer" all that was said is the answer, as it is for the official rules.
    """
    if question.form is Form.CHOICE:
        return extract_choice(reply, question.choices)
    parts = re.split(_FINAL_ANSWER, reply)[1:] or [reply]
    behind = next((each for each in reversed(parts) if each.strip(_AROUND)), "")
    words = behind if question.form is Form.POINTS else next(iter(behind.strip(_AROUND).splitlines()), "")
    return words.strip(_AROUND) or None
