"""Concurrent requests to a model; every answer is cached as soon as it arrives.

Answers lie on disk, one file each under the digest of its request: what was answered is not asked again.
"""

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from fast_snow import untrusted_json
from fast_snow.atomic_files import store
from fast_snow.config import VlmConfig
from fast_snow.errors import FastSnowError, InputError
from fast_snow.evaluation.qa.question import Arm, Question
from fast_snow.evaluation.qa.requests import Failure, Request
from fast_snow.evaluation.results import make_folder
from fast_snow.limits import RUN_RECORD_FILE
from fast_snow.protocols import Progress, silent
from fast_snow.reasoning.agent import Ending
from fast_snow.reasoning.answering import answer_question
from fast_snow.reasoning.conversation import Usage, VisionLanguageModel
from fast_snow.typed_json import build_dataclass

MOST_FAILURES_IN_A_ROW: Final = 8
"""Then the others are not asked: a model that does not exist, or that has no credit left, answers none of them."""
ASKING: Final = "questions"
FOLDER: Final = "answers"


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedAnswer:
    """What a model said to a request, and what it consumed; tools are the names of those it used, in order.

    `left_out` is what of the graph the prompt had no room for, `unread` a warning that the server has not read all of
    it.
    """

    text: str
    ending: Ending
    usage: Usage
    tools: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    unread: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A question that was answered, now or in an earlier evaluation."""

    question: Question
    arm: Arm
    reply: CachedAnswer


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
    """Ask what has not been asked before, `parallel` requests at once, and keep the answers in a folder.

    `total` is the number of requests, for the progress.

    Returns:
        The outcome of every request in their order, or of those before the model failed too often in a row.

    Raises:
        OutputError: the folder cannot be written.
        InputError: an answer in it is damaged.
    """

    def ask(request: Request) -> CachedAnswer | FastSnowError:
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
    wanted: Iterable[Request | Response], ask: Callable[[Request], CachedAnswer | FastSnowError], parallel: int
) -> Iterator[Response]:
    """Yield outcomes in the order of the requests; what is under way when the caller stops is waited for and kept."""
    waiting: deque[Request | Response] = deque()
    under_way: dict[str, Future[CachedAnswer | FastSnowError]] = {}  # by digest: equal requests are made once
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


def _outcome(each: Request | Response, under_way: Mapping[str, Future[CachedAnswer | FastSnowError]]) -> Response:
    if not isinstance(each, Request):
        return each
    result = under_way[each.digest].result()
    if isinstance(result, CachedAnswer):
        return Answered(question=each.question, arm=each.arm, reply=result)
    return Failure(question=each.question, arm=each.arm, why=str(result))


def _ask(request: Request, model: VisionLanguageModel, vlm: VlmConfig, folder: Path) -> CachedAnswer | FastSnowError:
    try:
        answered = answer_question(
            model, request.prompt, request.graph, tools=request.arm.tools, max_rounds=vlm.max_rounds
        )
    except FastSnowError as error:
        return error
    reply = CachedAnswer(
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


def cache_answer(folder: Path, digest: str, reply: CachedAnswer, about: Mapping[str, str]) -> None:
    """Store the reply to a request, with `about` for a person who looks at the file.

    Raises:
        OutputError: the folder cannot be written.
    """
    path = _path(folder, digest)
    values = {**about, **asdict(reply), "ending": reply.ending.name}
    make_folder(path.parent)
    store(path, json.dumps(values, indent=1).encode())


def cached_answer(folder: Path, digest: str) -> CachedAnswer | None:
    """Return the reply to a request; None where there is none yet; raises InputError where its file is damaged."""
    path = _path(folder, digest)
    if not path.is_file():
        return None
    try:
        return build_dataclass(CachedAnswer, untrusted_json.load(path, limit=RUN_RECORD_FILE), str(path), extra=True)
    except InputError as error:
        raise InputError(f"{error}; not an answer of this version: delete it to ask again") from None


def _path(folder: Path, digest: str) -> Path:
    return folder / FOLDER / digest[:2] / f"{digest}.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What an arm would cost: how many questions are answered already, to be asked or failing, and their tokens."""

    arm: Arm
    kept: int
    to_ask: int
    prompt_tokens: int
    failing: int


def estimate_costs(requests: Iterable[Request | Failure], arms: Sequence[Arm], folder: Path) -> tuple[Cost, ...]:
    """Return what each arm would cost; answers that are kept cost nothing."""
    kept, failing = dict.fromkeys(arms, 0), dict.fromkeys(arms, 0)
    tokens: dict[Arm, list[int]] = {arm: [] for arm in arms}
    for each in requests:
        if isinstance(each, Failure):
            failing[each.arm] += 1
        elif cached_answer(folder, each.digest) is not None:
            kept[each.arm] += 1
        else:
            tokens[each.arm].append(each.prompt.total_tokens)
    return tuple(
        Cost(arm=arm, kept=kept[arm], to_ask=len(its), prompt_tokens=sum(its), failing=failing[arm])
        for arm, its in tokens.items()
    )
