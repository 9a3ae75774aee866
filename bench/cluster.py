"""A batch on a simulated cluster: from which number of workers on the fold, the reading or the network is the limit.

`python -m bench.cluster RUN` takes from the run.json of a finished run what a window costs: seconds of the engines, of
reading and of folding, frames and their size. `--perceive-s` replaces the engines' seconds, such as by those of
`bench.cost` for a GPU. Nothing runs: windows go through the stages of docs/adr/010-many-videos.md as events.
"""

import argparse
import heapq
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Final

import fast_snow
from bench.markdown import table
from fast_snow import output

WORKERS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_DEPTH_BYTES: Final = 8
"""Per pixel of the analysis grid: depth and confidence in single precision; masks are small beside them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """What a batch runs on and what its windows cost.

    Attributes:
        workers: how many windows are perceived at once.
        cores: of the machine that reads and folds.
        link_bytes_s: what its network carries in either direction.
        read_s: seconds of one core to decode a window and follow its points.
        perceive_s: seconds of a worker.
        fold_s: seconds of one core.
        window_bytes: that go to a worker.
        perception_bytes: that come back.
        failures_per_hour: of one worker; the window that it had is perceived again.
        restart_s: until a worker that failed is back.
        videos: how many there are.
        windows: of each video.
    """

    workers: int = 1
    cores: int = 16
    link_bytes_s: float = 1.25e9
    read_s: float = 2.0
    perceive_s: float = 60.0
    fold_s: float = 1.0
    window_bytes: float = 332e6
    perception_bytes: float = 136e6
    failures_per_hour: float = 0.0
    restart_s: float = 120.0
    videos: int = 64
    windows: int = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Seconds of the batch, and the share of it for which each stage was at work."""

    wall_s: float
    busy: dict[str, float]
    repeated: int


@dataclass(slots=True)
class _Stage:
    """Servers with one queue."""

    servers: int
    free: int
    waiting: deque[tuple[float, Callable[[], None]]] = field(default_factory=deque)
    busy_s: float = 0.0


class _Simulation:
    """Windows on their way: read, sent, perceived, sent back, folded in the order of their video."""

    def __init__(self, cluster: Cluster, seed: int) -> None:
        self._cluster, self._random = cluster, random.Random(seed)
        sizes = {"cores": cluster.cores, "out": 1, "workers": cluster.workers, "back": 1}
        self.stages = {name: _Stage(size, size) for name, size in sizes.items()}
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._left = deque(range(cluster.videos))
        self.now = 0.0
        self.repeated = 0
        folding = min(cluster.videos, cluster.workers + 1, max(2, cluster.cores))
        for _ in range(folding):
            self._open()

    def run(self) -> float:
        """Return the seconds until all is folded."""
        while self._events:
            self.now, _, happen = heapq.heappop(self._events)
            happen()
        return self.now

    def _open(self) -> None:
        if self._left:
            self._left.popleft()
            _Video(self, self._cluster)

    def finished(self) -> None:
        """Begin another video where one is finished."""
        self._open()

    def work(self, stage: str, seconds: float, then: Callable[[], None]) -> None:
        """Let a stage work for some seconds, once it has a free server."""
        self.stages[stage].waiting.append((seconds, then))
        self._begin(stage)

    def perceive(self, then: Callable[[], None]) -> None:
        """Let a worker perceive a window, which it may fail to."""
        needed, rate = self._cluster.perceive_s, self._cluster.failures_per_hour / 3600
        fails_s = self._random.expovariate(rate) if rate else needed + 1
        if fails_s >= needed:
            self.work("workers", needed, then)
            return
        self.repeated += 1
        self.work("workers", fails_s + self._cluster.restart_s, lambda: self.perceive(then))

    def _begin(self, name: str) -> None:
        stage = self.stages[name]
        while stage.free and stage.waiting:
            seconds, then = stage.waiting.popleft()
            stage.free -= 1
            stage.busy_s += seconds
            end: Callable[[], None] = partial(self._end, name, then)
            heapq.heappush(self._events, (self.now + seconds, next(self._order), end))

    def _end(self, name: str, then: Callable[[], None]) -> None:
        self.stages[name].free += 1
        then()
        self._begin(name)


class _Video:
    """Reads ahead of its fold by at most `workers + 1` windows."""

    def __init__(self, simulation: _Simulation, cluster: Cluster) -> None:
        self._simulation, self._cluster = simulation, cluster
        self._read = self._folded = 0
        self._reading = self._folding = False
        self._back: set[int] = set()
        self._go_on()

    def _go_on(self) -> None:
        cluster, simulation = self._cluster, self._simulation
        if not self._reading and self._read < min(cluster.windows, self._folded + cluster.workers + 2):
            self._reading = True
            simulation.work("cores", cluster.read_s, self._was_read)
        if not self._folding and self._folded in self._back:
            self._folding = True
            simulation.work("cores", cluster.fold_s, self._was_folded)

    def _was_read(self) -> None:
        cluster, simulation, window = self._cluster, self._simulation, self._read
        self._read, self._reading = self._read + 1, False

        def perceived() -> None:
            simulation.work("back", cluster.perception_bytes / cluster.link_bytes_s, lambda: self._came_back(window))

        simulation.work("out", cluster.window_bytes / cluster.link_bytes_s, lambda: simulation.perceive(perceived))
        self._go_on()

    def _came_back(self, window: int) -> None:
        self._back.add(window)
        self._go_on()

    def _was_folded(self) -> None:
        self._folding, self._folded = False, self._folded + 1
        if self._folded == self._cluster.windows:
            self._simulation.finished()
        else:
            self._go_on()


def simulated(cluster: Cluster, seed: int = 0) -> Outcome:
    """Return what a batch comes to."""
    simulation = _Simulation(cluster, seed)
    wall_s = simulation.run()
    busy = {name: stage.busy_s / stage.servers / wall_s for name, stage in simulation.stages.items()}
    return Outcome(wall_s=wall_s, busy=busy, repeated=simulation.repeated)


def measured(run: Path) -> Cluster:
    """Return what a window cost in a finished run, on the machine of which it was made.

    Args:
        run: its folder.
    """
    record = output.read_record(run)
    seconds, windows, source = record["stage_seconds"], record["windows"], record["input"]
    config = record["config"]
    frames = record["frames"] / windows + config["window"]["overlap"] * (windows - 1) / windows
    height, width = fast_snow.load(run).analysis_grid
    return Cluster(
        read_s=seconds["decode"] / windows,
        perceive_s=sum(seconds[name] for name in ("geometry", "segment", "track")) / windows,
        fold_s=seconds["fold"] / windows,
        window_bytes=3.0 * frames * source["height"] * source["width"],
        perception_bytes=float(_DEPTH_BYTES * frames * height * width),
    )


def rows(cluster: Cluster, counts: Sequence[int] = WORKERS) -> list[list[str]]:
    """Return a row per number of workers: throughput, its ratio to one worker, and how busy each stage is."""
    made = []
    single: float | None = None
    for workers in counts:
        videos = max(cluster.videos, 2 * workers)
        outcome = simulated(replace(cluster, workers=workers, videos=videos))
        rate = 3600 * videos * cluster.windows / outcome.wall_s
        single = single or rate
        shares = [f"{100 * outcome.busy[name]:.0f}" for name in ("workers", "cores", "out", "back")]
        limit = max(outcome.busy, key=lambda name: outcome.busy[name])
        made.append([str(workers), f"{rate:.0f}", f"{rate / single:.1f}", *shares, limit, str(outcome.repeated)])
    return made


def main() -> None:
    """Print the table of a cluster."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, nargs="?", help="folder of a finished run; without it, stated windows")
    for name in ("perceive-s", "read-s", "fold-s", "window-bytes", "failures-per-hour", "link-bytes-s"):
        parser.add_argument(f"--{name}", type=float)
    for name in ("cores", "videos", "windows"):
        parser.add_argument(f"--{name}", type=int)
    given = {name: value for name, value in vars(parser.parse_args()).items() if value is not None}
    run = given.pop("run", None)
    cluster = replace(Cluster() if run is None else measured(run), **given)
    print(cluster)
    head = ["workers", "windows per hour", "ratio", "workers %", "cores %", "out %", "back %", "busiest", "repeated"]
    print(table(head, rows(cluster)))


if __name__ == "__main__":
    main()
