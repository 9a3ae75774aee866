"""The engines that could serve a slot, the best first, and which of them does."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import entry_points
from typing import Any, Generic, TypeVar

from fast_snow.config import Config
from fast_snow.errors import ConfigError

Opener = TypeVar("Opener")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate(Generic[Opener]):
    """An engine that could serve a slot.

    Attributes:
        name: as the user chooses it, like `da3-onnx`.
        family: the shorter name under which the user may leave the backend open, like `da3`; empty: the name itself.
        meaning: what it means for accuracy.
        opener: imports the engine and returns how to open it.
        missing: what it lacks to run here, each with what to do; none where it can run.
        caveats: why it is taken only where the user asks for it.
    """

    name: str
    family: str = ""
    meaning: str
    opener: Callable[[], Opener]
    missing: tuple[str, ...] = ()
    caveats: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "family", self.family or self.name)


def recorded(
    open_engine: Callable[..., Any], recording: object, meaning: str, missing: tuple[str, ...]
) -> Candidate[Any]:
    """Return the engine that answers from what the input brings."""
    opener = partial(partial, open_engine, recording)
    return Candidate(name="recorded", meaning=meaning, opener=opener, missing=missing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """An engine that would be better than the chosen one.

    Attributes:
        name: of the engine.
        why: it does not run.
        option: command-line option that forces it; empty where `why` says what it needs first.
    """

    name: str
    why: str
    option: str = ""


def added(slot: str, config: Config) -> tuple[Candidate[Any], ...]:
    """Return the engines that other packages offer, under the entry-point group `fast_snow.<slot>`.

    An entry point names a function that takes the `Config` and returns the opener; it is imported when it is chosen.
    """
    return tuple(
        Candidate(
            name=each.name,
            meaning=f"from the package {each.dist.name if each.dist else each.value}",
            opener=lambda each=each: each.load()(config),  # type: ignore[misc]
        )
        for each in entry_points(group=f"fast_snow.{slot}")
    )


def choose(
    slot: str,
    wanted: str,
    candidates: Sequence[Candidate[Opener]],
    more: Sequence[Candidate[Opener]] = (),
    *,
    optional: bool = False,
) -> tuple[Candidate[Opener], tuple[Skipped, ...]]:
    """Choose the engine of a slot.

    Of `candidates` the best comes first, and the last can always run; `more` are taken only by name. In an `optional`
    slot all are, and none is what can always run.

    Returns:
        For `auto` the first candidate that can run and of which nothing warns; else the first of those wanted that can
        run. And the better ones that do not.

    Raises:
        ConfigError: none of those wanted can run here, or there is none of that name.
    """
    usual, always = ("none", "none") if optional else ("auto", candidates[-1].name)
    option = f"--engines.{slot.replace('_', '-')}"
    pool = [each for each in candidates if wanted in (usual, each.name, each.family)]
    pool += [each for each in more if wanted == each.name]
    if not pool:
        names = [usual, *dict.fromkeys(name for each in candidates for name in (each.family, each.name))]
        known = ", ".join([*names, *(each.name for each in more)])
        raise ConfigError(f"engines.{slot}: got {wanted!r}, expected one of {known}")
    able = [each for each in pool if not each.missing]
    preferred = [each for each in able if not each.caveats]
    if not able:
        lacking = "; ".join(f"{option} {each.name} {', and '.join(each.missing)}" for each in pool)
        raise ConfigError(f"{lacking}; or choose {option} {always}")
    chosen = (preferred or able)[0]
    better = candidates[: candidates.index(chosen)] if chosen in candidates else ()
    return chosen, tuple(
        Skipped(
            name=each.name,
            why=", and ".join(each.caveats or each.missing),
            option=f"{option} {each.name}" if each.caveats else "",
        )
        for each in better
        if each in pool and each.name != "recorded"
    )
