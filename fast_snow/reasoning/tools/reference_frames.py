"""The axes in which answers are given, and the words for directions along them.

World: those of the first camera. Camera: those of the camera at t. Object: origin at the object's centroid, z along its
motion over the ground, y down. Down is taken to be the first camera's y axis, which is that of gravity where the camera
was held level at first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from jaxtyping import Float64

from fast_snow.reasoning.tools.hypothesis_tests import VectorEstimate, line_slope
from fast_snow.reasoning.tools.log_changes import graded
from fast_snow.reasoning.tools.motion_evidence import evident_places
from fast_snow.reasoning.tools.tool_answers import Frame, Grade, Unknowable
from fast_snow.reasoning.tools.tracks import camera_at, require_known_motion, trajectory_of
from fast_snow.types import ReadOnlyArrays, SceneGraph

FrameName = Literal["world", "camera", "object"]
Axes = Sequence[tuple[str, str]]
"""The words for the negative and the positive direction of each axis."""

SIDES: Final[Axes] = (("left", "right"), ("above", "below"), ("behind", "ahead"))
WAYS: Final[Axes] = (("left", "right"), ("up", "down"), ("towards the camera", "away from the camera"))
OWN_WAYS: Final[Axes] = (("left", "right"), ("up", "down"), ("backward", "forward"))
AROUND: Final = 11
"""Observations around a moment that tell which way an object moves then: about a second at 10 Hz."""
LEVEL_NOTE: Final = (
    "down is the first camera's y axis; the object's ahead is the way it moves, as its front is not known"
)

_DOWN: Final = np.array([0.0, 1.0, 0.0])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReferenceFrame(ReadOnlyArrays):
    """A frame of reference.

    Attributes:
        name: which.
        origin: in world coordinates.
        R_frame_world: its axes.
        heading_sigma: uncertainty of the way ahead, in radians.
        notes: what a reader must know of it.
    """

    name: Frame
    origin: Float64[np.ndarray, "3"]
    R_frame_world: Float64[np.ndarray, "3 3"]
    heading_sigma: float = 0.0
    notes: tuple[str, ...] = ()

    def turned(self, estimate: VectorEstimate) -> VectorEstimate:
        """Return a vector, given in world coordinates, along these axes; the axes' own uncertainty is added."""
        turned = estimate.turned(self.R_frame_world)
        x, _, z = turned.value
        swing = self.heading_sigma * np.array([z, 0.0, -x])
        return VectorEstimate(value=turned.value, covariance=turned.covariance + np.outer(swing, swing))


def frame_at(graph: SceneGraph, name: FrameName, t: int, object_id: int) -> ReferenceFrame:
    """Return a frame of reference at a moment.

    Args:
        graph: the graph.
        name: which; "object" is that of `object_id`.
        t: index in the clip.
        object_id: whose axes.

    Raises:
        Unknowable: the camera's orientation is not known, nor its motion up to `t` in the world of the first camera,
            or the object does not move.
    """
    if name == "world":
        require_known_motion(graph, int(graph.ego.t[0]), t)
        return ReferenceFrame(name=Frame.WORLD, origin=np.zeros(3), R_frame_world=np.eye(3))
    if name == "object":
        return _own(graph, object_id, t)
    camera = camera_at(graph, t)
    if not np.isfinite(camera.R_world_camera).all():
        raise Unknowable(f"the camera's orientation at t = {t} is not known")
    return ReferenceFrame(name=Frame.CAMERA, origin=camera.position[0], R_frame_world=camera.R_world_camera[0].T)


def velocity_at(graph: SceneGraph, object_id: int, t: int) -> VectorEstimate:
    """Return an object's velocity around a moment, per frame, in world coordinates."""
    trajectory = trajectory_of(graph, object_id)
    near = np.sort(np.argsort(np.abs(trajectory.t - t), kind="stable")[:AROUND])
    if len(near) < 2:
        raise Unknowable(f"object {object_id} is seen only once, so nothing tells which way it moves")
    _, _, decisive = evident_places(graph, trajectory[near], guessed=False)
    return line_slope(decisive)


def on_ground(estimate: VectorEstimate) -> VectorEstimate:
    """Return the part of a vector along x and z, over the ground."""
    return VectorEstimate(value=estimate.value[[0, 2]], covariance=estimate.covariance[np.ix_([0, 2], [0, 2])])


def heading_sigma(way: VectorEstimate) -> float:
    """Return the uncertainty of the heading of a way over the ground, in radians to first order."""
    x, z = way.value
    across = np.array([z, -x]) / (x * x + z * z)
    return float(np.sqrt(across @ way.covariance @ across))


def _own(graph: SceneGraph, object_id: int, t: int) -> ReferenceFrame:
    ahead = on_ground(velocity_at(graph, object_id, t))
    if not ahead.significant:
        raise Unknowable(
            f"object {object_id} does not move over the ground around t = {t}, so its own axes are unknown"
        )
    x, z = ahead.value / np.linalg.norm(ahead.value)
    forward = np.array([x, 0.0, z])
    trajectory = trajectory_of(graph, object_id)
    return ReferenceFrame(
        name=Frame.OBJECT,
        origin=trajectory.centroid[int(np.argmin(np.abs(trajectory.t - t)))],
        R_frame_world=np.stack([np.cross(_DOWN, forward), _DOWN, forward]),
        heading_sigma=heading_sigma(ahead),
        notes=(LEVEL_NOTE,),
    )


def words(estimate: VectorEstimate, axes: Axes, grade: Grade = Grade.STATED) -> tuple[str, ...]:
    """Return the words for the components that are as sure as `grade` or surer, the largest first."""
    grades = [graded(*each) for each in zip(estimate.value.tolist(), estimate.sigma.tolist(), strict=True)]
    sure = [i for i, each in enumerate(grades) if each in (Grade.STATED, grade)]
    sure.sort(key=lambda i: -abs(estimate.value[i]))
    return tuple(axes[i][int(estimate.value[i] > 0)] for i in sure)


def graded_words(estimate: VectorEstimate, axes: Axes, at_most: Grade) -> tuple[tuple[str, ...], Grade]:
    """Return the words for what is stated of an estimate, or else is likely, and how sure they are.

    Args:
        estimate: a vector.
        axes: its words.
        at_most: how sure it is that there is anything to say.
    """
    stated = words(estimate, axes) if at_most is Grade.STATED else ()
    return (stated, Grade.STATED) if stated else (words(estimate, axes, Grade.LIKELY), Grade.LIKELY)


def vector(numbers: Float64[np.ndarray, "3"]) -> tuple[float, float, float]:
    """Return a vector as plain numbers."""
    x, y, z = numbers.tolist()
    return x, y, z
