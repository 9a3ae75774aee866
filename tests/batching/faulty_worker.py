"""A worker to which what its input is called happens, in a process of its own."""

import os
import signal
import time
import warnings
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from fast_snow.batching import worker
from fast_snow.batching.messages import Perceived, WindowRequest
from fast_snow.config import Config
from fast_snow.inputs import Input
from fast_snow.selection import Selection

perceived = worker.WindowWorker._perceived


def _perceived(self: worker.WindowWorker, request: WindowRequest, source: Input, selection: Selection) -> Perceived:
    assert request.origin.recording is not None
    fault, _, _ = request.origin.recording.name.partition("-")
    if fault == "hanging":
        time.sleep(1000)
    if fault == "hungry":
        np.ones(10**10)
    if fault == "deadly" or (fault == "once" and _first(request)):
        os.kill(os.getpid(), signal.SIGKILL)
    if fault == "slow":
        time.sleep(0.3)
    return perceived(self, request, source, selection)


def _first(request: WindowRequest) -> bool:
    """Tell whether the window with an odd number comes for the first time."""
    assert request.origin.recording is not None
    mark = Path(f"{request.origin.recording}-{request.window.index}.mark")
    if mark.exists() or request.window.index % 2 == 0:
        return False
    mark.touch()
    return True


def serve(connection: Connection, config: Config) -> None:
    worker.WindowWorker._perceived = _perceived  # type: ignore[method-assign]
    warnings.simplefilter("ignore")
    worker.serve(connection, config)
