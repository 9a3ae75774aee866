"""The most memory that this process has held."""

import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Final

_FORGET: Final = Path("/proc/self/clear_refs")
_STATUS: Final = Path("/proc/self/status")
_PEAK_RESIDENT: Final = "5"  # proc(5): "reset the peak resident set size"


def linux_field(file: Path, name: str) -> str:
    """Return the first field of this name in a file of Linux's `/proc`; empty where there is none."""
    with suppress(OSError):
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.startswith(name):
                return line.partition(":")[2].strip()
    return ""


def forget_peak() -> bool:
    """Begin to watch memory anew.

    Returns:
        Whether that could be done; where not (outside Linux), `peak_bytes` tells of the whole life of the process.
    """
    torch = _torch_on_gpu()
    if torch is not None:
        torch.cuda.reset_peak_memory_stats()
    try:
        _FORGET.write_text(_PEAK_RESIDENT, encoding="ascii")
    except OSError:
        return False
    return True


def peak_bytes() -> int:
    """Return the most resident memory of the process since it was forgotten, what it held before included.

    It is 0 where the system does not tell (Windows). On Linux `ru_maxrss` would include what the parent process held
    when it started this one.
    """
    peak = linux_field(_STATUS, "VmHWM")
    if peak:
        return int(peak.split()[0]) * 1024
    with suppress(ImportError):
        resource = import_module("resource")
        largest = int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        return largest if sys.platform == "darwin" else largest * 1024
    return 0


def peak_gpu_bytes() -> int:
    """Return the most GPU memory that torch has held since it was forgotten; 0 without a GPU in use."""
    torch = _torch_on_gpu()
    return 0 if torch is None else int(torch.cuda.max_memory_allocated())


def _torch_on_gpu() -> Any:  # noqa: ANN401 (a module that may not be there)
    """Return torch where an engine has loaded it and computes on a GPU; never loads it."""
    torch = sys.modules.get("torch")
    return torch if torch is not None and torch.cuda.is_available() else None
