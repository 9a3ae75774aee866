"""A worker: holds engines and answers one request at a time, in a process of its own or as an actor."""

import traceback
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from fast_snow import packed_values
from fast_snow.api import collected_warnings, open_source
from fast_snow.batching.messages import Failure, Origin, Perceived, Reply, Request, Selected, WindowRequest
from fast_snow.batching.processes import receive, send
from fast_snow.config import Config
from fast_snow.engines.hardware import gpu_use, gpus
from fast_snow.errors import EngineError, FastSnowError, one_line
from fast_snow.inputs.sampled import Input, InputKind, SampledFrame
from fast_snow.kernels import threads
from fast_snow.peak_memory import peak_bytes
from fast_snow.perception import EngineOpeners, perceive
from fast_snow.perception_files import PerceptionFiles
from fast_snow.residency import opened_once
from fast_snow.selection import Selection, select_engines


class WindowWorker:
    """Perceives windows of any videos; engines are opened once and kept while windows need the same."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._chosen: tuple[Origin, Input, Selection] | None = None
        self._kept: dict[str, tuple[tuple[object, ...], ExitStack, Any]] = {}
        threads.limit(config.runtime.threads)

    def __call__(self, request: Request) -> Reply:
        """Answer a request; whatever goes wrong becomes a `Failure`."""
        try:
            source, selection = self._selection(request.origin if isinstance(request, WindowRequest) else request)
            if isinstance(request, Origin):
                return Selected(used=selection.used, gpus=tuple(each.name for each in gpus()))
            return self._perceived(request, source, selection)
        except Exception as error:  # noqa: BLE001 (one window must not lose the others)
            worn = not isinstance(error, FastSnowError)
            return Failure(error=one_line(error), worn=worn, trace=traceback.format_exc())

    def _perceived(self, request: WindowRequest, source: Input, selection: Selection) -> Perceived:
        wanted, names = ([(use.slot, use.name) for use in each] for each in (request.used, selection.used))
        if names != wanted:
            raise EngineError(
                f"a worker would take {_listed(names)}, expected {_listed(wanted)} as another did: name them by"
                " --engines or make the machines alike"
            )
        uses: list[float] = []

        def watch(*_: object) -> None:
            uses.extend(gpu_use())

        with collected_warnings(show=False) as noticed:
            engines = self._engines(request.origin, selection)
            perception = perceive(request.window, engines=engines, config=self._config, progress=watch)
        recorded = frozenset(use.slot for use in selection.used if use.name == "recorded")
        files = PerceptionFiles(folder=Path(), key=request.key, recorded=recorded, recording=source.recording)
        stored = files.stored(perception, noticed)
        file = packed_values.dumps(stored, compressed=self._config.output.keep_perception)  # others go within seconds
        return Perceived(
            file=np.frombuffer(file, np.uint8),
            frames=len(request.window.frames) - request.window.shared,
            peak_bytes=peak_bytes(),
            gpu_use=fmean(uses) if uses else None,
        )

    def _selection(self, origin: Origin) -> tuple[Input, Selection]:
        if self._chosen is None or self._chosen[0] != origin:
            source = _source(origin, self._config)
            self._chosen = origin, source, select_engines(source, self._config)
        return self._chosen[1:]

    def _engines(self, origin: Origin, selection: Selection) -> EngineOpeners:
        """Return openers of engines that stay open, as long as windows need the same."""
        if not selection.resident:
            return selection.engines
        openers: dict[str, Any] = {}
        for use in selection.used:
            own = origin.recording if use.slot == "geometry" or use.name == "recorded" else None
            needs = (use.name, own, origin.size if use.name.endswith(("onnx", "tensorrt")) else None)
            before, stack, opener = self._kept.get(use.slot, (None, ExitStack(), None))
            if before != needs:
                stack.close()
                stack = ExitStack()
                opener = opened_once(getattr(selection.engines, use.slot), stack)
                self._kept[use.slot] = needs, stack, opener
            openers[use.slot] = opener
        return EngineOpeners(**openers)


def serve(connection: Connection, config: Config) -> None:
    """Answer requests that come through a pipe."""
    warnings.simplefilter("ignore")
    worker = WindowWorker(config)
    send(connection, "ready")
    while True:
        send(connection, worker(receive(connection)))


def _source(origin: Origin, config: Config) -> Input:
    """Return what engines are chosen for: a recording, or a video, of which they know the size alone."""
    if origin.recording is not None:
        return open_source(origin.recording, config)[0]
    return Input(
        name="", kind=InputKind.VIDEO, size=origin.size, source_fps=None, expected_frames=None, read=_no_frames
    )


def _no_frames() -> Iterator[SampledFrame]:
    raise AssertionError("unreachable: workers are sent the frames")


def _listed(names: list[tuple[str, str]]) -> str:
    return ", ".join(name for _, name in names)
