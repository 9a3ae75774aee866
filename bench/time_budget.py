"""Parts of a check that end in time: what no longer fits is named, and what goes wrong does not stop the rest."""

import signal
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from typing import Any, NamedTuple

from fast_snow.errors import ConfigError

_AGAIN_S = 10.0
"""The alarm rings again after so long, where code swallowed the first."""


class Trial(NamedTuple):
    """One setting of a part; what it returns is a dataclass or goes into JSON as it is."""

    name: str
    measure: Callable[[], Any]


class OutOfTimeError(BaseException):
    """Rings through code that catches every `Exception`."""


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Interrupt the block when its time is up; where the system has no alarm (Windows), let it end.

    Raises:
        OutOfTimeError: time is up; raised between two steps of Python, so that a long call of a library ends first.
    """
    if not hasattr(signal, "setitimer"):
        yield
        return

    def ring(*_: object) -> None:
        raise OutOfTimeError

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def run_part(
    trials: Callable[[], Iterable[Trial]], budget_s: float, save: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """Measure the settings of a part in their order until its time is used.

    Args:
        trials: yields the settings, most telling first; a later one may depend on what an earlier one did.
        budget_s: for all of them.
        save: told the report after every setting.

    Returns:
        `seconds`, `results` (one object per setting that ended in time, with its `name`; `skipped` or `failed` says
        why it has no figures) and `left_out` (names of the settings that time did not suffice for).
    """
    began = time.monotonic()
    report: dict[str, Any] = {"seconds": 0.0, "results": [], "left_out": []}
    for trial in _listed(trials):
        left_s = budget_s - (time.monotonic() - began)
        try:
            if left_s <= 0:
                raise OutOfTimeError
            with at_most(left_s):
                figures = _attempted(trial.measure)
        except OutOfTimeError:
            report["left_out"].append(trial.name)
        else:
            report["results"].append({"name": trial.name, **figures})
        report["seconds"] = time.monotonic() - began
        save(report)
    return report


def _listed(trials: Callable[[], Iterable[Trial]]) -> Iterator[Trial]:
    try:
        yield from trials()
    except Exception as error:  # noqa: BLE001 (the other parts must still run)
        failure = _failure(error)
        yield Trial("settings", lambda: failure)


def _attempted(work: Callable[[], Any]) -> Any:  # noqa: ANN401 (whatever the setting reports)
    try:
        figures = work()
    except Exception as error:  # noqa: BLE001 (one lease of a GPU: everything else must still run)
        return _failure(error)
    return asdict(figures) if is_dataclass(figures) and not isinstance(figures, type) else figures


def _failure(error: Exception) -> dict[str, str]:
    if isinstance(error, (ImportError, ConfigError)):
        return {"skipped": str(error)}
    traceback.print_exception(error)
    return {"failed": f"{type(error).__name__}: {error}"}
