"""What a batch may use: how many workers, and of what each."""

import os
from dataclasses import dataclass

from fast_snow.config import Config
from fast_snow.engines.hardware import gpus
from fast_snow.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What a batch may use."""

    workers: int = 0
    """Number of workers (0: one per GPU; without GPUs, one per two cores)."""
    ray: str | None = None
    """Address of a Ray cluster (auto or HOST:PORT), or `local` (default: processes of this machine)."""
    cpus_per_worker: float = 1.0
    """CPUs that a worker reserves on Ray."""
    gpus_per_worker: float | None = None
    """GPUs, or a fraction of one, that a worker reserves on Ray (default: one, where the cluster has any)."""
    memory_gb: float = 0.0
    """Maximum memory per worker and per folding process in GB (0: no limit); Ray reserves it."""
    folding: int = 0
    """Number of processes that read videos and fold windows (0: one more than workers, at most one per core)."""
    time_limit_s: float = 3600.0
    """Maximum seconds per window; a worker that takes longer is started anew."""

    def __post_init__(self) -> None:
        for name in ("workers", "cpus_per_worker", "gpus_per_worker", "memory_gb", "folding"):
            if not 0 <= (getattr(self, name) or 0) < 1e6:
                raise ConfigError(f"{name}: got {getattr(self, name)}, expected 0 or more")
        if not 0 < self.time_limit_s < 1e7:
            raise ConfigError(f"time_limit_s: got {self.time_limit_s}, expected seconds")

    @property
    def memory_bytes(self) -> int | None:
        """The most that a process may allocate."""
        return int(self.memory_gb * 1e9) or None

    def num_local(self, config: Config) -> int:
        """Return how many workers run on this machine."""
        found = 0 if config.runtime.device == "cpu" else len(gpus())
        return self.workers or found or max(1, cores() // 2)

    def num_folding(self, num_videos: int, num_workers: int) -> int:
        """Return how many processes fold."""
        return min(num_videos, self.folding or min(num_workers + 1, max(2, cores())))


def cores() -> int:
    """Return how many CPUs this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
