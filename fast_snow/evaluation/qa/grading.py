"""Answers beside the truth: a column of graded answers for each arm, or for each model whose answers were recorded."""

from collections.abc import Sequence
from dataclasses import dataclass

from fast_snow.evaluation.qa.answer_cache import ModelReply
from fast_snow.evaluation.qa.answer_extraction import answer_in
from fast_snow.evaluation.qa.dataset import Dataset, RecordedAnswer, RecordedAnswers
from fast_snow.evaluation.qa.inference import Answered, Response
from fast_snow.evaluation.qa.question import UNREADABLE, Arm, Mark, Question


@dataclass(frozen=True, slots=True, kw_only=True)
class Graded:
    """One answer and what it is worth; `reply` is None where the answer was recorded by someone else."""

    question: Question
    mark: Mark
    reply: ModelReply | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GradedColumn:
    """Graded answers of one kind.

    Attributes:
        name: of the arm or of the model.
        meaning: in words for the user.
        graded: in the order of the questions.
        missing: how many questions have no answer; as in the official scores, they do not count.
        unused: how many answers belong to no question.
        overruled: how many answers the dataset's judge and the rule see differently; None where nobody judged.
    """

    name: str
    meaning: str
    graded: tuple[Graded, ...]
    missing: int = 0
    unused: int = 0
    overruled: int | None = None

    @property
    def unreadable(self) -> int:
        """How many replies have no answer in them; they count as wrong."""
        return sum(each.mark.read_as is None for each in self.graded)


def grade(dataset: Dataset, arm: Arm, outcomes: Sequence[Response], asked: int) -> GradedColumn:
    """Return the column of an arm.

    Args:
        dataset: whose rule counts.
        arm: which.
        outcomes: of all arms.
        asked: how many questions there were.
    """
    graded = tuple(
        Graded(question=each.question, mark=mark_reply(dataset, each.question, each.reply.text), reply=each.reply)
        for each in outcomes
        if each.arm is arm and isinstance(each, Answered)
    )
    return GradedColumn(name=arm.name, meaning=arm.value, graded=graded, missing=asked - len(graded))


def grade_recorded(dataset: Dataset, questions: Sequence[Question], recorded: RecordedAnswers) -> GradedColumn:
    """Return the column of a model whose answers someone recorded; verdicts of the dataset's judge go first."""
    pairs = [(each, recorded.answers[each.key]) for each in questions if each.key in recorded.answers]
    graded, overruled, judged = [], 0, False
    for question, answer in pairs:
        by_rule = UNREADABLE if answer.text is None else dataset.score(question, answer.text)
        graded.append(Graded(question=question, mark=_judged(by_rule, answer)))
        if answer.verdict is not None:
            judged = True
            overruled += answer.verdict != (by_rule.score == 1)
    return GradedColumn(
        name=recorded.model,
        meaning="recorded answers",
        graded=tuple(graded),
        missing=len(questions) - len(pairs),
        unused=recorded.unused,
        overruled=overruled if judged else None,
    )


def mark_reply(dataset: Dataset, question: Question, reply: str) -> Mark:
    """Return what a model's reply is worth; nothing where no answer is found in it."""
    answer = answer_in(question, reply)
    return UNREADABLE if answer is None else dataset.score(question, answer)


def _judged(by_rule: Mark, answer: RecordedAnswer) -> Mark:
    return by_rule if answer.verdict is None else Mark(score=float(answer.verdict), read_as=by_rule.read_as)
