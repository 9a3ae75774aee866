"""What an engine did in one setting, as it goes into results."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.timing import Timing
from fast_snow.peak_memory import peak_bytes, peak_gpu_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one engine did in one setting.

    Attributes:
        engine: its name.
        setting: what it was given.
        skipped: why it was not measured; empty where it was.
        load_s: from the call to the first usable moment.
        first_s: the first window, which warms up.
        frame_p50_s: seconds per frame of the median window.
        frame_p95_s: of a slow one.
        frames_per_second: of the median window.
        peak_bytes: of GPU memory that torch held; without a GPU, of the process while the engine was open.
        more: figures of this engine alone.
    """

    engine: str
    setting: Mapping[str, Any]
    skipped: str = ""
    load_s: float | None = None
    first_s: float | None = None
    frame_p50_s: float | None = None
    frame_p95_s: float | None = None
    frames_per_second: float | None = None
    peak_bytes: int | None = None
    more: Mapping[str, Any] | None = None

    def __str__(self) -> str:
        setting = " ".join(f"{name}={value}" for name, value in self.setting.items())
        if self.frame_p50_s is None or self.frame_p95_s is None or self.peak_bytes is None or self.load_s is None:
            return f"{self.engine:<18} {setting:<34} skipped: {self.skipped}"
        return (
            f"{self.engine:<18} {setting:<34} load {self.load_s:6.2f} s"
            f"  frame p50 {1e3 * self.frame_p50_s:9.2f} ms  p95 {1e3 * self.frame_p95_s:9.2f} ms"
            f"  {1 / self.frame_p50_s:8.2f} fps  {self.peak_bytes / 2**30:6.2f} GiB"
        )


def summary(
    name: str,
    setting: Mapping[str, Any],
    load_s: float,
    timing: Timing,
    frames: int,
    more: Mapping[str, Any] | None,
) -> Measured:
    """Summarise the windows of one setting; the peak of memory is the one up to now."""
    p50, p95 = (float(np.percentile(timing.seconds, q)) / frames for q in (50, 95))
    return Measured(
        engine=name,
        setting=setting,
        load_s=load_s,
        first_s=timing.warm_up_s,
        frame_p50_s=p50,
        frame_p95_s=p95,
        frames_per_second=1 / p50,
        peak_bytes=peak_gpu_bytes() or peak_bytes(),
        more=more,
    )
