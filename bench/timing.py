"""Timing that can be compared: warm-up, several runs, median and spread, and the machine it was measured on."""

import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Run times of one function.

    Attributes:
        seconds: of each run that counts.
        warm_up_s: of the run before, which does not.
    """

    seconds: tuple[float, ...]
    warm_up_s: float

    @property
    def median(self) -> float:
        """The middle run."""
        return statistics.median(self.seconds)

    @property
    def spread(self) -> tuple[float, float]:
        """The fastest and the slowest run."""
        return min(self.seconds), max(self.seconds)

    def as_json(self) -> dict[str, object]:
        """Return median, spread and every run."""
        return {"median_s": self.median, "spread_s": self.spread, "runs_s": self.seconds}

    def __str__(self) -> str:
        low, high = self.spread
        return f"{1e3 * self.median:9.2f} ms ({1e3 * low:.2f} to {1e3 * high:.2f})"


def now() -> float:
    """Return the time in seconds, once a GPU has done what it was given."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def measure(functions: Mapping[str, Callable[[], object]], runs: int) -> dict[str, Timing]:
    """Time functions side by side.

    Args:
        functions: by name; each is called once to warm up.
        runs: rounds; every round calls each function once, so that all see the same state of the machine.

    Returns:
        The timing of each function.
    """
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(1 + runs):
        for name, function in functions.items():
            begin = now()
            function()
            seconds[name].append(now() - begin)
    return {name: Timing(warm_up_s=each[0], seconds=tuple(each[1:])) for name, each in seconds.items()}


def copy_bandwidth(runs: int) -> float:
    """Measure how fast one thread copies memory, in bytes read and written per second."""
    source = np.ones(2**25)
    target = np.empty_like(source)
    timing = measure({"copy": lambda: np.copyto(target, source)}, runs)["copy"]
    return 2 * source.nbytes / timing.median


def hardware(*packages: str) -> dict[str, str]:
    """Describe the machine and the versions of Python and `packages`."""
    info = Path("/proc/cpuinfo")
    names = (
        [
            line.split(":")[1].strip()
            for line in info.read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ]
        if (info.exists())
        else []
    )
    return {
        "processor": names[0] if names else platform.processor(),
        "cores": str(os.cpu_count()),
        "system": platform.platform(),
        "python": platform.python_version(),
        **{package: _version(package) for package in packages},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
