"""`fast_snow.batch`: many videos, on one machine or on a cluster."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Final

from fast_snow.batching import storage
from fast_snow.batching.coordinator import Coordinator, Worker
from fast_snow.batching.messages import Plan
from fast_snow.batching.processes import ProcessWorker, Setting
from fast_snow.batching.report import BatchResult, BatchRow, Tally, require_own_tables, write_tables
from fast_snow.batching.resources import Resources, cores
from fast_snow.batching.videos import Video, videos
from fast_snow.config import Config
from fast_snow.engines.hardware import gpus
from fast_snow.errors import OutputError
from fast_snow.protocols import Progress, silent

WORKER: Final = "fast_snow.batching.worker"
FOLDING: Final = "fast_snow.batching.folding"
KEPT: Final = "the same command resumes: finished videos are skipped, the others go on where they were"


def batch(
    inputs: str | Path | Sequence[str | Path],
    folder: str | Path,
    *,
    config: Config = Config(),
    resources: Resources = Resources(),
    overwrite: bool = False,
    progress: Progress = silent,
) -> BatchResult:
    """Turn many videos into 4D scene graphs, on the processes of this machine or on a Ray cluster.

    Each window is perceived by any of the workers, and each video folded in order: the graphs are those of one run
    after the other. A video that fails costs no other; a finished run of the same input, engines and settings is
    skipped. Scripts need `if __name__ == "__main__":`, as for any Python processes.

    Args:
        inputs: a text file with one path or URL per line, a pattern such as `clips/*.mp4`, or paths.
        folder: where the runs go, one folder and one log per video, with `batch.csv` and `batch.json`; a path or a URL.
        config: all settings.
        resources: how many workers, and of what each.
        overwrite: whether runs that are there, of other settings, may be replaced.
        progress: told how many videos are finished.

    Returns:
        What became of each video.

    Raises:
        InputError: there is no video.
        ConfigError: what is asked for is not installed or out of range.
        OutputError: the folder cannot be written.

    Examples:
        >>> result = fast_snow.batch(["recording"], "out/batch", resources=fast_snow.Resources(workers=1))
        >>> [(row.video, row.status) for row in result.rows]
        [('recording', 'done')]
    """
    found = videos(inputs)
    remote = str(folder).rstrip("/") if storage.is_remote(str(folder)) else None
    out = _folder(Path(folder).expanduser() if remote is None else _staging(remote))
    require_own_tables(out)
    config = _with_threads(config, resources)
    plan = Plan(folder=out, remote=remote, config=config, overwrite=overwrite, resources=resources)
    with _workers(plan) as workers:
        plan = replace(plan, resources=replace(resources, workers=len(workers)))
        return _run(found, workers, plan, progress)


def _run(found: Sequence[Video], workers: Sequence[Worker], plan: Plan, progress: Progress) -> BatchResult:
    """Run a batch to its end, and store what came of it, whatever ends it."""
    tally = Tally([_row(video, plan.folder) for video in found], len(workers))
    try:
        Coordinator(found, workers, _setting(FOLDING, plan), plan, tally).run(progress)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(KEPT) from None
    finally:
        result = tally.result()
        write_tables(result, plan.folder)
        if plan.remote is not None:
            storage.upload_files(plan.folder, plan.remote)
    return result


def _row(video: Video, folder: Path) -> BatchRow:
    source = storage.hidden(video.source) if storage.is_remote(video.source) else video.source
    return BatchRow(video=video.name, source=source, log=str(folder / f"{video.name}.log"))


@contextmanager
def _workers(plan: Plan) -> Iterator[Sequence[Worker]]:
    """Start the workers."""
    if plan.resources.ray is not None:
        from fast_snow.batching.on_ray import connected

        with connected(plan.config, plan.resources) as actors:
            yield actors
        return
    resource_tracker.ensure_running()
    count = plan.resources.num_local(plan.config)
    yield [ProcessWorker(_setting(WORKER, plan, worker=number)) for number in range(count)]


def _with_threads(config: Config, resources: Resources) -> Config:
    """Return settings with which workers share the cores."""
    if config.runtime.threads:
        return config
    share = cores() // resources.num_local(config) if resources.ray is None else int(resources.cpus_per_worker)
    return replace(config, runtime=replace(config.runtime, threads=max(1, share)))


def _setting(serves: str, plan: Plan, *, worker: int | None = None) -> Setting:
    """Return how a process is set up; each worker sees one GPU, where there are any."""
    environment = {}
    if worker is not None and plan.config.runtime.device != "cpu" and gpus():
        seen = (os.environ.get("CUDA_VISIBLE_DEVICES") or ",".join(map(str, range(len(gpus()))))).split(",")
        environment["CUDA_VISIBLE_DEVICES"] = seen[worker % len(seen)]
    return Setting(
        serves=serves,
        options=plan.config,
        log=plan.folder / "workers.log",
        threads=plan.config.runtime.threads,
        memory_bytes=plan.resources.memory_bytes,
        environment=environment,
    )


def _staging(remote: str) -> Path:
    """Return where the runs of a URL grow: always the same folder of this user, so that they can be resumed."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "fast-snow" / "batch" / hashlib.sha256(remote.encode()).hexdigest()[:16]


def _folder(out: Path) -> Path:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{out}: cannot be made ({error.strerror}), expected a folder; choose another with -o"
        ) from error
    return out.resolve()
