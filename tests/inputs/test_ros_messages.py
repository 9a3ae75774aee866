"""Images of ROS as image_transport sends them, and the tree of coordinate frames."""

import cv2
import numpy as np
import pytest

from fast_snow.errors import InputError
from fast_snow.inputs.layouts import ros_messages
from fast_snow.inputs.layouts.ros_poses import TransformTree

typesys = pytest.importorskip("rosbags.typesys")
pytest.importorskip("rosbags.image")
TYPES = typesys.get_typestore(typesys.Stores.ROS2_HUMBLE).types
HEADER = TYPES["std_msgs/msg/Header"](stamp=TYPES["builtin_interfaces/msg/Time"](sec=0, nanosec=0), frame_id="camera")
QUARTER = (0.0, 0.0, np.sin(np.pi / 4), np.cos(np.pi / 4))
LEVEL = (0.0, 0.0, 0.0, 1.0)


def compressed(data, format_):
    return TYPES["sensor_msgs/msg/CompressedImage"](header=HEADER, format=format_, data=np.frombuffer(data, np.uint8))


def raw(array, encoding, **changes):
    rows = np.ascontiguousarray(array).reshape(len(array), -1).view(np.uint8)
    fields = {
        "header": HEADER,
        "height": array.shape[0],
        "width": array.shape[1],
        "encoding": encoding,
        "is_bigendian": 0,
        "step": rows.shape[1],
        "data": rows.reshape(-1),
    }
    return TYPES["sensor_msgs/msg/Image"](**fields | changes)


def png(array):
    return cv2.imencode(".png", array)[1].tobytes()


def test_compressed_images_and_depth():
    rgb = np.random.default_rng(0).integers(0, 255, (6, 8, 3), np.uint8)
    message = compressed(png(rgb[:, :, ::-1]), "rgb8; png compressed bgr8")
    assert not ros_messages.is_depth(message)
    np.testing.assert_array_equal(ros_messages.color(message, "bag"), rgb)
    stored = np.array([[0, 1000], [2500, 65535]], np.uint16)
    message = compressed(bytes(12) + png(stored), "16UC1; compressedDepth")
    assert ros_messages.is_depth(message)
    np.testing.assert_allclose(ros_messages.depth(message, "bag"), [[0, 1.0], [2.5, 0]])


def test_depth_in_floats_is_metres_and_compressed_as_its_inverse():
    metres = np.array([[np.nan, 1.25], [0.0, 3.0]], np.float32)
    np.testing.assert_array_equal(ros_messages.depth(raw(metres, "32FC1"), "bag"), [[0, 1.25], [0, 3]])
    scale, offset = 10_000.0, 100.0
    stored = np.array([[0, scale / 2 + offset]], np.uint16)
    head = np.array([0], "<i4").tobytes() + np.array([scale, offset], "<f4").tobytes()
    message = compressed(head + png(stored), "32FC1; compressedDepth png")
    np.testing.assert_allclose(ros_messages.depth(message, "bag"), [[0, 2.0]], rtol=1e-6)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (raw(np.zeros((2, 3, 3), np.uint8), "rgb8", height=9), "expected a whole image"),
        (raw(np.zeros((2, 3, 3), np.uint8), "rgb8", height=9**6, width=9**6), "expected a whole image"),
        (raw(np.zeros((2, 3, 3), np.uint8), "fancy"), "fancy"),
        (compressed(b"no image", "jpeg"), "cannot be read as an image"),
    ],
)
def test_images_that_are_none_are_refused(message, expected):
    with pytest.raises(InputError, match=expected):
        ros_messages.color(message, "bag")


def test_poses_are_interpolated_between_stamps_and_unknown_beyond_them():
    tree = TransformTree()
    tree.add("map", "base", 0, (0.0, 0.0, 0.0), LEVEL, static=False)
    tree.add("map", "base", 100_000_000, (1.0, 0.0, 0.0), QUARTER, static=False)
    tree.add("base", "camera", 0, (0.0, 2.0, 0.0), LEVEL, static=True)
    path = tree.path("camera")
    assert path == ("camera", "base", "map")
    assert tree.moves(path)
    assert not tree.moves(path[:2])
    poses = tree.poses(path, np.array([-1, 50_000_000, 100_000_000, 100_000_001]))
    assert np.isnan(poses[[0, 3]]).any(axis=(1, 2)).all()
    half = np.sqrt(0.5)
    np.testing.assert_allclose(poses[1, :3, 3], [0.5 - 2 * half, 2 * half, 0], atol=1e-12)
    np.testing.assert_allclose(poses[2, :3, 3], [-1, 0, 0], atol=1e-12)


def test_a_gap_is_not_bridged_and_a_circle_ends():
    tree = TransformTree()
    tree.add("map", "base", 0, (0.0, 0.0, 0.0), LEVEL, static=False)
    tree.add("map", "base", 10**9, (1.0, 0.0, 0.0), LEVEL, static=False)
    assert np.isnan(tree.poses(("base", "map"), np.array([5 * 10**8]))).any()
    tree.add("base", "map", 0, (0.0, 0.0, 0.0), LEVEL, static=True)
    assert tree.path("base") == ("base", "map")
