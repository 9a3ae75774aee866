"""Whether objects turn on their way."""

from collections.abc import Mapping
from itertools import pairwise
from math import hypot
from typing import Final

import numpy as np

from fast_snow.reasoning.tools.distance_evidence import graded
from fast_snow.reasoning.tools.hypothesis_tests import CRITICAL, VectorEstimate, block_means
from fast_snow.reasoning.tools.motion_evidence import motion_of, require_several
from fast_snow.reasoning.tools.noise import noise_of
from fast_snow.reasoning.tools.reference_frames import LEVEL_NOTE
from fast_snow.reasoning.tools.rotation_evidence import Turned, rotation_evidence, spin_grade
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
    least,
    spatial_tool,
)
from fast_snow.reasoning.tools.tracks import ObjectTrajectory, trajectory_of
from fast_snow.types import SceneGraph

_CLEAR_TURN: Final = 45.0
"""What turns by so many degrees does not go straight: that it does is stated where such a turn would have been noticed,
and is not told at all where it lies within one standard deviation of what is seen."""
_ABOUT: Final = 180.0
"""Two headings that may differ by more degrees do not tell to which side the way between them turned."""
_FEW_BLOCKS: Final = 3
"""With more, where no way is seen in each, that of either half is compared."""


@spatial_tool
def turning(graph: SceneGraph, *, object_id: ObjectId, t_from: FirstFrame = None, t_to: LastFrame = None) -> ToolAnswer:
    """Decide whether an object turns to its own left or right on its way, or moves straight."""
    trajectory = trajectory_of(graph, object_id, t_from, t_to)
    require_several(trajectory)
    turned, kinds = _turned(graph, trajectory)
    side, grade = "right" if turned.value > 0 else "left", graded(turned.value, turned.sigma)
    straight = grade is Grade.UNKNOWN
    if straight:
        if abs(turned.value) + turned.sigma > _CLEAR_TURN:
            raise Unknowable(
                f"object {object_id} turns by {turned.value:.0f} ± {turned.sigma:.0f} degrees to its right, which tells"
                " neither a turn nor a straight way"
            )
        grade = Grade.STATED if CRITICAL * turned.sigma < _CLEAR_TURN else Grade.LIKELY
    if "by_way" not in kinds:
        grade = least(grade, Grade.LIKELY)
    return ToolAnswer(
        value="straight, no turn beyond noise" if straight else f"turning {side}",
        grade=grade,
        figures=(
            NamedValue("turn_to_the_right", turned.value, unit=DEGREES, sigma=turned.sigma),
            *(NamedValue(name, each.value, unit=DEGREES, sigma=each.sigma) for name, each in kinds.items()),
        ),
        evidence=evidence_frames(trajectory.t),
        notes=(LEVEL_NOTE, *noise_of(graph).notes()),
    )


def _turned(graph: SceneGraph, trajectory: ObjectTrajectory) -> tuple[Turned, Mapping[str, Turned]]:
    """Return how far an object turns to its right by its way and by its body, which turns along; and each of these.

    What spins, or turns otherwise than its way, tells nothing of that by its body.

    Raises:
        Unknowable: the object does not move, or neither is known.
    """
    body = rotation_evidence(graph, trajectory).upright
    body = None if body is None or spin_grade(body) is not Grade.UNKNOWN else body
    try:
        way = way_turned(graph, trajectory)
    except Unknowable:
        if body is None or not motion_of(graph, trajectory).moving:
            raise
        return body, {"by_body": body}
    if body is None or abs(way.value - body.value) > CRITICAL * hypot(way.sigma, body.sigma):
        return way, {"by_way": way}
    weight = body.sigma**2 / (body.sigma**2 + way.sigma**2)
    both = Turned(
        value=weight * way.value + (1 - weight) * body.value,
        sigma=way.sigma * body.sigma / hypot(way.sigma, body.sigma),
    )
    return both, {"by_way": way, "by_body": body}


def way_turned(graph: SceneGraph, trajectory: ObjectTrajectory) -> Turned:
    """Return how far an object's way over the ground turns to the right from first to last.

    Raises:
        Unknowable: the object does not move in two parts of its path, or may have turned to either side between them.
    """
    motion = motion_of(graph, trajectory)
    if not motion.moving:
        raise Unknowable(f"object {trajectory.object_id} does not move beyond noise there, so no way of it can turn")
    means = block_means(motion.places)
    legs = [_leg(one, other) for one, other in pairwise(means)]
    sure = [each for each in legs if each.significant]
    if len(means) > _FEW_BLOCKS and len(sure) < len(legs):
        halves = [_leg(means[0], means[(len(means) - 1) // 2]), _leg(means[len(means) // 2], means[-1])]
        sure = halves if all(each.significant for each in halves) else sure
    if len(sure) < 2:
        raise Unknowable(
            f"object {trajectory.object_id} moves over the ground beyond noise in {len(sure)} of {len(legs)} parts of"
            " its path, and two are needed to see a turn"
        )
    angles = np.degrees(np.unwrap(np.arctan2(*np.stack([each.value for each in sure], axis=1))))
    sigma = np.array([_angle_sigma(each) for each in sure])
    if (np.abs(np.diff(angles)) + CRITICAL * np.hypot(sigma[1:], sigma[:-1]) > _ABOUT).any():
        raise Unknowable(f"object {trajectory.object_id} turns back on its way, and to which side is not seen")
    return Turned(value=float(angles[-1] - angles[0]), sigma=float(hypot(sigma[0], sigma[-1])))


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


def circled(graph: SceneGraph, trajectory: ObjectTrajectory) -> float:
    """Return by how many degrees the object's way turns beyond noise; 0 where it does not."""
    try:
        way = way_turned(graph, trajectory)
    except Unknowable:
        return 0.0
    return way.value if abs(way.value) > CRITICAL * way.sigma else 0.0
