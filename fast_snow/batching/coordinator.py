"""Runs a batch: passes requests on from folding processes to workers, and starts anew what dies."""

import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import replace
from functools import partial
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Final, Protocol, runtime_checkable

from fast_snow.batching import storage
from fast_snow.batching.messages import Failure, Job, Opened, Origin, Perceived, Plan, Reply, Request, Selected
from fast_snow.batching.processes import Child, LostError, Setting, block_interrupts
from fast_snow.batching.report import BatchRow, Tally
from fast_snow.batching.videos import Video
from fast_snow.batching.waiting import Waiting, WaitingRequests
from fast_snow.errors import EngineError, UserError
from fast_snow.protocols import Progress

_ATTEMPTS: Final = 2
"""So often a window, and the fold of a video whose process dies, are tried."""
_STARTS: Final = 3
"""A worker that could not be started so often in a row is given up."""
_START_S: Final = 120.0
"""A folding process may be silent at least so long: it is started meanwhile."""
_TICK_S: Final = 0.2


@runtime_checkable
class Worker(Protocol):
    """Answers requests, wherever it runs."""

    def ready(self) -> bool:
        """Start it where it does not run; return whether it can be called; may wait a few seconds for it.

        Raises:
            LostError: it could not be started.
        """
        ...

    def call(self, request: Request, limit_s: float) -> Reply:
        """Return the reply.

        Raises:
            LostError: it died, or took longer than the limit.
        """
        ...

    def close(self) -> None:
        """End it at once, or what is left of it."""
        ...


class Coordinator:
    """Threads between folding processes and workers: one for each."""

    def __init__(
        self, videos: Sequence[Video], workers: Sequence[Worker], folding: Setting, plan: Plan, tally: Tally
    ) -> None:
        self._workers, self._folding, self._plan, self._tally = workers, folding, plan, tally
        self._requests = WaitingRequests(max(1, len(workers) // 4), len(workers))
        self._videos: SimpleQueue[Video] = SimpleQueue()
        for video in videos:
            self._videos.put(video)
        self._children: dict[int, Child] = {}
        self._selected: dict[Origin, Selected] = {}
        self._stopped, self._problem = False, ""
        self._problems: SimpleQueue[BaseException] = SimpleQueue()
        num_folding = plan.resources.num_folding(len(videos), len(workers))
        self._serving = [Thread(target=self._guarded, args=(self._serve, k), daemon=True) for k in range(len(workers))]
        self._folding_threads = [
            Thread(target=self._guarded, args=(self._fold, k), daemon=True) for k in range(num_folding)
        ]

    def run(self, progress: Progress) -> None:
        """Fold all videos.

        Raises:
            EngineError: no worker can be started.
            KeyboardInterrupt: of the user; all processes are ended, and what they stored is whole.
        """
        try:
            for thread in (*self._folding_threads, *self._serving):
                thread.start()
            while any(thread.is_alive() for thread in self._folding_threads):
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
        for thread in (*self._folding_threads, *self._serving):
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
        worker, failures = self._workers[number], 0
        while not self._stopped:
            try:
                ready, failures = worker.ready(), 0
            except LostError as error:
                worker.close()
                ready, failures = False, failures + 1
                self._problem = f"no worker can be started: it {error}; {self._plan.folder}/workers.log says why"
            self._requests.note(number, present=ready)
            if failures == _STARTS:
                return
            waiting = self._requests.take(number) if ready else None
            if waiting is not None:
                self._reply(worker, number, waiting)
                del waiting  # with its images

    def _reply(self, worker: Worker, number: int, waiting: Waiting) -> None:
        """Answer a request, or let another worker try again."""
        began = time.perf_counter()
        try:
            reply = worker.call(waiting.request, self._plan.resources.time_limit_s)
        except LostError as error:
            reply = Failure(error=f"a worker {error}", worn=True)
        match waiting.request, reply:
            case _, Failure():
                if reply.worn:
                    worker.close()
                if len(waiting.failed_on) + 1 < _ATTEMPTS and not waiting.reply.cancelled():
                    self._tally.retried(waiting.video)
                    self._requests.put_back(waiting, number)
                    return
            case Origin() as origin, Selected():
                self._selected[origin] = reply
            case _, Perceived(frames=frames, peak_bytes=peak_bytes, gpu_use=gpu_use):
                seconds = time.perf_counter() - began
                self._tally.perceived(number, frames=frames, seconds=seconds, peak_bytes=peak_bytes, gpu_use=gpu_use)
        with suppress(InvalidStateError):  # cancelled
            waiting.reply.set_result(reply)

    def _fold(self, number: int) -> None:
        """Give one folding process one video after the other."""
        while not self._stopped:
            try:
                video = self._videos.get_nowait()
            except Empty:
                return
            row = self._row(number, video)
            if not self._stopped:
                self._tally.finished(row)

    def _row(self, number: int, video: Video) -> BatchRow:
        """Return what became of a video."""
        row, plan = self._tally.row(video.name), self._plan
        folder, copies = plan.folder / video.name, plan.folder / ".inputs" / video.name
        target = None if plan.remote is None else f"{plan.remote}/{video.name}"
        if video.episode is not None:
            source_config = replace(plan.config.source, episode=video.episode)
            plan = replace(plan, config=replace(plan.config, source=source_config))
        try:
            source = storage.fetch(video.source, copies)
            if target is not None:
                storage.fetch_record(target, folder)
            row = self._folded(number, Job(row=row, source=source, plan=plan))
            if target is not None and row.status == "done":
                storage.upload(folder, target)
            if row.status != "failed" and storage.is_remote(video.source):
                shutil.rmtree(copies, ignore_errors=True)
        except UserError as error:
            return replace(row, status="failed", error=str(error))
        return row

    def _folded(self, number: int, job: Job) -> BatchRow:
        for _ in range(_ATTEMPTS):
            child = self._children.get(number)
            if child is None:
                child = self._children[number] = Child(self._folding)
            try:
                return self._exchange(child, job)
            except LostError as error:
                lost = f"its process {error}"
                self._children.pop(number).kill()
                if self._stopped:
                    break
        return replace(job.row, status="failed", error=lost)

    def _exchange(self, child: Child, job: Job) -> BatchRow:
        """Pass requests of a folding process on until its video is finished."""
        silence_s, asked = max(self._plan.resources.time_limit_s, _START_S), set[Future[Reply]]()
        child.send(job)
        try:
            while True:
                match child.receive(silence_s):
                    case BatchRow() as row:
                        return row
                    case Opened(frames=frames):
                        self._tally.opened(job.row.video, frames)
                    case (request_id, Origin() as origin) if origin in self._selected:
                        child.send((request_id, self._selected[origin]))
                    case (request_id, request):
                        waiting = Waiting(video=job.row.video, request=request)
                        asked.add(waiting.reply)
                        waiting.reply.add_done_callback(asked.discard)
                        waiting.reply.add_done_callback(partial(_answer, child, request_id))
                        self._requests.put(waiting)
                        del request, waiting  # with its images
                    case _ if not asked:
                        raise LostError(f"did nothing for {silence_s:g} s")
        finally:
            for reply in tuple(asked):
                reply.cancel()


def _answer(child: Child, request_id: int, reply: "Future[Reply]") -> None:
    """Send a reply to the process that asked."""
    with suppress(LostError):  # its own thread will notice
        if not reply.cancelled():
            child.send((request_id, reply.result()))
