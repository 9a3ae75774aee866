"""Workers that are actors of a Ray cluster: CPUs, GPUs or fractions of them, and memory are reserved by Ray."""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from fast_snow.batching.local import START_S
from fast_snow.batching.messages import Packed, packed
from fast_snow.batching.processes import LostError, limit_threads
from fast_snow.batching.resources import Resources
from fast_snow.config import Config
from fast_snow.errors import ConfigError

Result = TypeVar("Result")


class _Actor:
    """Holds engines on some machine of the cluster."""

    def __init__(self, config: Config) -> None:
        from fast_snow.batching.worker import WindowWorker  # here alone: the driver needs no engines

        limit_threads(config.runtime.threads)
        self._worker = WindowWorker(config)

    def ready(self) -> bool:
        return True

    def call(self, request: Packed) -> Packed:
        return packed(self._worker(request.unpacked()))


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
            self.close()
            raise LostError(f"could not be started ({str(error).splitlines()[0]})") from None

    def call(self, request: Packed, limit_s: float) -> Packed:
        """Return the reply.

        Raises:
            LostError: the actor or its machine died, or it took longer than the limit.
        """
        errors = self._ray.exceptions
        try:
            reply: Packed = self._ray.get(self._actor.call.remote(self._ray.put(request)), timeout=limit_s)
        except errors.GetTimeoutError:
            self.close()
            raise LostError(f"took longer than {limit_s:g} s") from None
        except errors.RayError as error:
            self.close()
            raise LostError(f"was lost ({type(error).__name__}: {str(error).splitlines()[0]})") from None
        return reply

    def close(self) -> None:
        """End the actor."""
        actor, self._actor = self._actor, None
        if actor is not None:
            with suppress(self._ray.exceptions.RayError):
                self._ray.kill(actor)


@contextmanager
def connected(config: Config, resources: Resources) -> Iterator[Sequence[RayWorker]]:
    """Connect to a cluster, or start one on this machine.

    Yields:
        The workers, which are started as they are asked.

    Raises:
        ConfigError: Ray is not installed, there is no cluster at the address, or it has no room for a worker.
    """
    with _cluster(str(resources.ray)) as ray:
        found: dict[str, float] = ray.cluster_resources()
        gpus = resources.gpus_per_worker
        gpus = float(found.get("GPU", 0) > 0 and config.runtime.device != "cpu") if gpus is None else gpus
        count = _num_workers(found, resources, gpus)
        yield [RayWorker(config, resources, gpus) for _ in range(count)]


def spread(calls: Sequence[Callable[[], Result]], address: str) -> Iterator[tuple[int, Result]]:
    """Yield the number and the result of each call, as they come from a cluster, where each takes one CPU.

    Raises:
        ConfigError: as `connected`.
        FastSnowError: a call was lost with its machine again and again.
    """
    with _cluster(address) as ray:
        task = ray.remote(lambda call: call()).options(scheduling_strategy="SPREAD")
        waiting = {task.remote(call): number for number, call in enumerate(calls)}
        while waiting:
            (ready, *_), _ = ray.wait(list(waiting))
            try:
                yield waiting.pop(ready), ray.get(ready)
            except ray.exceptions.RayError as error:
                raise LostError(f"--ray: a run was lost: {str(error).splitlines()[0]}") from None


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
            why = str(error).splitlines()[0]
            raise ConfigError(f"--ray: got {address}, expected the address of a Ray cluster: {why}") from error
    try:
        yield ray
    finally:
        if started:
            ray.shutdown()


def _num_workers(found: dict[str, float], resources: Resources, gpus: float) -> int:
    """Return how many workers a cluster has room for, or as many as were asked for."""
    reserved = {"CPU": resources.cpus_per_worker, "GPU": gpus, "memory": resources.memory_bytes}
    room = min((int(found.get(name, 0) / wanted) for name, wanted in reserved.items() if wanted), default=1)
    if room < 1:
        raise ConfigError(
            f"--ray: got a cluster of {found.get('CPU', 0):g} CPUs and {found.get('GPU', 0):g} GPUs, expected room for"
            " a worker: ask for less by --cpus-per-worker, --gpus-per-worker or --memory-gb"
        )
    return resources.workers or room
