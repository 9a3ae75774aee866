"""ROS 1 and ROS 2 bags and MCAP files, read by rosbags without a ROS installation.

Topics are chosen by type; `fast-snow doctor FILE` lists them. Frames are the colour images; a depth image belongs to
the colour image nearest in time, within 20 ms.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Bool, Float64, Int64

from fast_snow.cameras import rigid
from fast_snow.config import SourceConfig
from fast_snow.errors import FastSnowWarning, InputError
from fast_snow.inputs.frame_files import warn_left_out
from fast_snow.inputs.layouts import ros_messages
from fast_snow.inputs.layouts.ros_poses import camera_poses
from fast_snow.inputs.layouts.ros_reading import Bag, MessageReader, connections, messages, opened, topics_of
from fast_snow.inputs.lenses import Lens, calibrated
from fast_snow.inputs.recording import Recording, check_registered
from fast_snow.inputs.time_stamps import nearest_within
from fast_snow.untrusted_files import shown

SUFFIXES: Final = (".bag", ".mcap", ".db3")
"""Of single files; a ROS 2 bag is also a folder with `metadata.yaml`."""
_LARGEST_GAP_NS: Final = 20_000_000
_NONE: Final = "none"
_REGISTERED: Final = ("aligned", "registered")
_OF_COLOUR: Final = ("color", "colour", "rgb")


def read_bag(path: Path, options: SourceConfig = SourceConfig()) -> Recording:
    """Open a bag; its images are read later, one by one.

    Poses are those of the colour camera in the fixed frame, from tf and odometry or a topic of poses; where nothing on
    the way to that frame moves, there are none. They and depth are in metres.

    Raises:
        InputError: the bag cannot be read, has no colour images or not the topics asked for.

    Warns:
        FastSnowWarning: several topics could be meant; depth cannot be used; images are left out or undistorted.
    """
    where = shown(path)
    with opened(path) as bag:
        streams = _streams(bag, options, where)
    kept, of_depth = np.ones(len(streams.shots.measured), dtype=bool), None
    if streams.depths is not None:
        nearest = nearest_within(streams.shots.measured, streams.depths.measured, _LARGEST_GAP_NS)
        kept &= nearest >= 0
        of_depth = streams.depths.recorded[nearest]
    if streams.poses is not None:
        kept &= np.isfinite(streams.poses).all(axis=(1, 2))
    _report_left_out(kept, where)
    recording = _recording(path, streams, np.flatnonzero(kept), None if of_depth is None else of_depth[kept])
    return recording if streams.lens is None else calibrated(recording, [streams.lens] * len(recording), where=where)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Streams:
    """What is read of a bag: topics of colour and depth with their stamps, the colour camera, and its poses."""

    color: "_Images"
    shots: "_Stamps"
    lens: Lens | None
    depth: "_Images | None"
    depths: "_Stamps | None"
    poses: Float64[np.ndarray, "n 4 4"] | None


def _streams(bag: Bag, options: SourceConfig, where: str) -> _Streams:
    images = _image_topics(bag, where)
    color = _chosen(images, options.color, where, depth=False)
    if color is None:
        raise InputError(f"{where}: only depth images; expected a topic of colour images: record one")
    depth = None if options.depth == _NONE else _chosen(images, options.depth, where, depth=True)
    shots, lens = _stamps(bag, color.topic), _lens(bag, color, where)
    if depth is not None and (reason := _unusable(depth, color, lens)):
        warnings.warn(f"{where}: depth of {depth.topic} is not used: {reason}", FastSnowWarning, stacklevel=3)
        depth = None
    poses = None
    if options.poses != _NONE:
        poses = camera_poses(bag, color.frame, shots.measured, topic=options.poses, root=options.frame, where=where)
    depths = None if depth is None else _stamps(bag, depth.topic)
    return _Streams(color=color, shots=shots, lens=lens, depth=depth, depths=depths, poses=poses)


def _recording(
    path: Path, streams: _Streams, index: Int64[np.ndarray, " n"], of_depth: Int64[np.ndarray, " n"] | None
) -> Recording:
    """Return a recording of the colour images `index`, the depth image of each recorded at `of_depth`.

    Raises:
        InputError: an image is damaged, or depth shows another view.
    """
    where, stamp = shown(path), streams.shots.measured[index]
    colors = MessageReader(path, streams.color.topic, streams.shots.recorded[index])
    read_depth = None
    if streams.depth is not None and of_depth is not None:
        depths, of = MessageReader(path, streams.depth.topic, of_depth), f"{where}: {streams.depth.topic}"
        read_depth = lambda k: ros_messages.depth(depths.message(k), of)  # noqa: E731
    first = ros_messages.color(colors.message(0), f"{where}: {streams.color.topic}")
    recording = Recording(
        name=path.resolve().name,
        time=tuple(Fraction(each, 10**9) for each in (stamp - stamp[0]).tolist()),
        color_size=(first.shape[0], first.shape[1]),
        read_color=lambda k: ros_messages.color(colors.message(k), f"{where}: {streams.color.topic}"),
        read_depth=read_depth,
        T_world_camera=None
        if streams.poses is None
        else np.stack([rigid(T, where=where) for T in streams.poses[index]]),
    )
    if recording.read_depth is not None:
        check_registered(where, "depth", recording.read_depth(0).shape, recording.color_size)
    return recording


@dataclass(frozen=True, slots=True, kw_only=True)
class _Images:
    """A topic of images: whether of depth, in which coordinate frame, and how many."""

    topic: str
    depth: bool
    frame: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Stamps:
    """When the messages of a topic were measured, ascending and each time once, and when they were recorded."""

    measured: Int64[np.ndarray, " n"]
    recorded: Int64[np.ndarray, " n"]


def _image_topics(bag: Bag, where: str) -> list[_Images]:
    found = []
    for topic in topics_of(bag, *ros_messages.IMAGES):
        _, first = next(messages(bag, topic))
        count = sum(each.msgcount for each in connections(bag, topic))
        frame = first.header.frame_id
        found.append(_Images(topic=topic, depth=ros_messages.is_depth(first), frame=frame, count=count))
    if not found:
        names = ", ".join(sorted(bag.topics))[:200] or "none"
        raise InputError(
            f"{where}: no images; expected a topic of sensor_msgs/Image or CompressedImage, not only {names}"
        )
    return found


def _chosen(images: Sequence[_Images], wanted: str, where: str, *, depth: bool) -> _Images | None:
    """Return the topic asked for, or the likeliest; None where there is none."""
    known = [each for each in images if each.depth == depth]
    option, what = ("depth", "depth") if depth else ("color", "colour")
    if wanted:
        named = next((each for each in images if each.topic == wanted), None)
        if named is None or named.depth != depth:
            names = ", ".join(each.topic for each in known)[:200] or "none"
            raise InputError(
                f"{where}: no {what} images in {wanted[:80]}; expected one of: {names} (--source.{option})"
            )
        return named
    if not known:
        return None
    words = _REGISTERED if depth else _OF_COLOUR
    best = max(known, key=lambda each: (any(word in each.topic for word in words), each.count))
    if len(known) > 1:
        others = ", ".join(each.topic for each in known if each is not best)[:200]
        warnings.warn(
            f"{where}: {what} images of {best.topic} are read, not of {others} (--source.{option} chooses)",
            FastSnowWarning,
            stacklevel=3,
        )
    return best


def _stamps(bag: Bag, topic: str) -> _Stamps:
    found = {ros_messages.stamp_ns(message, recorded): recorded for recorded, message in messages(bag, topic)}
    measured = sorted(found)
    return _Stamps(measured=np.array(measured), recorded=np.array([found[stamp] for stamp in measured]))


def _lens(bag: Bag, color: _Images, where: str) -> Lens | None:
    """Return the camera of a topic of images: told beside it, or by any topic of the same coordinate frame."""
    beside = color.topic.removesuffix("/compressed").rsplit("/", 1)[0] + "/camera_info"
    known = topics_of(bag, ros_messages.CAMERA_INFO)
    for topic in sorted(known, key=lambda each: each != beside):
        _, message = next(messages(bag, topic))
        if topic == beside or message.header.frame_id == color.frame:
            return ros_messages.lens(message, f"{where}: {topic}")
    return None


def _unusable(depth: _Images, color: _Images, lens: Lens | None) -> str:
    """Return why depth cannot be used; empty where it can."""
    if lens is None:
        return "nothing tells the intrinsics: record the camera_info of the colour images"
    if depth.frame != color.frame:
        return f"it is not registered to the colour images ({depth.frame} is not {color.frame}): record aligned depth"
    return ""


def _report_left_out(kept: Bool[np.ndarray, " n"], where: str) -> None:
    if not kept.any():
        raise InputError(
            f"{where}: no colour image has depth within 20 ms and a pose; expected one clock: check stamps"
        )
    missing = int(np.count_nonzero(~kept))
    warn_left_out(where, missing, len(kept), "colour images have no depth within 20 ms or no pose")
