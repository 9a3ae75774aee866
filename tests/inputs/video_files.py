"""Writes and reads small videos whose every frame and time stamp is known."""

from fractions import Fraction

import av
import numpy as np

from fast_snow.config import SamplingConfig
from fast_snow.inputs import open_input

SIZE = (48, 64)


def grey(index, size=SIZE):
    """Return a frame whose brightness says which one it is."""
    return np.full((*size, 3), 20 + 6 * index, np.uint8)


def write(
    path,
    images,
    *,
    milliseconds=None,
    rotation=0,
    aspect=None,
    codec="libx264",
    pix_fmt="yuv420p",
    noise=0,
    flip=False,
    gop=None,
):
    """Encode images, 100 ms apart unless time stamps are given."""
    rng = np.random.default_rng(0)
    stamps = milliseconds or [100 * k for k in range(len(images))]
    with av.open(str(path), "w", options={"movflags": "faststart"} if path.suffix == ".mp4" else {}) as container:
        stream = container.add_stream(codec, rate=10)
        stream.height, stream.width, stream.pix_fmt = *images[0].shape[:2], pix_fmt
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        if gop:
            stream.codec_context.gop_size, stream.codec_context.max_b_frames = gop, 0
        if rotation or flip:
            stream.set_display_rotation(rotation, hflip=flip)
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        for image, stamp in zip(images, stamps, strict=True):
            noisy = image + rng.integers(0, noise + 1, image.shape, dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(noisy, format="rgb24")
            frame.pts, frame.time_base = stamp, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def cut(path, share):
    """Keep a share of the media data of a file whose index comes first."""
    data = path.read_bytes()
    media = data.index(b"mdat")
    broken = path.with_name("cut.mp4")
    broken.write_bytes(data[: media + int((len(data) - media) * share)])
    return broken


def read(path, **sampling):
    return list(open_input(path, SamplingConfig(**sampling)).read())


def shown(frames):
    """Return which frames of `grey` were read."""
    return [round((float(frame.image.mean()) - 20) / 6) for frame in frames]
