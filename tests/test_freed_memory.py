"""What was freed goes back to the operating system."""

import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fast_snow.freed_memory import return_freed_memory

_SIZE, _COUNT = 60_000, 1000  # bytes; too small for the C library to map each by itself


def resident() -> int:
    """Return the bytes of this process that lie in memory."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="malloc_trim is glibc's")
def test_freed_arrays_are_given_back_though_the_heaps_end_is_in_use():
    arrays = [np.ones(_SIZE, np.uint8) for _ in range(_COUNT)]
    pins = arrays[:: _COUNT // 10] + arrays[-1:]
    del arrays
    before = resident()
    return_freed_memory()
    assert before - resident() > _SIZE * _COUNT / 2
    assert len(pins) == 11


_HEAPS = """
import ctypes, sys, threading
import numpy as np
from fast_snow.freed_memory import share_one_heap
if sys.argv[2] == "shared":
    share_one_heap()
thread = threading.Thread(target=lambda: np.ones(60_000, np.uint8))
thread.start()
thread.join()
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
file = ctypes.c_void_p(libc.fopen(sys.argv[1].encode(), b"w"))
libc.malloc_info(0, file)
libc.fclose(file)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="heaps per thread are glibc's")
def test_threads_share_one_heap(tmp_path: Path):
    def heaps(how: str) -> int:
        report = tmp_path / how
        subprocess.run([sys.executable, "-c", _HEAPS, str(report), how], check=True)
        return report.read_text(encoding="ascii").count("<heap nr=")

    assert heaps("shared") == 1 < heaps("apart")
