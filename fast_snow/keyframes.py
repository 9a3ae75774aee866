"""The images that a graph points to, and a small depth image beside each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Final

import cv2
import numpy as np
from jaxtyping import Float32, Int32, Int64, Shaped, UInt8

from fast_snow.cameras import Intrinsics, pinhole
from fast_snow.types import GridShape, Joint, Keyframe, Perception, Window

DEPTH_SIDE: Final = 168
"""Pixels of a depth image along its longer side, at most."""
DEPTH_STEPS: Final = 512
"""Steps of a depth image per doubling of depth: 0.14 % each."""
DEPTH_ONE: Final = 32768
"""The value of depth 1 in a depth image."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KeyframeImage:
    """An encoded keyframe.

    Attributes:
        path: relative to the graph's file.
        jpeg: the file's content.
        depth: content of the depth image beside it (`encode_depth`); empty where there is none.
    """

    path: str
    jpeg: bytes
    depth: bytes = b""

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Yield path and content of the image's files."""
        yield self.path, self.jpeg
        if self.depth:
            yield depth_path(self.path), self.depth


def depth_path(path: str) -> str:
    """Return the path of the depth image beside a keyframe."""
    return PurePosixPath(path).with_suffix(".png").as_posix()


def keyframes(t: Int32[np.ndarray, " n"], source_frame: Int64[np.ndarray, " n"], *, every: int) -> tuple[Keyframe, ...]:
    """Return the keyframes among some frames of a clip: every `every`-th of the clip."""
    return tuple(
        Keyframe(t=int(when), source_frame=int(source), path=f"keyframes/{when:06d}.jpg")
        for when, source in zip(t, source_frame, strict=True)
        if when % every == 0
    )


def encode(window: Window, *, every: int, jpeg_quality: int) -> tuple[KeyframeImage, ...]:
    """Encode the keyframes among the frames that a window adds to its clip, in order; quality is from 1 to 100."""
    frames = window.frames
    added = slice(window.shared, None)
    image = {int(t): picture for t, picture in zip(frames.t, frames.image, strict=True)}
    return tuple(
        KeyframeImage(path=each.path, jpeg=encode_jpeg(image[each.t], jpeg_quality))
        for each in keyframes(frames.t[added], frames.source_frame[added], every=every)
    )


def with_depth(
    images: Sequence[KeyframeImage],
    added: Sequence[Keyframe],
    perception: Perception,
    joints: Sequence[Joint],
    conf_thresh: float,
) -> tuple[KeyframeImage, ...]:
    """Return the keyframe images of a window with their depth in the world of the graph.

    Among them are those that the window added to the graph; the last of the `joints` may say how long the window's unit
    is. Depth of less confidence is left out.
    """
    scale = next((each.scale for each in joints[-1:] if each.joined and each.t in perception.t), 1.0)
    row = {int(t): i for i, t in enumerate(perception.t)}
    t_of, geometry = {each.path: each.t for each in added}, perception.geometry
    depth = {path: (geometry.depth[row[t]], geometry.confidence[row[t]]) for path, t in t_of.items() if t in row}
    return tuple(
        replace(each, depth=encode_depth(np.where(seen[1] >= conf_thresh, seen[0], 0) * np.float32(scale)))
        if (seen := depth.get(each.path))
        else each
        for each in images
    )


def encode_depth(depth: Float32[np.ndarray, "h w"]) -> bytes:
    """Return a depth map as a small PNG file of 16 bits: 32768 + 512 log2(depth), and 0 where there is none.

    Args:
        depth: along the optical axis in the unit of the graph's world; every n-th pixel of every n-th row is taken.
    """
    stride = _stride(depth.shape)
    small = depth[stride // 2 :: stride, stride // 2 :: stride]
    known = np.isfinite(small) & (small > 0)
    code = np.round(DEPTH_ONE + DEPTH_STEPS * np.log2(small, where=known, out=np.zeros(small.shape)))
    _, data = cv2.imencode(".png", np.where(known, np.clip(code, 1, 65535), 0).astype(np.uint16))
    return data.tobytes()


def decode_depth(values: Shaped[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w"]:
    """Return the depth that a depth image holds, in the unit in which it was written; 0 where there is none."""
    depth = np.exp2((values.astype(np.float32) - DEPTH_ONE) / DEPTH_STEPS)
    return np.where(values > 0, depth, 0).astype(np.float32)


def depth_intrinsics(K: Intrinsics, grid: GridShape) -> Intrinsics:
    """Return the pinhole of depth images, which take every n-th pixel of an analysis grid, from that of the grid."""
    stride = _stride(grid)
    fx, fy, cx, cy = K[0, 0], K[1, 1], K[0, 2], K[1, 2]
    first = stride // 2
    return pinhole(fx / stride, fy / stride, (cx - first) / stride, (cy - first) / stride)


def _stride(grid: tuple[int, ...]) -> int:
    return -(-max(grid) // DEPTH_SIDE)


def encode_jpeg(image: np.ndarray, quality: int) -> bytes:
    """Return an RGB image as a JPEG file of a quality from 1 to 100."""
    _, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes()


def decode_jpeg(jpeg: bytes) -> UInt8[np.ndarray, "height width 3"]:
    """Return a JPEG file that `encode_jpeg` wrote as an RGB image."""
    bgr = np.asarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR))
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), dtype=np.uint8)
