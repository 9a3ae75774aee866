"""The engines that could serve a slot, the best first, and which of them does."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from fast_snow.errors import ConfigError

Opener = TypeVar("Opener")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate(Generic[Opener]):
    """An engine that could serve a slot.

    Attributes:
        name: as the user chooses it, like `da3-onnx`.
        family: the shorter name under which the user may leave the backend open, like `da3`; or the name itself.
        meaning: what it means for accuracy.
        opener: imports the engine and returns how to open it.
        obstacles: what it lacks to run here, each with what to do; none where it can run.
        reservations: why it is taken only where the user asks for it.
    """

    name: str
    family: str
    meaning: str
    opener: Callable[[], Opener]
    obstacles: tuple[str, ...] = ()
    reservations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PassedOver:
    """An engine that would be better than the chosen one, and why it does not run."""

    name: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice(Generic[Opener]):
    """The engine that serves a slot, and the better ones that do not."""

    candidate: Candidate[Opener]
    passed_over: tuple[PassedOver, ...]


def choose(slot: str, wanted: str, candidates: Sequence[Candidate[Opener]]) -> Choice[Opener]:
    """Choose the engine of a slot.

    Args:
        slot: geometry, segmenter or tracker.
        wanted: `auto`, a candidate's name or a family's.
        candidates: the best first; the last one can always run.

    Returns:
        For `auto` the first candidate that can run and of which nothing warns; else the first of those wanted that can
        run.

    Raises:
        ConfigError: none of those wanted can run here.
    """
    pool = [each for each in candidates if wanted in ("auto", each.name, each.family)]
    able = [each for each in pool if not each.obstacles]
    at_ease = [each for each in able if not each.reservations]
    if not able:
        lacking = "; ".join(f"--engines.{slot} {each.name} {', and '.join(each.obstacles)}" for each in pool)
        raise ConfigError(f"{lacking}; or choose --engines.{slot} {candidates[-1].name}")
    chosen = (at_ease or able)[0]
    better = candidates[: candidates.index(chosen)]
    return Choice(
        candidate=chosen,
        passed_over=tuple(
            PassedOver(name=each.name, why=", and ".join(each.reservations or each.obstacles))
            for each in better
            if each in pool and each.name != "recorded"
        ),
    )
