"""Writes a rendered scene as a video or as a recording folder."""

from pathlib import Path

import av

from fast_snow.config import SamplingConfig
from fast_snow.errors import OutputError
from fast_snow.inputs import from_recording, recording_writer
from fast_snow.inputs.sampling import exact
from fast_snow.synthetic.render import SyntheticScene, as_recording

DEPTH_SCALE = 5000.0
"""Units per metre of written depth: steps of 0.2 mm up to 13 m."""

_ENCODER = {"crf": "20", "preset": "slow", "threads": "1", "x264-params": "mbtree=0"}
"""What x264's macroblock tree decides depends on where its buffers lie in memory."""


def write_video(scene: SyntheticScene, path: Path) -> None:
    """Write the images as H.264 (yuv420p) in MP4; the same scene gives the same bytes.

    Raises:
        OutputError: the images have an odd width or height, or the file cannot be written.
    """
    height, width = scene.image.shape[1:3]
    if height % 2 or width % 2:
        raise OutputError(f"{path}: images of {width}x{height}; H.264 expects even sizes: render another size")
    rate = exact(scene.fps)
    try:
        with av.open(str(path), "w", options={"movflags": "faststart", "fflags": "bitexact"}) as container:
            stream = container.add_stream("libx264", rate=rate, options=_ENCODER)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            for index, image in enumerate(scene.image):
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame.pts, frame.time_base = index, 1 / rate
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    except (av.FFmpegError, OSError) as error:
        raise OutputError(
            f"{path}: cannot be written ({error}); expected a folder with room: give another path"
        ) from error


def write_recording(scene: SyntheticScene, folder: Path) -> None:
    """Write a recording folder, new or empty: color/, depth/, masks/, poses_c2w.txt and meta.json.

    Raises:
        OutputError: the folder holds something, or cannot be written.
    """
    every_frame = SamplingConfig(target_fps=scene.fps, max_side=0)
    recording_writer.write_recording(from_recording(as_recording(scene), every_frame), folder, depth_scale=DEPTH_SCALE)
