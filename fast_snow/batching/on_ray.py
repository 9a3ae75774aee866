"""Workers that are actors of a Ray cluster: CPUs, GPUs or fractions of them, and memory are reserved by Ray."""

import logging
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final, Generic, TypeVar

from fast_snow.batching.messages import Reply, Request
from fast_snow.batching.processes import START_S, LostError, limit_threads
from fast_snow.batching.resources import Resources
from fast_snow.config import Config
from fast_snow.errors import ConfigError, first_line

_LOSSES: Final = 3
"""So many workers may be lost in an evaluation."""

Value = TypeVar("Value")
Result = TypeVar("Result")


class _Actor:
    """Holds engines on some machine of the cluster."""

    def __init__(self, config: Config) -> None:
        from fast_snow.batching.worker import WindowWorker  # here alone: the driver needs no engines

        limit_threads(config.runtime.threads)
        self._worker = WindowWorker(config)

    def ready(self) -> bool:
        return True

    def call(self, request: Request) -> Reply:
        return self._worker(request)


class RayWorker:
    """A worker that is an actor; another one takes its place after it was lost."""

    def __init__(self, config: Config, resources: Resources, gpus_per_worker: float) -> None:
        import ray

        self._ray, self._config = ray, config
        self._kind: Any = ray.remote(_Actor).options(
            num_cpus=resources.cpus_per_worker,
            num_gpus=gpus_per_worker,
            memory=resources.memory_bytes,
            scheduling_strategy="SPREAD",
            max_restarts=0,
        )
        self._actor: Any = None

    def ready(self) -> bool:
        """Start the actor where it does not run; return whether it does: without free resources, it does not.

        Raises:
            LostError: it could not be started.
        """
        actor = self._actor = self._actor or self._kind.remote(self._config)
        try:
            found, _ = self._ray.wait([actor.ready.remote()], timeout=START_S)
            return bool(found and self._ray.get(found[0]))
        except self._ray.exceptions.RayError as error:
            raise LostError(f"could not be started ({first_line(error)})") from None

    def call(self, request: Request, limit_s: float) -> Reply:
        """Return the reply.

        Raises:
            LostError: the actor or its machine died, or it took longer than the limit.
        """
        errors = self._ray.exceptions
        try:
            reply: Reply = self._ray.get(self._actor.call.remote(request), timeout=limit_s)
        except errors.GetTimeoutError:
            raise LostError(f"took longer than {limit_s:g} s") from None
        except errors.RayError as error:
            raise LostError(f"was lost ({type(error).__name__}: {first_line(error)})") from None
        return reply

    def close(self) -> None:
        """End the actor."""
        actor, self._actor = self._actor, None
        if actor is not None:
            with suppress(self._ray.exceptions.RayError):
                self._ray.kill(actor)


class _Runner(Generic[Value, Result]):
    """Answers one value after the other by a function."""

    def __init__(self, function: Callable[[Value], Result]) -> None:
        self._function = function

    def run(self, value: Value) -> Result:
        return self._function(value)


@contextmanager
def connected(config: Config, resources: Resources) -> Iterator[Sequence[RayWorker]]:
    """Connect to a cluster, or start one on this machine.

    Yields:
        The workers, which are started as they are asked.

    Raises:
        ConfigError: Ray is not installed, there is no cluster at the address, or it has no room for a worker.
    """
    with _cluster(str(resources.ray)) as ray:
        count, gpus = _num_workers(ray, config, resources)
        yield [RayWorker(config, resources, gpus) for _ in range(count)]


def spread(
    function: Callable[[Value], Result], values: Sequence[Value], config: Config, resources: Resources
) -> Iterator[Result]:
    """Yield what a function returns for each value, as it comes from the workers of a cluster.

    Each worker has one copy of the function and keeps it: what that remembers, such as engines, serves its next value.

    Raises:
        ConfigError: as `connected`.
        LostError: a call was lost with its machine again and again.
    """
    with _cluster(str(resources.ray)) as ray:
        count, gpus = _num_workers(ray, config, resources)
        kind = ray.remote(_Runner).options(
            num_cpus=resources.cpus_per_worker, num_gpus=gpus, scheduling_strategy="SPREAD"
        )
        idle = [kind.remote(function) for _ in range(min(count, len(values)))]
        left, working, losses = deque(values), dict[Any, tuple[Any, Value]](), 0
        while left or working:
            while left and idle:
                runner, value = idle.pop(), left.popleft()
                working[runner.run.remote(value)] = runner, value
            (done, *_), _ = ray.wait(list(working))
            runner, value = working.pop(done)
            try:
                yield ray.get(done)
            except ray.exceptions.RayError as error:
                losses += 1
                if losses > _LOSSES:
                    raise LostError(f"--ray: a run was lost: {first_line(error)}") from None
                left.append(value)
                runner = None if idle or working else kind.remote(function)  # the others may fill the cluster
            if runner is not None:
                idle.append(runner)


@contextmanager
def _cluster(address: str) -> Iterator[Any]:
    """Connect to a cluster, or start one; yields Ray."""
    try:
        import ray
    except ImportError as error:
        raise ConfigError('--ray: needs Ray: uv pip install -e ".[cluster]"') from error
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    started = not ray.is_initialized()
    if started:
        where: dict[str, Any] = {"include_dashboard": False} if address == "local" else {"address": address}
        try:
            ray.init(**where, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, ValueError, RuntimeError) as error:
            why = first_line(error)
            raise ConfigError(f"--ray: got {address}, expected the address of a Ray cluster: {why}") from error
    try:
        yield ray
    finally:
        if started:
            ray.shutdown()


def _num_workers(ray: Any, config: Config, resources: Resources) -> tuple[int, float]:  # noqa: ANN401 (the module)
    """Return how many workers a cluster has room for, or as many as were asked for, and the GPUs of each."""
    found: dict[str, float] = ray.cluster_resources()
    gpus = resources.gpus_per_worker
    gpus = float(found.get("GPU", 0) > 0 and config.runtime.device != "cpu") if gpus is None else gpus
    reserved = {"CPU": resources.cpus_per_worker, "GPU": gpus, "memory": resources.memory_bytes}
    room = min((int(found.get(name, 0) / wanted) for name, wanted in reserved.items() if wanted), default=1)
    if room < 1:
        raise ConfigError(
            f"--ray: got a cluster of {found.get('CPU', 0):g} CPUs and {found.get('GPU', 0):g} GPUs, expected room for"
            " a worker: ask for less by --cpus-per-worker, --gpus-per-worker or --memory-gb"
        )
    return resources.workers or room, gpus
