"""What a batch has come to: its progress line, and the table of all videos as CSV and JSON."""

import csv
import io
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from threading import Lock
from typing import Any, Final

from fast_snow.atomic_files import store
from fast_snow.batching.messages import Outcome
from fast_snow.batching.storage import hidden, is_remote
from fast_snow.batching.videos import Video
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
    status: str
    error: str
    frames: int
    windows: int
    tracks: int
    wall_s: float
    retries: int
    log: str


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

    def __init__(self, videos: Sequence[Video], num_workers: int) -> None:
        self._lock, self._began = Lock(), time.perf_counter()
        self._total = len(videos)
        self._expected: dict[str, int] = {}
        self._peaks = [0] * num_workers
        self._busy_s = 0.0
        self.windows = self.frames = 0
        self.outcomes: dict[str, Outcome] = {}
        self.retries: dict[str, int] = {}

    def opened(self, video: str, frames: int | None) -> None:
        """Note how many frames a video is expected to have."""
        with self._lock:
            if frames is not None:
                self._expected[video] = frames

    def perceived(self, worker: int, *, frames: int, seconds: float, peak_bytes: int) -> None:
        """Note that a worker perceived a window."""
        with self._lock:
            self.windows, self.frames, self._busy_s = self.windows + 1, self.frames + frames, self._busy_s + seconds
            self._peaks[worker] = max(self._peaks[worker], peak_bytes)

    def retried(self, video: str) -> None:
        """Note that a window is tried again."""
        with self._lock:
            self.retries[video] = self.retries.get(video, 0) + 1

    def finished(self, video: str, outcome: Outcome) -> None:
        """Note what became of a video."""
        with self._lock:
            self.outcomes[video] = outcome

    def line(self) -> tuple[str, int, int]:
        """Return the progress: how it stands, how many videos are finished, and of how many."""
        with self._lock:
            elapsed_s = time.perf_counter() - self._began
            rate = self.frames / elapsed_s
            failed = sum(each.status == "failed" for each in self.outcomes.values())
            text = f"{self.windows} windows, {rate:.1f} frames per second"
            text += f", {failed} failed" * (failed > 0)
            left = self._frames_left()
            if rate and left:
                text += time.strftime(", expected end %a %H:%M", time.localtime(time.time() + left / rate))
            return f"videos ({text})", len(self.outcomes), self._total

    def result(self, videos: Sequence[Video], folder: Path) -> BatchResult:
        """Return what the batch came to, whose logs are in a folder; videos that are not finished are interrupted."""
        rows = []
        for video in videos:
            outcome = self.outcomes.get(video.name, Outcome(status="interrupted"))
            values: dict[str, Any] = asdict(outcome)
            retries = self.retries.get(video.name, 0)
            source = hidden(video.source) if is_remote(video.source) else video.source
            log = str(folder / f"{video.name}.log")
            rows.append(BatchRow(video=video.name, source=source, retries=retries, log=log, **values))
        return BatchResult(
            rows=tuple(rows),
            wall_s=time.perf_counter() - self._began,
            windows=self.windows,
            busy_s=self._busy_s,
            peak_bytes=tuple(self._peaks),
        )

    def _frames_left(self) -> float:
        """Return about how many frames are still to come; videos that are not opened are taken for average ones."""
        known = self._expected.values()
        mean = sum(known) / len(known) if known else 0.0
        skipped = sum(self._expected.get(name, 0) for name, each in self.outcomes.items() if each.status != "done")
        return max(0.0, mean * self._total - skipped - self.frames)
