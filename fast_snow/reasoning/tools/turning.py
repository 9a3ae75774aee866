"""Whether objects turn on their way, or spin about themselves."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import hypot
from typing import Final

import numpy as np
from jaxtyping import Float64

from fast_snow.reasoning.tools.appearance import aspect_ratio, outline_notes
from fast_snow.reasoning.tools.hypothesis_tests import CRITICAL, LIKELY_CRITICAL, VectorEstimate, block_means
from fast_snow.reasoning.tools.log_changes import graded
from fast_snow.reasoning.tools.motion_evidence import motion_of, require_several
from fast_snow.reasoning.tools.noise import noise_of
from fast_snow.reasoning.tools.reference_frames import LEVEL_NOTE, heading_sigma, on_ground
from fast_snow.reasoning.tools.rotation_evidence import CORNER, RotationEvidence, Turned, rotation_evidence, spin_grade
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
_LEAST_OBSERVATIONS: Final = 8
_FULL_TURN: Final = 360.0
_LEAST_SEEN: Final = 0.4
"""Share of a full turn about the upright axis that its texture shows at least, of something flat or with arms."""
_SWING: Final = float(np.log(2) / 2)
"""Change of the logarithm of width over height that counts as showing another side: by the square root of 2."""
_SWINGS_OF_A_TURN: Final = 4
"""In one full turn a long object shows its side and its end twice each."""
_ABOVE: Final = "seen from above"
_CAMERA: Final = "as seen from the camera"


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
    return on_ground(VectorEstimate(value=other.value - one.value, covariance=one.covariance + other.covariance))


def _angle_sigma(leg: VectorEstimate) -> float:
    """Return the uncertainty of a heading in degrees; of no heading at all it is that of any angle."""
    return float(np.degrees(min(heading_sigma(leg), np.pi / np.sqrt(3))))


def circled(graph: SceneGraph, trajectory: ObjectTrajectory) -> float:
    """Return by how many degrees the object's way turns beyond noise; 0 where it does not."""
    try:
        way = way_turned(graph, trajectory)
    except Unknowable:
        return 0.0
    return way.value if abs(way.value) > CRITICAL * way.sigma else 0.0


@spatial_tool
def spinning(
    graph: SceneGraph, *, object_id: ObjectId, t_from: FirstFrame = None, t_to: LastFrame = None
) -> ToolAnswer:
    """Decide whether an object spins about itself, clockwise or counter-clockwise, by the texture inside its masks.

    About an upright axis the sense is that seen from above (clockwise is to the object's own right); about the line of
    sight, as of a wheel seen from its side, that seen from the camera. Texture shows a part of what something turns, so
    that the number of turns is at least what is said.
    """
    trajectory = trajectory_of(graph, object_id, t_from, t_to)
    if len(trajectory) < _LEAST_OBSERVATIONS:
        raise Unknowable(
            f"object {object_id} is seen {len(trajectory)} times there, expected {_LEAST_OBSERVATIONS} or more"
        )
    way = circled(graph, trajectory)
    if abs(way) >= _FULL_TURN:
        return ToolAnswer(
            value=f"{_sense(way)} {_ABOVE}",
            figures=(NamedValue("turn_of_way_to_the_right", way, unit=DEGREES),),
            evidence=evidence_frames(trajectory.t),
            notes=("its way goes around in circles; whether it also spins about itself is not seen", LEVEL_NOTE),
        )
    rotation = rotation_evidence(graph, trajectory)
    for turned, seen in ((rotation.sight, _CAMERA), (rotation.upright, _ABOVE)):
        grade = Grade.UNKNOWN if turned is None else spin_grade(turned)
        if turned is not None and grade is not Grade.UNKNOWN:
            if seen is _ABOVE and way * turned.value > 0 and abs(way) > CORNER / 2:
                raise Unknowable(f"object {object_id} turns with its way, by {way:.0f} degrees to its right")
            return ToolAnswer(
                value=f"{_sense(turned.value)} {seen}",
                figures=(*_figures(rotation), NamedValue("turns_at_least", abs(turned.value) / _FULL_TURN)),
                evidence=evidence_frames(trajectory.t),
                notes=(LEVEL_NOTE,) if seen is _ABOVE else (),
                grade=grade,
            )
    return _denied(graph, trajectory, rotation)


def _sense(turn: float) -> str:
    return "clockwise" if turn > 0 else "counter-clockwise"


def _figures(rotation: RotationEvidence) -> tuple[NamedValue, ...]:
    named = (("turn_seen_from_above", rotation.upright), ("turn_in_the_image", rotation.sight))
    return tuple(
        NamedValue(name, each.value, unit=DEGREES, sigma=each.sigma) for name, each in named if each is not None
    )


def _denied(graph: SceneGraph, trajectory: ObjectTrajectory, rotation: RotationEvidence) -> ToolAnswer:
    """Answer that something does not spin, as surely as its texture and shape tell.

    Raises:
        Unknowable: it may as well.
    """
    swings, doubt = _shape(graph, trajectory)
    if swings >= _SWINGS_OF_A_TURN:
        raise Unknowable(doubt)
    for inconsistent in outline_notes(graph, trajectory):
        raise Unknowable(inconsistent)
    if rotation.upright is None and doubt:
        raise Unknowable(f"{doubt}; {_texture_reason(rotation)}")
    known = [each for each in (rotation.upright, rotation.sight) if each is not None]
    grade = _denial(known)
    if grade is Grade.UNKNOWN:
        turns = ", ".join(f"{each.value:.0f} ± {each.sigma:.0f}" for each in known)
        raise Unknowable(
            f"object {trajectory.object_id} turns about itself by {turns} degrees or more (clockwise where positive):"
            " too little to tell a spin and too much to deny one"
        )
    return ToolAnswer(
        value="not spinning",
        figures=(NamedValue("swings_of_shape", swings), *_figures(rotation)),
        evidence=evidence_frames(trajectory.t),
        notes=("a full turn of a long object would swing its shape in the image four times",),
        grade=grade if rotation.upright is not None and rotation.sight is not None else Grade.LIKELY,
    )


def _denial(known: Sequence[Turned]) -> Grade:
    """Return how sure it is that nothing of what is known is part of a full turn, nor itself more than a corner."""
    least = _LEAST_SEEN * _FULL_TURN
    if any(abs(each.value) > CORNER for each in known):
        return Grade.UNKNOWN
    if all(abs(each.value) + LIKELY_CRITICAL * each.sigma < least for each in known):
        return Grade.STATED
    return Grade.LIKELY if all(abs(each.value) + each.sigma < least for each in known) else Grade.UNKNOWN


def _texture_reason(rotation: RotationEvidence) -> str:
    if rotation.followed < rotation.textured:
        return "most of the texture in its mask is lost from frame to frame"
    return "its mask shows no texture that could be followed, or is cut off by the image's side"


def _shape(graph: SceneGraph, trajectory: ObjectTrajectory) -> tuple[int, str]:
    """Return how often an object's width over its height swings, and why its shape does not tell, or an empty text."""
    who = f"object {trajectory.object_id}"
    look = aspect_ratio(graph, trajectory, resolved=False)
    if len(look) < _LEAST_OBSERVATIONS or len(aspect_ratio(graph, trajectory)) < len(trajectory) / 2:
        return 0, f"{who} is too small or cut off by the image's border too often to see its shape"
    swings = count_swings(look.value, max(_SWING, 2 * CRITICAL * look.jitter))
    if swings >= _SWINGS_OF_A_TURN:
        return swings, (
            f"{who} changes its shape in the image {swings} times as if it spun, or moved its limbs;"
            " extents do not tell which, nor the sense"
        )
    if np.abs(look.value).max() < max(CRITICAL * look.jitter, _SWING):
        return swings, f"{who} looks as wide as it is high all the time, as a round one does that spins"
    return swings, ""


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
