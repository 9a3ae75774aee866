"""Compiles the later half of a first run's kernels in a process beside it, which then meets them ready.

Run as a module it is that process: the classical tracker follows given masks through a few small frames, STEP tokens
are made of them, and Numba's cache keeps what that compiles. What comes before is compiled by the run, which needs it.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from fast_snow.kernels import threads
from fast_snow.kernels.compilation import watched_compilation

SIZE: Final = (120, 160)
FRAMES: Final = 10
"""As few and small as all of these kernels are needed for."""


@contextmanager
def compiled_ahead() -> Iterator[None]:
    """Start such a process when the block is about to compile its first kernel; with the block it ends, too."""
    processes: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        if threads.PER_CORE > 1:
            command, none = [sys.executable, "-m", __name__], subprocess.DEVNULL
            with suppress(OSError):  # the run does without
                processes.append(subprocess.Popen(command, stdin=none, stdout=none, stderr=none))

    with watched_compilation(start):
        try:
            yield
        finally:
            for each in processes:
                each.kill()
                each.wait()


def compile_kernels() -> None:
    """Compile the kernels of the classical tracker and of STEP tokens."""
    from fast_snow.api import build_graph
    from fast_snow.config import Config, EnginesConfig, RuntimeConfig
    from fast_snow.synthetic.files import write_recording
    from fast_snow.synthetic.render import render
    from fast_snow.synthetic.scene import SceneConfig

    with TemporaryDirectory() as folder:
        write_recording(render(SceneConfig(size=SIZE, frames=FRAMES)), Path(folder))
        build_graph(folder, config=Config(engines=EnginesConfig(tracker="classical"), runtime=RuntimeConfig(threads=1)))


if __name__ == "__main__":
    compile_kernels()
