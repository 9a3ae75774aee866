"""Where the fold is slower than the workers, windows and the object store of Ray stay bounded."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest

from fast_snow import api
from fast_snow.batching import running
from fast_snow.batching.resources import Resources
from fast_snow.batching.running import batch
from fast_snow.synthetic.files import write_recording
from fast_snow.synthetic.scene import SceneConfig
from tests.batching.conftest import PromptWorker, folded
from tests.batching.slow_folding import ASKED, NOTES, most_in_flight
from tests.ray_cluster import ray_cluster
from tests.resuming.runs import CONFIG
from tests.scenes import rendered

WORKERS = 2
BOUND = WORKERS + 2 + CONFIG.runtime.queue_length
"""Of a video: `workers + 1` are read ahead of the one that the fold takes next, and the fold has a queue."""


def recording(folder: Path, size: tuple[int, int], frames: int) -> Path:
    write_recording(rendered(SceneConfig(size=size, frames=frames)), folder / "clip")
    return folder / "clip"


def test_a_fold_asks_for_no_more_windows_than_it_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    worker, fold, windows = PromptWorker(), api.fold, 7

    def slow_fold(*args, **options):
        with worker.changed:  # folds only where as many wait as ever may, so that more would be seen
            wanted = min(windows, worker.folded + BOUND)
            assert worker.changed.wait_for(lambda: worker.asked >= wanted, timeout=60)
            worker.folded += 1
        return fold(*args, **options)

    monkeypatch.setattr(api, "fold", slow_fold)
    row = folded(recording(tmp_path, (24, 32), 3 * windows + 1), tmp_path / "out", worker, workers=WORKERS)
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


@pytest.mark.slow
@pytest.mark.parametrize("address", [None, "local"], ids=["processes", "ray"])
def test_windows_in_flight_and_the_object_store_are_bounded_while_folding_is_slow(
    address: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
        with ray_cluster(monkeypatch, WORKERS), store_use() as samples:
            result = batch([clip], tmp_path / "out", config=CONFIG, resources=resources)
        # Of each worker the window it has, and a perception, which refers to the recording and is small.
        assert window_bytes <= max(samples) < WORKERS * 1.5 * window_bytes
    assert result.count("done") == 1
    assert notes.read_text().count(ASKED) == result.windows == 13
    assert most_in_flight(notes.read_text()) <= BOUND
