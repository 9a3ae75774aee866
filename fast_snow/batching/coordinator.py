"""Runs a batch: passes requests on from folding processes to workers, and starts anew what dies."""

import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Final, Protocol

from fast_snow.batching import storage
from fast_snow.batching.messages import Failure, Job, Opened, Outcome, Packed, Perceived, Selected, packed
from fast_snow.batching.processes import Child, LostError, block_interrupts
from fast_snow.batching.report import Tally
from fast_snow.batching.videos import Video
from fast_snow.batching.waiting import Waiting, WaitingRequests
from fast_snow.config import Config
from fast_snow.errors import EngineError, UserError
from fast_snow.protocols import Progress

_ATTEMPTS: Final = 2
"""So often a window, and the fold of a video whose process dies, are tried."""
_STARTS: Final = 3
"""A worker that could not be started so often in a row is given up."""
_START_S: Final = 120.0
"""A folding process may be silent at least so long: it is started meanwhile."""
_TICK_S: Final = 0.2


class Worker(Protocol):
    """Answers requests, wherever it runs; starts anew by itself after it was lost."""

    def ready(self) -> bool:
        """Return whether it can be called; may wait a few seconds for it.

        Raises:
            LostError: it could not be started.
        """
        ...

    def call(self, request: Packed, limit_s: float) -> Packed:
        """Return the reply.

        Raises:
            LostError: it died, or took longer than the limit.
        """
        ...

    def close(self) -> None:
        """End it at once; the next call starts it anew."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How videos are folded.

    Attributes:
        folder: of all runs, on this machine.
        remote: the URL that finished runs go to; None where they stay.
        config: all settings.
        overwrite: whether runs that are there may be replaced.
        ahead: how many windows of a video may be asked for before they are folded.
        limit_s: the longest that a window may take, and that a folding process may be silent.
    """

    folder: Path
    remote: str | None
    config: Config
    overwrite: bool
    ahead: int
    limit_s: float


class Coordinator:
    """Threads between folding processes and workers: one for each."""

    def __init__(
        self,
        videos: Sequence[Video],
        workers: Sequence[Worker],
        start_folding: Callable[[], Child],
        num_folding: int,
        plan: Plan,
        tally: Tally,
    ) -> None:
        self._workers, self._start_folding, self._plan, self._tally = workers, start_folding, plan, tally
        self._requests = WaitingRequests(max(1, len(workers) // 4), len(workers))
        self._videos: SimpleQueue[Video] = SimpleQueue()
        for video in videos:
            self._videos.put(video)
        self._children: dict[int, Child] = {}
        self._selected: dict[bytes, Packed] = {}
        self._stopped, self._problem = False, ""
        self._problems: SimpleQueue[BaseException] = SimpleQueue()
        self._serving = [Thread(target=self._guarded, args=(self._serve, k), daemon=True) for k in range(len(workers))]
        self._folding = [Thread(target=self._guarded, args=(self._fold, k), daemon=True) for k in range(num_folding)]

    def run(self, progress: Progress) -> None:
        """Fold all videos.

        Raises:
            EngineError: no worker can be started.
            KeyboardInterrupt: of the user; all processes are ended, and what they stored is whole.
        """
        try:
            for thread in (*self._folding, *self._serving):
                thread.start()
            while any(thread.is_alive() for thread in self._folding):
                with suppress(Empty):
                    raise self._problems.get(timeout=_TICK_S)
                if not any(thread.is_alive() for thread in self._serving):
                    raise EngineError(self._problem)
                progress(*self._tally.line())
            progress(*self._tally.line())
        finally:
            self._stop()

    def _stop(self) -> None:
        self._stopped = True
        self._requests.close()
        for child in list(self._children.values()):
            child.kill()
        for worker in self._workers:
            worker.close()
        for thread in (*self._folding, *self._serving):
            thread.join(timeout=10)

    def _guarded(self, work: Callable[[int], None], number: int) -> None:
        block_interrupts()
        try:
            work(number)
        except BaseException as error:  # noqa: BLE001 (raised by `run`)
            if not self._stopped:
                self._problems.put(error)

    def _serve(self, number: int) -> None:
        """Give one worker one request after the other."""
        worker = self._workers[number]
        failures = 0
        while not self._stopped:
            try:
                ready, failures = worker.ready(), 0
            except LostError as error:
                ready, failures = False, failures + 1
                if failures == _STARTS:
                    self._requests.note(number, present=False)
                    self._problem = f"no worker can be started: it {error}; {self._plan.folder}/workers.log says why"
                    return
            self._requests.note(number, present=ready)
            waiting = self._requests.take(number) if ready else None
            if waiting is None:
                continue
            reply, content = self._reply(worker, number, waiting)
            if isinstance(content, Failure) and len(waiting.failed_on) + 1 < _ATTEMPTS and waiting.wanted():
                waiting.retried()
                self._requests.put_back(waiting, number)
            else:
                waiting.answer(reply)

    def _reply(self, worker: Worker, number: int, waiting: Waiting) -> tuple[Packed, object]:
        began = time.perf_counter()
        try:
            reply = worker.call(waiting.request, self._plan.limit_s)
            content = reply.unpacked()
        except LostError as error:
            content = Failure(error=f"a worker {error}")
            reply = packed(content)
        if isinstance(content, Failure) and content.worn:
            worker.close()
        if isinstance(content, Selected):
            self._selected[waiting.request.tree] = reply
        if isinstance(content, Perceived):
            seconds = time.perf_counter() - began
            self._tally.perceived(number, frames=content.frames, seconds=seconds, peak_bytes=content.peak_bytes)
        return reply, content

    def _fold(self, number: int) -> None:
        """Give one folding process one video after the other."""
        while not self._stopped:
            try:
                video = self._videos.get_nowait()
            except Empty:
                return
            outcome = self._outcome(number, video)
            if not self._stopped:
                self._tally.finished(video.name, outcome)

    def _outcome(self, number: int, video: Video) -> Outcome:
        folder, log = self._plan.folder / video.name, self._plan.folder / f"{video.name}.log"
        copies = self._plan.folder / ".inputs" / video.name
        target = None if self._plan.remote is None else f"{self._plan.remote}/{video.name}"
        config = self._plan.config
        if video.episode is not None:
            config = replace(config, source=replace(config.source, episode=video.episode))
        try:
            source = storage.fetch(video.source, copies)
            if target is not None:
                storage.fetch_record(target, folder)
            job = Job(
                source=source,
                folder=folder,
                log=log,
                config=config,
                overwrite=self._plan.overwrite,
                ahead=self._plan.ahead,
            )
            outcome = self._folded(number, video, job)
            if target is not None and outcome.status == "done":
                storage.upload(folder, target)
            if outcome.status != "failed" and storage.is_remote(video.source):
                shutil.rmtree(copies, ignore_errors=True)
        except UserError as error:
            return Outcome(status="failed", error=str(error))
        return outcome

    def _folded(self, number: int, video: Video, job: Job) -> Outcome:
        for _ in range(_ATTEMPTS):
            child = self._children.get(number)
            if child is None:
                child = self._children[number] = self._start_folding()
            try:
                return self._exchange(child, video, job)
            except LostError as error:
                lost = f"its process {error}"
                self._children.pop(number).kill()
                if self._stopped:
                    break
        return Outcome(status="failed", error=lost)

    def _exchange(self, child: Child, video: Video, job: Job) -> Outcome:
        """Pass requests of a folding process on until its video is finished."""
        going, open_requests = [True], [0]

        def answer(request: int, reply: Packed) -> None:
            open_requests[0] -= 1  # approximately: threads share it, and it only tells silence from waiting
            with suppress(LostError):  # its own thread will notice
                child.send((request, reply))

        silence_s = max(self._plan.limit_s, _START_S)
        child.send(job)
        try:
            while True:
                message = child.receive(silence_s)
                match message:
                    case Outcome():
                        return message
                    case Opened(frames=frames):
                        self._tally.opened(video.name, frames)
                    case (request, Packed(tree=tree)) if tree in self._selected:
                        answer(request, self._selected[tree])
                    case (request, sent):
                        open_requests[0] += 1
                        waiting = Waiting(
                            request=sent,
                            answer=partial(answer, request),
                            wanted=lambda: going[0],
                            retried=partial(self._tally.retried, video.name),
                        )
                        self._requests.put(waiting)
                    case _ if not open_requests[0]:
                        raise LostError(f"did nothing for {silence_s:g} s")
        finally:
            going[0] = False
