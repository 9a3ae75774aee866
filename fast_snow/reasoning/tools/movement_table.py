"""How far and how fast each object moves, in a few words: what the page shows, from the tools themselves."""

import math
from typing import NamedTuple

from fast_snow.reasoning.tools.motion import displacement, speed
from fast_snow.reasoning.tools.motion_evidence import motion_of
from fast_snow.reasoning.tools.tool_answers import Grade, Unknowable
from fast_snow.reasoning.tools.tracks import trajectories_of
from fast_snow.types import SceneGraph

UNTOLD = "\N{EN DASH}"


class Movement(NamedTuple):
    """Net movement and mean speed of an object, as text and as numbers: 0 where none is seen, NaN where not known."""

    moved: str
    speed: str
    length: float = math.nan
    rate: float = math.nan


def movement_table(graph: SceneGraph) -> dict[int, Movement]:
    """Return how each object moves, by its number."""
    return {object_id: _movement(graph, object_id) for object_id in graph.tracks}


def _movement(graph: SceneGraph, object_id: int) -> Movement:
    try:
        motion = motion_of(graph, trajectories_of(graph)[object_id])
    except Unknowable:
        return Movement(UNTOLD, UNTOLD)
    net, rate = displacement(graph, object_id=object_id), speed(graph, object_id=object_id)
    unit = "m" if graph.metric else "u"
    length = [each for each in net.figures if each.name == "length"]
    moved = _measured(length[0].value, length[0].sigma, unit) if length else UNTOLD
    fast = _measured(rate.value, rate.sigma, f"{unit}/s") if rate.value is not None else UNTOLD
    if not motion.moving:
        return Movement(f"none seen (seen from {_short(motion.noticed_across)} {unit} on)", "none seen", 0.0, 0.0)
    doubt = "" if motion.grade is Grade.STATED else "likely "
    numbers = (
        each if isinstance(each, float) else math.nan for each in (length[0].value if length else None, rate.value)
    )
    return Movement(f"{doubt}{moved}", f"{doubt}{fast}" if fast != UNTOLD else fast, *numbers)


def _short(value: float) -> str:
    return f"{value:.{max(0, 1 - math.floor(math.log10(value)))}f}" if 0 < value < 10 else f"{value:.0f}"


def _measured(value: object, sigma: object, unit: str) -> str:
    """Return a number to the second digit of its uncertainty."""
    assert isinstance(value, float)
    assert isinstance(sigma, float)
    decimals = min(9, max(0, 1 - math.floor(math.log10(sigma)))) if sigma > 0 else 2
    return f"{value:.{decimals}f} ± {sigma:.{decimals}f} {unit}"
