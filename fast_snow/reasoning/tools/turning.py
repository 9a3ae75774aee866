"""Whether objects turn on their way, and whether they spin."""

from itertools import pairwise
from math import hypot
from typing import Final

import numpy as np
from jaxtyping import Float64

from fast_snow.reasoning.tools.appearance import aspect_ratio
from fast_snow.reasoning.tools.distance_evidence import graded
from fast_snow.reasoning.tools.hypothesis_tests import CRITICAL, VectorEstimate, block_means
from fast_snow.reasoning.tools.motion_evidence import motion_of, require_several
from fast_snow.reasoning.tools.noise import noise_of
from fast_snow.reasoning.tools.reference_frames import LEVEL_NOTE
from fast_snow.reasoning.tools.tool_answers import (
    DEGREES,
    FirstFrame,
    Grade,
    LastFrame,
    NamedValue,
    ObjectId,
    ToolAnswer,
    Unknowable,
    evidence_frames,
    spatial_tool,
)
from fast_snow.reasoning.tools.tracks import ObjectTrajectory, trajectory_of
from fast_snow.types import SceneGraph

_LEAST_OBSERVATIONS: Final = 8
_FULL_TURN: Final = 360.0
_CLEAR_TURN: Final = 45.0
"""It is stated that something goes straight where a turn by so many degrees would have been noticed."""
_SWING: Final = float(np.log(2) / 2)
"""Change of the logarithm of width over height that counts as showing another side: by the square root of 2."""
_SWINGS_OF_A_TURN: Final = 4
"""In one full turn a long object shows its side and its end twice each."""


@spatial_tool
def turning(graph: SceneGraph, *, object_id: ObjectId, t_from: FirstFrame = None, t_to: LastFrame = None) -> ToolAnswer:
    """Decide whether an object turns to its own left or right on its way, or moves straight."""
    trajectory = trajectory_of(graph, object_id, t_from, t_to)
    require_several(trajectory)
    angle, sigma = _turn(graph, trajectory)
    side, grade = "right" if angle > 0 else "left", graded(angle, sigma)
    straight = grade is Grade.UNKNOWN
    if straight:
        grade = Grade.STATED if CRITICAL * sigma < _CLEAR_TURN else Grade.LIKELY
    return ToolAnswer(
        value="straight, no turn beyond noise" if straight else f"turning {side}",
        grade=grade,
        figures=(NamedValue("turn_to_the_right", angle, unit=DEGREES, sigma=sigma),),
        evidence=evidence_frames(trajectory.t),
        notes=(LEVEL_NOTE, *noise_of(graph).notes()),
    )


def _turn(graph: SceneGraph, trajectory: ObjectTrajectory) -> tuple[float, float]:
    """Return by how many degrees the way over the ground turns to the right from first to last, and the uncertainty.

    Raises:
        Unknowable: the object does not move in two parts of its path.
    """
    motion = motion_of(graph, trajectory)
    if not motion.moving:
        raise Unknowable(f"object {trajectory.object_id} does not move beyond noise there, so no way of it can turn")
    means = block_means(motion.places)
    legs = [_leg(one, other) for one, other in pairwise(means)]
    sure = [each for each in legs if each.significant]
    if len(sure) < 2:
        raise Unknowable(
            f"object {trajectory.object_id} moves over the ground beyond noise in {len(sure)} of {len(legs)} parts of"
            " its path, and two are needed to see a turn"
        )
    angles = np.degrees(np.unwrap(np.arctan2(*np.stack([each.value for each in sure], axis=1))))
    return float(angles[-1] - angles[0]), hypot(_angle_sigma(sure[0]), _angle_sigma(sure[-1]))


def _leg(one: VectorEstimate, other: VectorEstimate) -> VectorEstimate:
    ground = np.ix_([0, 2], [0, 2])
    return VectorEstimate(
        value=(other.value - one.value)[[0, 2]], covariance=one.covariance[ground] + other.covariance[ground]
    )


def _angle_sigma(leg: VectorEstimate) -> float:
    """Return the uncertainty of a heading in degrees; of no heading at all it is that of any angle."""
    x, z = leg.value
    across = np.array([z, -x]) / (x * x + z * z)
    return float(np.degrees(min(np.sqrt(across @ leg.covariance @ across), np.pi / np.sqrt(3))))


@spatial_tool
def spinning(
    graph: SceneGraph, *, object_id: ObjectId, t_from: FirstFrame = None, t_to: LastFrame = None
) -> ToolAnswer:
    """Decide whether an object spins, clockwise or counter-clockwise seen from above, as far as a graph can tell.

    A graph has no orientations. A long object that spins shows its side and its end in turn, so that its width over its
    height in the image swings; a round one shows nothing, and the answer is unknown. The sense is known only where the
    object also drives around in circles.
    """
    trajectory = trajectory_of(graph, object_id, t_from, t_to)
    if len(trajectory) < _LEAST_OBSERVATIONS:
        raise Unknowable(
            f"object {object_id} is seen {len(trajectory)} times there, expected {_LEAST_OBSERVATIONS} or more"
        )
    circled = _circled(graph, trajectory)
    if abs(circled) >= _FULL_TURN:
        sense = "clockwise" if circled > 0 else "counter-clockwise"
        return ToolAnswer(
            value=f"{sense} seen from above",
            figures=(NamedValue("turn_of_way_to_the_right", circled, unit=DEGREES),),
            evidence=evidence_frames(trajectory.t),
            notes=("its way goes around in circles; whether it also spins about itself is not seen", LEVEL_NOTE),
        )
    return _spinning_by_shape(graph, trajectory, circled)


def _spinning_by_shape(graph: SceneGraph, trajectory: ObjectTrajectory, circled: float) -> ToolAnswer:
    """Decide by how an object's width over its height swings; its way turned by `circled` degrees.

    Raises:
        Unknowable: its shape is not seen, changes as if it spun, or would not change if it did.
    """
    who = f"object {trajectory.object_id}"
    look = aspect_ratio(graph, trajectory, resolved=False)
    if len(look) < _LEAST_OBSERVATIONS or len(aspect_ratio(graph, trajectory)) < len(trajectory) / 2:
        raise Unknowable(f"{who} is too small or cut off by the image's border too often to see its shape")
    swings = count_swings(look.value, max(_SWING, 2 * CRITICAL * look.jitter))
    if swings >= _SWINGS_OF_A_TURN:
        raise Unknowable(
            f"{who} changes its shape in the image {swings} times as if it spun, or moved its limbs;"
            " extents do not tell which, nor the sense"
        )
    if np.abs(look.value).max() < max(CRITICAL * look.jitter, _SWING):
        raise Unknowable(f"{who} looks as wide as it is high all the time, as a round one does that spins")
    return ToolAnswer(
        value="not spinning",
        figures=(NamedValue("swings_of_shape", swings), NamedValue("turn_of_way_to_the_right", circled, unit=DEGREES)),
        evidence=evidence_frames(look.t),
        notes=("a full turn of a long object would swing its shape in the image four times",),
    )


def _circled(graph: SceneGraph, trajectory: ObjectTrajectory) -> float:
    """Return by how many degrees the object's way turns beyond noise; 0 where it does not."""
    try:
        angle, sigma = _turn(graph, trajectory)
    except Unknowable:
        return 0.0
    return angle if abs(angle) > CRITICAL * sigma else 0.0


def count_swings(values: Float64[np.ndarray, " n"], least: float) -> int:
    """Return how often values swing up or down by at least so much, as a sequence of alternating swings."""
    swings, direction, low, high = 0, 0, values[0], values[0]
    for value in values.tolist():
        low, high = min(low, value), max(high, value)
        if direction <= 0 and value - low >= least:
            swings, direction, high = swings + 1, 1, value
        elif direction >= 0 and high - value >= least:
            swings, direction, low = swings + 1, -1, value
        if direction > 0:
            low = high = max(high, value)
        elif direction < 0:
            low = high = min(low, value)
    return swings
