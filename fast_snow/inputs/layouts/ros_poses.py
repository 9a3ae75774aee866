"""Poses of a camera in a ROS recording: from tf and odometry, or from a topic of poses.

Reference: tf2. Between two stamps of a moving edge of the tree of coordinate frames, translation is interpolated
linearly and rotation along the sphere.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from jaxtyping import Float64, Int64
from scipy.spatial.transform import Rotation, Slerp

from fast_snow.errors import InputError
from fast_snow.inputs.layouts import ros_messages
from fast_snow.inputs.layouts.ros_reading import Bag, messages, topics_of

LARGEST_GAP_NS: Final = 200_000_000
"""Poses further apart than this are not interpolated."""


@dataclass(slots=True)
class Edge:
    """A frame in its parent at stamps: one for an edge that does not move."""

    parent: str
    static: bool
    stamp_ns: list[int] = field(default_factory=list)
    position: list[tuple[float, float, float]] = field(default_factory=list)
    quaternion_xyzw: list[tuple[float, float, float, float]] = field(default_factory=list)


class TransformTree:
    """Frames by name, each in its parent."""

    def __init__(self) -> None:
        self._edges: dict[str, Edge] = {}

    def add(
        self,
        parent: str,
        child: str,
        stamp_ns: int,
        position: tuple[float, float, float],
        quaternion_xyzw: tuple[float, float, float, float],
        *,
        static: bool,
    ) -> None:
        """Add where `child` was in `parent` at a time; numbers that are no pose are left out."""
        parent, child = parent.lstrip("/"), child.lstrip("/")
        numbers = np.array([*position, *quaternion_xyzw])
        if not np.isfinite(numbers).all() or abs(np.linalg.norm(numbers[3:]) - 1) > 1e-2 or parent == child:
            return
        edge = self._edges.get(child)
        if edge is None or edge.parent != parent or edge.static != static:
            if edge is not None and (edge.static < static or edge.parent != parent):
                return  # what moves wins over what is said to rest, and the first parent over others
            edge = self._edges[child] = Edge(parent, static)
        edge.stamp_ns.append(stamp_ns)
        edge.position.append(position)
        edge.quaternion_xyzw.append(quaternion_xyzw)

    def path(self, frame: str, root: str = "") -> tuple[str, ...]:
        """Return the frames from one up to a root, both named; up to the topmost without one; empty if not below it."""
        names = list(self._up(frame.lstrip("/")))
        if not root:
            return tuple(names)
        return tuple(names[: names.index(root) + 1]) if root in names else ()

    def moves(self, path: Iterable[str]) -> bool:
        """Return whether any of the frames, the last left out, moves in its parent."""
        return any(not self._edges[name].static for name in list(path)[:-1])

    def poses(self, path: tuple[str, ...], stamp_ns: Int64[np.ndarray, " n"]) -> Float64[np.ndarray, "n 4 4"]:
        """Return where the first frame of a path was in the last at times; NaN where that is not known."""
        found = np.tile(np.eye(4), (len(stamp_ns), 1, 1))
        for name in path[:-1]:
            found = _at(self._edges[name], stamp_ns) @ found
        return found

    def _up(self, frame: str) -> Iterator[str]:
        seen: set[str] = set()
        while frame not in seen:
            seen.add(frame)
            yield frame
            if frame not in self._edges:
                return
            frame = self._edges[frame].parent


def camera_poses(
    bag: Bag, camera: str, stamp_ns: Int64[np.ndarray, " n"], *, topic: str = "", root: str = "", where: str
) -> Float64[np.ndarray, "n 4 4"] | None:
    """Return the poses of a camera in a fixed frame.

    Where tf and odometry lead from the camera to a root and something on the way moves, they tell; else a topic of
    poses, which are taken for those of the camera. Only `topic` may tell what moves, if one is named; the fixed frame
    is `root`, or the topmost.

    Returns:
        Camera-to-world matrices, NaN where they are not known; None where nothing tells them.

    Raises:
        InputError: the topic or the fixed frame does not tell poses.
    """
    for tree in (_chain(bag, topic), _alone(bag, camera, topic)):
        path = tree.path(camera, root.lstrip("/"))
        if path and tree.moves(path):
            return tree.poses(path, stamp_ns)
    if topic or root:
        raise InputError(
            f"{where}: no moving pose of {camera}{f' in {root}' if root else ''}; expected a chain of tf or odometry"
            " from it to a fixed frame: --source.poses none estimates poses"
        )
    return None


def _chain(bag: Bag, wanted: str) -> TransformTree:
    """Return the tree of tf and odometry."""
    tree = TransformTree()
    for topic in topics_of(bag, *ros_messages.TRANSFORMS):
        static = topic.endswith("_static")
        if static or wanted in ("", topic):
            for _, message in messages(bag, topic):
                for each in message.transforms:
                    _add(tree, each.header, each.child_frame_id, each.transform, static=static)
    for topic in topics_of(bag, ros_messages.ODOMETRY):
        if wanted in ("", topic):
            for _, message in messages(bag, topic):
                _add(tree, message.header, message.child_frame_id, message.pose.pose, static=False)
    return tree


def _alone(bag: Bag, camera: str, wanted: str) -> TransformTree:
    """Return a tree of one topic of poses, the first if none is asked for."""
    tree = TransformTree()
    for topic in [each for each in topics_of(bag, *ros_messages.POSES) if wanted in ("", each)][:1]:
        for _, message in messages(bag, topic):
            _add(tree, message.header, camera, getattr(message.pose, "pose", message.pose), static=False)
    return tree


def _add(tree: TransformTree, header: Any, child: str, pose: Any, *, static: bool) -> None:  # noqa: ANN401 (rosbags)
    shift, turn = (
        (pose.translation, pose.rotation) if hasattr(pose, "translation") else (pose.position, pose.orientation)
    )
    position, quaternion = (shift.x, shift.y, shift.z), (turn.x, turn.y, turn.z, turn.w)
    tree.add(header.frame_id, child, ros_messages.nanoseconds(header.stamp), position, quaternion, static=static)


def _at(edge: Edge, stamp_ns: Int64[np.ndarray, " n"]) -> Float64[np.ndarray, "n 4 4"]:
    """Return the poses of an edge at times."""
    known, first = np.unique(np.array(edge.stamp_ns, np.int64), return_index=True)
    position, quaternion = np.array(edge.position)[first], np.array(edge.quaternion_xyzw)[first]
    matrices = np.full((len(stamp_ns), 4, 4), np.nan)
    if edge.static or len(known) == 1:
        usable = np.full(len(stamp_ns), True) if edge.static else np.abs(stamp_ns - known[0]) <= LARGEST_GAP_NS
        matrices[usable] = _matrix(position[-1:], Rotation.from_quat(quaternion[-1:]))
        return matrices
    after = np.searchsorted(known, stamp_ns).clip(1, len(known) - 1)
    inside = (stamp_ns >= known[0]) & (stamp_ns <= known[-1]) & (known[after] - known[after - 1] <= LARGEST_GAP_NS)
    if inside.any():
        seconds, asked = (known - known[0]) / 1e9, (stamp_ns[inside] - known[0]) / 1e9
        placed = np.stack([np.interp(asked, seconds, position[:, axis]) for axis in range(3)], axis=1)
        matrices[inside] = _matrix(placed, Slerp(seconds, Rotation.from_quat(quaternion))(asked))
    return matrices


def _matrix(position: Float64[np.ndarray, "n 3"], rotation: Rotation) -> Float64[np.ndarray, "n 4 4"]:
    matrices = np.tile(np.eye(4), (len(position), 1, 1))
    matrices[:, :3, :3], matrices[:, :3, 3] = rotation.as_matrix(), position
    return matrices
