"""Poses of a camera in a ROS recording: from tf and odometry, or from a topic of poses."""

from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from fast_snow.errors import InputError
from fast_snow.inputs.layouts import ros_messages
from fast_snow.inputs.layouts.ros_reading import Bag, messages, topics_of
from fast_snow.inputs.layouts.ros_transforms import TransformTree


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
