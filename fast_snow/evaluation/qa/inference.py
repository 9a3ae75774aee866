"""Asks a model all questions, several at a time, and caches every answer as soon as it arrives."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fast_snow.config import VlmConfig
from fast_snow.errors import FastSnowError
from fast_snow.evaluation.qa.answer_cache import ModelReply, cache_answer, cached_answer
from fast_snow.evaluation.qa.question import Arm, Question
from fast_snow.evaluation.qa.requests import Failure, Request
from fast_snow.protocols import Progress, silent
from fast_snow.reasoning.answering import answer_question
from fast_snow.reasoning.conversation import VisionLanguageModel

MOST_FAILURES_IN_A_ROW: Final = 8
"""Then the others are not asked: a model that does not exist, or that has no credit left, answers none of them."""
ASKING: Final = "questions"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A question that was answered, now or in an earlier evaluation."""

    question: Question
    arm: Arm
    reply: ModelReply


Response = Answered | Failure


def ask_all(
    requests: Iterable[Request | Failure],
    model: VisionLanguageModel,
    vlm: VlmConfig,
    *,
    folder: Path,
    parallel: int = 1,
    total: int = 0,
    progress: Progress = silent,
) -> tuple[Response, ...]:
    """Ask what has not been asked before.

    Args:
        requests: in the order of the outcomes.
        model: answers.
        vlm: its settings.
        folder: where answers are kept.
        parallel: how many requests are under way at once.
        total: how many requests there are, for the progress.
        progress: told how many are done.

    Returns:
        The outcome of every request, or of those before the model failed too often in a row.

    Raises:
        OutputError: the folder cannot be written.
        InputError: an answer in it is damaged.
    """

    def ask(request: Request) -> ModelReply | FastSnowError:
        return _ask(request, model, vlm, folder)

    done: list[Response] = []
    failed = 0
    progress(ASKING, 0, total)
    for outcome in _in_order(_with_kept(requests, folder), ask, parallel):
        done.append(outcome)
        progress(ASKING, len(done), total)
        failed = failed + 1 if isinstance(outcome, Failure) else 0
        if failed == MOST_FAILURES_IN_A_ROW:
            break
    return tuple(done)


def _with_kept(requests: Iterable[Request | Failure], folder: Path) -> Iterator[Request | Response]:
    """Put the answers that are there in the place of their requests."""
    for each in requests:
        reply = cached_answer(folder, each.digest) if isinstance(each, Request) else None
        yield each if reply is None else Answered(question=each.question, arm=each.arm, reply=reply)


def _in_order(
    wanted: Iterable[Request | Response], ask: Callable[[Request], ModelReply | FastSnowError], parallel: int
) -> Iterator[Response]:
    """Yield outcomes in the order of the requests; what is under way when the caller stops is waited for and kept."""
    waiting: deque[Request | Response] = deque()
    under_way: dict[str, Future[ModelReply | FastSnowError]] = {}  # by digest: equal requests are made once
    pool = ThreadPoolExecutor(max_workers=parallel)
    try:
        for each in wanted:
            if isinstance(each, Request) and each.digest not in under_way:
                under_way[each.digest] = pool.submit(ask, each)
            waiting.append(each)
            if len(waiting) >= parallel:
                yield _outcome(waiting.popleft(), under_way)
        while waiting:
            yield _outcome(waiting.popleft(), under_way)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _outcome(each: Request | Response, under_way: Mapping[str, Future[ModelReply | FastSnowError]]) -> Response:
    if not isinstance(each, Request):
        return each
    result = under_way[each.digest].result()
    if isinstance(result, ModelReply):
        return Answered(question=each.question, arm=each.arm, reply=result)
    return Failure(question=each.question, arm=each.arm, why=str(result))


def _ask(request: Request, model: VisionLanguageModel, vlm: VlmConfig, folder: Path) -> ModelReply | FastSnowError:
    try:
        answered = answer_question(
            model, request.prompt, request.graph, tools=request.arm.tools, max_rounds=vlm.max_rounds
        )
    except FastSnowError as error:
        return error
    reply = ModelReply(
        text=answered.text,
        ending=answered.ending,
        usage=answered.usage,
        tools=tuple(each.call.name for each in answered.calls),
        left_out=answered.left_out,
        unread=answered.unread,
    )
    about = {"question": request.question.key, "arm": request.arm.name, "model": vlm.model}
    cache_answer(folder, request.digest, reply, about)
    return reply
