"""A worker: holds engines and answers one request at a time, in a process of its own or as an actor."""

import traceback
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from pickle import PickleBuffer
from typing import Any

from fast_snow import packed_values
from fast_snow.api import collected_warnings, open_source
from fast_snow.batching.messages import (
    Failure,
    Origin,
    Packed,
    Perceived,
    Reply,
    Request,
    Selected,
    WindowRequest,
    packed,
)
from fast_snow.batching.processes import receive, send
from fast_snow.config import Config
from fast_snow.engines.hardware import gpus
from fast_snow.errors import EngineError, FastSnowError
from fast_snow.inputs.sampled import Input, InputKind, SampledFrame
from fast_snow.kernels import threads
from fast_snow.peak_memory import peak_bytes
from fast_snow.perception import EngineOpeners, perceive
from fast_snow.perception_files import PerceptionFiles
from fast_snow.residency import opened_once
from fast_snow.selection import Selection, select_engines


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """An engine that stays open for windows of the same needs."""

    needs: tuple[object, ...]
    stack: ExitStack
    opener: Any


class WindowWorker:
    """Perceives windows of any videos; engines are opened once and kept."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._chosen: tuple[Origin, Input, Selection] | None = None
        self._kept: dict[str, _Kept] = {}
        threads.limit(config.runtime.threads)

    def __call__(self, request: Request) -> Reply:
        """Answer a request; whatever goes wrong becomes a `Failure`."""
        try:
            source, selection = self._selection(request.origin if isinstance(request, WindowRequest) else request)
            if isinstance(request, Origin):
                return Selected(used=selection.used, gpus=tuple(each.name for each in gpus()))
            return self._perceived(request, source, selection)
        except FastSnowError as error:
            return Failure(error=str(error), trace=traceback.format_exc())
        except MemoryError:
            return Failure(error="out of memory", worn=True, trace=traceback.format_exc())
        except Exception as error:  # noqa: BLE001 (one window must not lose the others)
            what = f"{type(error).__name__}: {error}".splitlines()[0]
            return Failure(error=what, worn=True, trace=traceback.format_exc())

    def _perceived(self, request: WindowRequest, source: Input, selection: Selection) -> Perceived:
        wanted, names = ([(use.slot, use.name) for use in each] for each in (request.used, selection.used))
        if names != wanted:
            raise EngineError(
                f"a worker would take {_listed(names)}, expected {_listed(wanted)} as another did: name them by"
                " --engines or make the machines alike"
            )
        with collected_warnings(show=False) as noticed:
            engines = self._engines(request.origin, selection)
            perception = perceive(request.window, engines=engines, config=self._config)
        recorded = frozenset(use.slot for use in selection.used if use.name == "recorded")
        files = PerceptionFiles(folder=Path(), key=request.key, recorded=recorded, recording=source.recording)
        file = packed_values.dumps(files.stored(perception, noticed), compressed=request.compressed)
        added = len(request.window.frames) - request.window.shared
        return Perceived(file=PickleBuffer(file), frames=added, peak_bytes=peak_bytes())

    def _selection(self, origin: Origin) -> tuple[Input, Selection]:
        if self._chosen is None or self._chosen[0] != origin:
            source = _source(origin, self._config)
            self._chosen = origin, source, select_engines(source, self._config)
        return self._chosen[1:]

    def _engines(self, origin: Origin, selection: Selection) -> EngineOpeners:
        """Return openers of engines that stay open, as long as windows need the same."""
        if not selection.resident:
            return selection.engines
        openers = {}
        for use in selection.used:
            own = origin.recording if use.slot == "geometry" or use.name == "recorded" else None
            needs = (use.name, own, origin.size if use.name.endswith(("onnx", "tensorrt")) else None)
            kept = self._kept.get(use.slot)
            if kept is None or kept.needs != needs:
                if kept is not None:
                    kept.stack.close()
                stack = ExitStack()
                kept = _Kept(needs=needs, stack=stack, opener=opened_once(getattr(selection.engines, use.slot), stack))
                self._kept[use.slot] = kept
            openers[use.slot] = kept.opener
        return EngineOpeners(**openers)


def serve(connection: Connection, config: Config) -> None:
    """Answer requests that come through a pipe."""
    warnings.simplefilter("ignore")
    worker = WindowWorker(config)
    send(connection, "ready")
    while True:
        request: Packed = receive(connection)
        send(connection, packed(worker(request.unpacked())))
        del request


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
