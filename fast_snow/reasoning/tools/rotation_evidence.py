"""How far an object turns about itself: by the texture inside its masks, and by the slant of its outline.

Seen from the camera, what drives past turns as much as the line of sight does, the other way around: that is taken out,
and so is how the camera rolls.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float64, Int64
from scipy.spatial.transform import Rotation

from fast_snow.reasoning.tools.appearance import appearance
from fast_snow.reasoning.tools.hypothesis_tests import CRITICAL, LIKELY_CRITICAL
from fast_snow.reasoning.tools.motion_evidence import bearings
from fast_snow.reasoning.tools.tool_answers import Grade
from fast_snow.reasoning.tools.tracks import ObjectTrajectory, cameras_of
from fast_snow.types import SceneGraph

_FOLLOWED: Final = 0.25
"""Share of the corners in a mask that must be followed to believe what they say."""
_COVERED: Final = 0.75
"""Share of an object's steps that must be known; those between are taken to be like their neighbours."""
_OUTLINE: Final = 30.0
"""Degrees about the upright axis that are feigned where half of an outline is hidden from one side."""
_SIGHT: Final = 0.5
"""Share of the turn of the line of sight that may be wrong: what is flat shows less of it."""
_ROLL: Final = 10.0
"""Degrees about the line of sight by which a body slants though it does not turn."""
_LONG: Final = 2.0
"""Variance along over that across from which on an outline's slant tells how it turns."""
_U_TURN: Final = 180.0
"""What surely turns about itself by more is stated to spin."""
CORNER: Final = 90.0
"""What surely turns by more likely does."""

_Series = Float64[np.ndarray, " n"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turned:
    """How far something turns in one sense, at most, between any two frames: degrees, clockwise where positive."""

    value: float
    sigma: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationEvidence:
    """How an object turns about itself.

    Attributes:
        upright: about the upright axis, clockwise seen from above: at least so far; None where too little is known.
        sight: about the line of sight, clockwise as seen from the camera; None where too little is known.
        textured: in which share of the steps there were corners to follow.
        followed: in which share of the steps they could be.
    """

    upright: Turned | None
    sight: Turned | None
    textured: float
    followed: float


def rotation_evidence(graph: SceneGraph, trajectory: ObjectTrajectory) -> RotationEvidence:
    """Gather how an object turns about itself; it is seen twice or more."""
    frame = np.searchsorted(cameras_of(graph).t, trajectory.t)
    yaw, roll, share = trajectory.token.rotation.astype(np.float64).T
    # A step is that from the frame before, and only where the object was seen then too.
    adjacent = np.diff(frame, prepend=frame[0]) == 1
    textured, followed = adjacent & np.isfinite(share), adjacent & (share >= _FOLLOWED)
    steps = max(int(frame[-1] - frame[0]), 1)
    boxes = trajectory.token.box
    at_side = (boxes[:, 0] <= 0) | (boxes[:, 2] >= graph.analysis_grid[1])
    uncut = followed & ~at_side & ~np.roll(at_side, 1)
    passed = _line_of_sight(graph, trajectory)
    upright = sight = None
    if _enough(uncut, steps):
        turned = np.degrees(_cumulated(frame, yaw, uncut)) + passed
        upright = Turned(value=_furthest(turned), sigma=float(np.hypot(_OUTLINE, _SIGHT * np.ptp(passed))))
    rolled, roll_known = _camera_roll(trajectory), _enough(followed, steps)
    in_image = [] if not roll_known else [_furthest(np.degrees(_cumulated(frame, roll, followed)) + rolled)]
    slant = _slant(graph, trajectory)
    if slant is not None:
        in_image.append(_furthest(slant + rolled))
    if in_image and np.ptp(in_image) < CORNER:  # a pattern that turns on what does not, or the other way around
        sight = Turned(value=in_image[-1], sigma=_ROLL)
    return RotationEvidence(
        upright=upright,
        sight=sight,
        textured=float(np.mean(textured[1:])),
        followed=float(np.mean(followed[1:])),
    )


def spin_grade(turned: Turned) -> Grade:
    """Return how sure it is that something spins which turns so far."""
    if abs(turned.value) - CRITICAL * turned.sigma > _U_TURN:
        return Grade.STATED
    return Grade.LIKELY if abs(turned.value) - LIKELY_CRITICAL * turned.sigma > CORNER else Grade.UNKNOWN


def _enough(known: Bool[np.ndarray, " n"], steps: int) -> bool:
    return bool(np.count_nonzero(known) >= max(_COVERED * steps, 1))


def _cumulated(frame: Int64[np.ndarray, " n"], steps: _Series, known: Bool[np.ndarray, " n"]) -> _Series:
    """Return the sum of steps up to each observation; unknown ones are interpolated."""
    every = np.arange(frame[0] + 1, frame[-1] + 1)
    filled = np.interp(every, frame[known], steps[known])
    return np.asarray(np.concatenate([[0.0], np.cumsum(filled)])[frame - frame[0]])


def _furthest(turned: _Series) -> float:
    """Return the largest rise or fall of a series from any of its values to a later one."""
    rise = float((turned - np.minimum.accumulate(turned)).max())
    fall = float((turned - np.maximum.accumulate(turned)).min())
    return rise if rise > -fall else fall


def _line_of_sight(graph: SceneGraph, trajectory: ObjectTrajectory) -> _Series:
    """Return how far the line of sight turned to the right up to each observation, in degrees; 0 where not known."""
    ray, _, _ = bearings(graph, trajectory)
    if not np.isfinite(ray).all():
        return np.zeros(len(trajectory))
    azimuth = np.unwrap(np.arctan2(ray[:, 0], ray[:, 2]))
    return np.asarray(np.degrees(azimuth - azimuth[0]))


def _camera_roll(trajectory: ObjectTrajectory) -> _Series:
    """Return how far the camera rolled clockwise up to each observation, in degrees; 0 where not known."""
    R = trajectory.camera.R_world_camera
    if not np.isfinite(R).all():
        return np.zeros(len(trajectory))
    steps = Rotation.from_matrix(R[:-1].transpose(0, 2, 1) @ R[1:]).as_rotvec(degrees=True)[:, 2]
    return np.concatenate([[0.0], np.cumsum(steps)])


def _slant(graph: SceneGraph, trajectory: ObjectTrajectory) -> _Series | None:
    """Return how far an outline's long axis turned clockwise up to each observation; None where it has none."""
    uu, uv, vv = trajectory.token.moments.astype(np.float64).T
    spread = np.hypot(uu - vv, 2 * uv)
    long = (uu + vv + spread) >= _LONG * (uu + vv - spread)
    cut = appearance(graph, trajectory).cut
    if not long.all() or cut.any() or (np.diff(trajectory.t) > 1).any():
        return None
    angle = np.unwrap(np.arctan2(2 * uv, uu - vv) / 2, period=np.pi)
    return np.asarray(np.degrees(angle - angle[0]))
