"""Where the fold is slower than the workers, windows and the object store of Ray stay bounded."""

import os
import sys
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from threading import Condition, Event, Thread

import pytest

from fast_snow import api
from fast_snow.batching import folding, running
from fast_snow.batching.messages import Job, Plan
from fast_snow.batching.report import BatchRow
from fast_snow.batching.resources import Resources
from fast_snow.batching.running import batch
from fast_snow.batching.worker import WindowWorker
from fast_snow.synthetic.files import write_recording
from fast_snow.synthetic.scene import SceneConfig
from tests.batching.slow_folding import ASKED, NOTES, most_in_flight
from tests.resuming.runs import CONFIG
from tests.scenes import rendered

WORKERS = 2
BOUND = WORKERS + 2 + CONFIG.runtime.queue_length
"""Of a video: `workers + 1` are read ahead of the one that the fold takes next, and the fold has a queue."""


def recording(folder: Path, size: tuple[int, int], frames: int) -> Path:
    write_recording(rendered(SceneConfig(size=size, frames=frames)), folder / "clip")
    return folder / "clip"


class PromptWorker:
    """Answers at once what a fold asks for, and counts it."""

    def __init__(self) -> None:
        self._worker, self.changed = WindowWorker(CONFIG), Condition()
        self.asked = self.folded = self.most = 0

    def send(self, message: object) -> None:
        """Take what the folding process tells."""

    def ask(self, request, then) -> Future:
        reply, future = self._worker(request), Future()
        future.set_result(then(reply))
        if isinstance(request, folding.WindowRequest):
            with self.changed:
                self.asked += 1
                self.most = max(self.most, self.asked - self.folded)
                self.changed.notify_all()
        return future


def test_a_fold_asks_for_no_more_windows_than_it_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    worker, fold, windows = PromptWorker(), api.fold, 7

    def slow_fold(*args, **options):
        with worker.changed:  # folds only where as many wait as ever may, so that more would be seen
            wanted = min(windows, worker.folded + BOUND)
            assert worker.changed.wait_for(lambda: worker.asked >= wanted, timeout=60)
            worker.folded += 1
        return fold(*args, **options)

    monkeypatch.setattr(api, "fold", slow_fold)
    plan = Plan(
        folder=tmp_path / "out", remote=None, config=CONFIG, overwrite=False, resources=Resources(workers=WORKERS)
    )
    plan.folder.mkdir()
    clip = recording(tmp_path, (24, 32), 3 * windows + 1)
    row = folding._folded(Job(row=BatchRow(video="clip", source=str(clip)), source=clip, plan=plan), worker)  # type: ignore[arg-type]
    assert (row.status, row.windows, worker.most) == ("done", windows, BOUND)


@contextmanager
def store_use() -> Iterator[list[float]]:
    """Yield the bytes in the object store of Ray, sampled while the block runs."""
    import ray

    samples, ended = list[float](), Event()

    def sample() -> None:
        while not ended.wait(0.02):
            free = ray.available_resources().get("object_store_memory", 0.0)
            samples.append(ray.cluster_resources()["object_store_memory"] - free)

    thread = Thread(target=sample)
    thread.start()
    try:
        yield samples
    finally:
        ended.set()
        thread.join()


@pytest.fixture
def ray_cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    ray = pytest.importorskip("ray")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    ray.init(num_cpus=WORKERS, include_dashboard=False, object_store_memory=10**8, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.mark.slow
@pytest.mark.parametrize("address", [None, "local"], ids=["processes", "ray"])
def test_windows_in_flight_and_the_object_store_are_bounded_while_folding_is_slow(
    address: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
):
    notes = tmp_path / "notes"
    monkeypatch.setenv(NOTES, str(notes))
    monkeypatch.setattr(running, "FOLDING", "tests.batching.slow_folding")
    clip = recording(tmp_path, (144, 192), 40)
    window_bytes = CONFIG.window.length * 144 * 192 * 3
    resources = Resources(workers=WORKERS, ray=address)
    if address is None:
        result = batch([clip], tmp_path / "out", config=CONFIG, resources=resources)
    else:
        request.getfixturevalue("ray_cluster")
        with store_use() as samples:
            result = batch([clip], tmp_path / "out", config=CONFIG, resources=resources)
        # Of each worker the window it has, and a perception, which refers to the recording and is small.
        assert window_bytes <= max(samples) < WORKERS * 1.5 * window_bytes
    assert result.count("done") == 1
    assert notes.read_text().count(ASKED) == result.windows == 13
    assert most_in_flight(notes.read_text()) <= BOUND
