"""A process that folds videos, one after the other: `infer`, in which workers perceive the windows."""

import os
import sys
import time
import traceback
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from threading import Lock, Thread
from time import perf_counter
from typing import Any

import numpy as np

from fast_snow import output
from fast_snow.api import collected_warnings, open_source, steps
from fast_snow.atomic_files import store
from fast_snow.batching.messages import Failure, Job, Opened, Origin, Perceived, Reply, Request, Selected, WindowRequest
from fast_snow.batching.processes import receive, redirect, send
from fast_snow.batching.report import BatchRow
from fast_snow.errors import EngineError, FastSnowError, FastSnowWarning, InputError, one_line
from fast_snow.inputs import Input
from fast_snow.keyframes import KeyframeImage
from fast_snow.output.publishing import recover
from fast_snow.output.workspace import Workspace, locked
from fast_snow.perception import EngineOpeners
from fast_snow.perception_files import PerceptionFiles
from fast_snow.pipeline import Pipeline, Step
from fast_snow.protocols import Progress
from fast_snow.resuming import Memory, remember
from fast_snow.run_key import run_key
from fast_snow.run_record import record, summarize_run
from fast_snow.selection import Selection
from fast_snow.types import Perception, Window


class Exchange:
    """The pipe to the coordinator; a thread takes what comes, so that nobody who sends must wait for the fold."""

    def __init__(self, connection: Connection) -> None:
        self._connection, self._sending = connection, Lock()
        self._asked: dict[int, tuple[Future[Any], Callable[[Any], Any]]] = {}
        self.jobs: SimpleQueue[Job] = SimpleQueue()
        Thread(target=self._receive, daemon=True).start()

    def send(self, message: object) -> None:
        """Send the coordinator a message."""
        with self._sending:
            send(self._connection, message)

    def ask(self, request: Request, then: Callable[[Any], Any]) -> "Future[Any]":
        """Send a request for a worker.

        Returns:
            What `then` makes of the answer, as soon as it is there.
        """
        future: Future[Any] = Future()
        self._asked[id(future)] = future, then
        self.send((id(future), request))
        return future

    def _receive(self) -> None:
        try:
            while True:
                message = receive(self._connection)
                if isinstance(message, Job):
                    self.jobs.put(message)
                else:
                    self._settle(*message)
        except (OSError, EOFError):
            os._exit(1)

    def _settle(self, number: int, reply: Reply) -> None:
        future, then = self._asked.pop(number)
        try:
            if isinstance(reply, Failure):
                print(reply.trace, file=sys.stderr)
                raise EngineError(reply.error)
            future.set_result(then(reply))
        except Exception as error:  # noqa: BLE001 (it belongs to whoever waits)
            future.set_exception(error)


class Delegation:
    """Lets workers perceive the windows of a video, several at once, and stores what they answer as it comes."""

    def __init__(
        self, exchange: Exchange, ahead: int, origin: Origin, selected: Selected, files: PerceptionFiles
    ) -> None:
        self._exchange, self._origin, self._selected, self._files = exchange, origin, selected, files
        self._ahead = ahead
        self._futures: dict[int, Future[None]] = {}
        self._pictures: dict[int, tuple[KeyframeImage, ...]] = {}
        self._picture: Callable[[Window], tuple[KeyframeImage, ...]] = lambda _: ()

    def attached(self, pipeline: Pipeline) -> Pipeline:
        """Return the pipeline with workers in place of engines."""
        self._picture = pipeline.picture
        return replace(pipeline, perceive=self._perceive, picture=self._taken_picture)

    def ahead(self, windows: Iterable[Window]) -> Iterator[Window]:
        """Ask for windows before the fold needs them; what is yielded has no images any more."""
        waiting: deque[Window] = deque()
        for window in windows:
            waiting.append(window if self._files.path(window.index).exists() else self._asked(window))
            del window
            if len(waiting) > self._ahead:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()

    def _asked(self, window: Window) -> Window:
        self._pictures[window.index] = self._picture(window)
        request = WindowRequest(origin=self._origin, window=window, used=self._selected.used, key=self._files.key)
        path = self._files.path(window.index)
        self._futures[window.index] = self._exchange.ask(request, partial(_stored, path))
        count = len(window.frames)
        points = np.full(count, None, object)
        return replace(window, frames=replace(window.frames, image=np.zeros((count, 1, 1, 3), np.uint8), points=points))

    def _perceive(self, window: Window, _: Progress) -> Perception:
        if window.index not in self._futures:  # its file of an interrupted run is damaged
            window = self._asked(window)
        self._futures[window.index].result()
        perception, noticed = self._files.load(window.index, window.frames)
        for message in noticed:
            warnings.warn(message, FastSnowWarning, stacklevel=2)
        return perception

    def _taken_picture(self, window: Window) -> tuple[KeyframeImage, ...]:
        self._futures.pop(window.index, None)
        pictures = self._pictures.pop(window.index, None)
        return self._picture(window) if pictures is None else pictures


def serve(connection: Connection, _: object) -> None:
    """Fold the videos that come through a pipe."""
    exchange = Exchange(connection)
    while True:
        job = exchange.jobs.get()
        redirect(Path(job.row.log))
        exchange.send(_row(job, exchange))


def _row(job: Job, exchange: Exchange) -> BatchRow:
    """Fold a video; whatever goes wrong is part of its row."""
    _log(f"{job.source} -> {job.plan.folder / job.row.video}")
    try:
        row = _folded(job, exchange)
    except Exception as error:  # noqa: BLE001 (one video must not lose the others)
        if not isinstance(error, FastSnowError):
            traceback.print_exc()
        row = replace(job.row, status="failed", error=one_line(error))
    _log(f"{row.status}: {row.error or f'{row.frames} frames, {row.tracks} tracks'}")
    return row


def _folded(job: Job, exchange: Exchange) -> BatchRow:
    config, folder, began = job.plan.config, job.plan.folder / job.row.video, perf_counter()
    with ExitStack() as stack:
        noticed = stack.enter_context(collected_warnings(show=False))
        source, file = open_source(job.source, config)
        if source.live is not None or file is None:
            raise InputError(f"{job.source}: is live, expected a file or a folder: run infer")
        exchange.send(Opened(frames=source.expected_frames))
        origin = _origin(source, file.path)
        selected: Selected = exchange.ask(origin, lambda reply: reply).result()
        if _is_finished(folder, run_key(file, config, selected.used).fold):
            return replace(job.row, status="skipped")
        opened = output.create(folder, overwrite=job.plan.overwrite, source=file.path, resumable=True)
        writer = stack.enter_context(opened)
        selection = Selection(engines=_NONE, used=selected.used, resident=True)
        memory = remember(writer, source, file, selection, config, noticed)
        if memory.perceived:
            _log(str(memory))
        delegation = Delegation(exchange, job.plan.ahead, origin, selected, memory.files)
        keep = partial(_keep, writer, memory)
        going = steps(source, selection, config, memory=memory, detour=delegation)
        summary = summarize_run(going, config, keep, began=began, before=memory.summary)
        noted = record(source, config, selected.used, summary, warnings=noticed, origin=file)
        memory.finish()
        writer.finish(summary.graph, {**noted, **memory.noted, "gpus": list(selected.gpus)})
    for message in noticed:
        _log(f"warning: {message}")
    return replace(
        job.row,
        status="done",
        frames=summary.graph.num_frames,
        windows=summary.windows,
        tracks=len(summary.graph.tracks),
        wall_s=perf_counter() - began,
    )


def _keep(writer: output.RunWriter, memory: Memory, step: Step) -> None:
    writer.add(step.state.labelled, step.keyframes)
    memory.checkpoint(step)
    _log(f"window {step.window}: {step.state.graph.num_frames} frames")


def _never() -> Any:  # noqa: ANN401
    raise AssertionError("unreachable: workers have the engines")


_NONE = EngineOpeners(geometry=_never, segmenter=_never, tracker=_never)


def _origin(source: Input, path: Path) -> Origin:
    known = source.recording
    if known is None:
        return Origin(size=source.size, recording=None, brings=())
    brings = (known.has_depth, known.has_poses, known.intrinsics is not None, known.has_masks)
    return Origin(size=source.size, recording=path.resolve(), brings=brings)


def _is_finished(folder: Path, key: str) -> bool:
    """Tell whether a run of a key is in place; one that was killed while it took its place is put there first."""
    if Workspace(folder).journal.exists():
        with locked(folder.resolve()) as workspace:
            recover(workspace, resumable=True)
    return (folder / output.RECORD).exists() and output.read_record(folder).get("key") == key


def _stored(path: Path, reply: Perceived) -> None:
    store(path, reply.file.data)


def _log(line: str) -> None:
    print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}", flush=True)
