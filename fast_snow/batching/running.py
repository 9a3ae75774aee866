"""`fast_snow.batch`: many videos, on one machine or on a cluster."""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Final

from fast_snow.batching import storage
from fast_snow.batching.coordinator import Coordinator, Plan, Worker
from fast_snow.batching.local import ProcessWorker
from fast_snow.batching.processes import Child, Setting
from fast_snow.batching.report import BatchResult, Tally, require_own_tables, write_tables
from fast_snow.batching.resources import Resources, cores
from fast_snow.batching.videos import videos
from fast_snow.config import Config
from fast_snow.engines.hardware import gpus
from fast_snow.errors import OutputError
from fast_snow.protocols import Progress, silent

WORKER: Final = "fast_snow.batching.worker"
_FOLDING: Final = "fast_snow.batching.folding"
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
    with _workers(config, resources, out) as (workers, settings):
        tally = Tally(found, len(workers))
        plan = Plan(
            folder=out,
            remote=remote,
            config=settings,
            overwrite=overwrite,
            ahead=len(workers) + 1,
            limit_s=resources.time_limit_s,
        )
        num_folding = resources.num_folding(len(found), len(workers))
        try:
            Coordinator(found, workers, _folding(settings, resources, out), num_folding, plan, tally).run(progress)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(KEPT) from None
        finally:
            result = tally.result(found, out)
            write_tables(result, out)
            if remote is not None:
                storage.upload_files(out, remote)
    return result


@contextmanager
def _workers(config: Config, resources: Resources, out: Path) -> Iterator[tuple[Sequence[Worker], Config]]:
    """Start the workers; with them come the settings of all processes."""
    if resources.ray is not None:
        from fast_snow.batching.on_ray import connected

        settings = _with_threads(config, max(1, int(resources.cpus_per_worker)))
        with connected(settings, resources) as actors:
            yield actors, settings
        return
    resource_tracker.ensure_running()
    count = resources.num_local(config)
    settings = _with_threads(config, max(1, cores() // count))
    yield [ProcessWorker(_worker(settings, resources, out, number)) for number in range(count)], settings


def _with_threads(config: Config, threads: int) -> Config:
    if config.runtime.threads:
        return config
    return replace(config, runtime=replace(config.runtime, threads=threads))


def _worker(config: Config, resources: Resources, out: Path, number: int) -> Setting:
    found = [] if config.runtime.device == "cpu" else gpus()
    seen = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    own = seen[number % len(seen)] if seen != [""] else str(number % len(found)) if found else ""
    return Setting(
        serves=WORKER,
        options=config,
        log=out / "workers.log",
        threads=config.runtime.threads,
        memory_bytes=resources.memory_bytes,
        environment={"CUDA_VISIBLE_DEVICES": own} if found else {},
    )


def _folding(config: Config, resources: Resources, out: Path) -> Callable[[], Child]:
    setting = Setting(
        serves=_FOLDING,
        options=None,
        log=out / "workers.log",
        threads=config.runtime.threads,
        memory_bytes=resources.memory_bytes,
    )
    return lambda: Child(setting)


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
