"""What a batch has come to: its progress line, and the table of all videos as CSV and JSON."""

import csv
import io
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from threading import Lock
from typing import Final

from fast_snow.atomic_files import store
from fast_snow.errors import OutputError

TABLES: Final = ("batch.csv", "batch.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRow:
    """A video of a batch and what became of it.

    Attributes:
        video: its name.
        source: path or URL, without credentials.
        status: done, skipped (a finished run of the same key is there), failed or interrupted.
        error: why it failed, in one line.
        frames: of the graph.
        windows: of the run.
        tracks: of the graph.
        wall_s: seconds from the opening of the input to the finished run.
        retries: how many of its windows were tried again.
        log: path of its log.
    """

    video: str
    source: str
    status: str = "interrupted"
    error: str = ""
    frames: int = 0
    windows: int = 0
    tracks: int = 0
    wall_s: float = 0.0
    retries: int = 0
    log: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchResult:
    """What a batch came to.

    Attributes:
        rows: one per video, in the order given.
        wall_s: seconds of the batch.
        windows: how many workers perceived.
        busy_s: seconds that workers were at work, of all together.
        peak_bytes: the most memory that each worker held.
    """

    rows: tuple[BatchRow, ...]
    wall_s: float
    windows: int
    busy_s: float
    peak_bytes: tuple[int, ...]

    def count(self, *statuses: str) -> int:
        """Return how many videos have one of some statuses."""
        return sum(row.status in statuses for row in self.rows)


def write_tables(result: BatchResult, folder: Path) -> None:
    """Store `batch.csv` and `batch.json`."""
    text = io.StringIO()
    table = csv.DictWriter(text, [each.name for each in fields(BatchRow)], lineterminator="\n")
    table.writeheader()
    table.writerows(asdict(row) for row in result.rows)
    store(folder / TABLES[0], text.getvalue().encode())
    store(folder / TABLES[1], (json.dumps(asdict(result), indent=2) + "\n").encode())


def require_own_tables(folder: Path) -> None:
    """Check that tables that an earlier batch did not write are not replaced.

    Raises:
        OutputError: a file of their name begins otherwise.
    """
    begins = (",".join(each.name for each in fields(BatchRow)).encode() + b"\n", b'{\n  "rows": [')
    for name, begin in zip(TABLES, begins, strict=True):
        path = folder / name
        if not path.exists():
            continue
        with path.open("rb") as file:
            if file.read(len(begin)) != begin:
                raise OutputError(
                    f"{path}: not the table of a batch, expected another folder: move it, or choose one with -o"
                )


class Tally:
    """Counts what happens in a batch; threads may share it."""

    def __init__(self, rows: Sequence[BatchRow], num_workers: int) -> None:
        self._lock, self._began = Lock(), time.perf_counter()
        self._rows = {row.video: row for row in rows}
        self._finished: set[str] = set()
        self._expected: dict[str, int] = {}
        self._peaks = [0] * num_workers
        self._gpu_use: dict[int, float] = {}
        self._busy_s = 0.0
        self._windows = self._frames = 0

    def row(self, video: str) -> BatchRow:
        """Return the row of a video as it stands."""
        return self._rows[video]

    def opened(self, video: str, frames: int | None) -> None:
        """Note how many frames a video is expected to have."""
        with self._lock:
            if frames is not None:
                self._expected[video] = frames

    def perceived(
        self, worker: int, *, frames: int, seconds: float, peak_bytes: int, gpu_use: float | None = None
    ) -> None:
        """Note that a worker perceived a window."""
        with self._lock:
            self._windows, self._frames, self._busy_s = self._windows + 1, self._frames + frames, self._busy_s + seconds
            self._peaks[worker] = max(self._peaks[worker], peak_bytes)
            if gpu_use is not None:
                self._gpu_use[worker] = gpu_use

    def retried(self, video: str) -> None:
        """Note that a window is tried again."""
        with self._lock:
            self._rows[video] = replace(self._rows[video], retries=self._rows[video].retries + 1)

    def finished(self, row: BatchRow) -> None:
        """Note what became of a video."""
        with self._lock:
            self._rows[row.video] = replace(row, retries=self._rows[row.video].retries)
            self._finished.add(row.video)

    def line(self) -> tuple[str, int, int]:
        """Return the progress: how it stands, how many videos are finished, and of how many."""
        with self._lock:
            elapsed_s = time.perf_counter() - self._began
            rate = self._frames / elapsed_s
            failed = sum(row.status == "failed" for row in self._rows.values())
            text = f"{self._windows} windows, {rate:.1f} frames per second"
            if self._gpu_use:  # of each worker while it perceived its last window
                text += f", GPUs {sum(self._gpu_use.values()) / len(self._gpu_use):.0%} busy"
            text += f", {failed} failed" * (failed > 0)
            left = self._frames_left()
            if rate and left:
                text += time.strftime(", expected end %a %H:%M", time.localtime(time.time() + left / rate))
            return f"videos ({text})", len(self._finished), len(self._rows)

    def result(self) -> BatchResult:
        """Return what the batch came to; videos that are not finished are interrupted."""
        return BatchResult(
            rows=tuple(self._rows.values()),
            wall_s=time.perf_counter() - self._began,
            windows=self._windows,
            busy_s=self._busy_s,
            peak_bytes=tuple(self._peaks),
        )

    def _frames_left(self) -> float:
        """Return about how many frames are still to come; videos that are not opened are taken for average ones."""
        known = self._expected.values()
        mean = sum(known) / len(known) if known else 0.0
        skipped = sum(self._expected.get(name, 0) for name in self._finished if self._rows[name].status != "done")
        return max(0.0, mean * len(self._rows) - skipped - self._frames)
