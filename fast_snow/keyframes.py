"""The images that a graph points to."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Int32, Int64, UInt8

from fast_snow.types import Keyframe, Window


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KeyframeImage:
    """An encoded keyframe.

    Attributes:
        path: relative to the graph's file.
        jpeg: the file's content.
    """

    path: str
    jpeg: bytes


def keyframes(t: Int32[np.ndarray, " n"], source_frame: Int64[np.ndarray, " n"], *, every: int) -> tuple[Keyframe, ...]:
    """Return the keyframes among some frames of a clip: every `every`-th of the clip."""
    return tuple(
        Keyframe(t=int(when), source_frame=int(source), path=f"keyframes/{when:06d}.jpg")
        for when, source in zip(t, source_frame, strict=True)
        if when % every == 0
    )


def encode(window: Window, *, every: int, jpeg_quality: int) -> tuple[KeyframeImage, ...]:
    """Encode the keyframes among the frames that a window adds to its clip.

    Args:
        window: the frames.
        every: every so many-th frame of the clip is a keyframe.
        jpeg_quality: from 1 to 100.

    Returns:
        The images, in order.
    """
    frames = window.frames
    added = slice(window.shared, None)
    image = {int(t): picture for t, picture in zip(frames.t, frames.image, strict=True)}
    return tuple(
        KeyframeImage(path=each.path, jpeg=encode_jpeg(image[each.t], jpeg_quality))
        for each in keyframes(frames.t[added], frames.source_frame[added], every=every)
    )


def encode_jpeg(image: np.ndarray, quality: int) -> bytes:
    """Return an RGB image as a JPEG file of a quality from 1 to 100."""
    _, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes()


def decode_jpeg(jpeg: bytes) -> UInt8[np.ndarray, "height width 3"]:
    """Return a JPEG file that `encode_jpeg` wrote as an RGB image."""
    bgr = np.asarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR))
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), dtype=np.uint8)
